"""The page that makes music, of an account's own owner: as the API does it, without a key."""

from django.db import OperationalError
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import account_required
from accounts.models import Account
from catalog.music_models import music_models
from contract import request_id
from contract.errors import ApiError
from contract.exceptions import as_api_error
from tasks_app.models import Capability
from tasks_app.music.creating import create
from tasks_app.music.forms import MusicForm
from tasks_app.music.schema import ReferenceAudioToMusicRequest, TextToMusicRequest, parse
from wallets import idempotency
from wallets.refusals import AlreadyAnswered


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@account_required
def make(request):
    """The form; sent, it leads on to the task."""
    account = request.account
    models = music_models()
    shown = {"account": account, "wallet": account.wallet, "refusal": _refusal(account, models)}
    if shown["refusal"]:
        return render(request, "music/make.html", shown, status=409 if request.method == "POST" else 200)
    if request.method != "POST":
        form = MusicForm(account=account, models=models, reference=request.GET.get("reference", ""))
        return render(request, "music/make.html", {**shown, "form": form})
    form = MusicForm(request.POST, account=account, models=models)
    if not form.is_valid():
        form.focus_on_what_is_wrong()
        return render(request, "music/make.html", {**shown, "form": form}, status=422)
    try:
        return redirect("tasks:task", _made(account, form))
    except (ApiError, OperationalError) as error:
        refusal = as_api_error(error)
    if refusal.code == "idempotency_conflict":
        # Sent again, it is another task
        form = MusicForm({**request.POST.dict(), "submission": form.fields["submission"].initial()}, account=account, models=models)
        form.is_valid()
        form.add_error(None, "This form was sent before, and made a task. Send it again to make another as it is now.")
    elif refusal.code == "insufficient_balance":
        shown["lacks_credits"] = refusal.message
    else:
        form.add_refusal(refusal)
        form.focus_on_what_is_wrong()
    return render(request, "music/make.html", {**shown, "form": form}, status=refusal.status)


def _made(account, form):
    """The id of the new task, or of the one that this form has made before."""
    body = form.body
    has_reference = "reference_audio" in body
    keyed = idempotency.keyed_request(
        str(form.cleaned_data["submission"]), wallet_id=account.wallet.pk, method="POST", path="/music/", body=body
    )
    try:
        if (made := idempotency.stored_sync(keyed)) is not None:
            return made.usage_id
        return create(
            account=account,
            key=None,
            capability=Capability.REFERENCE_AUDIO_TO_MUSIC if has_reference else Capability.TEXT_TO_MUSIC,
            request=parse(body, ReferenceAudioToMusicRequest if has_reference else TextToMusicRequest),
            request_id=request_id.current(),
            keyed=keyed,
        ).pk
    except AlreadyAnswered:
        made = idempotency.stored_sync(keyed)
        if made is None:
            raise
        return made.usage_id


def _refusal(account, models):
    """Why no music can be made now."""
    if account.status != Account.Status.ACTIVE:
        return f"This account is {account.status}: it can't make music."
    return "" if models else "There is no music model at the moment."
