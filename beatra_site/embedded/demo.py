"""`$VAR/demo.json`: the demo's address and credentials, there whenever the site is ready.

    base_url        with /v1
    api_key         of the demo's account
    email, password, staff_email, staff_password

The credentials are made once per data folder, by `manage.py seed --demo`. From there they wait in `.demo.json`, so that
`demo.json` itself can appear last, when everything it names answers.
"""

import json
from pathlib import Path
from typing import TypedDict

from beatra_site.embedded.environment import write_private


class Demo(TypedDict):
    """What demo.json holds."""

    base_url: str
    api_key: str
    email: str
    password: str
    staff_email: str
    staff_password: str


class DemoFile:
    """The demo's credentials of one data folder."""

    def __init__(self, var: Path) -> None:
        self.public = var / "demo.json"
        self.made = var / ".demo.json"

    def withdraw(self) -> None:
        """While the site is not ready there is no demo.json."""
        if self.public.exists():
            self.public.rename(self.made)

    def forget(self) -> None:
        """The database is a new one: it knows nobody."""
        self.public.unlink(missing_ok=True)
        self.made.unlink(missing_ok=True)

    def publish(self, *, base_url: str) -> Demo:
        """Write demo.json, with today's address."""
        demo: Demo = json.loads(self.made.read_text())
        demo["base_url"] = base_url
        write_private(self.public, json.dumps(demo, indent=2) + "\n")
        self.made.unlink()
        return demo
