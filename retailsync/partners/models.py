"""Keys of the partner API. Only the hash of a key is kept; its plain text is shown once."""

import hashlib
import secrets
from datetime import datetime

from django.db import models
from django.db.models.functions import Now

START = "rsk_live"


class PartnerKey(models.Model):
    """One key of one partner system. Several may be valid at a time, so that a partner can change over."""

    system = models.ForeignKey("canonical.System", models.CASCADE, related_name="partner_keys")
    name = models.CharField(max_length=100, help_text="Who or what uses it, for people.")
    prefix = models.CharField(max_length=12, unique=True, help_text="The readable part, by which a key is found.")
    digest = models.BinaryField(help_text="SHA-256 of the whole key.")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["system", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({START}_{self.prefix}…)"

    @classmethod
    def issue(cls, system: models.Model, name: str, *, expires_at: datetime | None = None) -> tuple["PartnerKey", str]:
        """A new key and its plain text, which cannot be had again."""
        prefix = secrets.token_hex(5)
        text = f"{START}_{prefix}_{secrets.token_urlsafe(32)}"
        key = cls.objects.create(system=system, name=name, prefix=prefix, digest=digest(text), expires_at=expires_at)
        return key, text

    def is_valid(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def digest(text: str) -> bytes:
    """A key has 256 random bits: a plain hash is as good as a slow one, and fast."""
    return hashlib.sha256(text.encode()).digest()
