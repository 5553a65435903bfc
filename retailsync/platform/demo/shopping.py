"""What people do in the demo's shop: connect it by webhooks, buy, and read what was bought. Over HTTP only, as from outside."""

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import urllib3

from connectors.catalogue import catalogue
from retailsync.hooks import door
from retailsync.platform.demo import world
from retailsync.platform.demo.world import World
from retailsync.platform.trouble import Trouble
from retailsync.sync import watching

API = "/wp-json/wc/v3"
PAGE = 100
WAREHOUSE = {item.sku: item.warehouse for item in catalogue()}  # empty for what is not shipped

http = urllib3.PoolManager(timeout=30.0, retries=False)


def fetch(method: str, url: str, **more: Any) -> bytes:
    """One exchange with a simulated system. Raises Trouble unless it succeeds."""
    try:
        answer = http.request(method, url, **more)
    except urllib3.exceptions.HTTPError as error:
        raise Trouble(f"The simulated system at {url} does not answer: {error}.") from error
    if answer.status >= 300:
        raise Trouble(f"{method} {url} was answered {answer.status}: {answer.data[:200].decode('utf-8', 'replace')}")
    return answer.data


# ---- webhooks ---------------------------------------------------------------------------------------------------------------
def subscribe(here: World, ours: str) -> None:
    """Webhooks at our door, looked after as in any shop; those that lead to the address of an earlier start are dropped."""
    target = f"{ours}{door.PREFIX}{here.shop.slug}/"
    for hook in msgspec.json.decode(_rest(here, "GET", "/webhooks?per_page=100")):
        if hook["delivery_url"] != target:
            _rest(here, "DELETE", f"/webhooks/{hook['id']}?force=true")
    if watching.watch(here.shop.pk, ours) is None:
        raise Trouble("The demo's webhooks could not be created; look at the shop's exceptions in the console.")


def _rest(here: World, method: str, path: str, **more: Any) -> bytes:
    """One call of the shop's own API, as its owner."""
    pair = f"{world.secret(here.shop, 'consumer_key')}:{world.secret(here.shop, 'consumer_secret')}"
    return fetch(method, f"{here.urls['shop']}{API}{path}", headers=urllib3.make_headers(basic_auth=pair), **more)


# ---- orders -----------------------------------------------------------------------------------------------------------------
def buy(here: World, dice: random.Random, *, unclean: bool = False) -> int:
    """One customer buys something, perhaps in a way that needs more care; returns the shop's order id."""
    wish = {"count": 1, "seed": dice.getrandbits(32), "unclean": float(unclean)}
    answer = fetch("POST", f"{here.urls['shop']}/_sim/orders", json=wish)
    (placed,) = msgspec.json.decode(answer)["placed"]
    return int(placed)


def meddle(here: World, order: int, dice: random.Random) -> None:
    """Something happens to an order after it was placed: an edit, a refund, a change of mind."""
    fetch("POST", f"{here.urls['shop']}/_sim/orders/{order}/unsettle", json={"seed": dice.getrandbits(32)})


class Line(msgspec.Struct):
    """One line of an order, as the shop's API shows it."""

    sku: str
    quantity: int


class Basket(msgspec.Struct):
    """What was bought, as the shop's API shows it."""

    id: int
    number: str
    total: Decimal
    line_items: list[Line]

    @property
    def reference(self) -> str:
        """The order's name in every other system."""
        return f"{world.PREFIX}{self.number}"

    @property
    def goods(self) -> int:
        """Units that a warehouse must ship."""
        return sum(line.quantity for line in self.line_items if WAREHOUSE[line.sku])


_BASKETS = msgspec.json.Decoder(list[Basket])


def baskets(here: World, ids: Iterable[int]) -> list[Basket]:
    """What was bought in these orders."""
    return [basket for page in _pages(sorted(ids)) for basket in _BASKETS.decode(_orders(here, page))]


def _pages(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]


def _orders(here: World, ids: Sequence[int]) -> bytes:
    return _rest(here, "GET", f"/orders?per_page={PAGE}&include={','.join(map(str, ids))}")


# ---- stock ------------------------------------------------------------------------------------------------------------------
def count(here: World, code: str) -> None:
    """A warehouse counts its shelves and tells us."""
    fetch("POST", f"{here.urls[code.lower()]}/_sim/snapshot", json={})


def receive(here: World, code: str, sku: str, units: int, document: str) -> None:
    """A delivery comes in at a warehouse."""
    fetch("POST", f"{here.urls[code.lower()]}/_sim/receive", json={"sku": sku, "units": units, "document": document})
