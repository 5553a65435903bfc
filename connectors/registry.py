"""The one list of connectors. A new connector is one folder and one line here."""

from collections.abc import Mapping

from connectors import files, odoo, partner, sandbox, woocommerce
from connectors.base import Connector

CONNECTORS: Mapping[str, Connector] = {
    c.name: c for c in (woocommerce.connector, odoo.connector, partner.connector, files.connector, sandbox.connector)
}
