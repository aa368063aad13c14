"""`.env.example` has every setting there is, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from catalog.models import Route
from catalog.music_seed import MUSIC_SEEDS
from catalog.seed import SEEDS

ROOT = Path(__file__).resolve().parent.parent
# Read without settings, by `make run`
OF_MAKE_RUN = {"PORT", "WEB_PROCESSES", "TASK_CALLS"}


def listed() -> set[str]:
    return set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def of_settings() -> set[str]:
    text = "".join(file.read_text() for file in (ROOT / "beatra_site").glob("*settings*.py"))
    return set(re.findall(r'\benv\.\w+\(\s*"([A-Z0-9_]+)"', text))


def of_seeds() -> set[str]:
    """Credentials and addresses of every route that a new installation has."""
    routes = Route.objects.filter(model__in=[seed.id for seed in (*SEEDS, *MUSIC_SEEDS)])
    return {name for names in routes.values_list("credential_env", "base_url_env") for name in names if name}


@pytest.mark.django_db
def test_every_setting_is_listed():
    assert {"DATABASE_POOL_SIZE", "TASK_POLL_SECONDS"} <= of_settings()
    assert {"SUNO_API_KEY", "SUNO_API_BASE"} <= of_seeds()
    assert listed() == of_settings() | of_seeds() | OF_MAKE_RUN


def test_what_make_run_reads_is_read():
    text = "".join(file.read_text() for file in (ROOT / "beatra_site").rglob("*.py"))
    assert [name for name in OF_MAKE_RUN if f'"{name}"' not in text] == []
