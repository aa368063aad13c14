"""The pages of API keys, under `/keys/`."""

from django.urls import path

from keys import views

app_name = "keys"
urlpatterns = [
    path("", views.key_list, name="list"),
    path("new/", views.create, name="create"),
    path("<int:key_id>/revoke/", views.revoke, name="revoke"),
]
