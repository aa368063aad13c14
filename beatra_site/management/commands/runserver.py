"""`manage.py runserver` says where to go instead."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """beatra is ASGI only: Django's development server is WSGI, and would hold a stream back until it has ended."""

    help = "beatra is ASGI only: use `make run`."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whatever runserver takes is taken, so that every call of it gets the advice."""
        parser.add_argument("anything", nargs="*")

    def run_from_argv(self, argv: list[str]) -> None:
        """Ignore the options too."""
        super().run_from_argv(argv[:2])

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise the advice."""
        raise CommandError(
            "beatra is ASGI only, and runserver is not. `make run` starts everything; how to start a web process alone is in the README."
        )
