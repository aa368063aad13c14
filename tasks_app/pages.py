"""The pages of tasks, for whoever owns them: the list, one task as it runs and what it made, and its cancel."""

import hashlib

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.access import account_required
from contract.errors import ApiError
from tasks_app import canceling, finding
from tasks_app.forms import CAPABILITIES, TaskFilter
from tasks_app.models import Artifact, TaskStatus
from tasks_app.music.option_labels import label, value_label
from tasks_app.uploads import serve

PAGE_LENGTH = 50
TONES = {TaskStatus.SUCCEEDED: "good", TaskStatus.FAILED: "bad", TaskStatus.RUNNING: "warn"}
STAGES = {
    "queued": "Waiting for its turn",
    "preparing": "Getting ready",
    "generating": "Making the music",
    "saving": "Saving the audio",
    "done": "Done",
}


@require_safe
@never_cache
@vary_on_headers("HX-Request", "HX-History-Restore-Request")
@account_required
def task_list(request):
    """The account's tasks, newest first. htmx asks for the next rows alone; without it the link opens them as a page."""
    filters = TaskFilter(request.GET)
    cursor = request.GET.get("cursor", "")
    shown = {"filters": filters, "cursor": cursor, "base_url": f"{settings.SITE_URL}/v1"}
    if filters.is_valid():
        try:
            page = filters.listing(cursor=cursor, limit=PAGE_LENGTH).page(request.account.pk)
        except ApiError as error:
            raise Http404 from error
        shown |= {
            "rows": [(task, _name(task), _tone(task)) for task in page.items],
            "older": filters.query(cursor=page.next_cursor) if page.next_cursor else "",
            "query": filters.query(),
        }
    if cursor and request.htmx and not request.htmx.history_restore_request and filters.is_valid():
        return render(request, "tasks/_rows.html", shown)
    return render(request, "tasks/list.html", shown)


@require_safe
@never_cache
@vary_on_headers("HX-Request")
@account_required
def task(request, task_id):
    """One task. Until it has ended htmx asks for what has changed: 204 while what the page shows is still true."""
    found = _found(request, task_id)
    state = (found.status, found.stage, found.percent, found.message, found.cancel_requested_at)
    seen = hashlib.sha256(repr(state).encode()).hexdigest()[:16]
    if request.htmx and request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    shown = {
        "task": found,
        "name": _name(found),
        "kind": CAPABILITIES[found.capability],
        "tone": _tone(found),
        "stage": STAGES[found.stage],
        "seen": seen,
        "clips": _clips(found),
        "options": _options(found),
        "reference": found.input.get("reference_audio"),
        "own_reference": _own_reference(found),
        "kept_credits": found.usage.charged_credits - found.usage.refunded_credits,
        "cancels_left": canceling.cancels_left(request.account.pk) if found.status == TaskStatus.RUNNING else None,
    }
    return render(request, "tasks/_task.html" if request.htmx else "tasks/task.html", shown)


@require_POST
@account_required
def cancel(request, task_id):
    """Canceled at once, or as soon as whoever works on it hears of it; its page says why not."""
    try:
        found = canceling.cancel(task_id, account_id=request.account.pk)
    except ApiError as refusal:
        if refusal.code == "not_found":
            raise Http404 from refusal
        messages.error(request, refusal.message)
    else:
        # Of one that still runs the page itself says what comes: a message would stay above when it has come
        if found.is_final:
            messages.success(request, "The task is canceled, and its price was given back.")
    return redirect("tasks:task", task_id)


def _found(request, task_id):
    try:
        return finding.task_of(request.account.pk, task_id)
    except ApiError as error:
        raise Http404 from error


def _name(task):
    """What people know it by: its title, else what was asked for."""
    return task.input.get("title") or task.input.get("prompt") or task.pk


def _options(task):
    """Each as the form that makes music calls it."""
    given = [option for options in task.input.get("model_options", {}).values() for option in options.items()]
    return [(label(name), value_label(name, value)) for name, value in given]


def _own_reference(task):
    """What is still kept of an artifact of the account's own that it goes by: its name, and a path to it."""
    reference = task.input.get("reference_audio") or {}
    if reference.get("type") != "artifact":
        return None
    file = Artifact.objects.of_account(task.account_id).stored().filter(pk=reference["artifact_id"]).first()
    return file and {"name": file.filename or file.pk, "path": serve.path(file)}


def _tone(task):
    return TONES.get(task.status, "")


def _clips(task):
    """Each with its file and a path to it, None where that is gone."""
    if not task.clips:
        return []
    files = {artifact.pk: artifact for artifact in task.artifacts.all()}
    found = [(clip, files[clip["artifact_id"]]) for clip in task.clips]
    return [(clip, file, serve.path(file) if file.is_stored else None) for clip, file in found]
