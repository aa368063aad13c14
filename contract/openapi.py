"""The API document: OpenAPI 3.1, made from the URL patterns, the views' `Operation`s and the table of errors.

drf-spectacular walks the patterns; `AutoSchema` describes one method of one view, `complete` adds what all of them share. Every view
under /v1 must have its `@documented`, or the document can't be made: nothing is left out by mistake.

Served is the copy in `docs/` (beatra_site/openapi.py), which `manage.py openapi` writes and `make check` compares.
"""

from __future__ import annotations

import shlex
from typing import Any

import orjson
from django.core.exceptions import ImproperlyConfigured
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.plumbing import ResolvedComponent
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from contract import json_schema, limits, openapi_errors
from contract.operation import ORIGIN, Operation

Json = dict[str, Any]

SECURITY_SCHEME = "ApiKey"
FORM_TYPE = "multipart/form-data"
TAGS = {
    "Chat": "Text generation, in OpenAI's shape.",
    "Models": "What can be called, and for how much.",
    "Music": "Songs and instrumentals, by words and by audio.",
    "Tasks": "Work that takes minutes: followed, listed and canceled.",
    "Uploads": "Files for tasks to go by.",
    "Wallet": "Credits, and what became of them.",
    "Health": "Whether the API answers.",
}

_DESCRIPTION = f"""\
AI generation through one API, billed exactly from a credit wallet. `/v1` speaks OpenAI's language: any OpenAI SDK works by changing \
its base URL and key.

**Authentication.** Send an API key as `Authorization: Bearer sk-bt-...`. Cookies are never read; any origin may call.

**Restricted keys.** A key can be kept to capabilities (its scopes: `chat`, `music`, `uploads`, and `read` for the wallet, receipts and \
looking tasks up), to models, to networks and to a time. Any key lists models and the catalog, which show what it may use. Outside its \
scopes or networks a key is `forbidden`, and `details.limit` is `{limits.Name.SCOPE}` or `{limits.Name.IP}`; a model that is not \
on its list is `unsupported_model`; expired or paused, it is `invalid_api_key`.

**Errors.** Every answer that is not 2xx is `{{"error": {{"code", "message", "retryable", "request_id"}}}}`, sometimes with `param` and \
`details`. Go by `code` and `retryable`; `ErrorCode` lists the codes. Retry what is retryable, after `Retry-After` where it is given.

**Limits.** {limits.REQUESTS_PER_MINUTE} requests per minute and {limits.CALLS_IN_FLIGHT} calls in flight for an account, unless it was \
given others; a key may have a lower figure of its own. Every request with a good key counts, whatever becomes of it. Beyond a limit the \
answer is 429 `rate_limited`: `details.limit` says which, `Retry-After` when to come again. Bodies: chat \
{limits.CHAT_BODY // limits.MIB} MiB, an upload's file {limits.UPLOAD // limits.MIB} MiB, else {limits.BODY // limits.MIB} MiB; \
headers {limits.HEADERS // 1024} KiB.

**Amounts** are decimal strings with four places (`"3.0000"`), never floats. Times are RFC 3339 in UTC. `null` for an optional field of a \
request means that it is not given.

**Labels.** `x-status` of an operation is *Available*, a public contract, or *Preview*: callable, but it may still change."""


def document() -> Json:
    """The whole document, for the site at `ORIGIN`. Raises ImproperlyConfigured where a view does not describe itself."""
    made: Json = SchemaGenerator().get_schema(request=None, public=True)
    return made


def only_v1(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """A hook of drf-spectacular: what operators and this document itself are reached by is no part of the API."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/v1/")]


class AutoSchema(SpectacularSchema):
    """Describes one method of one view from its `Operation` and its docstring."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> Json:
        self.path, self.path_regex, self.path_prefix, self.method, self.registry = path, path_regex, path_prefix, method.upper(), registry
        handler = getattr(self.view, method.lower())
        operation: Operation | None = getattr(handler, "operation", None)
        summary, _, description = json_schema.flowing(handler.__doc__ or "").partition("\n\n")
        if operation is None or not summary:
            raise ImproperlyConfigured(f"{method} {path} needs @documented(Operation(...)) and a docstring")
        has_key = any(each().authenticate_header(None) == "Bearer" for each in self.view.authentication_classes)
        if operation.status == "Preview":
            description = f"{description}\n\n**Preview**: callable, but it may still change.".strip()
        described: Json = {
            "operationId": operation.id,
            "summary": summary.rstrip("."),
            "description": description,
            "tags": [operation.tag],
            "x-status": operation.status,
            "security": [{SECURITY_SCHEME: []}] if has_key else [],
            "parameters": self._parameters_of(operation),
        }
        if operation.body:
            described["requestBody"] = self._body_of(operation)
        shared: dict[str, Json] = {}
        errors = openapi_errors.responses(operation.codes(with_key=has_key), shared=shared)
        for name, response in shared.items():
            self._share("responses", name, response)
        described["responses"] = {**self._answers_of(operation), **errors}
        described["x-codeSamples"] = _samples(operation, path, method, has_key=has_key)
        return {name: value for name, value in described.items() if value or name == "security"}

    def _parameters_of(self, operation: Operation) -> list[Json]:
        parameters: list[Json] = []
        for name in _names_in(self.path):
            if (words := operation.path_parameters.get(name)) is None:
                raise ImproperlyConfigured(f"{operation.id} does not say what {{{name}}} is")
            where = {"name": name, "in": "path", "required": True}
            parameters.append({**where, "description": words.description, "schema": {"type": "string"}, "example": words.example})
        for name, (description, schema) in operation.query_parameters.items():
            parameters.append({"name": name, "in": "query", "description": description, "schema": dict(schema)})
        names = ["XRequestId", "IdempotencyKey"] if operation.idempotent else ["XRequestId"]
        return parameters + [{"$ref": f"#/components/parameters/{name}"} for name in names]

    def _body_of(self, operation: Operation) -> Json:
        assert operation.body is not None
        media: Json = {"schema": self._ref(operation.body, mode="validation")}
        return {"required": operation.is_body_required, "content": {operation.body_type: {**media, **_examples(operation.body_examples)}}}

    def _answers_of(self, operation: Operation) -> dict[str, Json]:
        names = ["X-Request-Id", "Idempotent-Replayed"] if operation.idempotent else ["X-Request-Id"]
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        answers: dict[str, Json] = {}
        for status, (words, examples) in operation.by_status.items():
            answers[str(status)] = {"description": words, "headers": headers}
            if operation.answer:
                content = {"application/json": {"schema": self._ref(operation.answer), **_examples(examples)}}
                if operation.stream:
                    content["text/event-stream"] = {"schema": self._ref(operation.stream), **_examples(operation.stream_examples)}
                answers[str(status)]["content"] = content
        return answers

    def _ref(self, model: type[BaseModel], *, mode: JsonSchemaMode = "serialization") -> Json:
        """A reference to `model`, which is among the components with all it is made of from now on."""
        for name, schema in json_schema.schemas(model, mode=mode).items():
            self._share("schemas", name, schema)
        return {"$ref": json_schema.REF.format(model=model.__name__)}

    def _share(self, kind: str, name: str, value: Json) -> None:
        component = ResolvedComponent(name, kind, schema=value, object=name)
        self.registry.register_on_missing(component)
        if self.registry[component].schema != value:
            raise ImproperlyConfigured(f"two different {kind} are called {name}; rename one")


def complete(result: Json, **kwargs: Any) -> Json:
    """A hook of drf-spectacular: adds what the operations share, and puts everything into an order that a reader likes."""
    order = list(TAGS)
    paths = result["paths"].items()
    schemas = {**result["components"].get("schemas", {}), **openapi_errors.schemas()}
    return {
        "openapi": result["openapi"],
        "info": {**result["info"], "description": _DESCRIPTION},
        "servers": [{"url": ORIGIN}],
        "security": [{SECURITY_SCHEME: []}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "paths": dict(sorted(paths, key=lambda item: min(order.index(each["tags"][0]) for each in item[1].values()))),
        "components": {
            "securitySchemes": {
                SECURITY_SCHEME: {"type": "http", "scheme": "bearer", "description": "An API key: `sk-bt-` and 38 characters."}
            },
            "parameters": _PARAMETERS,
            "responses": result["components"]["responses"],
            "headers": _HEADERS,
            "examples": openapi_errors.examples(),
            "schemas": dict(sorted(schemas.items())),
        },
    }


_PARAMETERS: dict[str, Json] = {
    "XRequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Your id for this request: 1 to 128 visible ASCII characters. Any other value is replaced by an id of ours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
        "example": "order-4711",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "1 to 255 visible ASCII characters, new for each request that must not run twice. For 24 hours the same key with the same body "
            "gets the first answer again, and is not charged again. With another body it is refused as `idempotency_conflict`, while the "
            "first request runs as `idempotency_in_progress`: ask again, after `Retry-After`, for its answer. A request that failed is not "
            "kept: its retry runs. "
            "Nor is an answer of more than some 8 MB, compressed: its retry is refused as `idempotency_conflict`, and told of the receipt."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "example": "3f0c9a5e-order-4711",
    },
}
_HEADERS: dict[str, Json] = {
    **openapi_errors.HEADERS,
    "Idempotent-Replayed": {
        "description": "`true` on an answer that was stored for its Idempotency-Key and is sent again, free; absent on any other.",
        "schema": {"type": "string", "const": "true"},
    },
}


def _names_in(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _examples(named: Any) -> Json:
    return {"examples": {name: {"summary": summary, "value": value} for name, (summary, value) in named.items()}} if named else {}


def _samples(operation: Operation, path: str, method: str, *, has_key: bool) -> list[Json]:
    """The operation as a curl, one for each example of a body."""
    for name, parameter in operation.path_parameters.items():
        path = path.replace(f"{{{name}}}", parameter.example)
    lines = [f"curl {'' if method == 'GET' or operation.body_examples else f'-X {method} '}{ORIGIN}{path}"]
    if has_key:
        lines.append('-H "Authorization: Bearer $BEATRA_API_KEY"')
    if not operation.body or not operation.body_examples:
        return [_sample("curl", lines)]
    if operation.body_type == FORM_TYPE:
        return [
            _sample(f"curl, {name}", [*lines, *(f"-F {shlex.quote(f'{field}={value}')}" for field, value in example.value.items())])
            for name, example in operation.body_examples.items()
        ]
    lines.append('-H "Content-Type: application/json"')
    samples = []
    for name, example in operation.body_examples.items():
        at_once = ["--no-buffer"] if example.value.get("stream") else []
        body = orjson.dumps(example.value, option=orjson.OPT_INDENT_2).decode()
        samples.append(_sample(f"curl, {name}", [*lines, *at_once, f"-d {shlex.quote(body)}"]))
    return samples


def _sample(label: str, lines: list[str]) -> Json:
    return {"lang": "Shell", "label": label, "source": " \\\n  ".join(lines)}
