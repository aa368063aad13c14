"""The filters of the usage page: what its form takes, which records it finds, and how that is said in words and in addresses.

Every part is found by an index of the usage records, however many a wallet has (UsageRecord.Meta.indexes). A cursor is a place in
the one order of all calls, so a page that is opened with other filters than it was given out for still shows only what they let in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from beatra_site.dashboard import task_outcomes
from beatra_site.dashboard.clauses import CLAUSES, RUNNING
from keys.models import ApiKey
from wallets.models import PAID_CLAUSES, UsageClause, UsageRecord, UsageStatus
from wallets.models.usage import UsageQuerySet

CUSTOM = "custom"
DAYS = {"today": 1, "7d": 7, "30d": 30}
PERIODS = {"": "Any time", "today": "Today", "7d": "Last 7 days", "30d": "Last 30 days", CUSTOM: "From – to"}
NAMES = ("period", "since", "until", "key", "model", "outcome", "id")
# A select of more is of no use; every other key is reached by its address all the same
MOST_KEYS = 200

_OUTCOMES = {"running": (RUNNING.label, Q(status=UsageStatus.OPEN)), "estimated": ("Estimated tokens", Q(estimated=True))}
_OUTCOMES |= {clause: (words.label, Q(clause=clause)) for clause, words in CLAUSES.items()}
_OUTCOMES[UsageClause.UPSTREAM_FAILED] = ("Failed or refused by the provider", Q(clause=UsageClause.UPSTREAM_FAILED))
# One index has them by their outcome, that of a task that runs is empty
_OF_TASKS = {
    f"task_{name or 'running'}": (words.label, ~Q(task_id="") & Q(outcome=name)) for name, words in task_outcomes.BY_OUTCOME.items()
}
_OUTCOMES |= _OF_TASKS


def _outcome_choices() -> list[tuple[str, Any]]:
    paid = [(clause, words.label) for clause, words in CLAUSES.items() if clause in PAID_CLAUSES]
    free = [(clause, _OUTCOMES[clause][0]) for clause in CLAUSES if clause not in PAID_CLAUSES]
    rest = [(name, label) for name, (label, _) in _OUTCOMES.items() if name not in CLAUSES and name not in _OF_TASKS]
    tasks = [(name, label) for name, (label, _) in _OF_TASKS.items()]
    return [("", "Any outcome"), *rest, ("Charged", paid), ("Not charged", free), ("Tasks", tasks)]


class UtcMoment(forms.Field):
    """A minute or second in UTC: its first moment, or with `end` the first one after it, so that both ends of a span are in it."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    units = {"%Y-%m-%dT%H:%M": timedelta(minutes=1), "%Y-%m-%dT%H:%M:%S": timedelta(seconds=1)}

    def __init__(self, *, end: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.end = end

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        for written, unit in self.units.items():
            try:
                start = datetime.strptime(value, written).replace(tzinfo=UTC)
                return start + unit if self.end else start
            except (ValueError, OverflowError):
                continue
        raise ValidationError("Write a date and time in UTC, such as 2026-11-20 14:30.")


@dataclass(frozen=True)
class Chip:
    """One filter that is on: its words, and where the same list without it is."""

    words: str
    without: str


class UsageFilters(forms.Form):
    """`UsageFilters(request.GET, account=account)`; `records` once it is valid.

    `key` and `model` offer what the account has used, `id` is a request id or the id of a call, whole. Fields that are not given
    filter nothing. `since` and `until` count where no other period is chosen.
    """

    use_required_attribute = False
    period = forms.ChoiceField(required=False, choices=PERIODS.items(), label="Period (UTC)")
    since = UtcMoment(required=False, label="From (UTC)")
    until = UtcMoment(required=False, label="To (UTC)", end=True)
    key = forms.ChoiceField(required=False, label="API key", error_messages={"invalid_choice": "That is none of your keys."})
    model = forms.ChoiceField(
        required=False, label="Model", error_messages={"invalid_choice": "No call of yours was answered by the model “%(value)s”."}
    )
    outcome = forms.ChoiceField(
        required=False, choices=_outcome_choices, label="Outcome", error_messages={"invalid_choice": "There is no outcome “%(value)s”."}
    )
    id = forms.CharField(
        required=False,
        max_length=128,
        label="Request, call or task id",
        widget=forms.TextInput(attrs={"placeholder": "req_…, chatcmpl_… or tsk_…", "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Mapping[str, Any], *, account: Account) -> None:
        given = {name: str(data.get(name) or "").strip() for name in NAMES}
        given |= {"since": _as_browsers_write(given["since"], "T00:00"), "until": _as_browsers_write(given["until"], "T23:59")}
        if not given["period"] and (given["since"] or given["until"]):
            given["period"] = CUSTOM
        super().__init__(given, auto_id="filter-%s")
        self.wallet = account.wallet
        self.all_records = UsageRecord.objects.of_wallet(self.wallet)
        self.keys = {str(key.pk): key for key in _keys(account, chosen=given["key"])}
        self.fields["period"].error_messages["invalid_choice"] = "There is no period “%(value)s”."
        self.fields["key"].choices = [("", "Any key"), *((pk, _key_words(key)) for pk, key in self.keys.items())]  # type: ignore[attr-defined]  # a choice field's
        models = [(name, name) for name in UsageRecord.objects.models_of(self.wallet)]
        self.fields["model"].choices = [("", "Any model"), *models]  # type: ignore[attr-defined]  # a choice field's

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("period") == CUSTOM and not self.errors:
            if not (given["since"] or given["until"]):
                self.add_error("since", "Write where the period begins, where it ends, or both.")
            elif given["since"] and given["until"] and given["until"] <= given["since"]:
                self.add_error("until", "The end lies before the beginning.")
        return given

    @property
    def active(self) -> dict[str, str]:
        """The filters that are on, by name, as they were given; those that count, once the form is valid."""
        chosen = {name: str(self.data[name]) for name in NAMES if self.data[name]}
        if chosen.get("period") != CUSTOM:
            chosen.pop("since", None)
            chosen.pop("until", None)
        return chosen

    def records(self) -> UsageQuerySet:
        """The calls that the filters let in."""
        given, found = self.cleaned_data, self.all_records
        since, until = self._span()
        if since:
            found = found.filter(created_at__gte=since)
        if until:
            found = found.filter(created_at__lt=until)
        if given["key"]:
            found = found.filter(key_id=int(given["key"]))
        if given["model"]:
            found = found.filter(model=given["model"])
        if given["outcome"]:
            found = found.filter(_OUTCOMES[given["outcome"]][1])
        if given["id"]:
            # not both with OR, for which no index has the order
            ids = spellings(given["id"])
            is_call = self.all_records.filter(pk__in=ids).exists()
            found = found.filter(pk__in=ids) if is_call else found.filter(request_id__in=ids)
        return found

    def chips(self) -> Iterator[Chip]:
        """One for each filter that is on."""
        words = self._words()
        for name in self.active:
            if name in words:
                yield Chip(words[name], self._without(name))

    def query(self, *, cursor: str = "") -> str:
        """The query of an address with these filters, at `cursor`: "?key=3&outcome=drained", empty without any."""
        return query_of({**self.active, "cursor": cursor})

    def address(self) -> str:
        """The first page with these filters, and without the fields that were left empty."""
        return reverse("dashboard:usage") + self.query()

    def _without(self, name: str) -> str:
        gone = ("period", "since", "until") if name == "period" else (name,)
        return reverse("dashboard:usage") + query_of({left: value for left, value in self.active.items() if left not in gone})

    def _span(self) -> tuple[datetime | None, datetime | None]:
        period = self.cleaned_data["period"]
        if period == CUSTOM:
            return self.cleaned_data["since"], self.cleaned_data["until"]
        if period:
            midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            return midnight - timedelta(days=DAYS[period] - 1), None
        return None, None

    def _words(self) -> dict[str, str]:
        given = self.cleaned_data
        words = {name: f"{self.fields[name].label}: {given[name]}" for name in ("model", "id") if given[name]}
        if given["key"]:
            words["key"] = f"Key: {self.keys[given['key']].name}"
        if given["outcome"]:
            words["outcome"] = f"Outcome: {_OUTCOMES[given['outcome']][0]}"
        if given["period"] == CUSTOM:
            ends = ((word, self.active.get(name, "").replace("T", " ")) for word, name in (("from", "since"), ("to", "until")))
            words["period"] = f"{' '.join(f'{word} {end}' for word, end in ends if end).capitalize()} UTC"
        elif given["period"]:
            since, _ = self._span()
            words["period"] = f"{PERIODS[given['period']]}: since {since:%Y-%m-%d %H:%M} UTC"
        return words


def spellings(given: str) -> list[str]:
    """An id as it was given and, where it looks like one of ours in other letters, as we write it: `chatcmpl_01J…`."""
    prefix, _, digits = given.partition("_")
    ours = f"{prefix.lower()}_{digits.upper()}"
    return [given, ours] if ours != given and re.fullmatch(r"[a-z]+_[0-9A-HJKMNP-TV-Z]{26}", ours) else [given]


def _as_browsers_write(moment: str, time_of_day: str) -> str:
    """A moment as date and time fields have it; a day alone is taken to begin or end at `time_of_day`."""
    text = moment.removesuffix("Z").replace(" ", "T")
    return text + time_of_day if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text


def query_of(given: Mapping[str, Any]) -> str:
    """The filters and the cursor of `given` as the query of an address, and nothing else of it."""
    kept = {name: str(given[name]) for name in (*NAMES, "cursor") if given.get(name)}
    return f"?{urlencode(kept)}" if kept else ""


def _keys(account: Account, *, chosen: str) -> list[ApiKey]:
    """The account's keys that are active or that calls were made with, by name; and the one `chosen`, whichever it is."""
    keys = ApiKey.objects.of_account(account)
    newest = list(keys.order_by("-created_at", "-id")[:MOST_KEYS])
    if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 and not any(key.pk == int(chosen) for key in newest):
        newest += keys.filter(pk=int(chosen))
    used = UsageRecord.objects.keys_used(key.pk for key in newest)
    offered = [key for key in newest if key.pk in used or str(key.pk) == chosen or not key.has_ended()]
    return sorted(offered, key=lambda key: (key.has_ended(), key.name.lower(), key.pk))


def _key_words(key: ApiKey) -> str:
    status = key.status()
    return f"{key.name} ({key.prefix}…{'' if status == ApiKey.Status.ACTIVE else f', {status.label.lower()}'})"
