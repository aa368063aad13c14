"""The data folder: one run at a time, its servers.env, demo.json, and `make clean`."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from beatra_site.embedded import environment
from beatra_site.embedded.clean import clean
from beatra_site.embedded.demo import DemoFile
from beatra_site.embedded.lock import AlreadyRunningError, FolderLock
from tests.servers import ROOT


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_run_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.describe("process 1, http://127.0.0.1:8000")
    with pytest.raises(AlreadyRunningError, match=r"process 1, http://127\.0\.0\.1:8000"):
        FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    script = "import sys, time; from pathlib import Path; from beatra_site.embedded.lock import FolderLock\n"
    script += "lock = FolderLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(1000)"
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(AlreadyRunningError):
        FolderLock(tmp_path)
    process.kill()
    process.wait()
    process.stdout.close()
    FolderLock(tmp_path).release()


def test_servers_env_is_private_and_comes_back_as_written(tmp_path: Path) -> None:
    file = tmp_path / "servers.env"
    values = {"DATABASE_URL": "postgres://beatra:a-b_c@127.0.0.1:1/beatra", "SANDBOX": "1"}
    environment.write(file, {"OLD": "1"})
    environment.write(file, values)
    assert environment.read(file) == values
    assert mode(file) == 0o600
    assert environment.read(tmp_path / "none") == {}


def test_what_an_older_servers_env_brought_in_is_not_taken_for_given(tmp_path: Path) -> None:
    """The settings read servers.env into the environment before `up` runs; only the owner's own words may steer it."""
    (tmp_path / "servers.env").write_text("DATABASE_URL=postgres://old\nSANDBOX=true\nSANDBOX_URL=http://old\nREDIS_URL=redis://old\n")
    (tmp_path / ".env").write_text("# ours\nexport REDIS_URL=redis://mine\n")
    script = "import environ, json, sys; from pathlib import Path; from beatra_site.embedded import environment\n"
    script += "var = Path(sys.argv[1]); [environ.Env.read_env(var / name) for name in ('.env', 'servers.env')]\n"
    script += "print(json.dumps(environment.given(var / 'servers.env')))"
    started_with = {"PATH": os.environ["PATH"], "SANDBOX": "1"}
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, env=started_with, stdout=subprocess.PIPE, check=True)
    given = json.loads(done.stdout)
    assert given["SANDBOX"] == "1"
    assert given["REDIS_URL"] == "redis://mine"
    assert not {"DATABASE_URL", "SANDBOX_URL"} & set(given)


def test_demo_json_is_there_only_while_it_is_true(tmp_path: Path) -> None:
    demo = DemoFile(tmp_path)
    credentials = {"api_key": "k", "email": "e", "password": "p", "staff_email": "s", "staff_password": "q"}
    environment.write_private(demo.made, json.dumps({**credentials, "base_url": "http://127.0.0.1:1/v1"}))
    demo.publish(base_url="http://127.0.0.1:8000/v1")
    assert json.loads((tmp_path / "demo.json").read_text()) == {**credentials, "base_url": "http://127.0.0.1:8000/v1"}
    assert mode(tmp_path / "demo.json") == 0o600
    demo.withdraw()
    assert not (tmp_path / "demo.json").exists()
    demo.publish(base_url="http://127.0.0.1:8001/v1")
    assert json.loads((tmp_path / "demo.json").read_text()) == {**credentials, "base_url": "http://127.0.0.1:8001/v1"}


def project(path: Path) -> Path:
    """A project folder with a data folder and caches."""
    (path / "var" / "log").mkdir(parents=True)
    (path / "var" / "lock").touch()
    (path / ".ruff_cache").mkdir()
    (path / "app" / "__pycache__").mkdir(parents=True)
    (path / ".venv" / "lib" / "__pycache__").mkdir(parents=True)
    return path


def test_clean_removes_the_data_folder_and_the_caches(tmp_path: Path) -> None:
    root = project(tmp_path / "beatra")
    assert clean(var=root / "var", root=root) is None
    assert sorted(path.name for path in root.rglob("*")) == [".venv", "__pycache__", "app", "lib"]


def test_clean_refuses_while_it_runs(tmp_path: Path) -> None:
    root = project(tmp_path / "beatra")
    lock = FolderLock(root / "var")
    assert "stop it first" in clean(var=root / "var", root=root)
    assert (root / "var" / "log").exists()
    assert (root / ".ruff_cache").exists()
    lock.release()


def test_clean_touches_nothing_outside_and_nothing_that_is_not_beatras(tmp_path: Path) -> None:
    root = project(tmp_path / "beatra")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lock").touch()
    (root / "app" / "models.py").touch()
    for var in (tmp_path / "elsewhere", root, tmp_path, root / "app"):
        assert "remove it yourself" in clean(var=var, root=root)
    assert (tmp_path / "elsewhere" / "lock").exists()
    assert (root / "app" / "models.py").exists()
