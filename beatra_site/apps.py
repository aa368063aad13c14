from django.apps import AppConfig


class BeatraSiteConfig(AppConfig):
    name = "beatra_site"
    verbose_name = "beatra"

    def ready(self) -> None:
        from beatra_site import (
            celery,  # noqa: F401  (so that whatever sends a job does so by our app)
            checks,  # noqa: F401  (registers them)
        )
