"""Numbers people type, or an address names."""

DIGITS = 18  # fewer fit every key of ours


def number(text: str) -> int:
    """What was typed as a number; 0 where it is none, or too long to be a key."""
    return int(text) if text.isdecimal() and len(text) < DIGITS else 0
