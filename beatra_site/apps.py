from django.apps import AppConfig


class BeatraSiteConfig(AppConfig):
    name = "beatra_site"
    verbose_name = "beatra"
