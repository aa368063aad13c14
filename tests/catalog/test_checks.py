"""System checks: routes that no call would use."""

import pytest
from django.core.checks import Tags, run_checks

from catalog.checks import litellm_files_are_there, routes_can_be_used
from catalog.models import Model, Route

pytestmark = pytest.mark.django_db


@pytest.fixture
def route():
    model = Model.objects.create(
        id="test-model", display_name="T", enabled=True, context_window=10, max_output_tokens=5, default_output_tokens=5
    )
    return Route.objects.create(model=model, name="way", litellm_model="openai/x", enabled=True, cost_method="decimal", cost_version=1)


def ids():
    return {message.id for message in routes_can_be_used(databases=["default"]) if "test-model" in message.msg}


def test_an_enabled_sandbox_route_without_a_sandbox_is_an_error(route, settings):
    Route.objects.filter(pk=route.pk).update(sandbox=True)
    settings.SANDBOX = True
    assert ids() == set()
    settings.SANDBOX = False
    assert ids() == {"catalog.E001"}
    assert "catalog.E001" in {message.id for message in run_checks(tags=[Tags.database], databases=["default"])}
    Route.objects.filter(pk=route.pk).update(enabled=False)
    assert ids() == set()


def test_an_enabled_route_without_its_credential_is_a_warning(route, monkeypatch):
    Route.objects.filter(pk=route.pk).update(credential_env="SOME_API_KEY")
    monkeypatch.delenv("SOME_API_KEY", raising=False)
    assert ids() == {"catalog.W001"}
    monkeypatch.setenv("SOME_API_KEY", "x")
    assert ids() == set()


def test_missing_files_of_litellm_are_an_error(monkeypatch, tmp_path):
    assert litellm_files_are_there() == []
    monkeypatch.setattr("catalog.tokens.vocabulary_file", lambda: tmp_path / "gone")
    assert [message.id for message in litellm_files_are_there()] == ["catalog.E002"]
