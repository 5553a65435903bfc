"""The REST API for 3PL partners as a Django app."""

from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "retailsync.partners"
    label = "partners"
    default_auto_field = "django.db.models.BigAutoField"
