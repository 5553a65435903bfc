"""The admin pages as a Django app."""

from django.apps import AppConfig, apps


class ConsoleConfig(AppConfig):
    name = "retailsync.console"
    label = "console"
    verbose_name = "Console"

    def ready(self) -> None:
        """Users and roles are called in breadcrumbs what the menu calls them."""
        apps.get_app_config("auth").verbose_name = "People"
