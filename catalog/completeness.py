"""What a model or a route still lacks before it may be enabled, in words for staff."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS

from catalog import costing, options
from catalog.fields import FIELDS
from catalog.models import CHAT_TRANSPORTS, Capability, Model, Route, Transport
from catalog.price_list import PriceEntryError

Problems = dict[str, list[str]]
"""By the field they belong to; what belongs to one that the form may not show is the row's own (NON_FIELD_ERRORS)."""

# LiteLLM's providers with an API of their own, by the start of its names
_OWN_DIALECT = frozenset(
    {"anthropic", "bedrock", "cohere", "cohere_chat", "gemini", "ollama", "replicate", "sagemaker", "vertex_ai", "watsonx"}
)
_SPACE = re.compile(r"[\s\x00-\x1f\\]")


def model_problems(model: Model) -> Problems:
    """What is wrong with `model`; if it is to be enabled, also what is missing."""
    problems: Problems = {}
    if model.capability == Capability.MUSIC:
        if model.supported_fields or model.model_options:
            problems[NON_FIELD_ERRORS] = ["What a music model takes goes by its routes' transport: leave its fields and options empty."]
        if model.enabled:
            _add_missing(problems, model)
        return problems
    unknown = sorted(set(model.supported_fields) - set(FIELDS)) if _is_list_of_names(model.supported_fields) else None
    if unknown is None:
        problems["supported_fields"] = ["Give a list of field names."]
    elif unknown:
        problems["supported_fields"] = [f"Not known: {', '.join(unknown)}. Known: {', '.join(FIELDS)}."]
    if option_problems := options.shape_problems(model.model_options):
        problems["model_options"] = option_problems
    if model.enabled:
        _add_missing(problems, model)
    return problems


def route_problems(route: Route) -> Problems:
    """What is wrong with `route`; if it is to be enabled, also what is missing. Brings its price list up to date."""
    problems: Problems = {}
    if route.base_url and (problem := _address_problem(route.base_url)):
        problems["base_url"] = [problem]
    if route.sandbox and route.enabled and not settings.SANDBOX:
        problems["sandbox"] = ["The sandbox is off (SANDBOX=1 is not set): this route can't be enabled."]
    if problem := _transport_problem(route):
        problems["transport"] = [problem]
    elif route.transport in CHAT_TRANSPORTS:
        _add_chat_problems(problems, route)
    else:
        _add_music_problems(problems, route)
    return problems


def _transport_problem(route: Route) -> str:
    """Why a route of this transport can't be one of its model's, empty if it can."""
    if route.model_id is None:
        return ""  # said by the field itself
    is_chat = route.transport in CHAT_TRANSPORTS
    if is_chat != (route.model.capability == Capability.CHAT):
        return f"{route.model_id} is a {route.model.capability} model, which this does not speak for."
    if not is_chat and (other := route.model.routes.exclude(pk=route.pk).exclude(transport=route.transport).first()):
        return f"All routes of a music model speak one dialect, and {other} speaks {other.get_transport_display()}."
    return ""


def _add_chat_problems(problems: Problems, route: Route) -> None:
    if route.enabled or route.cost_key or route.cost_override is not None:
        try:
            costing.bring_up_to_date(route)
        except PriceEntryError as error:
            field = "cost_key" if route.cost_override is None else "cost_override"
            problems[field] = [f"These prices can't be sold from: {problem}." for problem in error.problems]
    if not route.litellm_model:
        problems["litellm_model"] = ["LiteLLM's name says whose prices these are."]
    if route.transport == Transport.NATIVE and not route.sandbox:
        _add_native_problems(problems, route)


def _add_music_problems(problems: Problems, route: Route) -> None:
    if route.litellm_model or route.cost_key or route.cost_override is not None or route.stoppable:
        problems[NON_FIELD_ERRORS] = ["A music route has no LiteLLM name, no price list by tokens, and can't be stopped: leave them empty."]
    if route.base_url.rstrip("/").endswith(("/v1", "/api")):
        problems.setdefault("base_url", []).append("Give the address without /v1 or /api, which are added to it.")
    if not route.enabled:
        return
    if not route.upstream_model:
        problems["upstream_model"] = ["What the provider calls the model is missing."]
    if route.sandbox:
        return
    if not (route.base_url or route.base_url_env):
        problems.setdefault("base_url", []).append("The provider's address is missing.")
    if not route.credential_env:
        problems["credential_env"] = ["The variable that has the provider's API key is missing."]


def _add_native_problems(problems: Problems, route: Route) -> None:
    provider, named, _ = route.litellm_model.partition("/")
    if named and provider in _OWN_DIALECT:
        problems["transport"] = [
            f"{provider} has a dialect of its own, which only LiteLLM speaks. If the address speaks OpenAI's, name the model openai/..."
        ]
    if not (route.base_url or route.base_url_env):
        problems["base_url"] = ["The native transport needs the provider's address."]
    elif route.base_url.rstrip("/").endswith("/chat/completions"):
        problems["base_url"] = ["Give the address without /chat/completions, which is added to it."]


def _address_problem(url: str) -> str:
    """Why the API key and the prompts must not go there, empty if they may."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "This is no address."
    if (
        parts.scheme not in ("https", "http")
        or not host
        or parts.username is not None
        or parts.query
        or parts.fragment
        or _SPACE.search(url)
    ):
        return "Give an address as https://api.example.com/v1."
    if parts.scheme == "http" and not settings.SANDBOX and not _is_loopback(host):
        return "Give an https address: an API key and prompts go there."
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _add_missing(problems: Problems, model: Model) -> None:
    if model.capability == Capability.CHAT:
        for name in ("context_window", "max_output_tokens", "default_output_tokens"):
            if not getattr(model, name):
                problems.setdefault(name, []).append("A model is enabled only with this limit known.")
    if model._state.adding:
        problems.setdefault("enabled", []).append("Save it first, then add a price and a route, then enable it.")
        return
    if model.price_in_force() is None:
        problems.setdefault("enabled", []).append("It has no price yet.")
    if model.capability == Capability.CHAT:
        if not model.routes.filter(cost_version__gt=0).exists():
            problems.setdefault("enabled", []).append("It has no route with a price list yet.")
    elif not model.routes.exists():
        problems.setdefault("enabled", []).append("It has no route yet.")


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
