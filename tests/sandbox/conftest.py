"""A sandbox process of these tests' own: it needs no database, and its faults disturb nobody."""

import contextlib
import socket
import subprocess
import sys
import time
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
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{origin}/healthz").status_code == 200:
                    break
            time.sleep(0.05)
        else:
            raise AssertionError("the sandbox does not answer")
        yield origin
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def origin() -> Iterator[str]:
    """The origin of a sandbox with faults on."""
    with running_sandbox("--faults") as origin:
        yield origin


@pytest.fixture
def provider(origin: str) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK on the chat provider, without retries of its own."""
    with openai.OpenAI(base_url=f"{origin}/chat/v1", api_key="sk-test", max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
def http(origin: str) -> Iterator[httpx.Client]:
    """Plain HTTP to the sandbox; scripts, holds and calls are forgotten before each test."""
    with httpx.Client(base_url=origin, timeout=20) as client:
        client.post("/control/reset")
        yield client


def question(text: str, **fields: object) -> dict[str, object]:
    """The body of a call with one user message."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **fields}
