"""The Celery app. The rows of PostgreSQL are the truth; the broker only carries hints, so losing it loses nothing."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import beat_embedded_init, setup_logging, worker_process_init

from beatra_site.parent_death import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "beatra_site.settings")

app = Celery("beatra")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# In every thread: else who sends a job from a view's would send it with an app that nobody has configured
app.set_default()


@setup_logging.connect
def use_our_logging(**_: Any) -> None:
    """A receiver here keeps Celery from putting up handlers of its own: its lines go where all others go."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@worker_process_init.connect
@beat_embedded_init.connect
def end_with_the_worker(**_: Any) -> None:
    """When the worker is killed, its pool and its beat would live on: a second beat beside the next worker's."""
    die_with_parent()
