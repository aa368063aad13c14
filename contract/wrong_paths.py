"""What to say to a caller who took the wrong path to the API."""

import re

_ELSEWHERE = {
    "/v1": "This is the root of the API. What is under it stands in /openapi.json.",
    "/v1/responses": "There is no Responses API here. Use POST /v1/chat/completions.",
    "/v1/completions": "There is no legacy completions API here. Use POST /v1/chat/completions.",
    "/v1/embeddings": "There is no embeddings API here. Text is generated at POST /v1/chat/completions.",
    "/v1/chat": "Use POST /v1/chat/completions.",
    "/v1/usage": "The receipt of a call or a task is at GET /v1/usage/{id}.",
    "/v1/music": "Music is made at POST /v1/music/text-to-music and POST /v1/music/reference-audio-to-music.",
    "/v1/catalog": "The catalog is at GET /v1/catalog/models and GET /v1/catalog/capabilities.",
}
_ROOTS = "chat|models|catalog|music|uploads|tasks|wallet|usage|health|responses|completions|embeddings"
_WITHOUT_V1 = re.compile(rf"/(?:{_ROOTS})(?:/[\w.-]+)*/?", re.ASCII)
_V1_LATER = re.compile(rf"(?:/[\w.-]+)*/v1(/(?:{_ROOTS})(?:/[\w.-]+)*)/?", re.ASCII)


def right_path(path: str) -> str | None:
    """The message of the not_found for `path` where it looks like a call of the API, with the right path in it; else None."""
    path = path[:300]
    if (message := _ELSEWHERE.get(path)) is not None:
        return message
    if _WITHOUT_V1.fullmatch(path):
        meant = f"/v1{path.rstrip('/')}"
        return _ELSEWHERE.get(meant, f"The API is under /v1: use {meant}.")
    # a base URL that has /v1 once too often, or a prefix of another product
    if (match := _V1_LATER.fullmatch(path)) is not None and path != f"/v1{match[1]}":
        return f"The API is under /v1: use /v1{match[1]}."
    return None
