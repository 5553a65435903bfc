"""Makes the stub targets' connectors known when Django starts."""

from django.apps import AppConfig


class Benchmarks(AppConfig):
    """No models that are migrated: tables.py makes and the run's database drops them."""

    name = "benchmarks"

    def ready(self) -> None:
        from benchmarks import stubs  # needs the apps, which are being loaded when this file is

        stubs.register()
