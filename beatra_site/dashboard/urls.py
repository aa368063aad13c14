"""The pages a customer opens first: home, usage, receipts."""

from django.urls import path

from beatra_site.dashboard import views
from beatra_site.dashboard.first_call import first_call

app_name = "dashboard"
urlpatterns = [
    path("", views.home, name="home"),
    path("first-call/<int:key_id>/", first_call, name="first_call"),
    path("usage/", views.usage, name="usage"),
    path("usage/<slug:usage_id>/", views.receipt, name="receipt"),
]
