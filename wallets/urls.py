"""The wallet in the API, under `/v1/`. Its pages: wallets/page_urls.py."""

from django.urls import path

from wallets.api import UsageView, WalletView

app_name = "wallets_api"
urlpatterns = [
    path("wallet", WalletView.as_view(), name="wallet"),
    path("usage/<str:id>", UsageView.as_view(), name="usage"),
]
