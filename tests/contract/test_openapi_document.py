"""The API document: made from the code, whole, true to the URL patterns, and valid by the rules of OpenAPI 3.1 and JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.urls import URLPattern, URLResolver, get_resolver
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31

from beatra_site import openapi
from contract import limits
from contract.errors import ERRORS
from wallets.models.budget import CapWindow

DOCUMENT = json.loads((openapi.FOLDER / "openapi.json").read_text())
OPERATIONS = {(method, path): operation for path, item in DOCUMENT["paths"].items() for method, operation in item.items()}
SCHEMAS = DOCUMENT["components"]["schemas"]

# The first table of the contract; whoever adds a path says here what it is
LABELS = {
    "/v1/chat/completions": "Available",
    "/v1/health": "Available",
    "/v1/chat/completions/quote": "Preview",
    "/v1/models": "Preview",
    "/v1/models/{id}": "Preview",
    "/v1/catalog/models": "Preview",
    "/v1/catalog/capabilities": "Preview",
    "/v1/wallet": "Preview",
    "/v1/usage/{id}": "Preview",
    "/v1/uploads": "Preview",
    "/v1/uploads/{artifact_id}": "Preview",
    "/v1/music/text-to-music": "Preview",
    "/v1/music/reference-audio-to-music": "Preview",
    "/v1/tasks": "Preview",
    "/v1/tasks/{task_id}": "Preview",
    "/v1/tasks/{task_id}/cancel": "Preview",
}


def test_the_copies_are_what_the_code_says():
    call_command("openapi", check=True)


def test_a_stale_copy_is_found_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr("beatra_site.management.commands.openapi.FOLDER", tmp_path)
    with pytest.raises(CommandError, match=r"docs/openapi\.json, docs/openapi\.yaml.*make openapi"):
        call_command("openapi", check=True)
    assert not list(tmp_path.iterdir())
    call_command("openapi")
    (tmp_path / "openapi.json").write_text("{}")
    with pytest.raises(CommandError, match=r"^docs/openapi\.json: "):
        call_command("openapi", check=True)


def test_yaml_and_json_say_the_same():
    assert yaml.safe_load((openapi.FOLDER / "openapi.yaml").read_text()) == DOCUMENT


def test_every_path_under_v1_is_in_it_and_nothing_else():
    def patterns(resolver: URLResolver, before: str) -> Iterator[str]:
        for each in resolver.url_patterns:
            path = before + str(each.pattern)
            if isinstance(each, URLPattern):
                yield "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)
            else:
                yield from patterns(each, path)

    paths = {path for path in patterns(get_resolver(), "") if path.startswith("/v1/")}
    assert set(DOCUMENT["paths"]) == paths == set(LABELS)


def test_every_operation_has_its_label():
    assert {path: operation["x-status"] for (_, path), operation in OPERATIONS.items()} == LABELS


def test_every_operation_has_a_name_words_and_a_tag():
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    for id, operation in zip(ids, OPERATIONS.values(), strict=True):
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", id)
        assert operation["summary"]
        assert {*operation["tags"]} <= {tag["name"] for tag in DOCUMENT["tags"]}


def test_only_health_needs_no_key():
    assert DOCUMENT["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    assert {path for (_, path), operation in OPERATIONS.items() if operation["security"] == []} == {"/v1/health"}
    assert all(operation["security"] in ([], [{"ApiKey": []}]) for operation in OPERATIONS.values())


def test_the_chat_streams_too():
    content = OPERATIONS["post", "/v1/chat/completions"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}


def test_every_error_code_is_in_it_with_its_status_and_words():
    assert SCHEMAS["ErrorCode"]["enum"] == list(ERRORS)
    assert SCHEMAS["ErrorCode"]["x-enumDescriptions"] == {row.code: row.when for row in ERRORS.values()}
    for operation in OPERATIONS.values():
        for status, response in operation["responses"].items():
            for code in _resolved(response).get("x-error-codes", ()):
                assert ERRORS[code].status == int(status)


def test_every_limit_is_in_it_with_its_words():
    limit = SCHEMAS["ErrorDetails"]["properties"]["limit"]
    assert limit["enum"] == [name.value for name in limits.Name]
    assert limit["x-enumDescriptions"] == {name.value: name.says for name in limits.Name}


def test_every_window_of_a_spend_cap_is_in_it():
    assert SCHEMAS["ErrorDetails"]["properties"]["window"]["enum"] == list(limits.SPEND_WINDOWS) == CapWindow.values


def test_every_example_of_an_error_fits_its_schema():
    envelope = Draft202012Validator({"$ref": "#/components/schemas/Error", "components": DOCUMENT["components"]})
    examples = DOCUMENT["components"]["examples"]
    assert set(ERRORS) <= set(examples)
    for code in ERRORS:
        envelope.validate(examples[code]["value"])
    assert set(examples["spend_limit_reached"]["value"]["error"]["details"]) == {"limit_credits", "window", "resets_at"}


def test_every_reference_leads_somewhere():
    references = {value["$ref"] for value in _walk(DOCUMENT) if isinstance(value, dict) and isinstance(value.get("$ref"), str)}
    assert len(references) > 50
    for reference in references:
        _resolved({"$ref": reference})


def test_every_component_is_used():
    text = json.dumps(DOCUMENT)
    for kind in ("schemas", "parameters", "headers", "responses"):
        for name in DOCUMENT["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, name


def test_it_is_valid_openapi():
    Draft202012Validator(OPENAPI_31).validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_valid_json_schema(name):
    Draft202012Validator.check_schema(SCHEMAS[name])
    unknown = {key for each in _schemas_in(SCHEMAS[name]) for key in each} - _KEYWORDS
    assert not unknown


def test_every_example_fits_its_schema():
    count = 0
    for value in _walk(DOCUMENT):
        if not isinstance(value, dict) or "schema" not in value:
            continue
        examples = [_resolved(each)["value"] for each in value.get("examples", {}).values()]
        examples += [value["example"]] if "example" in value else []
        for example in examples:
            _validator(value["schema"]).validate(example)
            count += 1
    for schema in SCHEMAS.values():
        for each in _schemas_in(schema):
            for example in each.get("examples", ()):
                _validator(each).validate(example)
                count += 1
    assert count > 40


def test_nothing_of_this_site_or_its_makers_is_in_it():
    text = json.dumps(DOCUMENT)
    assert set(re.findall(r"https?://[\w.:-]+", text)) <= {"https://beatra.example", "https://example.com"}


# JSON Schema's keywords, OpenAPI's, and ours: whatever else pydantic wrote would be read by nobody
_KEYWORDS = {
    *("$ref", "type", "enum", "const", "properties", "required", "additionalProperties", "propertyNames", "items", "description"),
    *("oneOf", "anyOf", "discriminator", "default", "examples", "format", "pattern", "minLength", "maxLength", "minItems", "maxItems"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minProperties", "maxProperties", "x-enumDescriptions"),
    "contentMediaType",
}


def _walk(value: Any) -> Iterator[Any]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _walk(each)


def _schemas_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and those inside it, not what lies under names of the caller's choosing."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    inner += [schema[name] for name in ("items", "additionalProperties", "propertyNames") if isinstance(schema.get(name), dict)]
    for each in inner:
        yield from _schemas_in(each)


def _resolved(value: dict[str, Any]) -> Any:
    while "$ref" in value:
        place: Any = DOCUMENT
        for step in value["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        value = place
    return value


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})
