"""The admin pages as a Django app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "retailsync.console"
    label = "console"
    verbose_name = "Console"
