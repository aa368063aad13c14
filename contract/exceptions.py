"""From any exception to the one error envelope of /v1.

`as_api_error` is the mapping, `exception_handler` is it for DRF (`REST_FRAMEWORK["EXCEPTION_HANDLER"]`), and the lean handler
and the edge use the same, so an error looks alike wherever it is raised.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from django.core.exceptions import (
    PermissionDenied,
    RequestAborted,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions as drf

from contract import request_id, strict_json
from contract.errors import ApiError, FieldError
from contract.json_answer import JsonAnswer
from contract.json_pointer import pointer

logger = logging.getLogger("contract.exceptions")

# A lock time-out, a deadlock and a full pool are OperationalErrors too: all of them may go better in a moment.
_DATABASE_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


def error_response(error: ApiError) -> JsonAnswer:
    """The whole answer to an error, under the id of the request at hand."""
    answer = JsonAnswer(error.envelope(request_id.current()), status=error.status, headers=error.headers)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # django.utils.log reads it: its line would be the second one
    return answer


def as_api_error(exc: BaseException) -> ApiError:
    """The row of the table that stands for `exc`; `internal_error` for whatever nobody foresaw.

    Texts of others' exceptions are not forwarded: they hold table names, paths and input.
    """
    match exc:
        case ApiError():
            return exc
        case drf.APIException():
            return _from_drf(exc)
        case Http404():
            return ApiError("not_found")
        case PermissionDenied():
            return ApiError("forbidden")
        case RequestDataTooBig():
            return ApiError("payload_too_large")
        case SuspiciousOperation() | MultiPartParserError():
            return ApiError("invalid_request")
        case _ if isinstance(exc, _DATABASE_AWAY):
            return ApiError("service_unavailable")
        case _:
            return ApiError("internal_error")


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """DRF's exception handler: answers every exception, and logs what is a fault of ours."""
    error = as_api_error(exc)
    if error.code == "method_not_allowed" and error.allow is None and (view := context.get("view")) is not None:
        error = ApiError("method_not_allowed", allow=view.allowed_methods)
    log(exc, error)
    return error_response(error)


def log(exc: BaseException, error: ApiError) -> None:
    """One line for a crash or a database that is away; an expected refusal leaves none. Nothing of the request is in it."""
    if isinstance(exc, ApiError | drf.APIException | RequestAborted):
        return
    if error.code == "internal_error":
        logger.error("unhandled %s", type(exc).__name__, exc_info=exc)
    elif error.code == "service_unavailable":
        logger.error("database away: %s", type(exc).__name__, exc_info=exc)


def _from_drf(exc: drf.APIException) -> ApiError:
    match exc:
        case drf.ParseError():
            return ApiError("invalid_request", "The body could not be read.")
        case drf.ValidationError():
            return ApiError("invalid_request", errors=list(_field_errors(exc.detail)))
        case drf.NotAuthenticated():
            return ApiError("unauthorized")
        case drf.AuthenticationFailed():
            return ApiError("invalid_api_key")
        case drf.PermissionDenied():
            return ApiError("forbidden")
        case drf.NotFound():
            return ApiError("not_found")
        case drf.MethodNotAllowed():
            return ApiError("method_not_allowed")
        case drf.UnsupportedMediaType():
            return ApiError("unsupported_media_type", strict_json.WANTED)
        case drf.Throttled():
            return ApiError("rate_limited", retry_after_seconds=exc.wait)
        case _:
            # NotAcceptable can't happen under contract/json_only.py; a status of another's making keeps its class
            return ApiError("invalid_request" if 400 <= exc.status_code < 500 else "internal_error")


def _field_errors(detail: Any, path: tuple[str | int, ...] = ()) -> Iterator[FieldError]:
    """DRF's nested detail as JSON Pointers: `{"items": [{}, {"name": ["no"]}]}` gives `/items/1/name`."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _field_errors(inner, path if name == "non_field_errors" else (*path, str(name)))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _field_errors(inner, (*path, index) if isinstance(inner, Mapping | list) else path)
    else:
        yield {"param": pointer(path), "message": str(detail)}
