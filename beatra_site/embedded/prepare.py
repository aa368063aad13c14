"""Bring the database up to date, in one process: migrations, what a site needs to have (`manage.py seed`), a first look at the books.

    python -m beatra_site.embedded.prepare [--demo FILE]

With `--demo` the demo's account, its key and its people are made too, and FILE receives what `seed --demo` prints. The books are
audited where they were not for a day, so that nobody is told off for it before the worker's hour has come.
"""

import argparse
import io
import os
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", type=Path)
    arguments = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "beatra_site.settings")
    import django
    from django.core.management import call_command

    from beatra_site.embedded.environment import write_private

    django.setup()
    call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
    printed = io.StringIO()
    call_command("seed", *(["--demo"] if arguments.demo else []), stdout=printed)
    if arguments.demo:
        write_private(arguments.demo, printed.getvalue())

    from wallets import audit_runs, last_audit

    if last_audit.read().state in ("never", "overdue"):
        audit_runs.run_audit()


if __name__ == "__main__":
    main()
