"""The sandbox is a process of its own, light enough to start with anything."""

import subprocess
import sys

from tests.sandbox.conftest import ROOT


def test_it_loads_neither_django_nor_litellm():
    code = (
        "import sys; from beatra_site.sandbox import __main__, app; app.Sandbox(faults=True); "
        "print(sorted({'django', 'litellm', 'celery', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
