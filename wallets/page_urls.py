"""The pages of the wallet, under `/wallet/`."""

from django.urls import path

from wallets import top_up_pages, views, wallet_actions

app_name = "wallets"
urlpatterns = [
    path("", views.wallet, name="wallet"),
    path("ledger.csv", views.export, name="export"),
    path("voucher/", wallet_actions.redeem_voucher, name="redeem_voucher"),
    path("low-balance/", wallet_actions.low_balance, name="low_balance"),
    path("add/", top_up_pages.add, name="add"),
    path("top-ups/", top_up_pages.top_up_list, name="top_ups"),
    path("top-ups/<slug:top_up_id>", top_up_pages.receipt, name="top_up"),
    # As payments.return_url has it
    path("top-ups/<slug:top_up_id>/return", top_up_pages.returned, name="topup_return"),
]
