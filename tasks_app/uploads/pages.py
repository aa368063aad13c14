"""The page of an account's uploads: what it keeps, how much of its share that is, sending another and deleting one."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import account_required
from accounts.models import Account
from catalog.music_limits import REFERENCE_TYPES
from contract import pagination
from contract.errors import ApiError
from contract.limits import MIB, UPLOAD
from tasks_app.models import Artifact
from tasks_app.uploads import from_browser, quota, serve, storing

PAGE_LENGTH = 20


@require_safe
@never_cache
@account_required
def upload_list(request):
    account = request.account
    cursor = request.GET.get("cursor", "")
    try:
        page = pagination.page(_uploads(account), cursor=cursor, limit=PAGE_LENGTH)
    except ApiError as error:
        raise Http404 from error
    kept = quota.kept_by(account)
    shown = {
        "rows": [(upload, serve.path(upload), upload.mime_type in REFERENCE_TYPES) for upload in page.items],
        "next_cursor": page.next_cursor,
        "cursor": cursor,
        "kept": kept,
        "percent": min(100, round(100 * max(kept.size_bytes / max(kept.most_bytes, 1), kept.count / max(kept.most, 1)))),
        "can_send": account.status == Account.Status.ACTIVE,
        "most_mib": UPLOAD // MIB,
        "days": settings.ARTIFACT_DAYS,
        "token": from_browser.token(request.user),
        "refusal": from_browser.refusal_in(request.GET.get("refused", "")),
        "sent": _uploads(account).filter(pk=request.GET.get("sent", "")).first(),
    }
    return render(request, "uploads/list.html", shown)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@account_required
def delete(request, artifact_id):
    """Asks first: what is deleted does not come back."""
    upload = _uploads(request.account).filter(pk=artifact_id).first()
    if upload is None:
        raise Http404
    if request.method != "POST":
        return render(request, "uploads/delete.html", {"upload": upload})
    storing.remove(upload)
    messages.success(request, f"{upload.filename or upload.pk} is deleted.")
    return redirect("tasks:uploads")


def _uploads(account):
    return Artifact.objects.of_account(account).uploads().stored()
