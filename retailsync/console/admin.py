"""Where Django looks for admin pages: importing a family registers it."""

from retailsync.console import cases, catalog, orders, people, schedules, systems, traffic

__all__ = ["cases", "catalog", "orders", "people", "schedules", "systems", "traffic"]
