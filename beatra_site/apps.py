from django.apps import AppConfig


class BeatraSiteConfig(AppConfig):
    name = "beatra_site"
    verbose_name = "beatra"

    def ready(self) -> None:
        from beatra_site import checks  # noqa: F401  (registers them)
