"""Where Django looks for admin pages: importing a family registers it."""

from retailsync.console import (
    cases,
    catalog,
    certifications,
    groups,
    mapping,
    offers,
    orders,
    people,
    policies,
    replays,
    rules,
    schedules,
    stock,
    systems,
    traffic,
    users,
    webhooks,
)

__all__ = [
    "cases", "catalog", "certifications", "groups", "mapping", "offers", "orders", "people", "policies", "replays", "rules",
    "schedules", "stock", "systems", "traffic", "users", "webhooks",
]  # fmt: skip
