"""Why staff do something to an account or to what it owns."""

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget


class ReasonForm(forms.Form):
    """Why staff do something to an account. Kept with the event, for staff to read."""

    reason = forms.CharField(max_length=500, widget=UnfoldAdminTextareaWidget({"rows": 3}))
