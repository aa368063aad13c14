"""The report as a Markdown table: medians over the rounds; what is added is the difference to `direct` in the same round."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

COLUMNS = ("calls", "way", "calls/s", "CPU us a call", "p50 ms", "p99 ms", "first byte p50 ms", "added p50 ms", "added first byte p50 ms")


def markdown(report: dict[str, Any]) -> str:
    """The table, and under it what the books said."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|---|" + "---:|" * (len(COLUMNS) - 2)]
    for work, ways in report["rounds"][0].items():
        lines += ["| " + " | ".join(_row(report["rounds"], work, way)) + " |" for way in ways]
    lines += ["", f"{report['parallel']} calls in flight, {report['machine']}, medians of {len(report['rounds'])} rounds."]
    lines += [f"Books of {way}: {said}." for way, said in report["audits"].items()]
    return "\n".join(lines)


def _row(rounds: list[dict[str, Any]], work: str, way: str) -> list[str]:
    def of(read: Callable[[dict[str, Any]], float]) -> float:
        return median(read(measured[work]) for measured in rounds)

    def own(name: str) -> float:
        return of(lambda ways: ways[way][name])

    def added(name: str) -> float:
        return of(lambda ways: ways[way][name] - ways["direct"][name])

    direct = way == "direct"
    figures = [f"{own('per_second'):.0f}", "" if direct else f"{own('cpu_us'):.0f}"]
    figures += [f"{own(name):.1f}" for name in ("latency_p50_ms", "latency_p99_ms", "first_byte_p50_ms")]
    figures += ["" if direct else f"{added(name):.1f}" for name in ("latency_p50_ms", "first_byte_p50_ms")]
    return [work, way, *figures]
