"""Lists are paged by the values of their last row."""

import datetime

import pytest
from django.utils import timezone

from accounts.models import User
from contract.errors import ApiError
from contract.pagination import limit_given, page
from tests.factories import UserFactory

ORDERING = ("-date_joined", "-id")


@pytest.fixture
def users(db: None) -> list[User]:
    """Seven, three of which joined at the same moment, the newest first."""
    now = timezone.now()
    joined = [now - datetime.timedelta(microseconds=step) for step in (0, 1, 2, 2, 2, 3, 4)]
    made = UserFactory.create_batch(7)
    for user, moment in zip(made, joined, strict=True):
        User.objects.filter(pk=user.pk).update(date_joined=moment)
    return sorted(User.objects.filter(pk__in=[user.pk for user in made]), key=lambda user: (user.date_joined, user.pk), reverse=True)


def walk(users: list[User], *, limit: int, ordering: tuple[str, ...] = ORDERING) -> list[list[User]]:
    queryset = User.objects.filter(pk__in=[user.pk for user in users])
    pages = [page(queryset, limit=limit, ordering=ordering)]
    while pages[-1].has_more:
        pages.append(page(queryset, cursor=pages[-1].next_cursor, limit=limit, ordering=ordering))
    assert pages[-1].next_cursor is None
    return [one.items for one in pages]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_every_row_comes_once_and_in_order(users: list[User], limit: int):
    pages = walk(users, limit=limit)
    assert [user for one in pages for user in one] == users
    assert all(len(one) == limit for one in pages[:-1])


def test_an_ascending_order_is_walked_alike(users: list[User]):
    pages = walk(users, limit=2, ordering=("date_joined", "id"))
    assert [user for one in pages for user in one] == users[::-1]


def test_rows_that_arrive_meanwhile_move_nothing(users: list[User]):
    first = page(User.objects.all(), limit=3, ordering=ORDERING)
    UserFactory()
    second = page(User.objects.all(), cursor=first.next_cursor, limit=3, ordering=ORDERING)
    assert not {user.pk for user in first.items} & {user.pk for user in second.items}
    assert second.items == users[3:6]


@pytest.mark.usefixtures("db")
def test_an_empty_list_is_a_page():
    nothing = page(User.objects.none(), ordering=ORDERING)
    assert (nothing.items, nothing.next_cursor, nothing.has_more) == ([], None, False)


@pytest.mark.parametrize(
    "forge", [lambda cursor: "x", lambda cursor: cursor + "x", lambda cursor: "é.é", lambda cursor: "x" + cursor], ids=range(4)
)
def test_a_forged_cursor_is_refused(users: list[User], forge):
    cursor = page(User.objects.all(), limit=1, ordering=ORDERING).next_cursor
    with pytest.raises(ApiError) as refusal:
        page(User.objects.all(), cursor=forge(cursor), ordering=ORDERING)
    assert (refusal.value.code, refusal.value.param) == ("invalid_request", "cursor")


def test_a_cursor_of_another_order_is_refused(users: list[User]):
    cursor = page(User.objects.all(), limit=1, ordering=ORDERING).next_cursor
    with pytest.raises(ApiError):
        page(User.objects.all(), cursor=cursor, ordering=("date_joined", "id"))


def test_a_page_is_one_query(users: list[User], django_assert_num_queries):
    cursor = page(User.objects.all(), limit=1, ordering=ORDERING).next_cursor
    with django_assert_num_queries(1):
        page(User.objects.all(), cursor=cursor, limit=2, ordering=ORDERING)


def test_the_limit_is_20_to_begin_with():
    assert limit_given(None) == limit_given("") == 20


@pytest.mark.parametrize("value", ["1", "100", "007"])
def test_a_limit_of_1_to_100_is_taken(value: str):
    assert limit_given(value) == int(value)


@pytest.mark.parametrize("value", ["0", "101", "-1", "1.0", "ten", "٣", "9" * 5000, " 5"])
def test_any_other_limit_is_refused_by_name(value: str):
    with pytest.raises(ApiError) as refusal:
        limit_given(value)
    assert (refusal.value.code, refusal.value.param) == ("invalid_request", "limit")
