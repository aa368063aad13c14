"""The audit trail stays as it was written: the database itself refuses to change or delete it."""

import pytest
from django.db import IntegrityError, connection, transaction

from accounts import events
from accounts.models import Event
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db


def refused(work):
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        work()


def truncate():
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate; truncate accounts_event")


def test_an_event_is_neither_changed_nor_deleted():
    account = AccountFactory()
    event = events.record("account.suspended", account=account, actor=None, reason="card dispute")
    mine = Event.objects.filter(pk=event.pk)
    refused(lambda: mine.update(kind="account.reopened"))
    refused(lambda: mine.update(actor=account.user))
    refused(mine.delete)
    refused(truncate)
    assert mine.get().data == {"reason": "card dispute"}
