"""Home, usage and receipts: thin views, what they show is gathered beside them."""

from django.contrib.auth.decorators import login_required
from django.shortcuts import render


def home(request):
    return render(request, "dashboard/home.html")


@login_required
def usage(request):
    return render(request, "dashboard/usage.html")


@login_required
def receipt(request, usage_id):
    return render(request, "dashboard/receipt.html")
