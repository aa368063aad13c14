"""`python -m bench`: the measurements as one Markdown table; every figure of every round goes to bench/results.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

from bench import load
from bench.place import ACCOUNTS, Site, place
from bench.table import markdown

TEXT = "Which of these three towns has the oldest harbour, and since when: Riga, Oslo or Gdansk? Answer in two sentences, please."
WORK: dict[str, dict[str, Any]] = {
    "sync": {},
    "sync, provider takes 200 ms": {"text": "[[delay=200]] "},
    "stream, 20 chunks at once": {"stream": True},
    "stream, 20 chunks 10 ms apart": {"stream": True, "text": "[[pace=10]] "},
}


class Way(NamedTuple):
    """How the provider is asked: without `site` directly; `accounts` share the calls in flight."""

    site: Site | None
    accounts: int = 1


def measure(way: Way, port: int, work: dict[str, Any], *, parallel: int, seconds: float) -> dict[str, Any]:
    """One point. Fails unless every call that was answered was charged once, and no other."""
    site = way.site
    fields = {"stream": True, "stream_options": {"include_usage": True}} if work.get("stream") else {}
    messages = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": work.get("text", "") + TEXT}]
    body = {"model": site.model if site else "bench", "messages": messages, "temperature": 0.7, **fields}
    keys = site.keys[: way.accounts] if site else ["none"]
    asked = [load.request(site.web.port if site else port, body, key=keys[number % len(keys)]) for number in range(parallel)]
    charges, cpu = (site.charges(), site.cpu_seconds()) if site else (0, 0.0)
    sample = load.run(site.web.port if site else port, asked, seconds=seconds)
    point: dict[str, Any] = {"calls": len(sample.latencies), "per_second": len(sample.latencies) / sample.seconds}
    for name, values in (("latency", sorted(sample.latencies)), ("first_byte", sorted(sample.first_bytes))):
        point |= {f"{name}_p{share}_ms": values[len(values) * share // 100] * 1000 for share in (50, 99)}
    if site:
        point["cpu_us"] = (site.cpu_seconds() - cpu) / point["calls"] * 1e6
        assert site.charges() - charges == point["calls"], "not every answered call was charged once, and no other"
    return point


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often all of it is measured, in turn")
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--parallel", type=int, default=64, help="calls in flight")
    parser.add_argument("--only", default="", help="the work whose name contains this")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("results.json"))
    given = parser.parse_args()
    rounds: list[dict[str, dict[str, Any]]] = []
    with place() as (upstream_port, sites):
        ways = {"direct": Way(None)} | {name: Way(site, accounts=ACCOUNTS) for name, site in sites.items()}
        ways["native, one wallet"] = Way(sites["native"])
        for number in range(given.rounds + 1):
            seconds = given.seconds if number else min(given.seconds, 1.0)  # the first only warms up
            measured = {
                name: {called: measure(way, upstream_port, work, parallel=given.parallel, seconds=seconds) for called, way in ways.items()}
                for name, work in WORK.items()
                if given.only in name
            }
            rounds += [measured] if number else []
        audits = {way: site.audit() for way, site in sites.items()}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    report = {"machine": machine, "parallel": given.parallel, "seconds": given.seconds, "audits": audits, "rounds": rounds}
    given.json.write_text(json.dumps(report, indent=1))
    print(markdown(report))


if __name__ == "__main__":
    main()
