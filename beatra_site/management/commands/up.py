"""`manage.py up`: the whole of beatra on this machine, with nothing else installed."""

import signal
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from beatra_site.embedded import environment
from beatra_site.embedded.programs import ProgramError
from beatra_site.embedded.run import Run
from beatra_site.parent_death import die_with_parent


class Command(BaseCommand):
    help = "Start PostgreSQL, Valkey, the site, a worker and the sandbox providers, and keep them running until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--with-parent", action="store_true", help="stop when the process that started this one ends (make run)")

    def handle(self, *args: Any, with_parent: bool, **options: Any) -> None:
        if with_parent:
            die_with_parent(signal.SIGTERM)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, signal.default_int_handler)
        given = environment.given(settings.VAR / "servers.env")
        run = Run(var=settings.VAR, root=settings.BASE_DIR, given=given, drain_seconds=settings.DRAIN_SECONDS, say=self._say)
        try:
            run.up()
        except ProgramError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self._say("beatra has stopped.")

    def _say(self, text: str) -> None:
        with suppress(OSError):  # the terminal may have gone; that is no reason to stop
            self.stdout.write(text)
            self.stdout.flush()
