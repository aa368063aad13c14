"""The pages of API keys: list, create, and one page for each key, from which it is edited, paused, rotated and revoked."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import account_required
from contract import pagination
from contract.errors import ApiError
from keys import editing, issuing, pausing, rotating
from keys.forms import KeyForm, NewKeyForm, RotateForm
from keys.models import ApiKey
from wallets import budgets
from wallets.models import WalletBusyError

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
    caps = budgets.caps_of(key.pk for key in page.items)
    rows = [(key, caps.get(key.pk, []), _glance(key, caps.get(key.pk, []))) for key in page.items]
    return render(request, "keys/list.html", {"page": page, "rows": rows, "refusal": _refusal(request.account)})


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
    given = form.cleaned_data
    try:
        issued = issuing.issue(
            request.account,
            name=given["name"],
            restrictions=given["restrictions"],
            limits=given["limits"],
            submission=given["submission"],
            actor=request.user,
        )
    except issuing.AlreadyIssued as refusal:
        if given["name"] == refusal.key.name:
            messages.info(request, str(refusal))
            return redirect("keys:list")
        # Back in the browser, and another name into the old form: that is meant as another key
        asked = f"This form has made the key “{refusal.key.name}” already. Create another one named “{given['name']}”?"
        messages.info(request, asked)
        return render(request, "keys/create.html", {"form": form.again()}, status=409)
    except WalletBusyError as refusal:
        return render(request, "keys/create.html", {"form": form, "busy": refusal}, status=503)
    except issuing.Refused as refusal:
        return render(request, "keys/create.html", {"form": form, "refusal": refusal}, status=409)
    return _shown_once(request, issued)


@require_safe
@account_required
def detail(request, key_id):
    """Everything about one key but the key itself."""
    key = _key(request, key_id)
    caps = _caps(key)
    shown = {"key": key, "restrictions": key.restrictions, "caps": caps, "is_capped": any(cap.is_used_up for cap in caps)}
    return render(request, "keys/detail.html", shown)


@require_http_methods(["GET", "HEAD", "POST"])
@account_required
def edit(request, key_id):
    """The name, the restrictions and the spend caps of a key, at work from its next call on."""
    key = _key(request, key_id)
    if not key.is_changeable():
        messages.info(request, str(editing.NotChangeable(key)))
        return redirect("keys:detail", key.pk)
    if request.method != "POST":
        return render(request, "keys/edit.html", {"key": key, "form": KeyForm.of(key)})
    form = KeyForm.of(key, request.POST)
    if not form.is_valid():
        return render(request, "keys/edit.html", {"key": key, "form": form}, status=422)
    given = form.cleaned_data
    try:
        changed = editing.edit(key, name=given["name"], restrictions=given["restrictions"], limits=given["limits"], actor=request.user)
    except WalletBusyError as refusal:
        return render(request, "keys/edit.html", {"key": key, "form": form, "busy": refusal}, status=503)
    except editing.NotChangeable as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "The changes are saved. They count from the next call on." if changed else "Nothing was changed.")
    return redirect("keys:detail", key.pk)


@require_POST
@account_required
def pause(request, key_id):
    """Refuses the key until it is resumed."""
    key = _key(request, key_id)
    if pausing.pause(key, actor=request.user):
        messages.success(request, f"The key “{key.name}” is paused. Calls with it are refused until you resume it.")
    else:
        messages.info(request, f"The key “{key.name}” was {'revoked' if key.revoked_at else 'paused'} before.")
    return redirect("keys:detail", key.pk)


@require_POST
@account_required
def resume(request, key_id):
    """Lets a paused key in again."""
    key = _key(request, key_id)
    if pausing.resume(key, actor=request.user):
        messages.success(request, f"The key “{key.name}” is resumed.")
    else:
        messages.info(request, f"The key “{key.name}” is {'revoked' if key.revoked_at else 'not paused'}.")
    return redirect("keys:detail", key.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@account_required
def rotate(request, key_id):
    """Asks how long the old key shall work on; its answer is the only page that ever shows the new one."""
    key = _key(request, key_id)
    form = RotateForm(request.POST) if request.method == "POST" else RotateForm.new()
    if not form.is_valid():
        if not form.is_bound:
            try:
                rotating.check(key)
            except issuing.Refused as refusal:
                messages.info(request, str(refusal))
                return redirect("keys:detail", key.pk)
        return render(request, "keys/rotate.html", {"key": key, "form": form, "caps": _caps(key)}, status=422 if form.is_bound else 200)
    try:
        issued = rotating.rotate(key, actor=request.user, **form.cleaned_data)
    except issuing.Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("keys:detail", key.pk)
    key.refresh_from_db()
    return _shown_once(request, issued, replaced=key)


@require_http_methods(["GET", "HEAD", "POST"])
@account_required
def revoke(request, key_id):
    """Asks once, by the key's name, then revokes it at once."""
    key = _key(request, key_id)
    if key.revoked_at is None and request.method != "POST":
        return render(request, "keys/revoke.html", {"key": key})
    if request.method == "POST" and issuing.revoke(key, actor=request.user):
        messages.success(request, f"The key “{key.name}” is revoked.")
    else:
        messages.info(request, f"The key “{key.name}” had been revoked before.")
    return redirect("keys:list")


def _key(request, key_id):
    return get_object_or_404(ApiKey.objects.of_account(request.account).select_related("account", "replaced_by", "replaces"), pk=key_id)


def _glance(key, caps):
    return [*key.restrictions.glance, *(cap.in_words for cap in caps)]


def _caps(key):
    return budgets.caps_of([key.pk]).get(key.pk, [])


def _shown_once(request, issued, *, replaced=None):
    shown = {"key": issued.key, "token": issued.token, "base_url": f"{settings.SITE_URL}/v1", "replaced": replaced}
    shown["caps"] = _caps(issued.key)
    return render(request, "keys/created.html", shown)


def _refusal(account):
    """What stands in the way of a new key, for the page to say before somebody fills in a form."""
    try:
        issuing.check(account)
    except issuing.Refused as refusal:
        return refusal
    return None
