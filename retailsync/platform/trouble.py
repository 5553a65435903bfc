"""The one way this package says no: a sentence a person can act on. Knows no tracebacks."""


class Trouble(Exception):
    """Something outside the program must change first. Commands print it and exit with 2."""
