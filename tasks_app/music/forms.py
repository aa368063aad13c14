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
from tasks_app.music.option_labels import label, value_label
from tasks_app.music.schema import AUTO

# Of an account's uploads, to choose a reference from; any other is chosen by its own link
_MOST_OFFERED = 100
_FIELDS = {f"/{name}": name for name in ("model", "prompt", "lyrics", "title", "instrumental")}


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
        """Of each family: the name of its options, whose they are, their fields, and whether one of those is wrong."""
        found = []
        for family, limits in self.families.items():
            whose = ", ".join(model.display_name for model in self.models if model.family == family)
            fields = [self[_field(limits, name)] for name in limits.options]
            found.append((limits.options_name, whose, fields, any(field.errors for field in fields)))
        return found

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
        family = next((model.family for model in self.models if model.id == self.cleaned_data["model"]), None)
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
        """Where the API names an option as JSON, the page names what stands there."""
        for limits in self.families.values():
            for name in limits.options:
                message = message.replace(f"model_options.{limits.options_name}.{name}: true", f"“{label(name)}”")
                message = message.replace(f"model_options.{limits.options_name}.{name} is true", f"“{label(name)}” is chosen")
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


def _field_of(name: str, option: Option) -> forms.Field:
    given: dict[str, Any] = {"required": False, "label": label(name), "help_text": option.description}
    if option.type == "boolean":
        return forms.BooleanField(**given)
    if option.type == "number":
        attributes = {"step": str(option.step or "any"), "inputmode": "decimal"}
        return forms.DecimalField(min_value=option.minimum, max_value=option.maximum, widget=forms.NumberInput(attributes), **given)
    if option.choices:
        return forms.ChoiceField(choices=[("", "Any"), *((choice, value_label(name, choice)) for choice in option.choices)], **given)
    return forms.CharField(**given)


def _clips(number: int) -> str:
    return "1 clip" if number == 1 else f"{number} clips"


def _lines(text: str) -> str:
    """As the customer sees it: browsers send two characters for the end of a line."""
    return text.replace("\r\n", "\n")
