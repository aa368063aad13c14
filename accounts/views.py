"""The account page: who is signed in, and where to change it."""

from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import account_required


@require_safe
@account_required
def account(request):
    return render(request, "accounts/account.html", {"account": request.account})
