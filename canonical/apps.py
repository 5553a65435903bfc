"""The canonical retail model as one Django app."""

from django.apps import AppConfig


class CanonicalConfig(AppConfig):
    name = "canonical"
    verbose_name = "Retail model"
    default_auto_field = "django.db.models.BigAutoField"
