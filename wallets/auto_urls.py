"""The pages of automatic top-ups, below `/wallet/auto`."""

from django.urls import path

from wallets import auto_views

app_name = "auto_top_up"
urlpatterns = [
    path("auto", auto_views.auto_top_up, name="page"),
    path("auto/off", auto_views.switch_off, name="off"),
    path("auto/card", auto_views.enter_card, name="enter_card"),
    path("auto/card/remove", auto_views.remove_card, name="remove_card"),
]
