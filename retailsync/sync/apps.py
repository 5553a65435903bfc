"""The corridor as a Django app: inbox, outbox and the rows that keep them honest."""

from django.apps import AppConfig


class SyncConfig(AppConfig):
    name = "retailsync.sync"
    label = "sync"
    verbose_name = "Sync"
    default_auto_field = "django.db.models.BigAutoField"
