"""What reaches the log, and what must not."""

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from beatra_site.logs import JsonLines
from contract import request_id
from tests.contract.conftest import EdgeServer
from tests.contract.wire import SECRET, connect, eventually, head
from tests.servers import ROOT

KEY = "sk-bt-0123456789abcdefghijABCDEFGHIJ01234567"


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    return json.loads(JsonLines().format(record))


def record(message: str, *args: object, name: str = "a.b", exc: BaseException | None = None, **extra: object) -> logging.LogRecord:
    exc_info = (type(exc), exc, exc.__traceback__) if exc else None
    return logging.getLogger(name).makeRecord(name, logging.WARNING, "f.py", 1, message, args, exc_info, extra=extra)


def lines_of(edge: EdgeServer, own_id: str, *, requests: int = 1) -> list[dict[str, Any]]:
    """The lines under this request id, once `requests` are through: theirs are written after the answer."""
    assert eventually(
        lambda: sum(f'"request_id":"{own_id}"' in line and '"duration_ms"' in line for line in edge.log.splitlines()) == requests
    )
    return [json.loads(line) for line in edge.log.splitlines() if f'"request_id":"{own_id}"' in line]


def test_jobs_that_come_and_go_leave_no_lines():
    script = """
import logging, logging.config
from beatra_site.logs import logging_config
logging.config.dictConfig(logging_config(level="INFO"))
logging.getLogger("celery.beat").info("Scheduler: Sending due task %s", "sweep")
logging.getLogger("celery.worker.strategy").info("Task %s received", "sweep")
logging.getLogger("celery.beat").error("beat: Connection error")
logging.getLogger("celery.apps.worker").info("ready")
"""
    process = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [json.loads(line)["event"] for line in process.stderr.splitlines()] == ["beat: Connection error", "ready"]


def test_a_request_of_v1_is_one_line(edge: EdgeServer):
    edge.client.post("/v1/chat/echo/?token=secret", json={"prompt": SECRET}, headers={"X-Request-Id": "one-line"})
    (line,) = lines_of(edge, "one-line")
    assert line["at"].endswith("Z")
    assert line["duration_ms"] > 0
    del line["at"], line["duration_ms"]
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "contract.edge",
        "request_id": "one-line",
        "method": "POST",
        "path": "/v1/chat/echo",
        "status": 200,
    }


def test_a_page_leaves_none(edge: EdgeServer):
    start = len(edge.log)
    edge.client.get("/page/?token=secret", headers={"X-Request-Id": "a-page"})
    edge.client.get("/nothing", headers={"X-Request-Id": "no-page"})
    assert "-page" not in edge.log[start:]


def test_who_left_is_a_499(edge: EdgeServer):
    began = edge.journal.count("slow began")
    with connect(edge.port) as connection:
        connection.sendall(
            head("POST", "/v1/chat/slow", "Content-Type: application/json", "Content-Length: 2", "X-Request-Id: gone") + b"{}"
        )
        assert eventually(lambda: edge.journal.count("slow began") == began + 1)
    (line,) = lines_of(edge, "gone")
    assert line["status"] == 499


@pytest.mark.parametrize("path", ["/v1/chat/crash", "/v1/stock/crash", "/v1/stock/raise/crash", "/v1/raw/half", "/page/crash/reset-token"])
def test_a_crash_is_logged_with_its_stack_and_without_its_text(edge: EdgeServer, path: str):
    start = len(edge.log)
    own_id = f"crashed{path}"
    try:
        edge.client.get(path, headers={"X-Request-Id": own_id})
    except Exception as error:
        assert path == "/v1/raw/half", error
    (stack,) = [line for line in lines_of(edge, own_id, requests=path.startswith("/v1")) if "exception" in line]
    assert stack["level"] == "error"
    assert "builtins.ValueError" in stack["exception"]
    assert "app.py" in stack["exception"]
    assert SECRET not in edge.log[start:]
    assert "reset-token" not in edge.log[start:].replace(own_id, "")


def test_a_database_that_is_away_says_where_to_the_operator(edge: EdgeServer):
    start = len(edge.log)
    edge.client.get("/v1/chat/away")
    assert "db.internal" in edge.log[start:]


def test_refusals_leave_no_error(edge: EdgeServer):
    for path in ("/v1/chat/refuse", "/v1/chat/private", "/v1/stock/raise/permission", "/v1/nothing"):
        edge.client.get(path, headers={"X-Request-Id": "refused"})
    assert [line["level"] for line in lines_of(edge, "refused", requests=4)] == ["info"] * 4


def test_the_value_of_a_refused_host_is_not_written(edge: EdgeServer):
    start = len(edge.log)
    edge.client.get("/v1/chat/journal", headers={"Host": "evil.test"})
    edge.client.get("/page/", headers={"Host": "evil.test"})
    assert "evil" not in edge.log[start:]


# The formatter


def test_a_key_is_cut_wherever_it_stands():
    line = line_of(record(f"key {KEY}", note=f"Authorization: Bearer {KEY}"))
    assert line["event"] == "key sk-bt-012[cut]"
    assert KEY[9:] not in json.dumps(line)


def test_only_plain_values_of_extra_stay():
    line = line_of(record("hello", count=3, ok=True, none=None, text="x" * 9999, body={"prompt": SECRET}, args_=[SECRET]))
    assert (line["count"], line["ok"], line["none"]) == (3, True, None)
    assert len(line["text"]) == 500
    assert SECRET not in json.dumps(line)


def test_an_extra_cannot_pose_as_a_part_of_the_line():
    assert line_of(record("hello", level="debug", event="other"))["event"] == "hello"


def test_what_json_cannot_hold_is_written_all_the_same():
    assert line_of(record("a \ud800", big=10**30))["big"] == 10**30


def test_causes_are_told_without_their_texts():
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise KeyError(SECRET) from error
    except KeyError as error:
        line = line_of(record("failed", exc=error))
    assert "builtins.ValueError\n" in line["exception"]
    assert "builtins.KeyError\n" in line["exception"]
    assert SECRET not in json.dumps(line)


def test_members_of_a_group_are_told():
    line = line_of(record("failed", exc=ExceptionGroup(SECRET, [ValueError(SECRET), OSError("no such host")])))
    assert "builtins.ValueError\n" in line["exception"]
    assert "OSError: no such host" in line["exception"]
    assert SECRET not in json.dumps(line)


def test_the_request_at_hand_is_on_every_line():
    assert "request_id" not in line_of(record("outside"))
    request_id.set_current("req_1")
    try:
        assert line_of(record("inside"))["request_id"] == "req_1"
    finally:
        request_id.set_current("")


def test_a_failed_task_is_named_without_its_arguments():
    data = {"name": "wallets.sweep", "id": "42", "args": SECRET, "exc": SECRET}
    line = line_of(record("Task %(name)s raised %(exc)s", data, name="celery.app.trace", data=data))
    assert (line["event"], line["task"], line["task_id"]) == ("task failed", "wallets.sweep", "42")
    assert SECRET not in json.dumps(line)


def test_a_logger_with_values_writes_such_a_line(capsys: pytest.CaptureFixture[str]):
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("a.structured")
    logger.addHandler(handler)
    try:
        logger.warning("100% %s", extra={"key": KEY, "count": 2})
    finally:
        logger.removeHandler(handler)
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (line["event"], line["level"], line["count"], line["key"]) == ("100% %s", "warning", 2, "sk-bt-012[cut]")
