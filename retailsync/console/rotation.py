"""Secrets that are changed over: which values are valid since when, and the end of the older ones. Never shows what they are."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from canonical.models import Secret, System
from connectors.registry import CONNECTORS
from retailsync.platform.secrets import seal
from retailsync.sync.models import Action

KEPT = 2  # values of one secret that stay valid while the other side changes over


def rows(system: System) -> list[dict[str, Any]]:
    """Each secret its connector uses, with the values that are valid, newest first."""
    known = CONNECTORS.get(system.connector)
    valid: dict[str, list[Any]] = {name: [] for name in (known.secrets if known else ())}
    kept = Secret.objects.filter(system=system, retired_at=None).order_by("-pk")
    for name, at in kept.values_list("name", "created_at"):
        valid.setdefault(name, []).append(at)
    return [{"name": name, "newest": times[0] if times else None, "older": times[1:]} for name, times in valid.items()]


def keep_secret(system: System, name: str, plain: str, retire: bool, who: str) -> None:
    """Seal a new value, end older ones: all of them when asked, else all but the one before. Empty: only end older ones."""
    if any(ord(c) < 32 for c in plain):
        raise ValidationError("A secret has no control characters.")
    with transaction.atomic():
        if plain:
            Secret.objects.create(system=system, name=name, sealed=seal(plain))
        active = list(
            Secret.objects.filter(system=system, name=name, retired_at=None)
            .order_by("-pk")
            .values_list("pk", flat=True)
        )
        older = active[1:] if retire else active[KEPT:]
        Secret.objects.filter(pk__in=older).update(retired_at=timezone.now())
        what = "set secret" if plain else "end older secrets"
        why = f"{name}: {len(older)} older value{'' if len(older) == 1 else 's'} ended"
        Action.objects.create(who=who, what=what, target_kind="system", target_id=system.pk, why=why)


def end_older(system: System, name: str, who: str) -> int:
    """End all values of a secret but the newest; how many that were."""
    older = Secret.objects.filter(system=system, name=name, retired_at=None).count() - 1
    if older > 0:
        keep_secret(system, name, "", True, who)
    return max(older, 0)
