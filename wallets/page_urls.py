"""The pages of the wallet, under `/wallet/`."""

from django.urls import path

from wallets import auto_views, top_up_pages, views, wallet_actions

app_name = "wallets"
urlpatterns = [
    path("", views.wallet, name="wallet"),
    path("ledger.csv", views.export, name="export"),
    path("voucher/", wallet_actions.redeem_voucher, name="redeem_voucher"),
    path("low-balance/", wallet_actions.low_balance, name="low_balance"),
    path("add/", top_up_pages.add, name="add"),
    path("top-ups/", top_up_pages.top_up_list, name="top_ups"),
    path("top-ups/<slug:top_up_id>", top_up_pages.receipt, name="top_up"),
    path("top-ups/<slug:top_up_id>/cancel", top_up_pages.cancel, name="cancel_top_up"),
    path("top-ups/<slug:top_up_id>/return", top_up_pages.returned, name="topup_return"),
    path("auto", auto_views.auto_top_up, name="auto_top_up"),
    path("auto/off", auto_views.switch_off, name="auto_top_up_off"),
    path("auto/card", auto_views.enter_card, name="enter_card"),
    path("auto/card/remove", auto_views.remove_card, name="remove_card"),
]
