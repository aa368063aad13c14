from django.urls import path

from wallets.api import UsageView, WalletView

app_name = "wallets"
urlpatterns = [
    path("wallet", WalletView.as_view(), name="wallet"),
    path("usage/<str:id>", UsageView.as_view(), name="usage"),
]
