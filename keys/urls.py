"""The pages of API keys, under `/keys/`."""

from django.urls import path

from keys import views

app_name = "keys"
urlpatterns = [
    path("", views.key_list, name="list"),
    path("new/", views.create, name="create"),
    path("<int:key_id>/", views.detail, name="detail"),
    path("<int:key_id>/edit/", views.edit, name="edit"),
    path("<int:key_id>/pause/", views.pause, name="pause"),
    path("<int:key_id>/resume/", views.resume, name="resume"),
    path("<int:key_id>/rotate/", views.rotate, name="rotate"),
    path("<int:key_id>/revoke/", views.revoke, name="revoke"),
]
