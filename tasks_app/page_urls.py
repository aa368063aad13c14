"""The pages of music: making it, tasks and uploads."""

from django.urls import path

from tasks_app import pages
from tasks_app.music.pages import make
from tasks_app.uploads import pages as uploads
from tasks_app.uploads.from_browser import UploadFromBrowser

app_name = "tasks"
urlpatterns = [
    path("music/", make, name="make"),
    path("tasks/", pages.task_list, name="list"),
    path("tasks/<slug:task_id>", pages.task, name="task"),
    path("tasks/<slug:task_id>/cancel", pages.cancel, name="cancel"),
    path("uploads/", uploads.upload_list, name="uploads"),
    path("uploads/send", UploadFromBrowser.as_view(), name="send_upload"),
    path("uploads/<slug:artifact_id>/delete", uploads.delete, name="delete_upload"),
]
