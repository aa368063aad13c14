"""Customers who want music: tasks of both models and both kinds, well and ill at the sandbox, each created once, and some canceled.

All of it follows from a seed: which tasks, how the sandbox treats each, which are canceled. When what happens is up to the machine.
"""

from __future__ import annotations

import base64
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.customer import Customer
from tests.tasks_app.media_files import wav

CLIENTS = 8
PATIENCE_SECONDS = 120
CREATED, CANCELED, CANCELING, TERMINAL = 202, 200, 202, 409

SUNO, MINIMAX = "suno-5.5", "minimax-music-2.6"
MODELS = (SUNO, MINIMAX, "auto")

# What the sandbox is told to do, by how the task shall fare; weights say how often
FATES = {
    "fine": (10, ""),
    "slow": (4, "generation_ms=3000"),
    "moderated": (2, "base_resp=1026 statuses=PENDING,SENSITIVE_WORD_ERROR"),
    "failing": (1, "status=503"),
    "lost": (1, "cut=reset cut_at=answer"),  # the work is done, and who asked for it never hears of it
    "hard to reach": (2, "poll.status=503 poll.times=2 file.status=502 file.times=1"),
    "no audio": (1, "audio=html"),
}


@dataclass
class Wanted:
    """A task that a customer wants once. `cancel_after` seconds it is canceled; `canceled` is what the cancel was answered."""

    name: str
    owner: Customer
    fate: str
    path: str
    body: dict[str, Any]
    cancel_after: float | None
    task_id: str | None = None
    canceled: int | None = None
    refusal: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {**self.owner.headers, "Idempotency-Key": f"key-of-{self.name}"}


@dataclass
class Orders:
    """All tasks that were wanted, of `owners`, at `v1s`. `upload` gives each owner a reference first."""

    v1s: Sequence[str]
    owners: Sequence[Customer]
    seed: str
    wanted: list[Wanted] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._references = {owner.account.pk: uploaded(owner) for owner in self.owners}

    @contextmanager
    def coming(self, number: int) -> Iterator[None]:
        """So many more are created, and some canceled, while the body runs; afterwards each is asked for on until it is answered."""
        more = [self._some_task(len(self.wanted) + index) for index in range(number)]
        self.wanted += more
        with ThreadPoolExecutor(CLIENTS) as pool:
            asking: list[Future[None]] = [pool.submit(self._ask_for, wanted) for wanted in more]
            yield
        for one in asking:
            one.result()

    def _some_task(self, number: int) -> Wanted:
        rng, name = self._rng, f"{self.seed}-{number}"
        owner, model = rng.choice(self.owners), rng.choice(MODELS)
        (fate,) = rng.choices(list(FATES), [weight for weight, _ in FATES.values()])
        prompt = f"A calm song for the piano [[script:{marker(name)}]]" + (f" [[{FATES[fate][1]}]]" if FATES[fate][1] else "")
        body: dict[str, Any] = {"model": model, "prompt": prompt, "metadata": {"name": name}}
        path = "/music/text-to-music"
        if rng.random() < 0.3:
            path = "/music/reference-audio-to-music"
            body["reference_audio"] = self._reference(owner, rng)
            if model == MINIMAX:
                body["lyrics"] = "A river runs to the sea"
        else:
            body["instrumental"] = True
        return Wanted(name, owner, fate, path, body, cancel_after=rng.uniform(0, 5) if rng.random() < 0.2 else None)

    def _reference(self, owner: Customer, rng: random.Random) -> dict[str, str]:
        if rng.random() < 0.5:
            return {"type": "artifact", "artifact_id": self._references[owner.account.pk]}
        return {"type": "data_uri", "data": f"data:audio/wav;base64,{base64.b64encode(wav(7)).decode()}"}

    def _ask_for(self, wanted: Wanted) -> None:
        rng = random.Random(wanted.name)
        with httpx.Client(timeout=20) as http:
            time.sleep(rng.uniform(0, 2))
            answer = self._until_answered(lambda v1: http.post(f"{v1}{wanted.path}", json=wanted.body, headers=wanted.headers), rng)
            if answer.status_code != CREATED:
                wanted.refusal = answer.text
                return
            wanted.task_id = answer.json()["task_id"]
            if wanted.cancel_after is not None:
                time.sleep(wanted.cancel_after)
                path = f"/tasks/{wanted.task_id}/cancel"
                wanted.canceled = self._until_answered(lambda v1: http.post(f"{v1}{path}", headers=wanted.owner.headers), rng).status_code

    def _until_answered(self, ask: Callable[[str], httpx.Response], rng: random.Random) -> httpx.Response:
        """The first answer that is final, from any web process."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = ask(rng.choice(self.v1s))
                if answer.headers.get("x-should-retry") != "true":
                    return answer
                self.outcomes[answer.json()["error"]["code"]] += 1
            except httpx.TransportError as error:
                self.outcomes[type(error).__name__] += 1
            assert time.monotonic() < deadline, f"no answer any more: {self.outcomes}"
            time.sleep(rng.uniform(0.1, 0.4))


def marker(name: str) -> str:
    """By which the sandbox's generations of a task are found."""
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def uploaded(owner: Customer) -> str:
    """A reference of the customer's; its id."""
    answer = owner.http.post("/uploads", files={"file": ("reference.wav", wav(8))}, data={"purpose": "reference_audio"})
    assert answer.status_code == 200, answer.text
    artifact_id: str = answer.json()["artifact_id"]
    return artifact_id
