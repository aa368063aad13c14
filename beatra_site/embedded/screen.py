"""The one screen that `make run` shows when everything answers."""

import json
from pathlib import Path

from beatra_site.embedded.demo import Demo


def ready(*, url: str, demo: Demo | None, var: Path) -> str:
    """What a newcomer needs next: the address, the sign-in, a key, and a call that works as it stands."""
    if demo is None:
        return f"\nbeatra is ready: {url}\n\n  Logs: {var}/log/\n  Stop: Ctrl-C\n"
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Say hi in five words."}]})
    return f"""
beatra is ready: {url}

  Sign in     {demo["email"]}    password  {demo["password"]}
  Staff       {demo["staff_email"]}    password  {demo["staff_password"]}    at {url}/admin/
  API key     {demo["api_key"]}
  All this    {var}/demo.json

Try it:

  curl {demo["base_url"]}/chat/completions \\
    -H "Authorization: Bearer {demo["api_key"]}" \\
    -H "Content-Type: application/json" \\
    -d '{body}'

  Logs        {var}/log/
  Mail        {url}/demo/inbox    (files in {var}/mail/)
  Stop        Ctrl-C; the data stays in {var}
"""
