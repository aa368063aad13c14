"""The form that makes music: what it offers, and the request of the API that it stands for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from accounts.models import Account
from catalog.music_limits import FAMILIES, REFERENCE_TYPES, MusicLimits, Option
from catalog.music_models import MusicModel
from contract.errors import ApiError
from tasks_app.models import Artifact, ArtifactKind
from tasks_app.music.limits import NO_MODEL
from tasks_app.music.option_labels import label, value_label
from tasks_app.music.schema import AUTO

# Of an account's uploads, to choose a reference from; any other is chosen by its own link
_MOST_OFFERED = 100
_FIELDS = {f"/{name}": name for name in ("model", "prompt", "lyrics", "title", "instrumental")}

_NO_MODEL = "No model takes this as it is. Below is what the closest would need; its options are shown once you choose that model."
_WORDS = {
    "unless instrumental is true": "unless “Instrumental” is chosen",
    "unless instrumental or": "unless “Instrumental” or",
    "can't be true": "can't be chosen",
    "is required": "needed",
    "is not taken": "not taken",
}
_WHERE = {"in_custom_mode": "in custom mode", "with_reference": "with a reference"}


class MusicForm(forms.Form):
    """`body` is what the API would be sent, once it is valid. How long texts may be is the model's to say, so it is not asked here.

    Options count where their family's model is chosen; those of others are left out. `submission` names one rendering: sent twice, it
    is one task.
    """

    use_required_attribute = False
    model = forms.ChoiceField(error_messages={"invalid_choice": "There is no music model “%(value)s” any more."})
    prompt = forms.CharField(
        label="Prompt",
        help_text="What it is to sound like: style, mood, instruments, tempo.",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say what it is to sound like."},
    )
    title = forms.CharField(required=False, label="Title")
    lyrics = forms.CharField(required=False, label="Lyrics", help_text="What is sung.", widget=forms.Textarea(attrs={"rows": 6}))
    instrumental = forms.BooleanField(required=False, label="Instrumental: nobody sings")
    reference = forms.ChoiceField(
        required=False, label="Reference", error_messages={"invalid_choice": "There is no such audio of yours, or not any more."}
    )
    submission = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, account: Account, models: Sequence[MusicModel], reference: str = ""
    ) -> None:
        super().__init__(data, initial={"model": AUTO if _has_auto(models) else models[0].id, "reference": reference}, auto_id="music-%s")
        self.models = models
        self.families = {family: FAMILIES[family] for family in dict.fromkeys(model.family for model in models)}
        self.fields["model"].choices = [(AUTO, AUTO)] * _has_auto(models) + [(model.id, model.id) for model in models]  # type: ignore[attr-defined]  # a choice field's
        named = str(data.get("reference") or "") if data is not None else reference
        self.fields["reference"].choices = [("", "None"), *_references(account, named=named)]  # type: ignore[attr-defined]  # a choice field's
        for name in ("prompt", "title", "lyrics"):
            self.fields[name].help_text = f"{self.fields[name].help_text} {self._lengths(name)}".strip()
        for limits in self.families.values():
            for name, option in limits.options.items():
                self.fields[_field(limits, name)] = _field_of(name, option)

    @property
    def choices(self) -> list[tuple[str, str, str, str, str]]:
        """Of the model: its id, its name, what it costs, what it makes, and the name of its options."""
        prices = sorted({model.credits_per_task for model in self.models if model.auto_rank is not None})
        rows = [
            (model.id, model.display_name, f"{model.credits_per_task:,f}", _clips(model.limits.clips), model.limits.options_name)
            for model in self.models
        ]
        if not prices:
            return rows
        span = f"{prices[0]:,f}" if len(prices) == 1 else f"{prices[0]:,f} to {prices[-1]:,f}"
        return [(AUTO, "Auto", span, "the first model that takes what you ask for", AUTO), *rows]

    @property
    def options(self) -> list[tuple[str, str, list[forms.BoundField], bool]]:
        """Of each family: the name of its options, whose they are, their fields, and whether they are to be seen at once: where its model
        is chosen and anything is wrong, for what is wrong elsewhere may name them."""
        found = []
        for family, limits in self.families.items():
            fields = [self[_field(limits, name)] for name in limits.options]
            is_open = bool(self.errors) and self._chosen_family == family
            found.append((limits.options_name, self._whose(family), fields, is_open))
        return found

    def focus_on_what_is_wrong(self) -> None:
        """The first field with an error is where the page begins."""
        wrong = next((field for name, field in self.fields.items() if name in self.errors), None)
        if wrong is not None:
            wrong.widget.attrs["autofocus"] = True

    def _whose(self, family: str) -> str:
        return ", ".join(model.display_name for model in self.models if model.family == family)

    def _lengths(self, name: str) -> str:
        """How long a text may be, for each family."""
        return f"Up to {'; '.join(_length(name, limits, self._whose(family)) for family, limits in self.families.items())}."

    @property
    def _chosen_family(self) -> str | None:
        return next((model.family for model in self.models if model.id == self["model"].value()), None)

    @property
    def body(self) -> dict[str, Any]:
        given = self.cleaned_data
        body: dict[str, Any] = {"model": given["model"], "prompt": _lines(given["prompt"]), "instrumental": given["instrumental"]}
        if given["title"]:
            body["title"] = given["title"]
        if given["lyrics"]:
            body["lyrics"] = _lines(given["lyrics"])
        if options := self._options():
            body["model_options"] = options
        if given["reference"]:
            body["reference_audio"] = {"type": "artifact", "artifact_id": given["reference"]}
        return body

    def _options(self) -> dict[str, dict[str, Any]]:
        family = self._chosen_family
        if family is None:
            return {}
        limits = self.families[family]
        given: dict[str, Any] = {}
        for name, option in limits.options.items():
            value = self.cleaned_data[_field(limits, name)]
            if value not in (None, "", False):
                given[name] = float(value) if option.type == "number" else value
        return {limits.options_name: given} if given else {}

    def add_refusal(self, error: ApiError) -> None:
        """What the API would have answered, each word at its field."""
        if error.message.startswith(NO_MODEL):
            self.add_error(None, _NO_MODEL)
        for wrong in error.details.get("errors", ()):
            name = self._field_at(wrong["param"])
            words = self._in_words_of_the_page(wrong["message"])
            self.add_error(name, f"{words[0].upper()}{words[1:]}." if name else f"{wrong['param']} {words}.")
        if not error.details.get("errors"):
            self.add_error(self._field_at(error.param or ""), error.message)

    def _field_at(self, param: str) -> str | None:
        if param.startswith("/reference_audio"):
            return "reference"
        if param.startswith("/model_options/"):
            name = "-".join(param.split("/")[2:])
            return name if name in self.fields else None
        return _FIELDS.get(param)

    def _in_words_of_the_page(self, message: str) -> str:
        """Where the API names fields, values and models, the page says what stands there."""
        for model in self.models:
            message = message.replace(model.id, model.display_name)
        for limits in self.families.values():
            for name in limits.options:
                message = message.replace(f"model_options.{limits.options_name}.{name}: true", f"“{label(name)}”")
                message = message.replace(f"model_options.{limits.options_name}.{name} is true", f"“{label(name)}” is chosen")
        for theirs, ours in _WORDS.items():
            message = message.replace(theirs, ours)
        return message


def _has_auto(models: Sequence[MusicModel]) -> bool:
    return any(model.auto_rank is not None for model in models)


def _references(account: Account, *, named: str) -> list[tuple[str, str]]:
    """The account's uploads that may be a reference, the newest first, and the artifact that is `named`, whatever it is."""
    audio = Artifact.objects.of_account(account).exclude(kind=ArtifactKind.REFERENCE).stored().filter(mime_type__in=REFERENCE_TYPES)
    offered = list(audio.uploads().order_by("-created_at", "-id")[:_MOST_OFFERED])
    if named and not any(artifact.pk == named for artifact in offered):
        offered += audio.filter(pk=named)
    return [(artifact.pk, _name(artifact)) for artifact in offered]


def _name(artifact: Artifact) -> str:
    length = "" if artifact.duration_seconds is None else f" ({artifact.duration_seconds:.0f} s)"
    return f"{artifact.filename or artifact.pk}{length}"


def _field(limits: MusicLimits, name: str) -> str:
    return f"{limits.options_name}-{name}"


def _length(name: str, limits: MusicLimits, whose: str) -> str:
    """ "500 characters for Suno 5.5 (1,000 in custom mode)"."""
    others = ((getattr(limits, f"{name}_{case}", None), words) for case, words in _WHERE.items())
    told = ", ".join(f"{f'{span.minimum} to ' if span.minimum > 1 else ''}{span.maximum:,} {words}" for span, words in others if span)
    return f"{getattr(limits, name).maximum:,} characters for {whose}{f' ({told})' if told else ''}"


def _field_of(name: str, option: Option) -> forms.Field:
    given: dict[str, Any] = {"required": False, "label": label(name), "help_text": f"{option.description}{_range(option)}"}
    if option.type == "boolean":
        return forms.BooleanField(**given)
    if option.type == "number":
        attributes = {"step": str(option.step or "any"), "inputmode": "decimal"}
        return forms.DecimalField(min_value=option.minimum, max_value=option.maximum, widget=forms.NumberInput(attributes), **given)
    if option.choices:
        return forms.ChoiceField(choices=[("", "Any"), *((choice, value_label(name, choice)) for choice in option.choices)], **given)
    return forms.CharField(**given)


def _range(option: Option) -> str:
    if option.type == "number":
        return f" A number from {option.minimum} to {option.maximum}."
    return "" if option.max_length is None else f" Up to {option.max_length} characters."


def _clips(number: int) -> str:
    return "1 clip" if number == 1 else f"{number} clips"


def _lines(text: str) -> str:
    """As the customer sees it: browsers send two characters for the end of a line."""
    return text.replace("\r\n", "\n")
