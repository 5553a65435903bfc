"""The four errors that decide everything. Connectors raise or return only these; anything else is our bug."""


class SyncError(Exception):
    """Base of the four. `words` are for a shop owner; `detail` is what the system said, masked, for whoever looks closer."""

    def __init__(self, words: str, *, detail: str = "") -> None:
        words = words.replace("\0", "\ufffd")  # PostgreSQL's text has no NUL, and systems are quoted here
        super().__init__(words)
        self.words = words
        self.detail = detail.replace("\0", "\ufffd")


class Retry(SyncError):
    """Not now: down, slow, throttled, busy. `after` = seconds to wait at least, where the target said so.

    `unknown` means the request may have been carried out: only False when it provably never left us or was answered with a refusal
    to start. `down` means the target as a whole is not reachable, so no other command should try either.
    """

    def __init__(
        self, words: str, *, after: float | None = None, unknown: bool = False, down: bool = False, detail: str = ""
    ) -> None:
        super().__init__(words, detail=detail)
        self.after = after
        self.unknown = unknown
        self.down = down


class Refused(SyncError):
    """Their business rule said no. Repeating will not help; a person must decide or correct. `reason` groups equal refusals."""

    def __init__(self, words: str, *, reason: str = "refused", detail: str = "") -> None:
        super().__init__(words, detail=detail)
        self.reason = reason


class Missing(SyncError):
    """Something we rely on is not there yet. `key` = what to wait for, e.g. `sku:17@odoo1` or `fulfilment_request:F-12-1`."""

    def __init__(self, words: str, *, key: str, detail: str = "") -> None:
        super().__init__(words, detail=detail)
        self.key = key


class Misconfigured(SyncError):
    """Our set-up of this system is wrong (credentials, rights, mapping). Everything for this system will fail alike."""
