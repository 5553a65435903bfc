"""A small world for tests: a shop, an ERP, two warehouses, SKUs and where they lie; and a whole state to compare."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from canonical import sql
from canonical.facts import Fact
from canonical.ledger import Cause
from canonical.models import Location, Sku, Sourcing, System
from canonical.record import Recorded, Stated
from retailsync.platform.secrets import seal
from retailsync.sync import clock, corridor


@dataclass
class World:
    """One shop with its ERP and warehouses W1 and W2, each run by its own partner."""

    shop: System
    erp: System
    partners: dict[str, System]
    places: dict[str, Location]

    def stock(self, *codes: str, at: str = "W1", then: str | None = None) -> None:
        """Know these SKUs and source them from one warehouse, then perhaps from another."""
        for code in codes:
            sku = Sku.objects.create(code=code, name=code.title(), authority=self.shop)
            for rank, place in enumerate(filter(None, (at, then)), 1):
                Sourcing.objects.create(channel=self.shop, sku=sku, location=self.places[place], rank=rank)

    def tell(self, *facts: Fact, source: System | None = None, cause: int = 1) -> Recorded:
        """Facts of one source go through record and plan, as if one message had carried them all."""
        with transaction.atomic():
            stated = [Stated(Cause("message", cause + n), fact) for n, fact in enumerate(facts)]
            return corridor.advance((source or self.shop).pk, stated, clock.now())


def make_world(name: str = "one", **settings: dict[str, Any]) -> World:
    """Systems and locations; `settings` by role (shop, erp, W1, W2) where a simulator is to be spoken to."""
    erp = _system(f"erp-{name}", "odoo", ["erp"], settings.get("erp"))
    shop = _system(f"shop-{name}", "woocommerce", ["channel"], settings.get("shop"), erp=erp, prefix=f"{name.upper()}-")
    partners = {
        code: _system(f"{code.lower()}-{name}", "partner", ["3pl"], settings.get(code)) for code in ("W1", "W2")
    }
    places = {
        code: Location.objects.create(
            code=code if name == "one" else f"{code}-{name}", name=f"Warehouse {code}", executor=system
        )
        for code, system in partners.items()
    }
    return World(shop, erp, partners, places)


def _system(slug: str, connector: str, roles: list[str], given: dict[str, Any] | None, **more: Any) -> System:
    """A system; `given` holds `settings` and `secrets` (name → plain value)."""
    given = given or {}
    system = System.objects.create(
        slug=slug, name=slug, connector=connector, roles=roles, settings=given.get("settings", {}), **more
    )
    for secret, plain in given.get("secrets", {}).items():
        system.secrets.create(name=secret, sealed=seal(plain))
    return system


def rows(query: str, *params: Any) -> list[tuple[Any, ...]]:
    """One query's rows, for comparing whole states."""
    return sql.fetch(query, params)


def commands() -> list[tuple[str, str, str]]:
    """(system, purpose, state) of every command, in the order they were put out."""
    return rows(
        "SELECT s.slug, c.kind, c.state FROM sync_command c JOIN canonical_system s ON s.id = c.system_id ORDER BY c.id"
    )
