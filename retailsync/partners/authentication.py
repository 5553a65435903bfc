"""Who is calling: `Authorization: Bearer rsk_live_<prefix>_<secret>` → a Partner. Knows nothing of what is asked."""

import hmac
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from retailsync.partners import problems
from retailsync.partners.models import PartnerKey, PartnerTerms, digest

KEPT = 5.0  # seconds a key is believed without asking the database: how late a revocation may be noticed
USE = timedelta(minutes=1)  # how exactly `last_used_at` is kept
NOBODY = digest("")

_known: dict[str, tuple[float, PartnerKey]] = {}


@dataclass(frozen=True, slots=True)
class Partner:
    """The authenticated caller. Every queryset starts from `system_id`."""

    system_id: int
    key: str  # prefix only
    scopes: frozenset[str] = frozenset()
    sandbox: bool = False
    calls_per_minute: int = 0
    is_authenticated: bool = True


class KeyAuthentication(BaseAuthentication):
    """Bearer keys. Unknown, wrong, expired and revoked are answered alike."""

    def authenticate(self, request: Request) -> tuple[Partner, PartnerKey] | None:
        kind, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        key = _find(text.strip())
        if key is None:
            raise AuthenticationFailed("This key is not valid.")
        return _partner(key), key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class MayDoThis(BasePermission):
    """The key has the scope this view names for this method (`scopes` = {method: scope})."""

    def has_permission(self, request: Request, view: object) -> bool:
        scopes: dict[str, str] = getattr(view, "scopes", {})
        needed = scopes.get("GET" if request.method in ("HEAD", "OPTIONS") else str(request.method), "")
        if not isinstance(request.user, Partner):
            return False
        if needed and needed not in request.user.scopes:
            raise problems.MissingScope(needed)
        return True


def _partner(key: PartnerKey) -> Partner:
    terms = getattr(key.system, "partner_terms", None) or PartnerTerms()
    sandbox = key.system.sandbox_of_id is not None
    return Partner(key.system_id, key.prefix, frozenset(key.scopes), sandbox, terms.calls_per_minute)


def _find(text: str) -> PartnerKey | None:
    """The valid key with this text; compares in constant time, also when there is none."""
    parts = text.split("_", 3)
    found = _by_prefix(parts[2]) if len(parts) == 4 and parts[0] == "rsk" else None
    right = hmac.compare_digest(bytes(found.digest) if found else NOBODY, digest(text))
    now = timezone.now()
    if found is None or not right or not found.is_valid(now):
        return None
    _mark_used(found, now)
    return found


def _by_prefix(prefix: str) -> PartnerKey | None:
    """From the database, or from the last few seconds. Only what exists is remembered, so guessing does not fill the memory."""
    remembered = _known.get(prefix)
    if remembered and time.monotonic() - remembered[0] < KEPT:
        return remembered[1]
    _known.pop(prefix, None)
    if "\x00" in prefix:
        return None
    key = PartnerKey.objects.filter(prefix=prefix).select_related("system__partner_terms").first()
    if key:
        _known[prefix] = (time.monotonic(), key)
    return key


def _mark_used(key: PartnerKey, now: datetime) -> None:
    """At most one write a minute and process; the condition keeps several processes to about one."""
    if key.last_used_at and now - key.last_used_at < USE:
        return
    key.last_used_at = now
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USE)
    PartnerKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def forget() -> None:
    """Believe nothing remembered."""
    _known.clear()
