"""The README's first song, as somebody types it: its curl commands and its Python, and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import mp3
from tests.customer import Customer
from tests.servers import ROOT

pytestmark = pytest.mark.slow

SECTION = (ROOT / "README.md").read_text().split("### The first song\n")[1].split("\n### ")[0]
CURLS = re.findall(r"^curl .*?(?=\n```|\ncurl |\n\n)", SECTION, re.MULTILINE | re.DOTALL)
(PYTHON,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


def environment(owner: Customer) -> dict[str, str]:
    return {**os.environ, "BEATRA_BASE_URL": owner.v1, "BEATRA_API_KEY": owner.token}


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_its_commands_make_a_song_and_another_one_from_it(music, tmp_path: Path):
    owner = music.customer()
    known = environment(owner)

    def typed(command: str) -> str:
        done = subprocess.run(command, shell=True, env=known, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=120)
        return done.stdout

    create, look, fetch, upload, cover = CURLS
    known["TASK"] = json.loads(typed(create))["task_id"]
    music.ended(owner, known["TASK"])
    known["CLIP"] = json.loads(typed(look))["output"]["clips"][0]["audio"]["url"]
    typed(fetch)
    assert mp3.seconds((tmp_path / "song.mp3").read_bytes()) > 20
    artifact = json.loads(typed(upload))["artifact_id"]
    task = json.loads(typed(cover.replace("art_...", artifact)))
    assert music.ended(owner, task["task_id"])["status"] == "succeeded"
    assert owner.http.get("/wallet").json()["balance"] == "870.0000"


def test_its_python_makes_songs(music, tmp_path: Path):
    owner = music.customer()
    done = subprocess.run(
        [sys.executable, "-c", PYTHON], env=environment(owner), cwd=tmp_path, check=True, capture_output=True, text=True, timeout=180
    )
    songs = sorted(tmp_path.glob("song-*.mp3"))
    assert songs and all(mp3.seconds(song.read_bytes()) > 20 for song in songs)
    price = 1000 - owner.wallet.balance
    assert done.stdout == f"{price:.4f} credits\n"
