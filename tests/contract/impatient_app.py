"""The application of app.py, with waits that a test can sit out."""

from contract import limits

limits.BODY_SILENCE_SECONDS = 1
limits.BODY_SECONDS = 3
limits.UNREAD_SECONDS = 1

# ruff: noqa: E402 — the same process, after the limits
from tests.contract.app import application as application
