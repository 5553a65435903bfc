"""Django's settings, from the environment with safe defaults. Knows no server but the two it is told."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy

from retailsync.platform import addresses, keys, logs
from retailsync.platform.trouble import Trouble

BASE_DIR = Path(__file__).resolve().parent.parent
LOCAL = Path(os.environ.get("RETAILSYNC_LOCAL", BASE_DIR / ".local")).absolute()
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


def _address(variable: str) -> str:
    if value := os.environ.get(variable):
        return value
    raise Trouble(
        f"{variable} is not set: use make up, make demo, make test or make manage ARGS=…, which start "
        "the embedded servers (python -m retailsync.platform run -- COMMAND does it for any command)."
    )


def _environment() -> str:
    value = os.environ.get("RETAILSYNC_ENV", "development")
    if value not in ("development", "production"):
        raise Trouble("RETAILSYNC_ENV must be development or production.")
    return value


try:
    ENVIRONMENT = _environment()
    PRODUCTION = ENVIRONMENT == "production"
    SECRET_KEY = keys.secret_key(os.environ, LOCAL, PRODUCTION)
    RETAILSYNC_KEYS = keys.encryption_keys(os.environ, LOCAL, PRODUCTION)
    DATABASE = addresses.database(_address("DATABASE_URL"))
    REDIS_URL = _address("REDIS_URL")
except Trouble as trouble:
    raise ImproperlyConfigured(str(trouble)) from trouble

DEBUG = os.environ.get("RETAILSYNC_DEBUG") == "1"
# Where the world reaches us, e.g. https://sync.example.com: shops are told to deliver their webhooks there. Empty: nobody is told.
PUBLIC_URL = os.environ.get("RETAILSYNC_PUBLIC_URL", "").rstrip("/")
ALLOWED_HOSTS = os.environ.get("RETAILSYNC_HOSTS", ",".join(sorted(LOOPBACK))).split(",")

# Anything but plain loopback is reached over TLS, ended by the proxy in front.
SECURE = PRODUCTION or not LOOPBACK.issuperset(ALLOWED_HOSTS)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS if host not in LOOPBACK]
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "simple_history",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "axes",
    "canonical",
    "retailsync.sync",
    "retailsync.hooks",
    "retailsync.partners",
    "retailsync.console",
    "retailsync.platform",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "retailsync.urls"
WSGI_APPLICATION = "retailsync.wsgi.application"
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
            ],
        },
    },
]

DATABASES = {
    "default": {
        **DATABASE,
        # A worker frozen inside a transaction must not keep its locks from everybody else: nothing of ours pauses there.
        "OPTIONS": {"options": "-c idle_in_transaction_session_timeout=30s", **DATABASE["OPTIONS"]},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# So many wrong passwords for one name from one address, and that name waits there. What is tried meanwhile does not prolong it.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "retailsync.console.lockout.page"
AXES_CLIENT_IP_CALLABLE = "retailsync.console.lockout.address"
AXES_USERNAME_CALLABLE = "retailsync.console.lockout.username"
AXES_CLIENT_STR_CALLABLE = "retailsync.console.lockout.nameless"
AXES_DISABLE_ACCESS_LOG = True  # who logged in when is not collected
AXES_ENABLE_ADMIN = False  # a lock-out is seen and lifted on the user's page
AXES_VERBOSE = False

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = True

STATIC_URL = "/static/"
STATIC_ROOT = LOCAL / "static"

LOGGING = logs.configuration(os.environ.get("RETAILSYNC_LOG_LEVEL", "INFO"))

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "retailsync.partners.contract.Schema",
}

PARTNER_API = """\
What a warehouse needs to work for a retailer: what to ship, what became of it, and what lies on its shelves.

**Start** with `GET /fulfilment-requests?state=submitted`, then follow `GET /events`. Each request lists the `actions` that are allowed
now; POST to the address with that end. What you say is stored for good before it is answered (202), and acted upon within seconds.

**Repeat** any POST safely with an `Idempotency-Key`: the same key and body get the stored answer. **Errors** are
[problems](/api/v1/docs/problems) (RFC 9457) with a stable `code` and the `field`. **Lists** are pages: ask again with `after` = `next`.
**Times** are UTC, **decimals** are strings, and a field we do not know is refused by name.
"""
SPECTACULAR_SETTINGS = {
    "TITLE": "retailsync partner API",
    "VERSION": "1.0.0",
    "DESCRIPTION": PARTNER_API,
    "OAS_VERSION": "3.1.0",
    "PREPROCESSING_HOOKS": ["retailsync.partners.contract.only_ours"],
    "COMPONENT_SPLIT_REQUEST": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SORT_OPERATIONS": False,  # in the order of work, as the addresses stand
    "ENUM_NAME_OVERRIDES": {  # fields of these names are of another kind in each of these
        "StateEnum": "retailsync.partners.outlines.STATES",
        "CertificationStateEnum": "retailsync.partners.sandbox_models.Certification.State",
        "SimulatedStatusEnum": "retailsync.partners.sandbox_models.SimulatedOrder.Status",
        "WebhookState": "retailsync.partners.webhooks.rows.Subscription.State",
        "DeliveryState": "retailsync.partners.webhooks.rows.Delivery.State",
        "InboundStateEnum": "retailsync.partners.arrival_outlines.INBOUND_STATES",
        "ReturnStateEnum": "retailsync.partners.arrival_outlines.RETURN_STATES",
        "KindEnum": ["amend", "cancel", "hold", "resume"],
    },
}

# Tasks carry no rows and no results: a lost or doubled one costs nothing, rows are the truth.
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "visibility_timeout": 600}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Tasks are bells: one that runs on without its broker does no harm, one that is killed leaves its requests in doubt.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
# A caller that rings the bell must not wait for a Redis that is away: the sweep finds its rows.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_max": 0.2}
CELERY_TASK_DEFAULT_QUEUE = "inbox"
CELERY_TASK_ROUTES = {
    "sync.drain_inbox": {"queue": "inbox"},
    "sync.sweep": {"queue": "sweep"},  # alone: retries of all systems depend on it
    "sync.drain_outbox": {"queue": "send"},
    "sync.reckon_stock": {"queue": "stock"},
    "sync.publish_stock": {"queue": "stock"},
    "sync.publish_run": {"queue": "stock"},
    "sync.prove_stock": {"queue": "stock"},
    "sync.poll": {"queue": "sweep"},
    "sync.poll_feed": {"queue": "polls"},
    "sync.watch": {"queue": "sweep"},
    "sync.watch_system": {"queue": "polls"},
    "sync.replay": {"queue": "replay"},
    "sync.pulse": {"queue": "sweep"},
    "partners.forget_answers": {"queue": "polls"},
    "partners.fan_out": {"queue": "webhooks"},
    "partners.deliver": {"queue": "webhooks"},  # alone: a slow partner keeps no shop and no ERP waiting
}
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# A ring that no worker answered before the next one is dropped, so none pile up.
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "sync.sweep", "schedule": 2.0, "options": {"expire_seconds": 2}},
    "poll": {"task": "sync.poll", "schedule": 10.0, "options": {"expire_seconds": 10}},
    "watch": {"task": "sync.watch", "schedule": 300.0, "options": {"expire_seconds": 300}},
    "pulse": {"task": "sync.pulse", "schedule": 60.0, "options": {"expire_seconds": 60}},
    "forget answers": {"task": "partners.forget_answers", "schedule": 86_400.0, "options": {"expire_seconds": 3600}},
    "prove stock": {"task": "sync.prove_stock", "schedule": 86_400.0, "options": {"expire_seconds": 3600}},
}


def _page(title: str, icon: str, model: str) -> dict[str, Any]:
    """One entry of the console's menu, for those who may see its rows."""
    app, _, name = model.rpartition("_")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": lambda request: any(request.user.has_perm(f"{app}.{verb}_{name}") for verb in ("view", "change")),
    }


UNFOLD = {
    "SITE_TITLE": "retailsync",
    "SITE_HEADER": "retailsync",
    "SITE_SYMBOL": "sync_alt",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("console/icon.svg")},
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "DASHBOARD_CALLBACK": "retailsync.console.home.dashboard",
    "STYLES": [lambda request: static("console/console.css")],
    "SCRIPTS": [lambda request: static("console/console.js")],
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .013 236)",
            "100": "oklch(94.2% .028 236)",
            "200": "oklch(89.2% .058 233)",
            "300": "oklch(81.5% .105 231)",
            "400": "oklch(72.6% .135 232)",
            "500": "oklch(64.2% .14 238)",
            "600": "oklch(54.6% .13 242)",
            "700": "oklch(47.2% .115 243)",
            "800": "oklch(41.4% .097 242)",
            "900": "oklch(36.6% .082 243)",
            "950": "oklch(27.5% .062 244)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Work",
                "items": [
                    {"title": "Now", "icon": "dashboard", "link": reverse_lazy("admin:index")},
                    _page("Exceptions", "error", "sync_group"),
                    _page("Replays", "replay", "sync_replay"),
                    _page("Orders", "shopping_cart", "canonical_order"),
                    _page("Shipments", "local_shipping", "canonical_shipment"),
                ],
            },
            {
                "title": "Stock",
                "separator": True,
                "items": [
                    _page("Why so many?", "help", "canonical_offer") | {"link": reverse_lazy("stock_ask")},
                    _page("In the shops", "storefront", "canonical_offer"),
                    _page("Levels", "inventory_2", "canonical_stocklevel"),
                    _page("Movements", "swap_vert", "canonical_stockmovement"),
                    _page("Inbound shipments", "input", "canonical_inboundshipment"),
                    _page("Returns", "assignment_return", "canonical_return"),
                    _page("Availability rules", "tune", "canonical_availabilityrule"),
                    _page("Sources", "sensors", "canonical_stocksource"),
                    _page("Snapshots", "fact_check", "canonical_stocksnapshot"),
                    _page("Publications", "publish", "canonical_publication"),
                    _page("Oversold", "production_quantity_limits", "canonical_oversell"),
                ],
            },
            {
                "title": "Traffic",
                "separator": True,
                "items": [
                    _page("Messages", "inbox", "sync_message"),
                    _page("Commands", "outbox", "sync_command"),
                    _page("Exchanges", "swap_horiz", "sync_attempt"),
                    _page("Partners' webhooks", "webhook", "partners_subscription"),
                    _page("Ledger", "menu_book", "canonical_entry"),
                ],
            },
            {
                "title": "Set-up",
                "separator": True,
                "items": [
                    _page("Systems", "hub", "canonical_system"),
                    _page("Certifications", "verified", "partners_certification"),
                    _page("Locations", "warehouse", "canonical_location"),
                    _page("Sourcing", "route", "canonical_sourcing"),
                    _page("Mappings", "translate", "canonical_mapping"),
                    _page("Shop policies", "rule", "canonical_shoppolicy"),
                    _page("SKUs", "barcode", "canonical_sku"),
                    _page("Products", "category", "canonical_product"),
                    _page("Links", "link", "canonical_link"),
                    _page("Second person", "group_add", "sync_approvallimit"),
                    _page("Schedules", "schedule", "django_celery_beat_periodictask"),
                    _page("Operate", "power_settings_new", "canonical_system") | {"link": reverse_lazy("operate")},
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    _page("Customers", "groups", "canonical_customer"),
                    _page("Users", "person", "auth_user"),
                    _page("Roles", "badge", "auth_group"),
                ],
            },
        ],
    },
}
