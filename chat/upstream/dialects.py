"""How providers differ from OpenAI, as far as we meet it: one row each, chosen by a route's provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from catalog.snapshot import RouteInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One provider's ways.

    `limit_field` bounds the output. `always` goes with every call. `end_user_field` and `cache_key_field` take the caller's digests,
    empty where the provider documents none. `reasoning_field` is what it wants an assistant message's thinking back as, empty if not
    at all. `fetches_images`: it loads https images itself.
    """

    limit_field: str = "max_tokens"
    always: Mapping[str, Any] = field(default_factory=dict)
    end_user_field: str = ""
    cache_key_field: str = ""
    reasoning_field: str = ""
    developer_role: bool = False
    fetches_images: bool = False


ANY = Dialect()
"""A provider that we know nothing of but that it speaks OpenAI's dialect."""

SANDBOX = Dialect(
    limit_field="max_completion_tokens",
    end_user_field="safety_identifier",
    cache_key_field="prompt_cache_key",
    reasoning_field="reasoning_content",
    developer_role=True,
    fetches_images=True,
)

DIALECTS: Mapping[str, Dialect] = {
    # platform.openai.com/docs/api-reference/chat: max_tokens is deprecated, and refused by its reasoning models
    "openai": Dialect(
        limit_field="max_completion_tokens",
        end_user_field="safety_identifier",
        cache_key_field="prompt_cache_key",
        developer_role=True,
        fetches_images=True,
    ),
    # platform.minimax.io/docs/api-reference/text-openai-api: without reasoning_split the thinking stands in the content, in <think> tags,
    # and must come back with the message for the model to go on thinking
    "minimax": Dialect(always={"reasoning_split": True}, reasoning_field="reasoning_details"),
    # docs.anthropic.com/en/api/messages: metadata.user_id, which LiteLLM makes of `user`; spoken over the litellm transport only
    "anthropic": Dialect(end_user_field="user"),
    # help.aliyun.com, OpenAI compatible mode of Model Studio
    "dashscope": Dialect(fetches_images=True),
}


_OPENAI = "api.openai.com"
"""OpenAI's host; those of its regions are beneath it, as eu.api.openai.com (developers.openai.com/api/docs/guides/data-residency)."""


def of(route: RouteInfo) -> Dialect:
    """The dialect spoken at the other end of `route`.

    A model at somebody else's address is named `openai/...` too, for that is how LiteLLM is told that OpenAI's dialect is spoken
    there: only OpenAI itself has all of OpenAI's ways.
    """
    if route.sandbox:
        return SANDBOX
    provider, named, _ = route.litellm_model.partition("/")
    # LiteLLM's names without a provider are OpenAI's
    if not named or provider == "openai":
        return DIALECTS["openai"] if _is_openais(route.base_url) else ANY
    return DIALECTS.get(provider, ANY)


@lru_cache(maxsize=1024)
def _is_openais(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or _OPENAI
    return host == _OPENAI or host.endswith(f".{_OPENAI}")
