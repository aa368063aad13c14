"""The sandbox of the test run, and further ones with other options."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def running_sandbox(*options: str) -> Iterator[str]:
    """Starts `python -m beatra_site.sandbox` on a free port; gives its origin."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "beatra_site.sandbox", "--host", "127.0.0.1", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        origin = f"http://127.0.0.1:{port}"
        for _ in range(400):
            assert process.poll() is None, "the sandbox did not start"
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"{origin}/healthz").status == 200:
                    break
            time.sleep(0.05)
        else:
            raise AssertionError("the sandbox does not answer")
        yield origin
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def origin(sandbox: str) -> str:
    """The origin of the run's own sandbox, whose faults are on."""
    return sandbox


@pytest.fixture(scope="session")
def provider(origin: str) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK on the chat provider, without retries of its own."""
    with openai.OpenAI(base_url=f"{origin}/chat/v1", api_key="sk-test", max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def connected(origin: str) -> Iterator[httpx.Client]:
    """Plain HTTP to the sandbox."""
    with httpx.Client(base_url=origin, timeout=20) as client:
        yield client


@pytest.fixture
def http(connected: httpx.Client) -> httpx.Client:
    """Plain HTTP to a sandbox that has forgotten scripts, gates and calls."""
    connected.post("/control/reset")
    return connected


def question(text: str, **fields: object) -> dict[str, object]:
    """The body of a call with one user message."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **fields}
