"""The pages of the wallet, under `/wallet/`."""

from django.urls import path

from wallets import views, wallet_actions
from wallets.automatic_top_ups import views as automatic_top_ups
from wallets.top_ups import pages

app_name = "wallets"
urlpatterns = [
    path("", views.wallet, name="wallet"),
    path("ledger.csv", views.export, name="export"),
    path("voucher/", wallet_actions.redeem_voucher, name="redeem_voucher"),
    path("low-balance/", wallet_actions.low_balance, name="low_balance"),
    path("add/", pages.add, name="add"),
    path("top-ups/", pages.top_up_list, name="top_ups"),
    path("top-ups/<slug:top_up_id>", pages.receipt, name="top_up"),
    path("top-ups/<slug:top_up_id>/cancel", pages.cancel, name="cancel_top_up"),
    path("top-ups/<slug:top_up_id>/return", pages.returned, name="topup_return"),
    path("auto", automatic_top_ups.auto_top_up, name="auto_top_up"),
    path("auto/off", automatic_top_ups.switch_off, name="auto_top_up_off"),
    path("auto/card", automatic_top_ups.enter_card, name="enter_card"),
    path("auto/card/remove", automatic_top_ups.remove_card, name="remove_card"),
]
