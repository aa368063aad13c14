"""Log lines are JSON on standard error, each with the request id of the request it belongs to.

A prompt, a secret or an upstream's text never reaches a line, and the writers are not trusted to remember it:

- an exception is written as its type and its stack; its text only where that can't hold a caller's data;
- of what comes with a record as `extra=`, only plain values stay (Celery passes arguments, Django whole requests);
- a path of a page is written as its URL pattern, since some hold a token;
- whatever looks like a key is cut to its first characters.

Write with `logging.getLogger(__name__)`, and values of their own names as `extra=`.
"""

import json
import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

# Texts of these name hosts, files, modules and attributes, never what a caller sent
_SPEAKABLE = ("OSError", "OperationalError", "ImproperlyConfigured", "ImportError", "AttributeError", "NameError")

_KEY = re.compile(r"\b(sk-[\w-]{6})[\w-]{10,}|\b(Bearer\s+)[\w.~+/=-]{8,}", re.ASCII)
_LONGEST_VALUE = 500
_OWN_OF_A_RECORD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName", "color_message"}


def logging_config(*, level: str) -> dict[str, Any]:
    """Settings for `logging.config.dictConfig`, everything at `level` and above."""
    through_root: dict[str, Any] = {"handlers": [], "propagate": True}
    nowhere: dict[str, Any] = {"handlers": ["nowhere"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"},
            "nowhere": {"class": "logging.NullHandler"},
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {**through_root, "level": "INFO"},
            # its warnings are the 4xx of strangers, with the paths they asked for
            "django.request": {**through_root, "level": "ERROR"},
            # a refused Host is written with its value; the edge refuses it before
            "django.security.DisallowedHost": nowhere,
            "uvicorn": through_root,
            "uvicorn.error": through_root,
            # with whole URLs; the edge writes a line per request of /v1. Without a handler uvicorn does not even make the text.
            "uvicorn.access": {"handlers": [], "propagate": False},
            # they write URLs, bodies or arguments at INFO
            **{
                name: {**through_root, "level": "WARNING"}
                for name in ("httpx", "httpcore", "openai", "stripe", "asyncio", "celery.app.trace")
            },
            # two lines for every job of the clock, several of them a minute
            **{name: {**through_root, "level": "WARNING"} for name in ("celery.beat", "celery.worker.strategy")},
            # with prompts, at any level
            **dict.fromkeys(("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"), nowhere),
        },
    }


class JsonLines(logging.Formatter):
    """A record as one line: `event`, `level`, `logger`, `at`, `request_id`, the plain values of `extra=`, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        from contract import request_id  # late: the settings import this module

        line: dict[str, Any] = {
            "event": _event(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "at": datetime.fromtimestamp(record.created, UTC),
        }
        if value := request_id.current():
            line["request_id"] = value
        for name, value in record.__dict__.items():
            if name not in _OWN_OF_A_RECORD and name not in line and isinstance(value, str | int | float | None):
                line[name] = value[:_LONGEST_VALUE] if isinstance(value, str) else value
        line |= _told_otherwise(record)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(_stack(traceback.TracebackException.from_exception(record.exc_info[1], compact=True)))
        try:
            text = orjson.dumps(line, option=orjson.OPT_UTC_Z).decode()
        except TypeError:  # a lone surrogate, or an integer beyond 64 bits
            text = json.dumps(line, default=str)
        return _KEY.sub(_cut, text) if "sk-" in text or "Bearer" in text else text


def _event(record: logging.LogRecord) -> str:
    if record.name == "celery.app.trace":
        return "task failed"  # the message quotes the exception
    if record.name.startswith("django.") and hasattr(record, "request"):
        return "request failed"  # the message quotes the path
    return record.getMessage()


def _told_otherwise(record: logging.LogRecord) -> dict[str, Any]:
    """What stands in the line for the messages that `_event` left out."""
    if record.name == "celery.app.trace" and isinstance(data := getattr(record, "data", None), dict):
        return {"task": data.get("name"), "task_id": data.get("id")}
    if record.name.startswith("django.") and (request := getattr(record, "request", None)) is not None:
        match = getattr(request, "resolver_match", None)
        return {"route": match.route if match else None}
    return {}


def _stack(told: traceback.TracebackException) -> Iterator[str]:
    """The stack whose exceptions are named but, other than those of `_SPEAKABLE`, not quoted."""
    if told.__cause__ is not None:
        yield from _stack(told.__cause__)
        yield "The direct cause of:\n"
    elif told.__context__ is not None and not told.__suppress_context__:
        yield from _stack(told.__context__)
        yield "While handling it:\n"
    yield from told.stack.format()
    kind = told.exc_type
    assert kind is not None
    speakable = any(base.__name__ in _SPEAKABLE for base in kind.__mro__)
    yield f"{kind.__module__}.{kind.__qualname__}{f': {told}' if speakable else ''}\n"
    for inner in told.exceptions or ():
        yield from _stack(inner)


def _cut(match: re.Match[str]) -> str:
    return f"{match[1] or match[2]}[cut]"
