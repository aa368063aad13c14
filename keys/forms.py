"""The forms of a key: making one, editing it, rotating it."""

import re
import uuid
from datetime import UTC, datetime, time, timedelta

from django import forms
from django.utils import timezone

from catalog.models import Model
from contract import limits
from keys import networks
from keys.cap_fields import CapsForm
from keys.models import ApiKey
from keys.restrictions import NONE, Restrictions
from keys.rotating import OVERLAPS
from keys.scopes import SCOPES
from wallets import budgets

MOST_YEARS = 10

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KEEP, _NEVER, _ON_DATE = "keep", "never", "date"
_PRESETS = {"7": "In 7 days", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}
_ALL, _ONLY = "all", "only"


class KeyForm(CapsForm):
    """A key's name, restrictions and spend caps: `cleaned_data` has `name`, and the rest as two values, `restrictions` and `limits`."""

    name = forms.CharField(
        max_length=ApiKey._meta.get_field("name").max_length,
        help_text="What uses this key, say “billing worker, production”. It stands on the receipts of its calls.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    expires = forms.ChoiceField(label="Expires", initial=_NEVER)
    expires_on = forms.DateField(
        label="Last day",
        required=False,
        help_text="The key works to the end of that day, UTC.",
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    scope_choice = forms.ChoiceField(
        label="What it may do",
        choices=[(_ALL, "Everything, also what is added later"), (_ONLY, "Only this:")],
        initial=_ALL,
        widget=forms.RadioSelect,
    )
    scopes = forms.MultipleChoiceField(
        label="Capabilities",
        choices=[(scope.id, f"{scope.name}: {scope.covers}") for scope in SCOPES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    model_choice = forms.ChoiceField(
        label="Which models it may call",
        choices=[(_ALL, "All models, also those added later"), (_ONLY, "Only these:")],
        initial=_ALL,
        widget=forms.RadioSelect,
    )
    models = forms.MultipleChoiceField(label="Models", required=False, widget=forms.CheckboxSelectMultiple)
    networks = forms.CharField(
        label="Where it may be used from",
        required=False,
        help_text="One address or network (CIDR) a line, such as 203.0.113.7 or 2001:db8::/32. Empty: from everywhere.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
    )
    requests_per_minute = forms.IntegerField(
        label="Requests per minute",
        required=False,
        min_value=1,
        max_value=limits.MOST_REQUESTS_PER_MINUTE,
        error_messages={
            "invalid": "Give a whole number in digits and nothing else, such as 1200.",
            "min_value": "The limit must be 1 at least. Leave it empty for none of its own.",
            "max_value": f"The limit can be {limits.MOST_REQUESTS_PER_MINUTE:,} at most. Leave it empty for none of its own.",
        },
        help_text="Of this key alone; those of all keys together are limited besides. Empty: no limit of its own.",
        # Text, so that a browser sends and shows again whatever was typed
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args, restrictions=NONE, **kwargs):
        """`restrictions` are those the key has already."""
        super().__init__(*args, **kwargs)
        self._ends_at = restrictions.expires_at
        kept = [(_KEEP, f"As it is: {self._ends_at:%Y-%m-%d %H:%M} UTC")] if self._ends_at else []
        choices = {
            "expires": [*kept, (_NEVER, "Never"), *_PRESETS.items(), (_ON_DATE, "On a date of my choice")],
            "models": _offered_models(restrictions.allowed_models or []),
        }
        for name, offered in choices.items():
            self.fields[name].choices = offered  # type: ignore[attr-defined]  # both are fields of choice

    @classmethod
    def of(cls, key, data=None):
        """The form of a key there is."""
        given = key.restrictions
        initial = {
            "name": key.name,
            "expires": _KEEP if given.expires_at else _NEVER,
            "scope_choice": _ALL if given.scopes is None else _ONLY,
            "scopes": given.scopes,
            "model_choice": _ALL if given.allowed_models is None else _ONLY,
            "models": given.allowed_models,
            "networks": "\n".join(given.network_lines),
            "requests_per_minute": given.requests_per_minute,
        }
        return cls(data, initial=initial, restrictions=given, caps=budgets.caps_of([key.pk]).get(key.pk, []))

    @property
    def restricts(self):
        """Whether a restriction is given, or wrong: then the restrictions are shown at once."""
        if self.is_bound:
            return bool(set(self.errors) - {"name"} - self.caps_errors) or self.cleaned_data.get("restrictions") != NONE
        return bool(self._ends_at) or any(self.initial.get(name) for name in ("scopes", "models", "networks", "requests_per_minute"))

    def clean_name(self):
        name = " ".join(self.cleaned_data["name"].split())
        if _CONTROL.search(name):
            raise forms.ValidationError("A name can't hold control characters.")
        return name

    def clean_networks(self):
        found: dict[str, None] = {}
        wrong: list[str] = []
        for number, line in enumerate(self.cleaned_data["networks"].splitlines(), start=1):
            if not line.strip():
                continue
            try:
                found[str(networks.network(line.strip()))] = None
            except networks.NotANetwork as error:
                wrong.append(f"Line {number}: {error}")
        if wrong:
            more = [f"… and {len(wrong) - 10} more lines."] if len(wrong) > 10 else []
            raise forms.ValidationError([*wrong[:10], *more])
        if len(found) > limits.NETWORKS:
            raise forms.ValidationError(
                f"These are {len(found)} networks; a key can have {limits.NETWORKS}. Join neighbours to larger ones."
            )
        return list(found)

    def clean(self):
        given = self.cleaned_data
        columns = {
            "expires_at": self._expiry(),
            "scopes": self._listed("scope_choice", "scopes", noun="capability"),
            "allowed_models": self._listed("model_choice", "models", noun="model"),
            "allowed_networks": given.get("networks") or None,
            "requests_per_minute": given.get("requests_per_minute"),
        }
        return given | {"restrictions": Restrictions(**columns), "limits": self.limits()}

    def _expiry(self):
        choice, day = self.cleaned_data.get("expires"), self.cleaned_data.get("expires_on")
        if choice is None or "expires_on" in self.errors:
            return None
        if choice != _ON_DATE and day is not None:
            self.add_error("expires_on", "A day is given, but another choice is made above. Choose “On a date”, or empty the day.")
        elif choice == _ON_DATE:
            return self._end_of(day)
        if choice == _KEEP:
            return self._ends_at
        return timezone.now() + timedelta(days=int(choice)) if choice in _PRESETS else None

    def _end_of(self, day):
        today = timezone.now().date()
        if day is None:
            self.add_error("expires_on", "Give the last day of the key.")
        elif day < today:
            self.add_error("expires_on", "This day has passed. To end a key at once, revoke it.")
        elif day > today + timedelta(days=366 * MOST_YEARS):
            self.add_error("expires_on", f"This is more than {MOST_YEARS} years away. Choose “Never” instead.")
        else:
            return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)
        return None

    def _listed(self, choice, field, *, noun):
        """What is ticked, if only that is meant. Ticks that would count for nothing are asked about: the key would do more than meant."""
        is_only, ticked = self.cleaned_data.get(choice) == _ONLY, self.cleaned_data.get(field)
        if ticked is None or choice in self.errors:
            return None
        if is_only and not ticked:
            self.add_error(field, f"Tick at least one {noun}, or choose all.")
        if ticked and not is_only:
            self.add_error(field, "Some are ticked, but all is chosen above. Choose “Only”, or untick them.")
        return ticked if is_only else None


class NewKeyForm(KeyForm):
    """The number of this form goes with it: sent twice, it makes one key."""

    submission = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autofocus"] = True

    @classmethod
    def new(cls, **initial):
        """An unsent form."""
        return cls(initial={**initial, "submission": uuid.uuid4()})

    def again(self):
        """What was sent, in a form that has not been."""
        data = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        data["submission"] = str(uuid.uuid4())
        return type(self)(data)


class RotateForm(forms.Form):
    """How long the old key works on."""

    overlap = forms.ChoiceField(
        label="The old key stops working",
        choices=[("0", "Now"), ("1", "In 1 hour"), ("24", "In 24 hours"), ("168", "In 7 days")],
        initial="24",
        widget=forms.RadioSelect,
    )
    submission = forms.UUIDField(widget=forms.HiddenInput)

    @classmethod
    def new(cls):
        """An unsent form."""
        return cls(initial={"submission": uuid.uuid4()})

    def clean_overlap(self):
        return OVERLAPS[self.cleaned_data["overlap"]]


def _offered_models(listed):
    """What can be ticked: the enabled models, and those of the key's list that are not enabled now."""
    enabled = {model.id: f"{model.display_name} ({model.id})" for model in Model.objects.filter(enabled=True)}
    return [*enabled.items(), *((id, f"{id} (switched off)") for id in listed if id not in enabled)]
