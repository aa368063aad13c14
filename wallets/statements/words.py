"""Verdicts that are not for whoever asked: a row is to be asked again, is locked, or has no rate."""

from __future__ import annotations

from typing import Final

AGAIN: Final = "again"
LOCKED: Final = "locked"
NO_RATE: Final = "no_rate"
