"""The simulated shop as a process."""

from connectors.simulation import arguments, serve
from connectors.woocommerce.simulator.shop import KEY, SECRET, Shop


def main() -> None:
    """Run the shop as a process."""
    parser = arguments("A simulated WooCommerce shop.")
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--secret", default=SECRET)
    parser.add_argument("--orders", type=int, default=0, help="a new shop begins with so many orders")
    parser.add_argument("--no-fulfillments", action="store_true", help="a shop without the order fulfillments feature")
    said = parser.parse_args()
    shop = Shop(
        port=said.port,
        host=said.host,
        store=said.store,
        seed=said.seed,
        key=said.key,
        secret=said.secret,
        fulfillments=not said.no_fulfillments,
    )
    if not shop.orders:
        shop.place(said.orders)
    serve(shop)


if __name__ == "__main__":
    main()
