"""beatra's settings with the urls of the test application: everything else is as it is served."""

from beatra_site.settings import *  # noqa: F403

REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_AUTHENTICATION_CLASSES": [], "DEFAULT_PERMISSION_CLASSES": []}  # noqa: F405
ROOT_URLCONF = "tests.contract.app"
ALLOWED_HOSTS = ["127.0.0.1", ".example.com"]
