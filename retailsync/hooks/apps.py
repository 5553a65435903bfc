"""The webhook doors as a Django app."""

from django.apps import AppConfig


class HooksConfig(AppConfig):
    name = "retailsync.hooks"
    label = "hooks"
