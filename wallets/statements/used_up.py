"""Which spend cap stands in the way of a row: what `place` and `move` say of it."""

from __future__ import annotations

from wallets import periods


def used_up_caps(caps: str) -> tuple[str, str]:
    """SQL about a row `r` and its `caps`: whether what is spent leaves too little of one for it, and the one that stands longest."""
    of_row = f"from {caps} and c.spent + r.credits > c.limit_credits"
    told = f"""(select json_build_array(c.limit_credits::text, c."window", {periods.end('c."window"', began="c.period")})
                {of_row} order by {periods.end('c."window"', began="c.period")} desc nulls first limit 1)"""
    return f"exists (select {of_row})", told
