"""Celery's part of the settings: what is the same everywhere. Where its broker is and where beat writes is in beatra_site/settings.py.

Jobs are hints, the rows of PostgreSQL are the truth. A job runs again when its worker dies, so each is repeatable.
"""

from celery.schedules import crontab

CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # In seconds: a job that is not acknowledged for this long goes to another worker. None of ours takes longer.
    "visibility_timeout": 900,
    # Looked for every 5 s; by default only every 100 s
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 5,
    "socket_timeout": 30,
}
# Publishing is a hint too: a request does not wait long for a broker that is away
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "beatra"
# What waits for servers that are not ours has a queue, and a worker, of its own: the sweeper must never wait for them.
# So have the steps of tasks, and the calls among them that last for minutes. A worker that is told no queue takes all.
CELERY_TASK_QUEUES = {name: {"exchange": "beatra", "routing_key": name} for name in ("beatra", "outside", "music", "music-calls")}
CELERY_TASK_ROUTES = {
    name: {"queue": "outside"}
    for name in ("accounts.send_notices", "tasks_app.retain_files", "wallets.auto_top_up_one", "wallets.reconcile_top_ups")
} | {"tasks_app.step": {"queue": "music"}}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TIMEZONE = "UTC"
CELERY_IMPORTS = (
    "accounts.notices",
    "wallets.sweeper",
    "wallets.audit_runs",
    "wallets.alerts",
    "wallets.automatic_top_ups.charging",
    "wallets.idempotency",
    "wallets.low_balance",
    "wallets.top_ups.reconciling",
    "keys.cap_notices",
    "tasks_app.tasks",
    "tasks_app.uploads.retention",
)
CELERY_BEAT_SCHEDULE = {
    # Gives back the holds of processes that died, within 30 s of it (wallets/sweeper.py)
    "wallets.sweep": {"task": "wallets.sweep", "schedule": 5.0, "options": {"expires": 15}},
    # Compares every wallet with its books; by the clock, so that no restart puts it off
    "wallets.audit": {"task": "wallets.audit", "schedule": crontab(minute=7), "options": {"expires": 1800}},
    # Logs what staff must look at
    "wallets.alerts": {"task": "wallets.alerts", "schedule": crontab(minute="*/5"), "options": {"expires": 240}},
    # Mails customers what happened to their money and keys
    "accounts.send_notices": {"task": "accounts.send_notices", "schedule": 10.0, "options": {"expires": 10}},
    # Mails customers whose balance has fallen below what they chose
    "wallets.low_balance": {"task": "wallets.low_balance", "schedule": 60.0, "options": {"expires": 60}},
    # Mails that a key's spend cap is nearly, or wholly, used up
    "keys.tell_caps": {"task": "keys.tell_caps", "schedule": 60.0, "options": {"expires": 60}},
    # Erases the answers that were kept for a retry
    "wallets.expire_answers": {"task": "wallets.expire_answers", "schedule": 600.0, "options": {"expires": 600}},
    # Tops up the wallets that are low and whose customers have allowed it
    "wallets.auto_top_up": {"task": "wallets.auto_top_up", "schedule": 30.0, "options": {"expires": 30}},
    # Removes files whose time is up, that nobody gets, or that were left behind
    "tasks_app.retain_files": {"task": "tasks_app.retain_files", "schedule": 60.0, "options": {"expires": 60}},
    # Asks the payment provider about checkouts that it has said nothing about
    "wallets.reconcile_top_ups": {"task": "wallets.reconcile_top_ups", "schedule": 60.0, "options": {"expires": 60}},
    # Tells workers which tasks are due, where nothing else did
    "tasks_app.enqueue_due": {"task": "tasks_app.enqueue_due", "schedule": 3.0, "options": {"expires": 3}},
    # Ends tasks that are past their time, or to be canceled, also when no worker of music runs
    "tasks_app.end_overdue": {"task": "tasks_app.end_overdue", "schedule": 3.0, "options": {"expires": 3}},
}
