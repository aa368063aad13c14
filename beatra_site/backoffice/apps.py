from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "beatra_site.backoffice"
    verbose_name = "Back office"
