"""The stand-in chat provider: `POST /chat/v1/chat/completions` and `GET /chat/v1/models` in OpenAI's wire format."""

import asyncio
import time

from beatra_site.sandbox.calls import Call, Calls
from beatra_site.sandbox.control import Control
from beatra_site.sandbox.delivery import Delivery
from beatra_site.sandbox.errors import ProviderError
from beatra_site.sandbox.exchange import EndedError, Exchange
from beatra_site.sandbox.faults import DirectiveError, Fault, read_directives
from beatra_site.sandbox.generation import generate
from beatra_site.sandbox.models import LISTED_MODELS, limits_of
from beatra_site.sandbox.request import ChatRequest, read
from beatra_site.sandbox.schemas import SchemaError

# Above so many bytes a prompt is counted in a thread, for the loop has other calls to serve
COUNTED_IN_THREAD_BYTES = 64 * 1024


class ChatProvider:
    """One provider. `key`: the only bearer token it takes (None: any or none); `chunk_ms`: its pace without faults."""

    def __init__(self, *, control: Control | None, key: str | None, chunk_ms: float) -> None:
        self._control = control
        self._calls = control.calls if control else Calls(kept=1)
        self._key = key
        self._chunk_ms = chunk_ms

    async def __call__(self, exchange: Exchange) -> None:
        """Answers one request below `/chat`."""
        match exchange.method, exchange.path.rstrip("/"):
            case "POST", "/chat/v1/chat/completions":
                await self._complete(exchange)
            case "GET", "/chat/v1/models":
                data = [{"id": name, "object": "model", "created": 1_735_689_600, "owned_by": "sandbox"} for name in LISTED_MODELS]
                await exchange.json(200, {"object": "list", "data": data})
            case method, path:
                await exchange.json(404, ProviderError(404, f"Unknown request URL: {method} {path}.", code="unknown_url").body)

    async def _complete(self, exchange: Exchange) -> None:
        call = self._calls.open(path=exchange.path, headers=exchange.headers)
        try:
            body = await exchange.body()
            call.body_bytes = len(body)
            await self._answer(exchange, call, body)
        except ProviderError as error:
            call.outcome = "refused"
            await exchange.json(error.status, error.body)
        except EndedError:
            if call.outcome == "open":
                call.outcome = "left"
        finally:
            call.status = exchange.status
            call.ended_at = time.time()

    async def _answer(self, exchange: Exchange, call: Call, body: bytes) -> None:
        call.key = exchange.headers.get("authorization", "").removeprefix("Bearer ") or None
        if self._control:
            call.keep_body(body)
        if self._key is not None and call.key != self._key:
            raise ProviderError(401, "Incorrect API key provided.", type="authentication_error", code="invalid_api_key")
        request = read(body)
        call.model, call.stream = request.model, bool(request.stream)
        question, fault = self._fault(request, call)
        delivery = Delivery(exchange, call, request, fault, self._control, chunk_ms=self._chunk_ms)
        await delivery.reach("start")
        if await delivery.fail():
            return
        count = request.prompt_tokens
        prompt_tokens = await asyncio.to_thread(count) if len(body) > COUNTED_IN_THREAD_BYTES else count()
        window = fault.context_window or limits_of(request.model).context_window
        if prompt_tokens >= window:
            message = (
                f"This model's maximum context length is {window} tokens. However, your messages resulted in {prompt_tokens} tokens. "
                "Please reduce the length of the messages."
            )
            raise ProviderError(400, message, param="messages", code="context_length_exceeded")
        room = window - prompt_tokens
        try:
            choices = [generate(request, fault=fault, question=question, index=index, room=room) for index in range(request.n or 1)]
        except SchemaError as error:
            raise ProviderError(400, str(error), code="invalid_schema") from None
        await delivery.send(choices, prompt_tokens=prompt_tokens)

    def _fault(self, request: ChatRequest, call: Call) -> tuple[str, Fault]:
        """The question without directives, and what shall happen to this call: its script's step, then what it says itself."""
        question = request.question.text()
        if self._control is None:
            return question, Fault()
        try:
            question, call.marker, inline = read_directives(question)
        except DirectiveError as error:
            raise ProviderError(400, str(error), code="sandbox_directive") from None
        fault = inline.over(self._control.scripts.fault_for(marker=call.marker, model=call.model or "", key=call.key))
        call.fault = fault.model_dump(exclude_defaults=True)
        return question, fault
