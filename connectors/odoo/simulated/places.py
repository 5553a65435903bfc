"""The warehouses of the simulated Odoo and the places in and around them."""

from connectors.odoo.simulated.records import Records

#: Name, kind and what it lies in (number in this list); ids are the order of creation.
LOCATIONS = (
    ("WH/Stock", "internal", 6), ("WH/Packing", "internal", 6), ("WH/Output", "internal", 6), ("Customers", "customer", 0),
    ("WEST/Stock", "internal", 7), ("WH", "view", 0), ("WEST", "view", 0), ("WH/Quality Control", "internal", 6),
    ("Vendors", "supplier", 0), ("Inventory adjustment", "inventory", 0),
)  # fmt: skip
STOCK, PACKING, OUTPUT, CUSTOMERS, QUALITY, VENDORS, LOSS = 1, 2, 3, 4, 8, 9, 10  # their ids
#: Code, name, the place everything in it lies below, its shelves, its quality control.
WAREHOUSES = (("WH", "My Company", 6, STOCK, QUALITY), ("WEST", "West Warehouse", 7, 5, 0))
KINDS = (("Receipts", "incoming", "IN"), ("Internal Transfers", "internal", "INT"))


def furnish(records: Records, company: int) -> None:
    """Two warehouses, and the places outside."""
    records.create("uom.uom", {"name": "Units"})
    for name, usage, inside in LOCATIONS:
        records.create("stock.location", {"name": name, "usage": usage, "location_id": inside or False})
    for code, name, view, shelves, control in WAREHOUSES:
        id = records.create("stock.warehouse", {
            "name": name, "code": code, "company_id": company, "view_location_id": view, "lot_stock_id": shelves,
            "wh_qc_stock_loc_id": control or False,
        })  # fmt: skip
        kinds = [
            records.create("stock.picking.type", {"name": title, "code": kind, "sequence_code": letters, "warehouse_id": id})
            for title, kind, letters in KINDS
        ]  # fmt: skip
        records.write("stock.warehouse", id, dict(zip(("in_type_id", "int_type_id"), kinds, strict=True)))
