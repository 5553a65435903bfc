"""Outgoing webhooks: partners say where they want to hear of their events, each event becomes a delivery there, and deliveries are sent.

`rows.py` their tables · `subscribing.py` what partners and staff decide · `fanning.py` events → deliveries · `delivering.py` deliveries →
requests · `posting.py` one signed request · `outlines.py` what partners see of it.
"""
