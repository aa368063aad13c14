"""What a model or a route still lacks before it may be enabled, in words for staff."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

from catalog import costing, options
from catalog.fields import FIELDS
from catalog.models import Capability, Model, Route, Transport
from catalog.price_list import PriceEntryError

Problems = dict[str, list[str]]
"""By the field they belong to."""

# LiteLLM's providers with an API of their own, by the start of its names
_OWN_DIALECT = frozenset(
    {"anthropic", "bedrock", "cohere", "cohere_chat", "gemini", "ollama", "replicate", "sagemaker", "vertex_ai", "watsonx"}
)
_SPACE = re.compile(r"[\s\x00-\x1f\\]")


def model_problems(model: Model) -> Problems:
    """What is wrong with `model`; if it is to be enabled, also what is missing."""
    problems: Problems = {}
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
    if route.enabled or route.cost_key or route.cost_override is not None:
        try:
            costing.bring_up_to_date(route)
        except PriceEntryError as error:
            field = "cost_key" if route.cost_override is None else "cost_override"
            problems[field] = [f"These prices can't be sold from: {problem}." for problem in error.problems]
    if route.base_url and (problem := _address_problem(route.base_url)):
        problems["base_url"] = [problem]
    if route.sandbox and route.enabled and not settings.SANDBOX:
        problems["sandbox"] = ["The sandbox is off (SANDBOX=1 is not set): this route can't be enabled."]
    if route.transport == Transport.NATIVE and not route.sandbox:
        _add_native_problems(problems, route)
    return problems


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
    if model.capability == Capability.CHAT and not model.routes.filter(cost_version__gt=0).exists():
        problems.setdefault("enabled", []).append("It has no route with a price list yet.")


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
