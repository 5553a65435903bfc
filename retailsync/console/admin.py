"""Where Django looks for admin pages: importing a family registers it."""

from retailsync.console import cases, catalog, mapping, orders, people, policies, schedules, systems, traffic

__all__ = ["cases", "catalog", "mapping", "orders", "people", "policies", "schedules", "systems", "traffic"]
