"""`manage.py openapi`: write the API document's copies in docs/, from the code. `--check` only says whether they are up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser

from beatra_site.openapi import FOLDER
from contract import openapi


class Command(BaseCommand):
    help = "Write docs/openapi.json and docs/openapi.yaml from the code; --check fails if they differ from it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if a copy is stale")

    def handle(self, *, check: bool, **options: Any) -> None:
        made = copies()
        stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
        if stale and check:
            names = ", ".join(f"docs/{path.name}" for path in stale)
            raise CommandError(f"{names}: not what the code says. Run `make openapi`, look at the difference, and commit it.")
        for path in stale:
            path.write_text(made[path])


def copies() -> dict[Path, str]:
    """The document as JSON and as YAML, by the path of its copy."""
    document = openapi.document()
    return {
        FOLDER / "openapi.json": orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n",
        FOLDER / "openapi.yaml": yaml.dump(document, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=120),
    }


class _Readable(yaml.SafeDumper):
    """YAML with texts of several lines as blocks, lists indented, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)
