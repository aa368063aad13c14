"""beatra's settings: everything that differs between places comes from the environment, see .env.example.

Where the environment says nothing, `$VAR/servers.env` (written by `manage.py up`) fills in, so that `manage.py shell`,
`migrate` and plain `pytest` find the embedded servers without further set-up.
"""

from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.templatetags.static import static

from beatra_site.celery_settings import *  # noqa: F403  # CELERY_..., as if they stood here
from beatra_site.logs import logging_config
from contract import limits

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
VAR = Path(env.str("VAR", str(BASE_DIR / "var"))).resolve()
for file in (BASE_DIR / ".env", VAR / "servers.env"):
    if file.is_file():
        env.read_env(file)

# Where we are

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
# The pepper under which API keys are digested. Losing it makes every key invalid.
KEY_PEPPER = env.str("KEY_PEPPER", "")
SITE_URL = env.str("SITE_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# How many reverse proxies stand before us and are believed about the client's address and about TLS
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", 0)

# The sandbox providers: true in the demo and in tests only
SANDBOX = env.bool("SANDBOX", False)
SANDBOX_URL = env.str("SANDBOX_URL", "")
# Where browsers find the sandbox's checkout, if that is elsewhere
SANDBOX_PUBLIC_URL = env.str("SANDBOX_PUBLIC_URL", "") or SANDBOX_URL

# Django

INSTALLED_APPS = [
    "beatra_site",  # before staticfiles, whose runserver it replaces
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "accounts",
    "wallets",
    "catalog",
    "keys",
    "chat",
    "tasks_app",
    "beatra_site.backoffice",
]
MIDDLEWARE = [
    "contract.returned_connections.returned_connections",
    "django.middleware.security.SecurityMiddleware",
    "beatra_site.csp.content_security_policy",
    "beatra_site.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "beatra_site.busy_wallets.BusyWallets",
]
ROOT_URLCONF = "beatra_site.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "beatra_site.demo_inbox.context",
                "accounts.support.context",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
LOGGING = logging_config(level=env.str("LOG_LEVEL", "INFO"))
# Bodies are limited by the edge, path by path; Django's own limit must not be lower
DATA_UPLOAD_MAX_MEMORY_SIZE = limits.BODY

# PostgreSQL. The pool is Django's; the chat path has an async one of its own (wallets/pool.py).

DATABASE_URL = env.str("DATABASE_URL", "")
DATABASES = {
    "default": {
        **env.db_url_config(DATABASE_URL or "postgres://127.0.0.1/beatra"),
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 10), "timeout": 10}},
    }
}

# Redis or Valkey: Celery's broker, the cache, word of revoked keys, the breakers of routes, and requests per minute

REDIS_URL = env.str("REDIS_URL", "")
# How long a request waits for it to count requests per minute, before its own process counts them
TOKEN_BUCKET_SECONDS = env.float("TOKEN_BUCKET_SECONDS", 0.05)
CACHES = {
    "default": {
        "BACKEND": "beatra_site.forgiving_cache.ForgivingRedisCache",
        "LOCATION": REDIS_URL or "redis://127.0.0.1",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

# Signing in

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "beatra_site.signup.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "accounts.forms.SignInForm",
    "signup": "accounts.forms.SignupForm",
    "request_login_code": "accounts.forms.RequestCodeForm",
    "confirm_login_code": "accounts.forms.CodeForm",
    "confirm_email_verification_code": "accounts.forms.ConfirmAddressForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "confirm_password_reset_code": "accounts.forms.CodeForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
    "add_email": "accounts.forms.NewAddressForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "set_password": "accounts.forms.SetPasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
# Codes rather than links, everywhere: read on the phone, typed where one sits, and worthless outside the browser that asked.
# Three wrong ones end a try, so that 10^8 of them are plenty. All are good for as long as a try to sign in lasts.
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ALLAUTH_USER_CODE_FORMAT = {"numeric": True, "length": 8}
CODE_SECONDS = 15 * 60
ACCOUNT_LOGIN_TIMEOUT = CODE_SECONDS
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = CODE_SECONDS
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
# On top of allauth's limits: no more than so many mails an hour to one address, whoever asks from wherever
ACCOUNT_RATE_LIMITS = {
    "enter_code": "30/m/ip",  # ours, see accounts/guards.py
    "confirm_email": "3/m/key,20/h/key",
    "request_login_code": "20/m/ip,3/m/key,20/h/key",
    "reset_password": "20/m/ip,3/m/key,20/h/key",
    "redeem_voucher": "10/h/user,30/h/ip",  # ours, see wallets/wallet_actions.py
}
# allauth's rate limits are on; by which address they count is in beatra_site/signup.py

# Browsers: cookies over TLS only where the site has it. The Content-Security-Policy is in beatra_site/csp.py.

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_URL.startswith("https://")
CSRF_COOKIE_HTTPONLY = True
# Cookies don't know ports: two copies on one host would sign each other's users out
_PORT = urlsplit(SITE_URL).port or ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"session{_PORT}", f"csrf{_PORT}"
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31_536_000) if SESSION_COOKIE_SECURE else 0
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Staff

UNFOLD = {
    "SITE_TITLE": "beatra",
    "SITE_HEADER": "beatra",
    "SITE_ICON": lambda request: static("favicon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}],
    "STYLES": [lambda request: static("css/admin.css")],
    "SHOW_HISTORY": True,
    "DASHBOARD_CALLBACK": "beatra_site.backoffice.front_page.add_to",
    "LOGIN": {"form": "accounts.forms.StaffSignInForm"},
    "COLORS": {
        "primary": {
            "50": "238 242 255",
            "100": "224 231 255",
            "200": "199 210 254",
            "300": "165 180 252",
            "400": "129 140 248",
            "500": "99 102 241",
            "600": "79 70 229",
            "700": "67 56 202",
            "800": "55 48 163",
            "900": "49 46 129",
            "950": "30 27 75",
        }
    },
}

# Mail: a file each in $VAR/mail/ unless EMAIL_URL says otherwise

EMAIL_URL = env.str("EMAIL_URL", "")
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "beatra <no-reply@beatra.example>")
# Where customers are told to write
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", "support@beatra.example")
if EMAIL_URL:
    vars().update(env.email_url_config(EMAIL_URL))
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = VAR / "mail"

# Static files

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Found where they lie, so that a start without `collectstatic` has them too
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": VAR / "files"}},
    "staticfiles": {"BACKEND": "beatra_site.static_files.StaticFilesStorage"},
}

# /v1

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["keys.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["contract.json_only.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "contract.json_only.JsonOnly",
    "EXCEPTION_HANDLER": "contract.exceptions.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "contract.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "beatra",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SORT_OPERATIONS": False,
    "PREPROCESSING_HOOKS": ["contract.openapi.only_v1"],
    "POSTPROCESSING_HOOKS": ["contract.openapi.complete"],
}

# Money

# Credits given once per verified mailbox at sign-up
WELCOME_CREDITS = Decimal(env.str("WELCOME_CREDITS", "0"))
# Where an answer of insufficient_balance sends its reader
TOPUP_URL = env.str("TOPUP_URL", f"{SITE_URL}/wallet/add/")
# An account whose failed tries cost us more than this in a day, in USD, is shown to staff and logged
ABSORBED_ALERT_USD = Decimal(env.str("ABSORBED_ALERT_USD", "5"))

# Top-ups (wallets/top_ups/payments.py): with a Stripe key by Stripe, else in the sandbox, else not at all. Amounts in USD.
TOPUP_AMOUNTS_USD = [Decimal(amount) for amount in env.list("TOPUP_AMOUNTS_USD", default=["10", "25", "50", "100"])]
TOPUP_MIN_USD = Decimal(env.str("TOPUP_MIN_USD", "5"))
TOPUP_MAX_USD = Decimal(env.str("TOPUP_MAX_USD", "1000"))
# How long a checkout waits for its customer; Stripe takes 1800 to 86400
TOPUP_CHECKOUT_SECONDS = env.int("TOPUP_CHECKOUT_SECONDS", 3600)
# The provider is asked about a checkout that it has said nothing about for so long, and again as often
TOPUP_ASK_SECONDS = env.int("TOPUP_ASK_SECONDS", 300)
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", "")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", "")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "https://api.stripe.com")
# Both made by `make run`: what the site shows the sandbox's checkout, and what that signs its webhooks with
SANDBOX_CHECKOUT_KEY = env.str("SANDBOX_CHECKOUT_KEY", "")
SANDBOX_WEBHOOK_SECRET = env.str("SANDBOX_WEBHOOK_SECRET", "")

# Chat: how long a provider may take, in seconds: to connect, until the first output of a stream, between two chunks, and in all

CHAT_CONNECT_SECONDS = env.float("CHAT_CONNECT_SECONDS", limits.CONNECT_SECONDS)
CHAT_FIRST_OUTPUT_SECONDS = env.float("CHAT_FIRST_OUTPUT_SECONDS", limits.FIRST_OUTPUT_SECONDS)
CHAT_SILENCE_SECONDS = env.float("CHAT_SILENCE_SECONDS", limits.SILENCE_SECONDS)
CHAT_TOTAL_SECONDS = env.float("CHAT_TOTAL_SECONDS", limits.CALL_SECONDS)
# A stream is begun after this long without output, and then kept alive by a comment as often
CHAT_KEEP_ALIVE_SECONDS = env.float("CHAT_KEEP_ALIVE_SECONDS", limits.KEEP_ALIVE_SECONDS)
# A stream that nobody reads is ended after this long; one with an Idempotency-Key goes on without its caller
CHAT_UNREAD_SECONDS = env.float("CHAT_UNREAD_SECONDS", limits.UNREAD_SECONDS)
# Calls that go on in this process though their callers have left; the oldest of more is cut
CHAT_MOST_DRAINED = env.int("CHAT_MOST_DRAINED", limits.DRAINED_CALLS)
# So many failures in a row within a minute, of more than one account, open a route's breaker (catalog/breaker.py)
BREAKER_FAILURES = env.int("BREAKER_FAILURES", 5)
# At shutdown, calls in flight get this long to end, then they are cut; uvicorn's --timeout-graceful-shutdown is 10 s more
DRAIN_SECONDS = env.float("DRAIN_SECONDS", 30)

# Music: where a Suno service takes references, before it is asked for work with them; else it fetches them from SITE_URL
SUNO_UPLOAD_BASE = env.str("SUNO_UPLOAD_BASE", "")

# Tasks, in seconds: how long one may wait for its start, and take from there to its end, all tries together
TASK_QUEUED_SECONDS = env.float("TASK_QUEUED_SECONDS", limits.TASK_QUEUED_SECONDS)
TASK_DEADLINE_SECONDS = env.float("TASK_DEADLINE_SECONDS", limits.TASK_DEADLINE_SECONDS)
# Nothing is sent again that would have less than this left until the deadline
TASK_RESEND_SECONDS = env.float("TASK_RESEND_SECONDS", TASK_DEADLINE_SECONDS / 5)
# A step whose worker has died is taken again after this long
TASK_CLAIM_SECONDS = env.float("TASK_CLAIM_SECONDS", 30)
# Between two questions to a provider about one task
TASK_POLL_SECONDS = env.float("TASK_POLL_SECONDS", 10)
# Running tasks that an account may cancel, and is refunded, in 24 hours
TASK_CANCELS_A_DAY = env.int("TASK_CANCELS_A_DAY", limits.TASK_CANCELS_A_DAY)

# Files

# What is uploaded or fetched lies here, without a name, until it is wholly there
INCOMING = VAR / "incoming"
# Files that customers send and tasks make are kept so many days; then the bytes go, and what is known of them stays
ARTIFACT_DAYS = env.int("ARTIFACT_DAYS", 30)

# Celery: the rest of it is in beatra_site/celery_settings.py

CELERY_BROKER_URL = REDIS_URL
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR / "beat-schedule")
