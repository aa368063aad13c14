"""Log lines are JSON on standard error, each with the request id of the request it belongs to.

A prompt, a secret or an upstream's text never reaches a line, and the writers are not trusted to remember it:

- an exception is written as its type and its stack; its text only where that can't hold a caller's data;
- of what else comes with a record, only plain values stay (Celery passes arguments, Django whole requests);
- a path of a page is written as its URL pattern, since some hold a token;
- whatever looks like a key is cut to its first characters.
"""

import logging
import re
import traceback
from collections.abc import Iterator
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict

# The structlog chain that every line goes through, ours and the libraries'
_UTC_TIME = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")

# Texts of these name hosts, files, modules and attributes, never what a caller sent
_SPEAKABLE = ("OSError", "OperationalError", "ImproperlyConfigured", "ImportError", "AttributeError", "NameError")

_KEY = re.compile(r"\b(sk-[\w-]{6})[\w-]{10,}|\b(Bearer\s+)[\w.~+/=-]{8,}", re.ASCII)
_LONGEST_VALUE = 500


def logging_config(*, level: str) -> dict[str, Any]:
    """Settings for `logging.config.dictConfig`, everything at `level` and above; structlog's own loggers write through them."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_chain(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    through_root: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*_chain(), _plain_extras],
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _stack_without_texts, _line],
                "use_get_message": True,
                "keep_exc_info": True,
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {**through_root, "level": "INFO"},
            # its warnings are the 4xx of strangers, with the paths they asked for
            "django.request": {**through_root, "level": "ERROR"},
            # a refused Host is written with its value; the edge refuses it before
            "django.security.DisallowedHost": {"handlers": [], "propagate": False},
            "uvicorn": through_root,
            "uvicorn.error": through_root,
            # with whole URLs; the edge writes a line per request of /v1
            "uvicorn.access": {"handlers": [], "propagate": False},
            # they write URLs, bodies or arguments at INFO
            **{name: {**through_root, "level": "WARNING"} for name in ("httpx", "openai", "asyncio", "celery.app.trace")},
            # with prompts, at any level
            **{name: {"handlers": [], "propagate": False} for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")},
        },
    }


def _chain() -> list[Any]:
    return [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, _UTC_TIME, _request_id]


def _request_id(logger: Any, method: str, event: EventDict) -> EventDict:
    # imported late: the settings import this module
    from contract import request_id

    if value := request_id.current():
        event["request_id"] = value
    return event


_OWN_OF_A_RECORD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName", "request"}


def _plain_extras(logger: Any, method: str, event: EventDict) -> EventDict:
    """The plain values given as `extra=`; for a record of Django's about a request, its URL pattern in place of the path."""
    record: logging.LogRecord = event["_record"]
    for name, value in record.__dict__.items():
        if name not in _OWN_OF_A_RECORD and name not in event and isinstance(value, str | int | float | bool | None):
            event[name] = value[:_LONGEST_VALUE] if isinstance(value, str) else value
    if (request := getattr(record, "request", None)) is not None and record.name.startswith("django."):
        match = getattr(request, "resolver_match", None)
        event["event"] = "request failed"
        event["route"] = match.route if match else None
    if record.name == "celery.app.trace" and isinstance(data := getattr(record, "data", None), dict):
        # the message quotes the exception
        event["event"] = "task failed"
        event.update(task=data.get("name"), task_id=data.get("id"))
    return event


def _stack_without_texts(logger: Any, method: str, event: EventDict) -> EventDict:
    """`exc_info` as a stack whose exceptions are named but, with the exceptions of `_SPEAKABLE`, not quoted."""
    exc_info = event.pop("exc_info", None)
    record = event.pop("_record", None)
    if record is not None and not exc_info:
        exc_info = record.exc_info
    exc = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(exc, BaseException):
        event["exception"] = "".join(_stack(traceback.TracebackException.from_exception(exc, compact=True)))
    event.pop("stack_info", None)
    return event


def _stack(told: traceback.TracebackException) -> Iterator[str]:
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


def _line(logger: Any, method: str, event: EventDict) -> str:
    text = orjson.dumps(event, default=lambda value: type(value).__name__, option=orjson.OPT_NON_STR_KEYS).decode()
    return _KEY.sub(lambda match: f"{match[1] or match[2]}[cut]", text)
