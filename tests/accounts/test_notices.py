"""What happened to an account's money and keys is mailed to its owner: once, whatever is told twice, and late rather than never."""

from __future__ import annotations

import datetime as dt
import socketserver
import threading
import uuid

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from accounts import notices
from accounts.models import Notice
from beatra_site.celery import app
from tests.factories import AccountFactory
from tests.servers import free_port


@pytest.fixture(autouse=True)
def _a_mail(tmp_path, settings):
    """A kind of mail of the tests' own."""
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "thing.txt").write_text("Your {{ thing }}\n\nDear {{ account }}, it is {{ thing }}: {{ site_url }}/there\n")
    templates = [{**settings.TEMPLATES[0], "DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}]
    settings.TEMPLATES = templates


def told(account, *, reference="", thing="key & lock"):
    return notices.tell(account, "thing", reference=reference or uuid.uuid4().hex, context={"thing": thing})


@pytest.mark.django_db
def test_the_owner_is_mailed_once(mailoutbox):
    account = AccountFactory()
    assert told(account, reference="once")
    assert not told(account, reference="once", thing="other")
    assert notices.send() == 1
    assert notices.send() == 0
    (mail,) = mailoutbox
    assert mail.to == [account.user.email]
    assert mail.subject == "Your key & lock"
    assert mail.body == f"Dear {account.user.email}, it is key & lock: {settings.SITE_URL}/there\n\nbeatra\n{settings.SITE_URL}\n"


@pytest.mark.django_db
def test_what_was_rolled_back_is_not_told(mailoutbox):
    account = AccountFactory()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        told(account, reference="undone")
        1 / 0  # noqa: B018
    assert notices.send() == 0
    assert mailoutbox == []
    assert told(account, reference="undone")


@pytest.mark.django_db
def test_a_mail_server_that_is_away_delays_a_mail_and_loses_none(mailoutbox, settings, caplog):
    account = AccountFactory()
    told(account)
    there = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        free_port(),
    )
    assert notices.send() == 0
    assert "notice not sent" in caplog.text
    assert account.user.email not in caplog.text
    settings.EMAIL_BACKEND = there
    assert notices.send() == 0, "the next try is later"
    Notice.objects.update(next_try_at=F("next_try_at") - dt.timedelta(minutes=1))
    assert notices.send() == 1
    assert len(mailoutbox) == 1


@pytest.mark.django_db
def test_a_mail_that_never_leaves_is_given_up_with_an_error(settings, caplog):
    told(AccountFactory())
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        free_port(),
    )
    for _ in range(notices.MOST_TRIES):
        notices.send()
        Notice.objects.update(next_try_at=F("next_try_at") - notices.LONGEST_PAUSE)
    assert [record.levelname for record in caplog.records][-2:] == ["WARNING", "ERROR"]
    caplog.clear()
    notices.send()
    assert caplog.records == []


@pytest.mark.django_db
def test_a_mail_server_that_is_away_is_asked_once_a_round(settings):
    told(AccountFactory())
    told(AccountFactory())
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        free_port(),
    )
    notices.send()
    assert sorted(Notice.objects.values_list("tries", flat=True)) == [0, 1]


class MailServer(socketserver.StreamRequestHandler):
    """Takes every mail but those to `nobody@example.com`."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            if line.upper().startswith(b"RCPT") and b"nobody@example.com" in line:
                self.wfile.write(b"550 no such mailbox\r\n")
            elif line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() != b".\r\n":
                    pass
                self.wfile.write(b"250 ok\r\n")
            elif line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@pytest.mark.django_db
def test_a_recipient_who_is_refused_stops_nobody_elses_mail(settings):
    told(AccountFactory(user__email="nobody@example.com"), reference="refused")
    told(AccountFactory(), reference="taken")
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
    try:
        assert notices.send() == 1
    finally:
        server.shutdown()
        server.server_close()
    assert list(Notice.objects.exclude(sent_at=None).values_list("reference", flat=True)) == ["taken"]


@pytest.mark.django_db
def test_a_round_ends_while_more_mails_are_due(mailoutbox, monkeypatch):
    monkeypatch.setattr(notices, "MOST", 2)
    account = AccountFactory()
    for _ in range(3):
        told(account)
    assert [notices.send(), notices.send()] == [2, 1]


def test_what_waits_for_other_servers_is_kept_from_the_sweepers_queue():
    app.loader.import_default_modules()
    queues = {name: app.amqp.router.route({}, name)["queue"] for name in sorted(app.tasks) if not name.startswith("celery.")}
    outside = {name for name, queue in queues.items() if queue.name == "outside"}
    assert outside == {"accounts.send_notices", "tasks_app.retain_files", "wallets.auto_top_up_one", "wallets.reconcile_top_ups"}
    assert queues["wallets.sweep"].name == "beatra"
    assert len({(queue.exchange.name, queue.routing_key) for queue in queues.values()}) == 3, "a message for one must not reach both"


@pytest.mark.django_db
def test_a_closed_account_is_told_nothing(mailoutbox):
    told(AccountFactory(status="closed"))
    notices.send()
    assert mailoutbox == []


def test_senders_at_once_send_each_mail_once(committed, mailoutbox):
    account = AccountFactory()
    mine = {uuid.uuid4().hex for _ in range(20)}
    for thing in mine:
        told(account, thing=thing)

    def send():
        notices.send()
        connection.close()

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    subjects = sorted(mail.subject for mail in mailoutbox if mail.to == [account.user.email])
    assert subjects == sorted(f"Your {thing}" for thing in mine)
