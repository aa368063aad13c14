"""curl, as people type it: the commands of the documents, bodies from files and pipes, old HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.customer import Customer
from tests.gate import Gate

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
QUICKSTART = """
curl --silent --show-error "$BEATRA_BASE_URL/chat/completions" \\
  -H "Authorization: Bearer $BEATRA_API_KEY" \\
  -H "Content-Type: application/json" \\
  -H "Idempotency-Key: $(uuidgen)" \\
  -d '{
    "model": "auto",
    "messages": [{"role": "user", "content": "Say hi in five words."}]
  }'
"""
README_CURLS = [
    one for one in re.findall(r"^curl .*?(?=\n```|\ncurl |\n\n)", README, re.MULTILINE | re.DOTALL) if '/chat/completions" ' in one
]
COMMAND = (
    'curl -sS "$BEATRA_BASE_URL/chat/completions" -H "Authorization: Bearer $BEATRA_API_KEY" -H "Content-Type: application/json" {data}'
)


def shell(owner: Customer, command: str) -> str:
    """What the command writes, with the two variables of the README set."""
    environment = {**os.environ, "BEATRA_BASE_URL": owner.v1, "BEATRA_API_KEY": owner.token}
    return subprocess.run(["sh", "-c", command], env=environment, stdout=subprocess.PIPE, check=True).stdout.decode()


class Transfer(NamedTuple):
    """What curl saw: `heads` are all status lines and headers, interim ones included, `uploaded` the bytes of the body it sent."""

    status: int
    uploaded: int
    type: str
    heads: str
    answer: str


def curl(owner: Customer, *options: str, body: bytes) -> Transfer:
    """A chat call whose body comes from a pipe."""
    command = ["curl", "-sS", "-D", "-", "-H", f"Authorization: Bearer {owner.token}", "-H", "Content-Type: application/json"]
    command += ["--data-binary", "@-", *options, "-w", r"\n%{http_code} %{size_upload} %{content_type}", f"{owner.v1}/chat/completions"]
    text = subprocess.run(command, input=body, stdout=subprocess.PIPE, check=True).stdout.decode()
    text, _, figures = text.rpartition("\n")
    heads, _, answer = text.rpartition("\r\n\r\n")
    status, uploaded, type = figures.split(maxsplit=2)
    return Transfer(int(status), int(uploaded), type.partition(";")[0], heads, answer)


def chat(text: str = "Say hi in five words.", **fields: Any) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}], **fields}).encode()


def said(output: str) -> tuple[str, dict[str, Any]]:
    """The text and the usage of an answer, whole or streamed."""
    if not output.startswith("data: "):
        answer = json.loads(output)
        return answer["choices"][0]["message"]["content"], answer["usage"]
    *events, last = output.strip().split("\n\n")
    assert last == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks), chunks[-1]["usage"]


@pytest.mark.parametrize("command", [QUICKSTART, *README_CURLS], ids=["docs", *(f"readme {n}" for n, _ in enumerate(README_CURLS, 1))])
def test_the_command_of_the_documents_works_as_it_stands(owner: Customer, command: str):
    text, usage = said(shell(owner, command))
    assert len(text.split()) == 5
    assert usage["credits"] == str(owner.record.charged_credits)


def test_the_readme_has_a_command():
    assert README_CURLS


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--http1.0",),
        ("-H", "Transfer-Encoding: chunked"),
        ("-H", "Expect: 100-continue"),
        ("-H", "Connection: close"),
        ("--compressed",),
        ("-H", "Accept: text/html"),
    ],
    ids=" ".join,
)
def test_it_may_send_as_it_likes(owner: Customer, options: tuple[str, ...]):
    done = curl(owner, *options, body=chat())
    assert (done.status, len(owner.entries)) == (200, 1)
    assert len(json.loads(done.answer)["choices"][0]["message"]["content"].split()) == 5


@pytest.mark.parametrize("options", [(), ("--http1.0",), ("--compressed",)], ids=" ".join)
def test_it_reads_a_stream_to_the_done(owner: Customer, options: tuple[str, ...]):
    done = curl(owner, "-N", *options, body=chat(stream=True))
    assert (done.status, done.type) == (200, "text/event-stream")
    text, usage = said(done.answer)
    assert len(text.split()) == 5
    assert usage["credits"] == str(owner.record.charged_credits)


def test_it_shows_events_while_they_come(owner: Customer, gate: Gate):
    command = COMMAND.format(data="-N -d @-")
    environment = {**os.environ, "BEATRA_BASE_URL": owner.v1, "BEATRA_API_KEY": owner.token}
    with subprocess.Popen(["sh", "-c", command], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(chat(f"[[gate={gate.name} gate_at=2 chunks=4]]", stream=True))
        process.stdin.close()
        seen = b""
        while b'"1,"' not in seen:
            line = process.stdout.readline()
            assert line, "it ended before the gate was opened"
            seen += line
        assert b'"2,"' not in seen
        gate.open()
        assert process.stdout.read().endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b""], ids=["LF", "CRLF", "none"])
def test_a_body_from_a_file_keeps_its_line_ends(owner: Customer, tmp_path: Path, newline: bytes):
    file = tmp_path / "body.json"
    file.write_bytes(chat().replace(b", ", b"," + newline) + newline)
    answer = json.loads(shell(owner, COMMAND.format(data=f"--data-binary @{file}")))
    assert answer["usage"]["credits"] == str(owner.record.charged_credits)


def test_a_body_over_one_mebibyte_waits_for_the_100_and_is_taken(owner: Customer):
    done = curl(owner, body=chat("Say hi in five words." + " " * 2_000_000))
    assert done.heads.startswith("HTTP/1.1 100 Continue")
    assert done.status == 200, done.answer


def test_a_body_over_the_limit_is_refused_before_it_is_sent(owner: Customer):
    done = curl(owner, body=bytes(33 * 1024 * 1024))
    assert "100 Continue" not in done.heads
    assert (done.status, json.loads(done.answer)["error"]["code"]) == (413, "payload_too_large")
    assert done.uploaded == 0


def test_a_form_is_no_json(owner: Customer):
    answer = json.loads(shell(owner, "curl -sS $BEATRA_BASE_URL/chat/completions -H 'Authorization: Bearer '$BEATRA_API_KEY -d model=auto"))
    assert (answer["error"]["code"], owner.records) == ("unsupported_media_type", [])


def test_it_fails_for_scripts_with_dash_f(site: Any, customer: Callable[..., Customer]):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        shell(customer(balance="0"), COMMAND.format(data="--fail -d '" + chat().decode() + "'"))
    assert caught.value.returncode == 22
