"""A small shop's catalogue that simulators and the demo share. Made up; knows no system.

SKUs say where goods lie: `W1-…` only in warehouse W1, `W2-…` only in W2, `DL-…` nowhere (virtual). An order with both prefixes is
split over two warehouses. Prices are net, in EUR.
"""

from decimal import Decimal
from typing import NamedTuple

STANDARD, REDUCED, ZERO = Decimal(21), Decimal(9), Decimal(0)


class Item(NamedTuple):
    """One thing that is sold. `family` names the product its variations belong to; empty for a simple product."""

    sku: str
    name: str
    price: Decimal
    rate: Decimal
    gtin: str
    family: str = ""
    options: tuple[tuple[str, str], ...] = ()
    virtual: bool = False

    @property
    def warehouse(self) -> str:
        """W1, W2, or empty for what needs no warehouse."""
        return "" if self.virtual else self.sku[:2]


_SIMPLE = (
    ("W1-MUG-BLUE", "Blue Stoneware Mug", "10.33", STANDARD),
    ("W1-MUG-SAND", "Sand Stoneware Mug", "10.33", STANDARD),
    ("W1-PLATE-S", "Side Plate", "8.95", STANDARD),
    ("W1-PLATE-L", "Dinner Plate", "13.20", STANDARD),
    ("W1-BOWL", "Cereal Bowl", "9.47", STANDARD),
    ("W1-TEAPOT", "Cast Iron Teapot", "41.28", STANDARD),
    ("W1-TEA-GREEN", "Green Tea 100 g", "5.73", REDUCED),
    ("W1-TEA-MINT", "Mint Tea 75 g", "4.89", REDUCED),
    ("W1-HONEY", "Heather Honey 450 g", "7.11", REDUCED),
    ("W1-BOOK-BREAD", "The Bread Book", "22.89", REDUCED),
    ("W2-BOARD", "Oak Cutting Board", "28.88", STANDARD),
    ("W2-KNIFE", "Paring Knife", "17.31", STANDARD),
    ("W2-PAN-24", "Steel Pan 24 cm", "57.81", STANDARD),
    ("W2-PAN-28", "Steel Pan 28 cm", "66.07", STANDARD),
    ("W2-SCALE", "Kitchen Scale", "33.02", STANDARD),
    ("W2-CANDLE", "Beeswax Candle", "6.59", STANDARD),
    ("W2-SOAP", "Olive Soap", "3.26", STANDARD),
    ("W2-FLOUR", "Spelt Flour 1 kg", "2.75", REDUCED),
    ("W2-STAMP", "Charity Stamp Sheet", "5.00", ZERO),
    ("W2-VASE", "Glass Vase", "24.75", STANDARD),
)
_FAMILIES = (
    ("W1-APRON", "Linen Apron", "28.10", ("Color", ("Sand", "Olive")), ("Size", ("M", "L"))),
    ("W1-TOWEL", "Tea Towel", "7.40", ("Color", ("White", "Grey", "Rust")), ("", ("",))),
    ("W2-LAMP", "Desk Lamp", "74.34", ("Color", ("Black", "Brass")), ("", ("",))),
    ("W2-SHELF", "Wall Shelf", "49.55", ("Width", ("60 cm", "80 cm", "100 cm")), ("", ("",))),
    ("W2-CHAIR", "Folding Chair", "82.60", ("Wood", ("Beech", "Walnut")), ("Seat", ("Plain", "Felt"))),
)
_VIRTUAL = (
    ("DL-PATTERN", "Apron Pattern (PDF)", "4.13", STANDARD),
    ("DL-COURSE", "Bread Course (video)", "36.36", STANDARD),
    ("DL-RECIPES", "Recipe Collection (e-book)", "8.26", REDUCED),
    ("DL-GIFT", "Gift Wrapping Advice", "12.40", STANDARD),
)


def catalogue() -> tuple[Item, ...]:
    """All 40 things: 20 simple products, 16 variations of 5 products, 4 virtual products. Always the same, in the same order."""
    made = [Item(sku, name, Decimal(price), rate, "") for sku, name, price, rate in _SIMPLE]
    made += [item for family in _FAMILIES for item in _variations(*family)]
    made += [Item(sku, name, Decimal(price), rate, "", virtual=True) for sku, name, price, rate in _VIRTUAL]
    return tuple(item._replace(gtin=gtin13(871_234_500_000 + number)) for number, item in enumerate(made, 1))


def _variations(
    sku: str, name: str, price: str, first: tuple[str, tuple[str, ...]], second: tuple[str, tuple[str, ...]]
) -> list[Item]:
    made = []
    for a in first[1]:
        for b in second[1]:
            options = tuple((label, value) for label, value in ((first[0], a), (second[0], b)) if label)
            values = [value for _, value in options]
            code = "-".join((sku, *(value.split()[0].upper() for value in values)))
            made.append(Item(code, f"{name} - {', '.join(values)}", Decimal(price), STANDARD, "", name, options))
    return made


def gtin13(first_twelve: int) -> str:
    """A GTIN-13 with its check digit (GS1 General Specifications 7.9)."""
    digits = f"{first_twelve:012d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
