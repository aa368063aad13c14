"""The usage a call reports: the true one, and on demand the absurd ones that a gateway must not believe.

| preset | what is reported |
|---|---|
| missing | no `usage` at all, as from a provider that ignores `include_usage` |
| null | `usage: null` |
| negative | completion_tokens -5 |
| huge | completion_tokens 10^15 |
| float | completion_tokens 12.5 |
| string | completion_tokens "12" |
| list | `usage: []` |
| zero | completion_tokens 0, whatever was answered |
| cached | cached_tokens one above prompt_tokens |
| over_limit | completion_tokens one above limit x n |
| worst | completion_tokens exactly limit x n |

`total_tokens` follows the two counts when both are numbers and no total is given.
"""

from typing import Any

MISSING = object()
# For a call without a limit of its own `over_limit` and `worst` go by this many tokens
LIMIT_UNKNOWN = 4096


def true_usage(*, prompt_tokens: int, completion_tokens: int, reasoning_tokens: int) -> dict[str, Any]:
    """OpenAI's usage object for these counts (tokens)."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def reported_usage(usage: dict[str, Any], *, wish: dict[str, Any] | str | None, limit: int | None, n: int) -> Any:
    """What goes out for a true usage under a fault's `usage`; MISSING when nothing shall."""
    most = (limit or LIMIT_UNKNOWN) * n
    if wish is None:
        return usage
    if isinstance(wish, dict):
        return _laid_over(usage, wish)
    changed: dict[str, Any] = {
        "missing": MISSING,
        "null": None,
        "list": [],
        "negative": {"completion_tokens": -5},
        "huge": {"completion_tokens": 10**15},
        "float": {"completion_tokens": 12.5},
        "string": {"completion_tokens": "12"},
        "zero": {"completion_tokens": 0, "completion_tokens_details": None},
        "cached": {"prompt_tokens_details": {"cached_tokens": usage["prompt_tokens"] + 1}},
        "over_limit": {"completion_tokens": most + 1},
        "worst": {"completion_tokens": most},
    }
    outcome = changed[wish]
    return _laid_over(usage, outcome) if isinstance(outcome, dict) else outcome


def _laid_over(usage: dict[str, Any], wish: dict[str, Any]) -> dict[str, Any]:
    merged = _merged(usage, wish)
    prompt, completion = merged.get("prompt_tokens"), merged.get("completion_tokens")
    if "total_tokens" not in wish and isinstance(prompt, int | float) and isinstance(completion, int | float):
        merged["total_tokens"] = prompt + completion
    return merged


def _merged(base: dict[str, Any], wish: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in wish.items():
        inner = merged.get(name)
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(inner, dict):
            merged[name] = _merged(inner, value)
        else:
            merged[name] = value
    return merged
