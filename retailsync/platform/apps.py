"""Django's name for this package. Knows nothing else."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    name = "retailsync.platform"
    label = "platform"
