"""What a page answers when the wallet it would change is locked by another transaction for too long."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.deprecation import MiddlewareMixin

from wallets.models import WalletBusyError


class BusyWallets(MiddlewareMixin):
    """Middleware: instead of a crash, a page that says so; staff are told on the page they came from.

    Forms that can be shown again with what was typed do that themselves.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, WalletBusyError):
            return None
        if request.path.startswith("/admin/") and request.method == "POST":
            messages.error(request, "Something else is at work on this wallet. Nothing was saved; try again.")
            return redirect(request.get_full_path())
        return render(request, "503_busy.html", {"busy": exception}, status=503)
