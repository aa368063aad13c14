"""Tasks in the API, under `/v1/`."""

from django.urls import path

from tasks_app.api import CancelView, TasksView, TaskView

app_name = "tasks_api"
urlpatterns = [
    path("tasks", TasksView.as_view(), name="tasks"),
    path("tasks/<str:task_id>", TaskView.as_view(), name="task"),
    path("tasks/<str:task_id>/cancel", CancelView.as_view(), name="cancel_task"),
]
