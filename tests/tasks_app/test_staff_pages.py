"""Staff look at tasks and files, never at what customers wrote; they end a task or remove a file, with a reason."""

from __future__ import annotations

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse

from accounts.models import Event
from tasks_app.models import Artifact, Task
from tests.browsing import read, signed_in, text
from tests.factories import StaffFactory, WalletFactory
from tests.tasks_app import states
from tests.tasks_app.states import stored, succeeded
from wallets.models import LedgerEntry, Wallet

pytestmark = pytest.mark.django_db
TASKS, FILES = reverse("admin:tasks_app_task_changelist"), reverse("admin:tasks_app_artifact_changelist")
WORDS = {"prompt": "zither", "title": "zenith", "lyrics": "zephyr"}


@pytest.fixture
def staff():
    return signed_in(StaffFactory(is_superuser=True))


@pytest.fixture
def wallet():
    return WalletFactory(balance=1000)


def page(row):
    return reverse(f"admin:tasks_app_{row._meta.model_name}_change", args=[quote(row.pk)])


def deed(row, name):
    return page(row).replace("/change/", f"/{name}/")


def listed(answer):
    return list(answer.context["cl"].result_list)


def test_tasks_are_found_by_id_by_address_and_by_filters(staff, wallet):
    running, failed = states.running(wallet, model="suno-5.5"), states.failed(wallet)
    states.running()
    email = wallet.account.user.email
    assert listed(staff.get(TASKS, {"q": email})) == listed(staff.get(TASKS, {"q": email[:-4]})) == [failed, running]
    assert listed(staff.get(TASKS, {"q": running.pk})) == [running]
    assert listed(staff.get(TASKS, {"q": email, "status__exact": "failed"})) == [failed]
    assert listed(staff.get(TASKS, {"q": email, "model": "suno-5.5"})) == [running]
    assert listed(staff.get(TASKS, {"q": "nobody"})) == []
    assert "model_unavailable" in text(staff.get(TASKS, {"q": failed.pk}))


def test_what_customers_wrote_is_on_no_page_of_staff(staff, wallet):
    task = states.running(wallet, input=WORDS, metadata={"zebra": "zealous"}, provider_task_id="theirs-7")
    file = stored(task, filename="zigzag.mp3", metadata={"zebra": "zealous"})
    succeeded(file)
    for path in (f"{TASKS}?q={task.pk}", page(task), f"{FILES}?q={file.pk}", page(file)):
        html = staff.get(path).content.decode()
        for word in ("zither", "zenith", "zephyr", "zebra", "zealous", "zigzag", "Dawn", file.storage_name):
            assert word not in html, (path, word)
    assert "theirs-7" in text(staff.get(page(task)))
    assert page(file) in read(staff.get(page(task))).links


def test_a_task_is_canceled_and_refunded_with_a_reason(staff, wallet):
    task = states.running(wallet)
    assert deed(task, "cancel") in read(staff.get(page(task))).links
    asks = staff.post(deed(task, "cancel"), {"reason": ""})
    assert "Cancel and refund Back" in text(asks)
    assert Task.objects.get(pk=task.pk).status == "running"
    answer = staff.post(deed(task, "cancel"), {"reason": "It hung."}, follow=True)
    assert "The task is canceled and refunded." in text(answer)
    assert Task.objects.get(pk=task.pk).status == "canceled"
    assert Wallet.objects.get(pk=wallet.pk).balance == 1000
    event = Event.objects.get(account=wallet.account, kind="task.canceled")
    assert (event.actor, event.data) == (staff.user, {"task": task.pk, "reason": "It hung."})
    assert deed(task, "cancel") not in read(answer).links
    for again in (staff.get(deed(task, "cancel"), follow=True), staff.post(deed(task, "cancel"), {"reason": "Again."}, follow=True)):
        assert again.redirect_chain == [(page(task), 302)]
        assert "The task has already ended." in text(again)
    assert LedgerEntry.objects.filter(wallet=wallet, kind="refund").count() == 1


def test_a_file_is_removed_with_a_reason(staff, wallet):
    file = stored(states.running(wallet))
    assert "The file is removed." in text(staff.post(deed(file, "remove"), {"reason": "Not theirs."}, follow=True))
    assert Artifact.objects.get(pk=file.pk).removed_at is not None
    assert Event.objects.get(account=wallet.account, kind="artifact.removed").data["reason"] == "Not theirs."
    again = staff.post(deed(file, "remove"), {"reason": "Again."}, follow=True)
    assert "The file's bytes are already gone." in text(again)
    assert deed(file, "remove") not in read(again).links


def test_who_may_only_view_changes_nothing(wallet):
    task = states.running(wallet)
    file = stored(task)
    viewer = signed_in(StaffFactory(permissions=["tasks_app.view_task", "tasks_app.view_artifact"]))
    for row, name in ((task, "cancel"), (file, "remove")):
        assert viewer.get(page(row)).status_code == 200
        assert deed(row, name) not in read(viewer.get(page(row))).links
        assert viewer.post(deed(row, name), {"reason": "x"}).status_code == 403
    assert Task.objects.get(pk=task.pk).status == "running"
    assert Artifact.objects.get(pk=file.pk).is_stored


def test_tasks_that_wait_for_long_stand_on_the_front_page(staff, wallet):
    fresh = states.queued(wallet)
    waiting = states.queued(wallet, created_at=fresh.created_at - states.HOUR / 6)
    links = read(staff.get(reverse("admin:index"))).links
    assert page(waiting) in links
    assert page(fresh) not in links
