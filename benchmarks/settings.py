"""The product's settings, with the stub targets' connectors among those it knows: in every process of a benchmark."""

from retailsync.settings import *  # noqa: F403  these are that module's settings
from retailsync.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks"]
