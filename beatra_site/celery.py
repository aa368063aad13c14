"""The Celery app. The rows of PostgreSQL are the truth; the broker only carries hints, so losing it loses nothing."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "beatra_site.settings")

app = Celery("beatra")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
