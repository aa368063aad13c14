"""The real site against the document it serves: whatever is sent, with a key or without one, the answer is as documented."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import Site
from tests.contract.test_openapi_document import OPERATIONS
from tests.customer import Customer
from tests.tasks_app import media_files
from tests.tasks_app.states import running

by_operation = pytest.mark.parametrize(("method", "path"), OPERATIONS, ids="".join)
by_mode = pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)


@pytest.fixture(scope="module")
def schema(site: Site) -> Any:
    """The document as it is served, but closed: an answer with a field that it does not tell of fails."""
    document = httpx.get(f"{site.url}/openapi.json").raise_for_status().json()
    for name in _names_in_answers(document):
        shape = document["components"]["schemas"][name]
        if "properties" in shape:
            shape.setdefault("additionalProperties", False)
    schema = schemathesis.openapi.from_dict(document)
    schema.config.max_stream_events = 100_000  # a stream is read to its end, not for its first events alone
    return schema


@by_mode
@by_operation
def test_answers_are_as_documented(schema: Any, customer: Callable[..., Customer], method: str, path: str, mode: GenerationMode):
    explore(schema[path][method], customer(), mode, settings(max_examples=10, derandomize=True))


@pytest.mark.slow
@by_mode
@by_operation
def test_many_answers_are_as_documented(schema: Any, customer: Callable[..., Customer], method: str, path: str, mode: GenerationMode):
    explore(schema[path][method], customer(balance="100000", requests_per_minute=100_000), mode, settings(max_examples=150))


def kept_by(owner: Customer) -> str:
    """The id of a new upload."""
    id: str = owner.http.post("/uploads", files={"file": ("song.mp3", media_files.mp3())}).json()["artifact_id"]
    return id


def explore(operation: Any, owner: Customer, mode: GenerationMode, how: settings) -> None:
    """Call `operation` with data that its schema allows, or (negative) does not allow."""
    models = st.sampled_from(["auto", "MiniMax-M2.7", None])
    origin = owner.v1.removesuffix("/v1")
    known = {
        "/v1/models/{id}": {"id": "auto"},
        "/v1/usage/{id}": {"id": owner.chat().json()["id"]},
        "/v1/uploads/{artifact_id}": {"artifact_id": kept_by(owner)},
        "/v1/tasks/{task_id}": {"task_id": running(owner.wallet).pk},
        "/v1/tasks/{task_id}/cancel": {"task_id": running(owner.wallet).pk},
    }.get(operation.path)

    @settings(how, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), model=models, has_key=st.sampled_from([True, True, True, False]))
    def check(case: Case, model: str | None, has_key: bool) -> None:
        if mode is GenerationMode.POSITIVE and model and isinstance(case.body, dict):
            case.body["model"] = model  # a made-up one would be refused before all else
        if mode is GenerationMode.POSITIVE and model and known:
            case.path_parameters.update(known)
        case.call_and_validate(base_url=origin, headers=owner.headers if has_key else {}, checks=CHECKS)

    check()


def code_is_documented(context: CheckContext, response: Response, case: Case) -> None:
    """The codes of an answer's status are listed for this operation."""
    if response.status_code >= 400:
        assert response.json()["error"]["code"] in _answer(case, response)["x-error-codes"]


def answer_fits(context: CheckContext, response: Response, case: Case) -> None:
    """The body is of the documented shape, and so is every event of a stream: schemathesis takes those for one value."""
    if not response.headers.get("content-type", [""])[0].startswith("text/event-stream"):
        response_schema_conformance(context, response, case)
        return
    *events, last = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert last == "[DONE]"
    shape = _answer(case, response)["content"]["text/event-stream"]["schema"]
    document = case.operation.schema.raw_schema
    validator = Draft202012Validator({**shape, "components": document["components"]})
    for event in events:
        validator.validate(json.loads(event))


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    code_is_documented,
    answer_fits,
]


def _answer(case: Case, response: Response) -> dict[str, Any]:
    document = case.operation.schema.raw_schema
    answer = document["paths"][case.operation.path][case.operation.method]["responses"][str(response.status_code)]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer


def _names_in_answers(document: dict[str, Any]) -> set[str]:
    """The schemas that answers are made of."""
    names: set[str] = set()

    def follow(value: Any) -> None:
        for name in _names_in(value):
            if name not in names:
                names.add(name)
                follow(document["components"]["schemas"][name])

    for _, path in OPERATIONS:
        for operation in document["paths"][path].values():
            follow(operation["responses"])
    follow(document["components"]["responses"])
    return names


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and str(value.get("$ref", "")).startswith("#/components/schemas/"):
        yield value["$ref"].rpartition("/")[2]
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names_in(each)
