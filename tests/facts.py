"""Facts as tests state them: an order with plausible defaults, in one line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from canonical.facts import OrderStated, SkuStated
from canonical.types import Address, Charge, Line, PaymentStatement, Tax

#: When things happen in tests: a full hour, not long ago. Of what happened days ago customers are not told any more (old news).
NOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)


def line(
    ref: str = "1", sku: str = "MUG", units: int = 2, total: str = "20.66", tax: str = "4.34", **more: Any
) -> Line:
    """One line with 21 % tax."""
    taxes = (Tax(code="NL-21", rate=Decimal(21), amount=Decimal(tax)),) if Decimal(tax) else ()
    amount = Decimal(total)
    return Line(
        **{"ref": ref, "sku": sku, "name": sku.title(), "units": units, "subtotal": amount, "total": amount, "taxes": taxes,
           "variant_ref": f"v-{sku}", **more}
    )  # fmt: skip


def shipping(total: str = "4.95", tax: str = "1.04") -> Charge:
    """A flat rate."""
    taxes = (Tax(code="NL-21", rate=Decimal(21), amount=Decimal(tax)),)
    return Charge(ref="9", kind="shipping", title="Flat rate", code="flat_rate", total=Decimal(total), taxes=taxes)


def order(ref: str = "137", version: int = 1, status: str = "processing", **more: Any) -> OrderStated:
    """One paid order of two mugs. `version` counts seconds after noon."""
    lines = more.pop("lines", (line(),))
    charges = more.pop("charges", (shipping(),))
    total = more.pop("total", None) or sum((x.total + x.tax for x in (*lines, *charges)), Decimal(0))
    home = Address(first_name="Testa", last_name="Bezoeker", line1="Straat 12", postcode="3511 AB", city="Utrecht", country="NL",
                   email=more.pop("email", "testa@example.com"))  # fmt: skip
    stated = {
        "ref": ref, "version": version, "occurred_at": NOON + timedelta(seconds=version), "number": ref, "status": status,
        "status_text": status, "placed_at": NOON, "currency": "EUR", "prices_include_tax": True, "total": Decimal(total),
        "total_tax": sum((x.tax for x in (*lines, *charges)), Decimal(0)), "lines": tuple(lines), "charges": tuple(charges),
        "billing": home, "shipping": home,
        "payment": PaymentStatement(method="ideal", title="iDEAL", transaction_id=f"tr_{ref}", paid_at=NOON),
    }  # fmt: skip
    return OrderStated(**{**stated, **more})


def sku(code: str = "MUG", ref: str | None = None, version: int = 1, **more: Any) -> SkuStated:
    """One product."""
    return SkuStated(
        ref=ref or f"v-{code}",
        version=version,
        occurred_at=NOON + timedelta(seconds=version),
        sku=code,
        name=code.title(),
        **more,
    )
