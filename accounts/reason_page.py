"""The page that asks staff why they do something to an account or to what it owns, and then does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget


class ReasonForm(forms.Form):
    """Why staff do something to an account."""

    reason = forms.CharField(
        max_length=500, widget=UnfoldAdminTextareaWidget({"rows": 3}), help_text="Kept with the event, for staff to read."
    )


def ask_why(
    request: HttpRequest,
    model_admin: ModelAdmin,
    row: Model,
    change: Callable[..., bool | int],
    *,
    verb: str,
    then: str,
    done: str,
    form: forms.Form | None = None,
    what: object = None,
    button: str = "",
) -> HttpResponse:
    """The page of `form` (a ReasonForm unless it is another); once it is valid, `change` with what was given and back to `row`.

    `then` says what that brings about, and `done` that it is so, if `change` says that anything was changed. `what` names the row
    where its own name does not do, and `button` says what pressing it does where `verb` does not do.
    """
    form = form or ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if change(**form.cleaned_data):
            messages.success(request, done)
        return redirect(page_of(model_admin, row))
    return reason_page(request, model_admin, row, verb=verb, then=then, form=form, what=what, button=button)


def reason_page(
    request: HttpRequest,
    model_admin: ModelAdmin,
    row: Model,
    *,
    verb: str,
    then: str,
    form: forms.Form,
    what: object = None,
    button: str = "",
) -> TemplateResponse:
    """The form, with what is to be done to `row` above it, and the way back."""
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": f"{verb} {row}",
        "what": what or row,
        "verb": verb,
        "button": button,
        "then": then,
        "form": form,
        "page": page_of(model_admin, row),
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/reason.html", context)


def page_of(model_admin: ModelAdmin, row: Model) -> str:
    """The path of `row` in the admin."""
    return reverse(f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_change", args=[quote(row.pk)])
