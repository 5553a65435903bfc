"""Odoo's own behaviour as far as the connector meets it, for simulator.py. Knows nothing of our commands."""
