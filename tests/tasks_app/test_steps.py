"""The steps of a task against a provider: what is sent how often, what follows from each answer, and where the money is in the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from catalog.breaker_sync import SyncBreakers
from catalog.models import Model, Route
from tasks_app.engine import attempts, claims, overdue, preparing, saving, steps, trying
from tasks_app.models import Task
from tasks_app.music import nudges
from tasks_app.uploads import storing
from tests.factories import WalletFactory
from tests.tasks_app.media_files import mp3
from tests.tasks_app.stand_in import (
    CLIP,
    Hold,
    StandIn,
    broke,
    generation_failed,
    gone,
    overloaded,
    refused,
    says,
    stand_in,
    unwell,
    working,
)
from tests.tasks_app.works import COST, assert_sound, due, files, finish, outcomes, prompt, record, step, work
from wallets.models import Wallet

pytestmark = pytest.mark.usefixtures("committed")

FAMILIES = pytest.mark.parametrize("family", ["suno", "minimax"])


@pytest.fixture(scope="module")
def _provider() -> Iterator[StandIn]:
    with stand_in() as provider:
        yield provider


@pytest.fixture
def provider(_provider: StandIn, settings) -> StandIn:
    settings.SANDBOX_URL = _provider.url
    return _provider


@pytest.fixture
def no_storage(settings, tmp_path) -> Path:
    """The storage is away until this is removed."""
    in_the_way = tmp_path / "files"
    in_the_way.write_text("no folder")
    default = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": in_the_way}}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    return in_the_way


def take_in_thread(task: Task) -> threading.Thread:
    """Takes its next step; the thread is for joining."""

    def run() -> None:
        steps.take(task.pk, may_block=True)
        connection.close()

    due(task)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def chosen(task: Task) -> Task:
    """A try is at hand, by a worker that died before it sent it."""
    due(task)
    claimed = claims.claim(task.pk)
    assert claimed is not None
    if claimed.task.status == "queued":
        preparing.begin(claimed)
    trying.choose(claimed)
    task.refresh_from_db()
    return task


class TestSuccess:
    @FAMILIES
    def test_it_is_sent_once_saved_and_paid(self, provider, family):
        task = finish(work(family))
        assert (task.status, task.percent, task.stage) == ("succeeded", 100, "done"), task.error
        assert [clip["artifact_id"] for clip in task.clips] == files(task)
        assert len(task.clips) == {"suno": 2, "minimax": 1}[family]
        assert provider.count(prompt(task), "submit") == 1
        assert outcomes(task) == [("route-1", "answered", True)]
        assert (record(task).cost_usd, record(task).outcome) == (COST, "succeeded")
        assert [file.size_bytes for file in task.artifacts.all()] == [len(CLIP)] * len(task.clips)
        assert_sound(task)

    def test_its_progress_never_falls_and_its_stages_follow(self, provider):
        task = work("suno")
        provider.script(prompt(task), "poll", working("PENDING"), working("FIRST_SUCCESS"), working("TEXT_SUCCESS"))
        seen = [(task.stage, task.percent)]
        while not task.is_final:
            step(task)
            seen.append((task.stage, task.percent))
        assert [percent for _, percent in seen] == sorted(percent for _, percent in seen)
        assert list(dict.fromkeys(stage for stage, _ in seen)) == ["queued", "generating", "saving", "done"]
        assert (task.deadline_at - task.started_at) == timedelta(minutes=15)

    def test_the_job_is_what_was_asked(self, provider):
        task = work("suno")
        options = {"suno": {"custom_mode": True, "vocal_gender": "f"}}
        Task.objects.filter(pk=task.pk).update(
            input={**task.input, "title": "Dawn", "lyrics": "la la", "instrumental": False, "model_options": options}
        )
        task.refresh_from_db()
        finish(task)
        [body] = provider.bodies(prompt(task))
        assert (body["style"], body["title"], body["prompt"], body["vocalGender"]) == (prompt(task), "Dawn", "la la", "f")
        assert body["callBackUrl"].endswith(nudges.address(task.pk).rpartition("/")[2])


class TestFailures:
    @FAMILIES
    def test_a_refusal_is_final(self, provider, family):
        task = work(family)
        provider.script(prompt(task), "submit", refused)
        finish(task)
        assert (task.status, task.error["retryable"], provider.count(prompt(task), "submit")) == ("failed", False, 1)
        assert task.error["code"] == {"suno": "invalid_request", "minimax": "safety_rejected"}[family]
        assert record(task).absorbed_cost_usd == 0
        assert_sound(task)

    @FAMILIES
    def test_another_route_is_tried_at_once_and_the_same_after_a_pause(self, provider, family):
        task = work(family, routes=2)
        provider.script(prompt(task), "submit", overloaded, overloaded, overloaded)
        pauses = []
        while not task.is_final:
            following = step(task)
            if following and task.attempts and "outcome" in task.attempts[-1] and task.attempts[-1]["outcome"] != "answered":
                pauses.append(following.seconds)
        assert [route for route, _, _ in outcomes(task)] == ["route-1", "route-2", "route-1", "route-2"]
        assert pauses[0] == 0
        assert 3 < pauses[1] < 7
        assert pauses[2] == 0
        assert (task.status, record(task).cost_usd) == ("succeeded", COST), "an overloaded provider bills nothing"
        assert_sound(task)

    def test_pauses_grow(self, provider):
        task = work("suno")
        provider.script(prompt(task), "submit", *[overloaded] * 5)
        pauses = []
        while not task.is_final:
            following = step(task)
            if following and "outcome" in task.attempts[-1] and task.attempts[-1]["outcome"] != "answered":
                pauses.append(following.seconds)
        assert [low < pause < high for pause, low, high in zip(pauses, (3, 7, 15, 30, 45), (7, 13, 26, 51, 76), strict=True)] == [True] * 5

    @FAMILIES
    def test_a_route_for_staff_to_mend_is_left_and_told_of(self, provider, family, caplog):
        task = work(family, routes=2)
        provider.script(prompt(task), "submit", broke)
        with caplog.at_level(logging.ERROR, logger="tasks_app.engine.trying"):
            finish(task)
        assert [line.message for line in caplog.records] == ["staff must look: a route of music can't be used: balance"]
        assert (task.status, outcomes(task)[0]) == ("succeeded", ("route-1", "upstream_error", False))
        assert_sound(task)

    def test_without_another_route_it_fails(self, provider):
        task = work("minimax")
        provider.script(prompt(task), "submit", broke)
        finish(task)
        assert (task.status, task.error["code"], task.error["retryable"]) == ("failed", "upstream_error", True)
        assert_sound(task)

    def test_unavailable_until_no_time_is_left_it_fails_with_that_code(self, provider):
        task = work("suno")
        provider.script(prompt(task), "submit", *[overloaded] * 9)
        step(task)
        Task.objects.filter(pk=task.pk).update(deadline_at=Now() + timedelta(seconds=185))
        finish(task)
        assert (task.status, task.error["code"], provider.count(prompt(task), "submit")) == ("failed", "model_unavailable", 2)
        assert_sound(task)

    def test_a_work_that_failed_there_is_sent_again_and_both_cost(self, provider):
        task = work("suno")
        provider.script(prompt(task), "poll", working(), generation_failed)
        finish(task)
        assert (task.status, provider.count(prompt(task), "submit"), record(task).cost_usd) == ("succeeded", 2, 2 * COST)
        assert_sound(task)

    def test_a_question_without_an_answer_is_asked_again_and_nothing_sent(self, provider):
        task = work("suno")
        provider.script(prompt(task), "poll", says(500, b"<html>"), unwell, broke)
        finish(task)
        assert (task.status, provider.count(prompt(task), "submit"), provider.count(prompt(task), "poll")) == ("succeeded", 1, 4)
        assert_sound(task)

    def test_a_model_without_routes_fails(self, provider):
        task = finish(work("suno", routes=0))
        assert (task.status, task.error["code"], task.error["retryable"]) == ("failed", "model_unavailable", True)
        assert record(task).clause == "not_sent"
        assert_sound(task)

    def test_a_model_that_was_switched_off_makes_what_was_paid_for(self, provider):
        task = work("suno")
        Model.objects.filter(pk=task.model).update(enabled=False)
        finish(task)
        assert (task.status, provider.count(prompt(task), "submit")) == ("succeeded", 1)
        assert_sound(task)

    def test_but_not_over_a_route_that_was(self, provider):
        task = work("suno", routes=2)
        Route.objects.filter(model=task.model, name="route-1").update(enabled=False)
        finish(task)
        assert outcomes(task) == [("route-2", "answered", True)]
        assert_sound(task)


class TestCallsThatLast:
    def test_a_worker_of_short_steps_leaves_them_and_the_task_queued(self, provider):
        task = work("minimax")
        for _ in range(2):
            assert step(task, may_block=False) == steps.Next(0, blocks=True)
            assert (task.status, task.started_at, task.attempts) == ("queued", None, [])
            assert task.next_run_at <= timezone.now()
        assert provider.count(prompt(task), "submit") == 0
        step(task)
        assert (task.stage, provider.count(prompt(task), "submit")) == ("saving", 1)
        while not task.is_final:
            step(task, may_block=False)
        assert (task.status, provider.count(prompt(task), "submit")) == ("succeeded", 1)
        assert_sound(task)

    def test_the_next_try_is_left_to_them_too(self, provider):
        task = work("minimax")
        provider.script(prompt(task), "submit", overloaded)
        assert step(task).blocks
        assert step(task, may_block=False) == steps.Next(0, blocks=True)
        assert (len(task.attempts), provider.count(prompt(task), "submit")) == (1, 1)
        finish(task)
        assert_sound(task)

    def test_a_worker_of_short_steps_takes_the_others(self, provider):
        task = work("suno")
        while not task.is_final:
            step(task, may_block=False)
        assert_sound(task)
        assert task.status == "succeeded"


class TestBreakers:
    def test_a_route_whose_breaker_is_open_is_passed_over(self, provider, settings):
        task = work("suno", routes=2)
        route = Route.objects.get(model=task.model, name="route-1")
        breakers = SyncBreakers(settings.REDIS_URL, threshold=2)
        for account_id in (1, 2):
            breakers.enter(route.pk, account_id=account_id, seconds=60).failed()
        finish(task)
        assert outcomes(task) == [("route-1", "model_unavailable", False), ("route-2", "answered", True)]
        assert provider.count(prompt(task), "submit") == 1
        assert_sound(task)


class TestReferences:
    def test_the_provider_is_given_the_audio(self, provider):
        wallet = WalletFactory(balance=100)
        audio = storing.store(BytesIO(mp3(8)), account_id=wallet.account_id, kind="upload", purpose="reference_audio")
        given = {"type": "artifact", "artifact_id": audio.pk}
        task = work("suno", wallet=wallet, capability="reference_audio_to_music", reference=audio, reference_audio=given)
        finish(task)
        [body] = provider.bodies(prompt(task))
        assert (task.status, body["uploadUrl"].partition("/files/")[1]) == ("succeeded", "/files/")

    def test_one_that_can_not_be_had_fails_the_task_and_names_the_field(self, provider):
        task = work("suno", reference_audio={"type": "url", "url": "https://127.0.0.1/track.mp3"}, capability="reference_audio_to_music")
        finish(task)
        assert (task.status, task.error["param"], provider.count(prompt(task), "submit")) == ("failed", "/reference_audio/url", 0)
        assert record(task).clause == "not_sent"
        assert_sound(task)

    def test_of_one_account_a_few_fetch_at_once_and_others_go_on(self, provider):
        wallet = WalletFactory(balance=1000)
        slow = {"reference_audio": {"type": "url", "url": "https://127.0.0.1/slow.mp3"}, "capability": "reference_audio_to_music"}
        at_it = [work("suno", wallet=wallet, **slow) for _ in range(2)]
        for task in at_it:  # as workers have them that wait for the address
            claim = claims.claim(task.pk)
            assert claim is not None
            preparing.begin(claim)
        third, stranger = work("suno", wallet=wallet, **slow), work("suno", **slow)
        following = step(third)
        assert (third.status, following.blocks) == ("queued", True)
        assert following.seconds > 0
        step(stranger)
        assert (stranger.status, stranger.error["param"]) == ("failed", "/reference_audio/url"), "it was looked at"
        due(at_it[0])
        step(at_it[0])
        step(third)
        assert third.status == "failed", "a place is free"

    def test_one_that_the_storage_does_not_give_costs_nothing(self, provider):
        wallet = WalletFactory(balance=100)
        audio = storing.store(BytesIO(mp3(8)), account_id=wallet.account_id, kind="upload", purpose="reference_audio")
        default_storage.delete(audio.storage_name)
        given = {"type": "artifact", "artifact_id": audio.pk}
        task = work("minimax", wallet=wallet, capability="reference_audio_to_music", reference=audio, reference_audio=given)
        step(task)
        assert outcomes(task) == [("route-1", "model_unavailable", False)]
        Task.objects.filter(pk=task.pk).update(deadline_at=Now())
        finish(task)
        assert (record(task).absorbed_cost_usd, record(task).clause, provider.count(prompt(task), "submit")) == (0, "not_sent", 0)
        storing.remove(audio)
        assert_sound(task)


class TestTime:
    @FAMILIES
    def test_what_would_come_too_late_is_not_sent(self, provider, family):
        task = chosen(work(family))
        Task.objects.filter(pk=task.pk).update(deadline_at=Now() + timedelta(seconds=170))
        step(task)
        assert (task.status, task.error["code"], task.error["retryable"]) == ("failed", "upstream_timeout", True)
        assert (provider.count(prompt(task), "submit"), record(task).clause) == (0, "not_sent")
        assert_sound(task)

    def test_a_locked_wallet_is_waited_for_once_and_holds_up_no_other(self, provider, connect, caplog):
        wallet, old = WalletFactory(balance=200), timezone.now() - timedelta(minutes=31)
        locked = [work("suno", wallet=wallet, created_at=old, next_run_at=old) for _ in range(3)]
        other = work("suno", created_at=old)
        with connect() as holder, holder.transaction():
            holder.execute("select from wallets_wallet where id = %s for update", [wallet.pk])
            overdue.end_overdue()
        mine = {task.pk for task in locked}
        assert sum(getattr(line, "usage_id", "") in mine for line in caplog.records) == 1
        other.refresh_from_db()
        assert other.status == "failed"
        overdue.end_overdue()
        for task in locked:
            assert_sound(task)

    def test_queued_for_too_long_it_fails_without_any_worker(self, provider):
        task = work("suno", created_at=timezone.now() - timedelta(minutes=31))
        fresh = work("suno", created_at=timezone.now() - timedelta(minutes=29))
        overdue.end_overdue()
        task.refresh_from_db(), fresh.refresh_from_db()
        assert (task.status, task.error["retryable"], fresh.status) == ("failed", True, "queued")
        assert_sound(task)

    def test_a_worker_that_comes_too_late_starts_nothing(self, provider):
        task = work("suno", created_at=timezone.now() - timedelta(minutes=31))
        step(task)
        assert (task.status, provider.count(prompt(task), "submit")) == ("failed", 0)
        assert_sound(task)

    def test_past_its_deadline_it_fails_whoever_is_at_it(self, provider):
        task = work("minimax")
        held = Hold()
        provider.script(prompt(task), "submit", held)
        worker = take_in_thread(task)
        held.wait()
        Task.objects.filter(pk=task.pk).update(deadline_at=Now())
        overdue.end_overdue()
        task.refresh_from_db()
        assert (task.status, task.error["code"], task.error["retryable"]) == ("failed", "upstream_timeout", True)
        held.release.set()
        worker.join()
        assert record(task).absorbed_cost_usd == COST
        assert_sound(task)

    def test_a_step_past_the_deadline_ends_it(self, provider):
        task = work("suno")
        step(task)
        Task.objects.filter(pk=task.pk).update(deadline_at=Now())
        step(task)
        assert (task.status, provider.count(prompt(task), "poll")) == ("failed", 0)
        assert_sound(task)


class TestCancel:
    def test_asked_for_between_two_steps_it_ends_at_the_next(self, provider):
        task = work("suno")
        step(task)
        Task.objects.filter(pk=task.pk).update(cancel_requested_at=Now())
        step(task)
        assert (task.status, provider.count(prompt(task), "poll"), record(task).absorbed_cost_usd) == ("canceled", 0, COST)
        assert_sound(task)

    def test_or_by_beat(self, provider):
        task = work("suno")
        step(task)
        Task.objects.filter(pk=task.pk).update(cancel_requested_at=Now())
        overdue.end_overdue()
        assert_sound(task)
        assert task.status == "canceled"

    def test_a_call_under_way_goes_on_and_the_customer_does_not_wait(self, provider, settings):
        settings.TASK_CLAIM_SECONDS = 3
        task = work("minimax")
        held = Hold()
        provider.script(prompt(task), "submit", held)
        worker = take_in_thread(task)
        held.wait()
        Task.objects.filter(pk=task.pk).update(cancel_requested_at=Now())
        worker.join()
        assert not held.release.is_set()
        assert_sound(task)
        assert (task.status, record(task).absorbed_cost_usd) == ("canceled", COST)
        held.release.set()

    def test_what_is_delivered_after_all_is_thrown_away(self, provider):
        task = work("minimax")
        held = Hold()
        provider.script(prompt(task), "submit", held)
        worker = take_in_thread(task)
        held.wait()
        Task.objects.filter(pk=task.pk).update(cancel_requested_at=Now())
        held.release.set()
        worker.join()
        finish(task)
        assert (task.status, task.clips) == ("canceled", [])

    def test_while_it_is_saved(self, provider):
        task = work("suno")
        held = Hold()
        provider.script(prompt(task), "fetch", held)
        while task.stage != "saving":
            step(task)
        worker = take_in_thread(task)
        held.wait()
        Task.objects.filter(pk=task.pk).update(cancel_requested_at=Now())
        held.release.set()
        worker.join()
        finish(task)
        assert (task.status, task.clips) == ("canceled", [])


class TestRaces:
    @FAMILIES
    def test_delivered_often_at_once_it_is_sent_once(self, provider, family):
        task = work(family)

        def run(_: int) -> None:
            steps.take(task.pk, may_block=True)
            connection.close()

        while not task.is_final:
            due(task)
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(run, range(4)))
            task.refresh_from_db()
        assert (task.status, provider.count(prompt(task), "submit")) == ("succeeded", 1)
        assert_sound(task)

    def test_a_task_that_is_not_due_is_left(self, provider):
        task = work("suno", next_run_at=timezone.now() + timedelta(hours=1))
        assert steps.take(task.pk, may_block=True) is None
        task.refresh_from_db()
        assert (task.run, task.status) == (0, "queued")

    @pytest.mark.parametrize("kind", ["submit", "poll", "fetch"])
    def test_who_has_lost_the_claim_writes_nothing(self, provider, kind):
        task = work("suno")
        held = Hold()
        provider.script(prompt(task), kind, held)
        while {"submit": not task.attempts, "poll": not task.provider_task_id, "fetch": task.stage != "saving"}[kind]:
            step(task)
        worker = take_in_thread(task)
        held.wait()
        Task.objects.filter(pk=task.pk).update(run=F("run") + 1, next_run_at=Now() + timedelta(hours=1))
        task.refresh_from_db()
        before = {field.name: getattr(task, field.attname) for field in Task._meta.concrete_fields}
        held.release.set()
        worker.join()
        task.refresh_from_db()
        assert {field.name: getattr(task, field.attname) for field in Task._meta.concrete_fields} == before


class TestUnknown:
    def left(self, task: Task) -> Task:
        """Sent, by a worker that died."""
        chosen(task)
        Task.objects.filter(pk=task.pk).update(sent_at=Now(), attempts=attempts.sent(task))
        task.refresh_from_db()
        return task

    @FAMILIES
    def test_it_is_sent_once_more_and_both_may_cost(self, provider, family):
        task = finish(self.left(work(family)))
        assert (task.status, [one[1] for one in outcomes(task)]) == ("succeeded", ["unknown", "answered"])
        assert (provider.count(prompt(task), "submit"), record(task).cost_usd) == (1, 2 * COST)
        assert_sound(task)

    def test_not_a_third_time(self, provider):
        task = self.left(work("minimax"))
        step(task)
        finish(self.left(task))
        assert (task.status, task.error["code"], task.error["retryable"]) == ("failed", "upstream_error", True)
        assert ([one[1] for one in outcomes(task)], record(task).absorbed_cost_usd) == (["unknown", "unknown"], 2 * COST)
        assert_sound(task)

    @pytest.mark.parametrize("unknown_before", [0, 1])
    def test_a_step_that_is_broken_off_decides_nothing(self, provider, unknown_before, connect):
        """The wallet is locked: the end that was decided on can't be written, and the next worker comes to the same."""
        task = self.left(work("minimax"))
        for _ in range(unknown_before):
            step(task)
            self.left(task)
        Task.objects.filter(pk=task.pk).update(deadline_at=Now() + timedelta(seconds=100))
        with connect() as other, other.transaction():
            other.execute("select from wallets_wallet where account_id = %s for update", [task.account_id])
            assert step(task).seconds == steps.BUSY_SECONDS
        finish(task)
        assert (task.status, provider.count(prompt(task), "submit")) == ("failed", 0)
        assert [one[1] for one in outcomes(task)] == ["unknown"] * (unknown_before + 1)
        assert_sound(task)

    def test_not_without_time_for_it(self, provider):
        task = self.left(work("minimax"))
        Task.objects.filter(pk=task.pk).update(deadline_at=Now() + timedelta(seconds=170))
        finish(task)
        assert (task.status, provider.count(prompt(task), "submit")) == ("failed", 0)
        assert_sound(task)


class TestSaving:
    def test_a_clip_that_comes_late_is_waited_for(self, provider):
        task = work("suno")
        provider.script(prompt(task), "fetch", gone, says(500, b""))
        finish(task)
        assert (task.status, task.warnings, len(task.clips)) == ("succeeded", [], 2)
        assert_sound(task)

    def test_of_two_clips_one_is_enough_with_a_warning(self, provider):
        task = work("suno")
        provider.script(prompt(task), "fetch", *[gone] * 5)
        finish(task)
        assert (task.status, [clip["title"] for clip in task.clips]) == ("succeeded", ["Take 2"])
        assert [artifact.filename for artifact in task.artifacts.all()] == ["Take 2"]
        [warning] = task.warnings
        assert (warning["code"], warning["field"]) == ("clip_missing", None)
        assert_sound(task)

    def test_what_is_no_audio_is_no_clip(self, provider):
        task = work("suno")
        provider.script(prompt(task), "fetch", says(200, b"<html>"), says(200, b"<html>"))
        finish(task)
        assert (task.status, task.error["code"], task.error["retryable"]) == ("failed", "upstream_error", True)
        assert record(task).absorbed_cost_usd == COST
        assert_sound(task)

    def test_who_comes_after_goes_on_with_what_was_saved(self, provider):
        task = work("suno")
        provider.script(prompt(task), "fetch", says(200, CLIP), says(500, b""))
        while not any("artifact_id" in clip for clip in task.made):
            step(task)
        first = files(task)
        finish(task)
        assert [clip["artifact_id"] for clip in task.clips][:1] == first
        assert provider.count(prompt(task), "fetch") == 3
        assert_sound(task)

    def test_what_can_be_fetched_again_is_once_the_storage_is_back(self, provider, no_storage):
        task = work("suno")
        while task.stage != "saving":
            step(task)
        for _ in range(saving.MOST_TRIES + 1):
            assert 11 < step(task).seconds < 19
        assert [clip.get("tries") for clip in task.made] == [None, None]
        no_storage.unlink()
        finish(task)
        assert (task.status, task.warnings, len(task.clips)) == ("succeeded", [], 2)
        assert_sound(task)

    def test_what_can_not_waits_for_the_storage(self, provider, no_storage, monkeypatch, caplog):
        monkeypatch.setattr(saving, "STORAGE_PAUSES", (0.01, 0.02))
        task = work("minimax")
        worker = take_in_thread(task)
        while sum("a clip waits for the storage" in line.message for line in caplog.records) < 5:
            assert worker.is_alive()
            worker.join(0.05)
        no_storage.unlink()
        worker.join()
        finish(task)
        assert (task.status, provider.count(prompt(task), "submit")) == ("succeeded", 1)
        assert_sound(task)

    def test_until_its_time_is_over(self, provider, no_storage, monkeypatch, caplog):
        monkeypatch.setattr(saving, "STORAGE_PAUSES", (0.01,))
        task = work("minimax")
        held = Hold()
        provider.script(prompt(task), "submit", held)
        worker = take_in_thread(task)
        held.wait()
        Task.objects.filter(pk=task.pk).update(deadline_at=Now())
        held.release.set()
        while not any("a clip waits for the storage" in line.message for line in caplog.records):
            assert worker.is_alive()
            worker.join(0.05)
        overdue.end_overdue()
        worker.join()
        assert (Task.objects.get(pk=task.pk).status, record(task).absorbed_cost_usd) == ("failed", COST)
        no_storage.unlink()
        assert_sound(task)


class TestCallbacks:
    def nudge(self, task: Task) -> None:
        assert Client().post("/" + nudges.address(task.pk).split("/", 3)[3]).status_code == 200
        task.refresh_from_db()

    def test_a_late_one_does_not_shorten_the_pause_after_a_failure(self, provider):
        task = work("suno")
        provider.script(prompt(task), "poll", generation_failed)
        while not (task.attempts and "outcome" in task.attempts[-1]):
            step(task)
        before = task.next_run_at
        assert before > timezone.now()
        self.nudge(task)
        assert task.next_run_at == before
        finish(task)
        assert_sound(task)

    def test_one_while_a_worker_asks_has_another_ask_too(self, provider):
        task = work("suno")
        held = Hold()
        provider.script(prompt(task), "poll", held)
        step(task)
        worker = take_in_thread(task)
        held.wait()
        self.nudge(task)
        assert task.next_run_at <= timezone.now()
        steps.take(task.pk, may_block=False)
        held.release.set()
        worker.join()
        task.refresh_from_db()
        assert (len(task.made), provider.count(prompt(task), "poll")) == (2, 2)
        finish(task)
        assert (task.status, provider.count(prompt(task), "submit")) == ("succeeded", 1)
        assert_sound(task)


class TestPoisonedRows:
    """What nobody has thought of, whatever it is."""

    def test_one_line_tells_of_a_step_and_the_task_ends_with_its_time(self, provider, caplog):
        task = work("suno")
        Task.objects.filter(pk=task.pk).update(input=["a secret"])
        with caplog.at_level(logging.ERROR):
            assert step(task) is None
        [line] = caplog.records
        assert (line.getMessage(), line.usage_id, line.exc_info) == ("a step failed unexpectedly: AttributeError", task.pk, None)
        assert task.next_run_at > timezone.now() + timedelta(seconds=10), "it comes again no sooner than its claim has run out"
        Task.objects.filter(pk=task.pk).update(created_at=Now() - timedelta(minutes=31))
        overdue.end_overdue()
        assert_sound(task)
        assert (task.status, task.error["retryable"]) == ("failed", True)

    def test_one_that_can_not_even_start_ends_too(self, provider, caplog):
        task = work("suno", attempts=[{"outcome": "no route"}])
        assert step(task, may_block=False) is None
        assert (task.status, task.next_run_at > timezone.now()) == ("queued", True)
        Task.objects.filter(pk=task.pk).update(created_at=Now() - timedelta(minutes=31))
        overdue.end_overdue()
        assert_sound(task)
        assert (task.status, task.error["retryable"]) == ("failed", True)


def test_nothing_is_charged_twice_or_lost(provider):
    task = finish(work("suno"))
    wallet = Wallet.objects.get(account=task.account_id)
    assert (wallet.balance, wallet.held, wallet.in_flight) == (Decimal(50), 0, 0)
