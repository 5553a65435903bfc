"""What people decide about a whole order, as far as ERP, warehouse and shop hear of it."""

from dataclasses import replace  # noqa: F401
