"""What makes the API document: nothing can be left out or muddled up by mistake, and shapes come out as generators like them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from pydantic import BaseModel, BeforeValidator, Field
from rest_framework.views import APIView

from contract import json_schema
from contract.async_view import AsyncAPIView
from contract.operation import Example, Operation, PathParameter, QueryParameter, Success, documented


class Thing(BaseModel):
    id: str


THING = Operation(id="getThing", tag="Health", status="Preview", answer=Thing)


def made(view: type[APIView], at: str = "v1/things") -> dict[str, Any]:
    (item,) = SchemaGenerator(patterns=[path(at, view.as_view())]).get_schema(public=True)["paths"].values()
    (operation,) = item.values()
    return operation


def view_of(operation: Operation, **attributes: Any) -> type[APIView]:
    def get(self: Any, request: Any) -> None:
        """Look up a thing.

        It is one of
        many.
        """

    return type("View", (AsyncAPIView,), {"get": documented(operation)(get), **attributes})


def test_words_come_from_the_docstring():
    operation = made(view_of(THING))
    assert (operation["operationId"], operation["summary"]) == ("getThing", "Look up a thing")
    assert operation["description"] == "It is one of many.\n\n**Preview**: callable, but it may still change."


def test_a_view_that_says_nothing_of_itself_stops_it():
    class Silent(AsyncAPIView):
        async def get(self, request: Any) -> None:
            """Do something."""

    with pytest.raises(ImproperlyConfigured, match="GET /v1/things needs @documented"):
        made(Silent)


def test_a_path_parameter_nobody_explains_stops_it():
    with pytest.raises(ImproperlyConfigured, match=r"getThing does not say what \{id\} is"):
        made(view_of(THING), at="v1/things/<str:id>")


def test_an_error_code_outside_the_table_stops_it():
    with pytest.raises(ValueError, match="getThing: no such error codes: \\['teapot'\\]"):
        Operation(id="getThing", tag="Health", status="Preview", answer=Thing, errors=("teapot",)).codes(with_key=True)


def test_two_shapes_of_one_name_stop_it():
    other = type("Thing", (BaseModel,), {"__annotations__": {"name": "str"}})
    operation = Operation(id="makeThing", tag="Health", status="Preview", answer=Thing, body=other)
    with pytest.raises(ImproperlyConfigured, match="two different schemas are called Thing"):
        made(view_of(operation))


@pytest.mark.parametrize(
    ("more", "classes", "statuses"),
    [
        ({}, (), ["200", "400", "431", "500", "503"]),
        ({}, None, ["200", "400", "401", "403", "429", "431", "500", "503"]),
        ({"body": Thing}, (), ["200", "400", "413", "415", "431", "500", "503"]),
        ({"idempotent": True}, (), ["200", "400", "409", "431", "500", "503"]),
        ({"errors": ("upstream_timeout",)}, (), ["200", "400", "431", "500", "503", "504"]),
    ],
)
def test_a_key_a_body_and_an_idempotency_key_bring_their_errors(more: dict[str, Any], classes: tuple[()] | None, statuses: list[str]):
    attributes = {} if classes is None else {"authentication_classes": classes}
    operation = Operation(id="getThing", tag="Health", status="Preview", answer=Thing, **more)
    assert list(made(view_of(operation, **attributes))["responses"]) == statuses


def test_an_id_in_the_path_brings_its_404():
    operation = Operation(
        id="getThing", tag="Health", status="Preview", answer=Thing, path_parameters={"id": PathParameter("Its id.", "x")}
    )
    assert "404" in made(view_of(operation), at="v1/things/<str:id>")["responses"]


def test_it_may_succeed_otherwise_than_by_200():
    successes = {200: Success("Done.", {"done": Example("One that is done", {"id": "x"})}), 202: Success("Begun.")}
    answers = made(view_of(Operation(id="getThing", tag="Health", status="Preview", answer=Thing, successes=successes)))["responses"]
    assert list(answers)[:3] == ["200", "202", "400"]
    assert [answers[status]["description"] for status in ("200", "202")] == ["Done.", "Begun."]
    shape = {"$ref": "#/components/schemas/Thing"}
    assert answers["202"]["content"] == {"application/json": {"schema": shape}}
    assert answers["200"]["content"]["application/json"]["examples"] == {"done": {"summary": "One that is done", "value": {"id": "x"}}}


def test_it_may_have_nothing_to_answer():
    operation = Operation(id="getThing", tag="Health", status="Preview", answer=None, successes={204: Success("Gone.")})
    answer = made(view_of(operation))["responses"]["204"]
    assert (answer["description"], "content" in answer, list(answer["headers"])) == ("Gone.", False, ["X-Request-Id"])


def test_parameters_of_the_query_are_told():
    schema = {"type": "string", "enum": ["asc", "desc"], "default": "desc"}
    operation = Operation(
        id="getThing", tag="Health", status="Preview", answer=Thing, query_parameters={"order": QueryParameter("Which first.", schema)}
    )
    assert made(view_of(operation))["parameters"][0] == {"name": "order", "in": "query", "description": "Which first.", "schema": schema}


def test_a_body_may_be_left_out():
    def required(**more: Any) -> bool:
        operation = Operation(id="getThing", tag="Health", status="Preview", answer=Thing, body=Thing, **more)
        return made(view_of(operation))["requestBody"]["required"]

    assert (required(), required(is_body_required=False)) == (True, False)


Whole = Annotated[int, BeforeValidator(lambda value: value), Field(strict=True)]


class Shape(BaseModel):
    """First line,
    and its end."""

    number: Annotated[float, Field(ge=0)] | None = None
    whole: Annotated[Whole, Field(ge=1, lt=9)] | None = None
    choice: Literal["a", "b"] | None = None
    thing: Thing | None = None
    by_name: dict[Annotated[str, Field(pattern="^[a-z]+$")], int] = {}


def test_shapes_are_tidy():
    found = json_schema.schemas(Shape, mode="validation")
    assert set(found) == {"Shape", "Thing"}
    assert found["Shape"] == {
        "description": "First line, and its end.",
        "type": "object",
        "properties": {
            "number": {"type": ["number", "null"], "minimum": 0},
            "whole": {"type": ["integer", "null"], "minimum": 1, "exclusiveMaximum": 9},
            "choice": {"type": ["string", "null"], "enum": ["a", "b", None]},
            "thing": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]},
            "by_name": {
                "type": "object",
                "default": {},
                "additionalProperties": {"type": "integer"},
                "propertyNames": {"pattern": "^[a-z]+$"},
            },
        },
    }
