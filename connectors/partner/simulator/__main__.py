"""The simulated warehouse as a process."""

from collections.abc import Callable, Collection

from connectors.partner.simulator import ANSWERS, BEHAVIOURS, Warehouse
from connectors.simulation import arguments, serve


def main() -> None:
    """Run the warehouse as a process."""
    parser = arguments("A warehouse partner that integrates with the partner API.")
    parser.add_argument("--api", required=True, help="where the partner API is, with /api/v1")
    parser.add_argument("--key", required=True, help="the partner's API key")
    parser.add_argument("--secret", action="append", required=True, help="whsec_…; several while rotating")
    parser.add_argument("--location", default="W1")
    parser.add_argument(
        "--stock", action="append", type=_stock, default=[], metavar="SKU=UNITS", help="what lies there; else no end"
    )
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between two steps of one order")
    parser.add_argument("--workers", type=int, default=4)
    for option, names in (("--behaviour", BEHAVIOURS), ("--answer", ANSWERS)):
        parser.add_argument(
            option, action="append", type=_share(names), default=[], metavar="NAME=SHARE", help=" · ".join(names)
        )
    said = parser.parse_args()
    serve(
        Warehouse(
            api=said.api, key=said.key, secrets=said.secret, location=said.location, stock=dict(said.stock), delay=said.delay,
            workers=said.workers, mix=dict(said.behaviour), answer_mix=dict(said.answer), port=said.port, host=said.host,
            store=said.store, seed=said.seed,
        )
    )  # fmt: skip


def _stock(text: str) -> tuple[str, int]:
    sku, _, units = text.rpartition("=")
    return sku, int(units)


def _share(names: Collection[str]) -> Callable[[str], tuple[str, float]]:
    def share(text: str) -> tuple[str, float]:
        name, _, part = text.partition("=")
        if name not in names:
            raise ValueError(f"unknown: {name}")
        return name, float(part or 1)

    return share


if __name__ == "__main__":
    main()
