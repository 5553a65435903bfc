"""Where Django looks for admin pages: importing a family registers it."""

from retailsync.console import (
    cases,
    catalog,
    mapping,
    offers,
    orders,
    people,
    policies,
    rules,
    schedules,
    stock,
    systems,
    traffic,
    users,
)

__all__ = [
    "cases", "catalog", "mapping", "offers", "orders", "people", "policies", "rules", "schedules", "stock", "systems", "traffic",
    "users",
]  # fmt: skip
