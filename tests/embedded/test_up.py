"""`manage.py up`, whole: what a newcomer gets, and that nothing which happens to it loses anything or stays behind."""

import itertools
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import redis

from catalog.cost import load_litellm
from tests.embedded.conftest import remove
from tests.embedded.test_supervisor import lives, until
from tests.servers import DIRECT, ROOT

READY_SECONDS = 120
_numbers = itertools.count(1)


class Up:
    """A `manage.py up` on its own data folder, with nothing in its environment but what a newcomer has."""

    def __init__(self, var: Path, environment: Mapping[str, str] | None = None) -> None:
        self.var = var
        self.environment = {"PATH": os.environ["PATH"], "VAR": str(var), "PORT": "0", **(environment or {})}
        self.output = var.with_name(f"{var.name}-{next(_numbers)}.out")
        with self.output.open("wb") as output:
            command = [sys.executable, "manage.py", "up"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=output, stderr=output, start_new_session=True)

    def ready(self) -> "Up":
        until(lambda: self.process.poll() is not None or "Ctrl-C" in self.output.read_text(), seconds=READY_SECONDS)
        assert self.process.poll() is None, self.output.read_text()
        return self

    @property
    def demo(self) -> dict[str, str]:
        return json.loads((self.var / "demo.json").read_text())

    @property
    def settings(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.var / "servers.env").read_text().splitlines())

    def ask(self, path: str, body: object = None) -> tuple[int, dict]:
        """A request to /v1 with the demo's key."""
        request = urllib.request.Request(self.demo["base_url"] + path, data=json.dumps(body).encode() if body else None)
        request.add_header("Authorization", f"Bearer {self.demo['api_key']}")
        request.add_header("Content-Type", "application/json")
        try:
            with DIRECT.open(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def chats(self) -> bool:
        """Whether a chat completion comes back with its price."""
        try:
            status, answer = self.ask("/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": "Hello"}]})
        except OSError:
            return False
        return status == 200 and "credits" in answer["usage"]

    def children(self) -> dict[int, str]:
        """Every process under this one, at any depth, by its command line."""
        parents = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        found: set[int] = set()
        level = {self.process.pid}
        while level := {pid for pid, parent in parents.items() if parent in level}:
            found |= level
        return {pid: Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in found if lives(pid)}

    def child(self, words: str) -> int:
        """The direct child whose command line has `words`."""
        return min(pid for pid, command in self.children().items() if words in command)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(90)


StartUp = Callable[..., Up]


@pytest.fixture
def start_up(folder: Path) -> Iterator[StartUp]:
    """Start a `manage.py up`; all are killed after the test, before its folder goes."""
    started: list[Up] = []

    def begin(var: Path, environment: Mapping[str, str] | None = None) -> Up:
        up = Up(var, environment)
        started.append(up)
        return up

    yield begin
    for up in started:
        if up.process.poll() is None:
            children = up.children()
            up.process.kill()
            up.process.wait()
            until(lambda children=children: not any(lives(pid) for pid in children), seconds=60)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that the tests of this module share and leave running."""
    var = tmp_path_factory.mktemp("up") / "var"
    up = Up(var, {"http_proxy": "http://127.0.0.1:9"})  # a proxy, which nothing on this machine may be asked for through
    try:
        yield up.ready()
    finally:
        up.stop()
        remove(var)


def test_a_visitor_of_the_demo_who_signs_up_gets_credits(running: Up) -> None:
    assert running.settings["WELCOME_CREDITS"] == "1000"


def test_demo_json_holds_what_a_newcomer_needs(running: Up) -> None:
    assert set(running.demo) == {"base_url", "api_key", "email", "password", "staff_email", "staff_password"}
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", running.demo["base_url"])
    for name in ("demo.json", "servers.env", "lock"):
        assert stat.S_IMODE((running.var / name).stat().st_mode) == 0o600


def test_its_books_were_audited_at_the_start(running: Up) -> None:
    site = running.demo["base_url"].removesuffix("/v1")
    with DIRECT.open(f"{site}/readyz", timeout=60) as answer:
        assert json.load(answer)["checks"]["audit"]["state"] == "ok"


def test_the_printed_curl_works_as_it_stands(running: Up) -> None:
    screen = running.output.read_text()
    for value in running.demo.values():
        assert value in screen
    curl = screen[screen.index("curl ") :].split("\n\n")[0]
    done = subprocess.run(["/bin/sh", "-c", curl], capture_output=True, check=True)
    assert json.loads(done.stdout)["usage"]["credits"]


def test_a_started_demo_never_loads_litellm(running: Up) -> None:
    """Told by a library that is mapped into a process as soon as it imports litellm, which this one does."""
    load_litellm()
    assert "/tokenizers." in Path("/proc/self/maps").read_text()
    assert running.chats()
    body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    request = urllib.request.Request(running.demo["base_url"] + "/chat/completions", data=json.dumps(body).encode())
    request.add_header("Authorization", f"Bearer {running.demo['api_key']}")
    request.add_header("Content-Type", "application/json")
    with DIRECT.open(request, timeout=60) as answer:
        assert answer.read().endswith(b"data: [DONE]\n\n")
    web = [pid for pid, command in running.children().items() if "beatra_site.asgi" in command]
    assert web
    for pid in running.children():
        assert "/tokenizers." not in Path(f"/proc/{pid}/maps").read_text(), running.children()[pid]


def test_commands_find_the_servers_without_further_set_up(running: Up) -> None:
    script = "from accounts.models import User; print(User.objects.get(email='demo@beatra.example').email)"
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", script]
    environment = {"PATH": os.environ["PATH"], "VAR": str(running.var)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == running.demo["email"], done.stderr


def test_a_second_one_on_the_same_data_folder_says_so_and_harms_nothing(running: Up, start_up: StartUp) -> None:
    second = start_up(running.var)
    assert second.process.wait(60) == 1
    assert "already runs" in second.output.read_text()
    assert running.chats()


def test_a_taken_port_is_named_with_a_way_out(running: Up, start_up: StartUp, folder: Path) -> None:
    port = running.demo["base_url"].rpartition(":")[2].removesuffix("/v1")
    second = start_up(folder / "var", {"PORT": port})
    assert second.process.wait(60) == 1
    lines = second.output.read_text().strip().splitlines()
    assert len(lines) == 1
    assert f"Port {port}" in lines[0]
    assert "PORT=" in lines[0]
    assert not (folder / "var").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("WEB_PROCESSES", "0"), ("WEB_PROCESSES", "-1"), ("WEB_PROCESSES", "abc"), ("PORT", "http"), ("PORT", "65536")]
)
def test_a_number_that_is_none_is_said_in_one_line(name: str, value: str, start_up: StartUp, folder: Path) -> None:
    up = start_up(folder / "var", {name: value})
    assert up.process.wait(60) == 1
    (line,) = up.output.read_text().strip().splitlines()
    assert f"{name}={value} is no " in line
    assert not (folder / "var").exists()


def test_a_file_in_place_of_the_data_folder_is_said_in_one_line(start_up: StartUp, folder: Path) -> None:
    (folder / "var").write_text("precious")
    up = start_up(folder / "var")
    assert up.process.wait(60) == 1
    (line,) = up.output.read_text().strip().splitlines()
    assert f"VAR={folder}/var can't be the data folder: Not a directory" in line
    assert (folder / "var").read_text() == "precious"


def test_it_listens_on_the_loopback_address_only(running: Up) -> None:
    listening = set()
    for pid in (running.process.pid, *running.children()):
        try:
            inodes = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        except OSError:
            continue
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                    listening.add(fields[1].split(":")[0])
    assert listening == {"0100007F"}


def worker_takes_jobs(up: Up) -> bool:
    """Whether the worker has started and the queue is empty. No while the broker can't be asked: chat answers without it."""
    if "ready" not in (up.var / "log" / "worker.log").read_text():
        return False
    try:
        return not redis.Redis.from_url(up.settings["REDIS_URL"]).llen("beatra")
    except (redis.ConnectionError, redis.TimeoutError):
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    "victim",
    [
        "bin/postgres",
        "valkey-server",
        "beatra_site.asgi",
        "worker@",
        "worker-outside@",
        "worker-music@",
        "worker-music-calls@",
        "beatra_site.sandbox",
    ],
)
def test_what_is_killed_comes_back(victim: str, running: Up) -> None:
    assert running.chats()
    pid = running.child(victim)
    below = [child for child, command in running.children().items() if victim in command]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not any(lives(child) for child in below), seconds=30)
    until(lambda: any(victim in command for command in running.children().values()), seconds=60)
    until(running.chats, seconds=60)
    until(lambda: worker_takes_jobs(running), seconds=60)


@pytest.mark.slow
def test_a_call_made_while_web_restarts_waits_and_is_answered(running: Up) -> None:
    os.kill(running.child("beatra_site.asgi"), signal.SIGKILL)
    time.sleep(0.05)
    assert running.chats()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_the_next_start_finds_everything(number: signal.Signals, start_up: StartUp, folder: Path) -> None:
    first = start_up(folder / "var").ready()
    assert first.chats()
    demo, settings, children = first.demo, first.settings, first.children()
    assert first.stop(number) == 0
    assert not [command for pid, command in children.items() if lives(pid)]
    assert not (folder / "var" / "demo.json").exists()

    second = start_up(folder / "var").ready()
    assert {**second.demo, "base_url": ""} == {**demo, "base_url": ""}
    assert {name: second.settings[name] for name in ("SECRET_KEY", "KEY_PEPPER")} == {
        name: settings[name] for name in ("SECRET_KEY", "KEY_PEPPER")
    }
    assert second.chats()


@pytest.mark.slow
def test_a_killed_one_takes_everything_along_and_the_next_start_recovers(start_up: StartUp, folder: Path) -> None:
    first = start_up(folder / "var").ready()
    assert first.chats()
    demo, children = first.demo, first.children()
    first.process.kill()
    first.process.wait()
    # At once, while the old servers may still be ending, and on the same port.
    port = demo["base_url"].rpartition(":")[2].removesuffix("/v1")
    second = start_up(folder / "var", {"PORT": port}).ready()
    until(lambda: not any(lives(pid) for pid in children), seconds=60)
    assert second.demo == demo
    assert second.chats()


@pytest.mark.slow
def test_two_run_side_by_side_with_credentials_of_their_own(running: Up, start_up: StartUp, folder: Path) -> None:
    other = start_up(folder / "var").ready()
    assert other.chats()
    assert running.chats()
    for name in ("base_url", "api_key", "password", "staff_password"):
        assert other.demo[name] != running.demo[name]


@pytest.mark.slow
def test_a_stop_during_the_start_leaves_nothing_behind(start_up: StartUp, folder: Path) -> None:
    up = start_up(folder / "var")
    until((folder / "var" / "log" / "prepare.log").exists, seconds=60)
    children = up.children()
    assert up.stop(signal.SIGINT) == 0
    until(lambda: not any(lives(pid) for pid in children), seconds=30)
    assert start_up(folder / "var").ready().chats()
