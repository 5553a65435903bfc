"""The checks every connector must pass."""

from connectors.files import connector
from tests.connectors.contract import ConnectorContract


class TestContract(ConnectorContract):
    connector = connector
    settings = {
        "folder": "/srv/retailsync/files/acme",
        "files": "stock_*.csv",
        "columns": {"sku": "SKU", "on_hand": "Units"},
        "location": "W1",
        "complete": "done",
    }
    samples = {
        "counts.part": b'{"run":"stock.csv 0a","location":"W1","at":"2026-01-31T06:00:00Z","part":1,"rows":[["A",5,0,0,0,0,0],'
        b'["B",-1,1,2,3,4,5]]}',
        "counts.done": b'{"run":"stock.csv 0a","location":"W1","at":"2026-01-31T06:00:00Z","parts":1,"rows":2,"full":true}',
    }
