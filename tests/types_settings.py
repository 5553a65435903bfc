"""What mypy's Django plugin must know: canonical's models and the types of our own settings, no server."""

from pathlib import Path

SECRET_KEY = "types only"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "simple_history",
    "canonical",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

LOCAL = STATIC_ROOT = Path()
PRODUCTION = False
RETAILSYNC_KEYS: dict[str, str] = {}
