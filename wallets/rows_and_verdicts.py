"""What is asked of the statements, one row each, and what they answer: holds, moves, settlements, releases and their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from wallets.money import is_amount


@dataclass(frozen=True, slots=True)
class Reservation:
    """The Idempotency-Key that a call came with, as wallets/idempotency.py digests it and its body: 64 hexadecimal digits each."""

    digest: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A request for `credits` (four places, not negative) of a wallet, and the snapshot its usage record starts with.

    `process_id` is wallets.heartbeat.process_id() of the process that will settle; `credits_per_litellm_usd` and `price_version`
    are the price that counts until the charge, whatever staff change meanwhile; a flat price (wallets/prepaid.py) has no markup.
    """

    usage_id: str
    wallet_id: int
    credits: Decimal
    process_id: str
    capability: str
    credits_per_litellm_usd: Decimal | None
    price_version: int
    request_id: str = ""
    key_id: int | None = None
    key_prefix: str = ""
    key_name: str = ""
    model_asked: str = ""
    model: str = ""
    route: str = ""
    stream: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    reservation: Reservation | None = None

    def __post_init__(self) -> None:
        if not is_amount(self.credits):
            raise ValueError(f"no hold: {self.credits} credits")

    @property
    def key_digest(self) -> str:
        return "" if self.reservation is None else self.reservation.digest

    @property
    def key_fingerprint(self) -> str:
        return "" if self.reservation is None else self.reservation.fingerprint


@dataclass(frozen=True, slots=True)
class UsedUpCap:
    """The spend cap that stands in a hold's way; of several the one that does so longest. A total's `resets_at` is None: never."""

    limit_credits: Decimal
    window: str
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a hold, new or moved. `balance`, `held` and `in_flight` are the wallet's after the statement that answered.

    held: go ahead. insufficient: the balance is below the hold (402). capped: what the key has spent leaves too little of `cap` for it
    (402). busy: the balance would do, but calls in flight hold it (429). too_many: `max_in_flight` calls are running (429). cap_busy:
    the key's caps would do, but its calls in flight hold them (429). unknown_wallet: there is none; the three figures are 0. What fits
    first is the verdict. Of calls that arrive together that are told to wait, it says what is in the way when all of them are handled.

    Of a hold with a reservation also: replay: its Idempotency-Key stands for a finished call. in_progress: for one that runs.
    conflict: for one with another body. Of a move also: closed: the record is not open (any more). After all of them but `held`
    nothing has changed.
    """

    kind: Literal[
        "held",
        "insufficient",
        "capped",
        "busy",
        "too_many",
        "cap_busy",
        "unknown_wallet",
        "replay",
        "in_progress",
        "conflict",
        "closed",
    ]
    balance: Decimal
    held: Decimal
    in_flight: int
    cap: UsedUpCap | None = None

    @property
    def available_credits(self) -> Decimal:
        return self.balance - self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The hold of an open usage record becomes `credits`: what the call may cost with `model` over `route`, at that model's price.

    A hold that does not grow is always carried.
    """

    usage_id: str
    wallet_id: int
    credits: Decimal
    model: str
    route: str
    credits_per_litellm_usd: Decimal
    price_version: int

    def __post_init__(self) -> None:
        if not is_amount(self.credits):
            raise ValueError(f"no hold: {self.credits} credits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The charge of an open usage record and the rest of its receipt.

    `credits` (four places) replace the hold; `cost_usd` is what they were made from, `cost_lines` its sum by class of tokens (JSON
    objects, none where LiteLLM gave it as a whole); `absorbed_cost_usd` is what tries nobody
    pays for cost us. `model` and `route` are those that answered, empty: those of the hold. `attempts` are JSON objects. `answer` is
    what a retry under the same Idempotency-Key is given, sealed; empty for a call without a key.
    """

    usage_id: str
    wallet_id: int
    credits: Decimal
    cost_usd: Decimal
    clause: str
    outcome: str
    model: str = ""
    route: str = ""
    cost_source: str = ""
    cost_lines: Sequence[Mapping[str, Any]] = ()
    absorbed_cost_usd: Decimal = Decimal(0)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    alert: str = ""
    attempts: Sequence[Mapping[str, Any]] = ()
    latency_ms: int | None = None
    first_output_ms: int | None = None
    answer: bytes = b""

    def __post_init__(self) -> None:
        if not is_amount(self.credits):
            raise ValueError(f"no charge: {self.credits} credits")


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer to a settlement.

    charged: recorded, now or by an earlier try of the same; `rate` credits per USD were in force at that time and
    `credits_usd_reference` is the charge in USD at that rate, `balance` the wallet's after it.
    closed: the record was closed otherwise (swept as lost, released, charged another amount) or never opened: this settlement
    wrote nothing; reference and rate are the record's, 0 where it has none.
    """

    kind: Literal["charged", "closed"]
    credits_usd_reference: Decimal
    rate: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The end of an open usage record that nobody pays: its hold goes back, `clause` says why."""

    usage_id: str
    wallet_id: int
    clause: str
    outcome: str
    error_code: str = ""
    attempts: Sequence[Mapping[str, Any]] = ()
    absorbed_cost_usd: Decimal = Decimal(0)
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """The answer to a release.

    released: closed without a charge, now or earlier. closed: there is nothing to release, the record was charged or never
    opened. locked: with `skip_locked` only, another transaction has the wallet; ask again later.
    """

    kind: Literal["released", "closed", "locked"]
