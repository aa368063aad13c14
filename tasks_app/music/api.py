"""POST /v1/music/text-to-music and POST /v1/music/reference-audio-to-music: a task is made and paid for, and answered as it stands."""

from __future__ import annotations

from typing import ClassVar

import orjson
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import Account
from contract import idempotency_key, request_id
from contract.operation import documented
from keys.caller import Caller
from tasks_app.envelope import envelope
from tasks_app.models import Capability
from tasks_app.music import document
from tasks_app.music.creating import create
from tasks_app.music.schema import ReferenceAudioToMusicRequest, TextToMusicRequest, parse
from wallets import idempotency
from wallets.idempotency import REPLAYED, KeyedRequest
from wallets.refusals import AlreadyAnswered


class _MusicView(APIView):
    capability: ClassVar[Capability]
    shape: ClassVar[type[TextToMusicRequest]]

    def created(self, request: Request) -> HttpResponse:
        """The 202 with the new task, or with the one that was made for the same request before.

        A replay is looked for before anything is asked of the request or the wallet: what was answered once is answered the same, also
        when the model is off by now.
        """
        caller: Caller = request.auth
        keyed = _keyed(request, caller)
        if keyed is not None and (replay := _replay(keyed)) is not None:
            return replay
        asked = parse(request.data, self.shape)
        account = Account.objects.select_related("wallet").get(pk=caller.account_id)
        try:
            task = create(
                account=account,
                key=caller,
                capability=self.capability,
                request=asked,
                request_id=request_id.current(),
                keyed=keyed,
            )
        except AlreadyAnswered:
            if keyed is not None and (replay := _replay(keyed)) is not None:
                return replay
            raise
        return _answer(orjson.dumps(envelope(task)))


class TextToMusic(_MusicView):
    capability = Capability.TEXT_TO_MUSIC
    shape = TextToMusicRequest

    @documented(document.TEXT_TO_MUSIC)
    def post(self, request: Request) -> HttpResponse:
        """Make music by words.

        The answer is a task: follow it by `GET /v1/tasks/{task_id}` until it has ended, which takes minutes. Its price is charged now, and
        given back in full if the task fails or is canceled. How long texts may be, and which options there are, is up to the model:
        `limits` and `supported_options` of its catalog entry. With `auto` the first model takes it, in our order, whose limits the request
        fits.
        """
        return self.created(request)


class ReferenceAudioToMusic(_MusicView):
    capability = Capability.REFERENCE_AUDIO_TO_MUSIC
    shape = ReferenceAudioToMusicRequest

    @documented(document.REFERENCE_AUDIO_TO_MUSIC)
    def post(self, request: Request) -> HttpResponse:
        """Make music by words and by audio.

        As by words alone, with a reference to go by: an artifact of this account, an https URL, or a data URI. What can be told of it at
        once is told at once; a URL is fetched when the task runs, and what fails there ends the task failed, with `param`, and refunded.
        """
        return self.created(request)


def _keyed(request: Request, caller: Caller) -> KeyedRequest | None:
    key = idempotency_key.given(request)
    if key is None:
        return None
    return idempotency.keyed_request(key, wallet_id=caller.wallet_id, method=request.method or "", path=request.path, body=request.data)


def _replay(keyed: KeyedRequest) -> HttpResponse | None:
    """The answer stored for the request. Raises ApiError idempotency_conflict."""
    stored = idempotency.stored_sync(keyed)
    return None if stored is None else _answer(stored.answer, replayed=True)


def _answer(task: bytes, *, replayed: bool = False) -> HttpResponse:
    return HttpResponse(task, status=202, content_type="application/json", headers=REPLAYED if replayed else {})
