"""The bench runs, and its books are right: as small as it can be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT


@pytest.mark.slow
def test_it_measures_every_way_and_ends_with_clean_books(tmp_path: Path):
    command = [
        sys.executable,
        "-m",
        "bench",
        "--rounds",
        "1",
        "--seconds",
        "0.1",
        "--parallel",
        "4",
        "--json",
        str(tmp_path / "results.json"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    report = json.loads((tmp_path / "results.json").read_text())
    (measured,) = report["rounds"]
    assert {tuple(ways) for ways in measured.values()} == {("direct", "native", "litellm", "native, one wallet")}
    assert all(ways[way]["calls"] >= 4 for ways in measured.values() for way in ways)
    assert all(said.endswith("no difference") for said in report["audits"].values())
    assert done.stdout.startswith("| calls | way |")
