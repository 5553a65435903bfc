"""What is said, by example: each is shown in the documentation and sent in a test. Shape → body."""

from collections.abc import Mapping
from typing import Any

EXAMPLES: Mapping[str, Any] = {
    "Accepted": {"partner_reference": "WH-88231", "occurred_at": "2026-05-04T08:12:00Z"},
    "Rejected": {"reason": "We do not ship dangerous goods.", "occurred_at": "2026-05-04T08:12:00Z"},
    "Picking": {"occurred_at": "2026-05-04T09:00:00Z"},
    "Picked": {"occurred_at": "2026-05-04T09:20:00Z"},
    "Packed": {"occurred_at": "2026-05-04T09:40:00Z"},
    "Short": {
        "lines": [{"sku": "TEA-100", "units": 1}],
        "reason": "One was broken.",
        "occurred_at": "2026-05-04T09:20:00Z",
    },
    "Shipped": {
        "shipment": "SHP-4711",
        "carrier": "DHL",
        "service": "Paket",
        "packages": [
            {
                "tracking_number": "00340434161094015902",
                "tracking_url": "https://tracking.example/00340434161094015902",
                "lines": [{"sku": "TEA-100", "units": 2}],
            }
        ],
        "occurred_at": "2026-05-04T15:30:00Z",
    },
    "Corrected": {
        "shipment": "SHP-4712",
        "carrier": "DHL",
        "packages": [{"tracking_number": "00340434161094015919", "lines": [{"sku": "TEA-100", "units": 1}]}],
        "reason": "It was on the van before the order was cancelled.",
        "occurred_at": "2026-05-04T15:30:00Z",
    },
    "Many": {
        "items": [
            {"reference": "F1042-1", "action": "accept", "body": {"partner_reference": "WH-88232"}},
            {"reference": "F1043-1", "action": "start"},
        ]
    },
    "NewOrder": {"lines": [{"sku": "SBX-APPLE", "units": 2}], "note": "Please ring twice."},
    "NewReturn": {"lines": [{"sku": "SBX-APPLE", "units": 1}]},
    "OfOrder": {"order": "SBX-0A1B2C3D4E"},
    "NewLines": {"order": "SBX-0A1B2C3D4E", "lines": [{"sku": "SBX-APPLE", "units": 1}]},
    "NewAddress": {
        "order": "SBX-0A1B2C3D4E",
        "ship_to": {
            "first_name": "Ada",
            "line1": "Teststraat 2",
            "postcode": "1234 AB",
            "city": "Utrecht",
            "country": "NL",
        },
    },
    "Tracking": {
        "carrier": "DHL",
        "packages": [{"package": 1, "tracking_number": "00340434161094015926"}],
        "occurred_at": "2026-05-04T17:05:00Z",
    },
    "ChangeAccepted": {"occurred_at": "2026-05-04T10:00:00Z"},
    "ChangeRejected": {"reason": "It is packed already.", "occurred_at": "2026-05-04T10:00:00Z"},
    "Levels": {
        "location": "W1",
        "observed_at": "2026-05-04T18:00:00Z",
        "items": [{"sku": "TEA-100", "on_hand": 120, "allocated": 4}],
    },
    "Part": {
        "location": "W1",
        "observed_at": "2026-05-04T22:00:00Z",
        "items": [{"sku": "TEA-100", "on_hand": 118, "allocated": 2, "damaged": 1}],
    },
    "Complete": {"location": "W1", "observed_at": "2026-05-04T22:00:00Z", "parts": 1, "items": 1},
    "Receipt": {
        "receipt": "WE-2201",
        "lines": [{"sku": "TEA-100", "units": 240, "damaged": 2}],
        "occurred_at": "2026-05-04T07:45:00Z",
    },
    "Unannounced": {
        "parcel": "RT-55",
        "location": "W1",
        "lines": [{"sku": "TEA-100", "units": 1}],
        "order_reference": "WEB-1042",
        "tracking_number": "00340434161094015933",
        "occurred_at": "2026-05-04T11:20:00Z",
    },
    "ReturnReceived": {
        "receipt": "RT-56",
        "lines": [{"sku": "TEA-100", "units": 2}],
        "occurred_at": "2026-05-04T11:20:00Z",
    },
    "ReturnInspected": {
        "inspection": "QC-56",
        "lines": [
            {"sku": "TEA-100", "units": 1, "condition": "new", "disposition": "restock"},
            {"sku": "TEA-100", "units": 1, "condition": "damaged", "disposition": "scrap"},
        ],
        "occurred_at": "2026-05-04T13:00:00Z",
    },
    "Adjustment": {
        "adjustment": "ADJ-9",
        "location": "W1",
        "sku": "TEA-100",
        "units": -1,
        "reason": "Dropped while it was put away.",
        "occurred_at": "2026-05-04T11:05:00Z",
    },
    "NewWebhook": {
        "url": "https://hooks.warehouse.example/retailsync",
        "types": ["fulfilment_request.created", "fulfilment_request.cancellation_requested"],
    },
    "WebhookChange": {"types": []},
    "SecretRotation": {"overlap_hours": 48},
    "RedeliverAfter": {"after": 1041},
}
