"""The pages a customer opens first: home, usage, receipts."""

from django.urls import path

from beatra_site.dashboard import views

app_name = "dashboard"
urlpatterns = [
    path("", views.home, name="home"),
    path("usage/", views.usage, name="usage"),
    path("usage/<slug:usage_id>/", views.receipt, name="receipt"),
]
