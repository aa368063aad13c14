"""The form of an account's limits."""

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from accounts.reason_page import ReasonForm
from contract import limits


class LimitsForm(ReasonForm):
    """How much an account may do, and why it is to be that."""

    requests_per_minute = forms.IntegerField(
        min_value=1,
        max_value=limits.MOST_REQUESTS_PER_MINUTE,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=f"Of all its keys together. Empty: {limits.REQUESTS_PER_MINUTE}, as everybody has.",
    )
    max_in_flight = forms.IntegerField(
        label="Calls in flight",
        min_value=0,
        max_value=100_000,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=f"That may run at the same time: {limits.CALLS_IN_FLIGHT} unless it is changed here.",
    )
    stored_uploads = forms.IntegerField(
        label="Uploads kept",
        min_value=0,
        max_value=1_000_000,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=f"At the same time. Empty: {limits.STORED_UPLOADS}, as everybody has.",
    )
    stored_mib = forms.IntegerField(
        label="MiB of uploads kept",
        min_value=0,
        max_value=1_000_000_000,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=f"All of them together. Empty: {limits.STORED_BYTES // limits.MIB}, as everybody has.",
    )
    field_order = ["requests_per_minute", "max_in_flight", "stored_uploads", "stored_mib", "reason"]
