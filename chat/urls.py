from django.urls import path

from chat.api import ChatCompletions

app_name = "chat"
urlpatterns = [path("completions", ChatCompletions.as_view(), name="completions")]
