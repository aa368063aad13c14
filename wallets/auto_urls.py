"""The pages of automatic top-ups, below `/wallet/auto`."""

from django.urls import path

from wallets import auto_views

app_name = "auto_top_up"
urlpatterns = [
    path("", auto_views.auto_top_up, name="page"),
    path("/off", auto_views.switch_off, name="off"),
    path("/card", auto_views.enter_card, name="enter_card"),
    path("/card/remove", auto_views.remove_card, name="remove_card"),
]
