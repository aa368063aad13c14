"""Every path of the site. `/v1/chat/...` is answered by the lean handler, see beatra_site/asgi.py."""

from django.contrib import admin
from django.urls import include, path

from beatra_site.health import Health, Readiness

urlpatterns = [
    path("livez", Health.as_view()),
    path("readyz", Readiness.as_view()),
    path("v1/health", Health.as_view()),
    path("", include("beatra_site.dashboard.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("keys/", include("keys.urls")),
]
