"""Why a call cost what it cost, in plain words: one text for each clause of the charging policy."""

from __future__ import annotations

from dataclasses import replace

from beatra_site.dashboard import task_outcomes
from beatra_site.dashboard.clause import Clause
from wallets.models import UsageClause, UsageRecord, UsageStatus

_NOTHING = "Nothing was charged."
_TRUE_USAGE = "The tokens the provider counted were charged."
_NOT_BELIEVED = "The provider's count of the tokens could not be right, so they are estimated from the texts; the estimate was charged."
_ESTIMATED = "Your prompt and the output generated until then were charged. The provider gave no final count, so the tokens are estimated."

CLAUSES: dict[str, Clause] = {
    UsageClause.COMPLETE: Clause("Complete", "The model finished its answer.", _TRUE_USAGE, "good"),
    UsageClause.DRAINED: Clause(
        "Finished after you left",
        "The connection was closed before the end, and the answer was finished without you. So is every call that is not a stream, every"
        " one with an Idempotency-Key (for your retry), and every one whose provider can't be stopped.",
        f"{_TRUE_USAGE} To stop and pay for what came, stream without a key.",
        "good",
    ),
    UsageClause.STOPPED: Clause(
        "Stopped by you",
        "You left the stream and we stopped the model.",
        _ESTIMATED,
        "warn",
    ),
    UsageClause.CUT_BY_LIMIT: Clause(
        "Cut by a limit",
        "The answer had begun when a limit ended it: our time limit, the provider's content filter, or, without an Idempotency-Key, "
        "60 seconds in which nobody read it.",
        _ESTIMATED,
        "warn",
    ),
    UsageClause.EMPTY: Clause("Empty answer", "The model finished without a single token of output.", _NOTHING),
    UsageClause.UPSTREAM_FAILED: Clause(
        "Provider failed",
        "The provider failed, took too long or broke off before the answer was complete.",
        f"{_NOTHING} What the provider may bill for the attempt is ours to pay.",
        "bad",
    ),
    UsageClause.NOT_SENT: Clause("Not sent", "The call was refused or given up before a provider was asked.", _NOTHING),
    UsageClause.LOST: Clause(
        "Lost by us",
        "Our process ended during the call or could not finish it without you, or the charge could not be recorded.",
        f"{_NOTHING} The credits held for the call are free again.",
        "bad",
    ),
    UsageClause.REPLAY: Clause("Replay", "The answer stored under your Idempotency-Key was sent again; no model was asked.", _NOTHING),
}

# Codes by which a provider says that it is the request that can't be served
REFUSALS = ("invalid_request", "context_length_exceeded", "safety_rejected", "payload_too_large")
REFUSED = Clause(
    "Refused by the provider",
    "The provider refused this request. Sent again as it is, it would be refused again: the request has to change.",
    _NOTHING,
    "warn",
)
RUNNING = Clause("Running", "The call has not ended yet.", "Nothing is charged yet; the credits below are held for it.")


def clause_of(record: UsageRecord) -> Clause:
    """The clause a record ended by, or `RUNNING`; of what the provider failed, `REFUSED` where it refused the request. Of a task, how it
    ended."""
    if record.task_id:
        return task_outcomes.outcome_of(record)
    if record.status == UsageStatus.OPEN or record.clause not in CLAUSES:
        return RUNNING
    if record.clause == UsageClause.UPSTREAM_FAILED and record.error_code in REFUSALS:
        return REFUSED
    clause = CLAUSES[record.clause]
    return replace(clause, charged=clause.charged.replace(_TRUE_USAGE, _NOT_BELIEVED)) if record.estimated else clause
