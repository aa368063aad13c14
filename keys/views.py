"""The pages of API keys: list, create, revoke."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import account_required
from contract import pagination
from contract.errors import ApiError
from keys import issuing
from keys.forms import NewKeyForm
from keys.models import ApiKey

PAGE_LENGTH = 50


@require_safe
@account_required
def key_list(request):
    """The account's keys, the newest first."""
    keys = ApiKey.objects.of_account(request.account)
    try:
        page = pagination.page(keys, cursor=request.GET.get("cursor"), limit=PAGE_LENGTH)
    except ApiError as error:
        raise Http404 from error
    return render(request, "keys/list.html", {"page": page, "refusal": _refusal(request.account)})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@account_required
def create(request):
    """The form of a new key; its answer is the only page that ever shows the key."""
    if request.method != "POST":
        return render(request, "keys/create.html", {"form": NewKeyForm.new(), "refusal": _refusal(request.account)})
    form = NewKeyForm(request.POST)
    if not form.is_valid():
        return render(request, "keys/create.html", {"form": form}, status=422)
    name = form.cleaned_data["name"]
    try:
        issued = issuing.issue(request.account, actor=request.user, **form.cleaned_data)
    except issuing.AlreadyIssued as refusal:
        if name == refusal.key.name:
            messages.info(request, str(refusal))
            return redirect("keys:list")
        # Back in the browser, and another name into the old form: that is meant as another key
        messages.info(request, f"This form has made the key “{refusal.key.name}” already. Create another one named “{name}”?")
        return render(request, "keys/create.html", {"form": NewKeyForm.new(name=name)}, status=409)
    except issuing.Refused as refusal:
        return render(request, "keys/create.html", {"form": form, "refusal": refusal}, status=409)
    return render(request, "keys/created.html", {"key": issued.key, "token": issued.token, "base_url": f"{settings.SITE_URL}/v1"})


@require_http_methods(["GET", "HEAD", "POST"])
@account_required
def revoke(request, key_id):
    """Asks once, by the key's name, then revokes it at once."""
    key = get_object_or_404(ApiKey.objects.of_account(request.account), pk=key_id)
    if key.revoked_at is None and request.method != "POST":
        return render(request, "keys/revoke.html", {"key": key})
    if request.method == "POST" and issuing.revoke(key, actor=request.user):
        messages.success(request, f"The key “{key.name}” is revoked.")
    else:
        messages.info(request, f"The key “{key.name}” had been revoked before.")
    return redirect("keys:list")


def _refusal(account):
    """What stands in the way of a new key, for the page to say before somebody fills in a form."""
    try:
        issuing.check(account)
    except issuing.Refused as refusal:
        return refusal
    return None
