from django.urls import path

from chat.api import ChatCompletions
from chat.quote import ChatQuote

app_name = "chat"
urlpatterns = [
    path("completions", ChatCompletions.as_view(), name="completions"),
    path("completions/quote", ChatQuote.as_view(), name="quote"),
]
