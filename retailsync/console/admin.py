"""Where Django looks for admin pages: importing a family registers it."""

from retailsync.console import (
    arrivals,
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
    "arrivals", "cases", "catalog", "certifications", "groups", "mapping", "offers", "orders", "people", "policies", "replays", "rules",
    "schedules", "stock", "systems", "traffic", "users", "webhooks",
]  # fmt: skip
