"""Every path of the site. Much of `/v1` is answered by the lean handler, see beatra_site/asgi.py."""

from django.contrib import admin
from django.urls import include, path

from beatra_site import demo_inbox
from beatra_site.health import Health, Readiness
from beatra_site.openapi import OpenApiDocument
from beatra_site.webhooks import webhook
from tasks_app.music.nudges import nudge
from tasks_app.uploads.files import StoredFile

handler404 = "beatra_site.not_found.not_found"

urlpatterns = [
    path("livez", Health.as_view()),
    path("readyz", Readiness.as_view()),
    path("openapi.json", OpenApiDocument.as_view(file="openapi.json")),
    path("openapi.yaml", OpenApiDocument.as_view(file="openapi.yaml")),
    path("v1/health", Health.as_view()),
    path("v1/", include("catalog.urls")),
    path("v1/chat/", include("chat.urls")),
    path("v1/", include("wallets.urls")),
    path("v1/music/", include("tasks_app.music.urls")),
    path("v1/", include("tasks_app.urls")),
    path("v1/", include("tasks_app.uploads.urls")),
    path("", include("beatra_site.dashboard.urls")),
    path("files/<str:token>", StoredFile.as_view(), name="file"),
    path("account/", include("accounts.urls")),
    path("accounts/", include("accounts.sign_in_urls")),
    path("admin/", admin.site.urls),
    path("demo/inbox", demo_inbox.inbox, name="demo_inbox"),
    path("keys/", include("keys.urls")),
    path("wallet/", include("wallets.page_urls")),
    path("", include("tasks_app.page_urls")),
    path("webhooks/suno/<str:token>", nudge, name="music_nudge"),
    path("webhooks/<str:provider>", webhook, name="webhook"),
]
