"""Where a provider may tell that a task has moved on: the task is then asked about at once, instead of at its next turn.

Nothing of what it tells is read. The address names the task and is signed, so that strangers can't make us ask.

The row does not tell a worker's claim from a pause between two questions, so a nudge may end the claim of a worker that is asking: another
one then asks too, and what the first has learnt counts no more (tasks_app/engine/claims.py). That does no harm, since nothing but a
question can be under way: a task is nudged only while it has a provider's name of its work and nothing made, and it has no such name before
the work is submitted, while it pauses after a try that failed, or once it is being saved.
"""

from __future__ import annotations

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tasks_app import hinting
from tasks_app.models import Stage, Task


def address(task_id: str) -> str:
    """`Job.callback_url` of the task."""
    return f"{settings.SITE_URL}{reverse('music_nudge', args=[_signer().sign(task_id)])}"


@csrf_exempt
@never_cache
@require_POST
def nudge(_request: HttpRequest, token: str) -> HttpResponse:
    """Always 200: to any other answer the provider would come back, or call the work failed."""
    try:
        task_id = _signer().unsign(token)
    except signing.BadSignature:
        return HttpResponse()
    with transaction.atomic():
        waiting = Task.objects.filter(pk=task_id, stage=Stage.GENERATING, next_run_at__gt=Now()).exclude(provider_task_id="")
        if waiting.update(next_run_at=Now()):
            hinting.enqueue(Task(pk=task_id), blocks=False)
    return HttpResponse()


def _signer() -> signing.Signer:
    return signing.Signer(salt="tasks_app.music.nudges", sep=".")
