"""Uploads in the API, under `/v1/`; and `/files/`, where all stored files are fetched."""

from django.urls import path

from tasks_app.uploads.api import OneUpload, Uploads

app_name = "uploads_api"
urlpatterns = [
    path("uploads", Uploads.as_view(), name="uploads"),
    path("uploads/<str:artifact_id>", OneUpload.as_view(), name="upload"),
]
