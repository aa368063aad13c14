"""What a provider can say instead of music, in the words that the customer reads. `sent`: it may have begun to work, and bill."""

from __future__ import annotations

from tasks_app.music.provider import Misconfigured, ProviderError, Refused, Unavailable, WorkFailed


def unsafe(*, sent: bool) -> Refused:
    """The provider's filter of contents."""
    return Refused("safety_rejected", "The provider refused the content.", sent=sent)


def wrong() -> Refused:
    """The provider finds fault with a parameter."""
    return Refused("invalid_request", "The provider refused the request.", sent=False)


def too_large() -> Refused:
    return Refused("payload_too_large", "The provider found the request too large.", sent=False)


def overloaded(*, sent: bool = False) -> Unavailable:
    return Unavailable("model_unavailable", "The provider is overloaded.", sent=sent)


def timed_out(*, sent: bool = True) -> Unavailable:
    return Unavailable("upstream_timeout", "The provider did not answer in time.", sent=sent)


def failed(*, sent: bool = True, counts: bool = True) -> Unavailable:
    """Errors of its own, no connection, garbage."""
    return Unavailable("upstream_error", "The provider failed.", sent=sent, counts=counts)


def ended(why: ProviderError) -> WorkFailed:
    """The work that was submitted is over, for a reason that may not be there at the next try."""
    return WorkFailed(why.code, why.message, sent=True)


def of_status(status: int) -> ProviderError:
    """An answer of this HTTP status that says nothing else."""
    match status:
        case 400 | 409 | 422:
            return wrong()
        case 413:
            return too_large()
        case 401 | 403:
            return Misconfigured("credentials")
        case 402:
            return Misconfigured("balance")
        case 404:
            return Misconfigured("address")
        case 408 | 504:
            return timed_out()
        case 429:
            return overloaded()
        case 503 | 529:
            return overloaded(sent=True)
    # 2xx and 3xx too: a page, a redirect, half an answer
    return failed(counts=not 400 <= status < 500)
