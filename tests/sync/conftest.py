"""What tests of the corridor share: a world whose systems live in memory, and bells that are only written down."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from connectors.base import Protection
from connectors.registry import CONNECTORS
from retailsync.sync import bell, systems
from tests.sync.pretend import Target
from tests.world import World, make_world


@pytest.fixture(autouse=True)
def bells(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every bell that was rung; none reaches a broker."""
    rung: list[tuple[str, int]] = []
    monkeypatch.setattr(bell, "ring", lambda task, system: rung.append((task, system)))
    monkeypatch.setattr(bell, "answered", lambda task, system: None)
    return rung


@dataclass
class Scene:
    """A world whose shop, ERP and warehouses are targets in memory."""

    world: World
    shop: Target
    erp: Target
    partner: Target
    patch: pytest.MonkeyPatch

    def protect(self, protection: Protection, **more: object) -> None:
        """Let the ERP protect itself otherwise than by a unique key."""
        self.patch.setitem(CONNECTORS, "odoo", self.erp.connector("odoo", protection, **more))  # type: ignore[attr-defined]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Registered under the names the world uses, so that nothing in the product differs."""
    targets = {name: Target() for name in ("woocommerce", "odoo", "partner")}
    for name, target in targets.items():
        monkeypatch.setitem(CONNECTORS, name, target.connector(name))  # type: ignore[arg-type]
    systems._names.clear()
    world = make_world()
    world.stock("MUG")
    yield Scene(world, *targets.values(), monkeypatch)
    systems._names.clear()
