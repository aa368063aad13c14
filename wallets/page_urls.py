"""The pages of the wallet, under `/wallet/`."""

from django.urls import path

from wallets import views, wallet_actions

app_name = "wallets"
urlpatterns = [
    path("", views.wallet, name="wallet"),
    path("voucher/", wallet_actions.redeem_voucher, name="redeem_voucher"),
    path("low-balance/", wallet_actions.low_balance, name="low_balance"),
]
