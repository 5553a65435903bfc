"""A warehouse partner: takes our signed webhooks, works, and reports through our API like a real one. Knows nothing of our insides.

    python -m connectors.partner.simulator --api http://127.0.0.1:8000/api/v1 --key rsk_live_… --secret whsec_… --location W1

What it does with a request is its behaviour, what it does with a change of one is its manner of answering. Both are chosen from the
seed and a mix, or by a hook. Controls beside those every simulator has:
    POST /_sim/go-on {"reference": "F12-1"}     let a request that waits go on; without a reference, all of them
    POST /_sim/snapshot {"truncate": true}      report all stock, in good ways or in bad ones (see Reporting.send_snapshot)
    POST /_sim/adjust {"sku": "A", "units": -2, "reason": "broken"}
    POST /_sim/receive {"sku": "A", "units": 50, "document": "PO-7"}
"""

from connectors.partner.simulator.answers import ANSWERS
from connectors.partner.simulator.behaviours import BEHAVIOURS
from connectors.partner.simulator.warehouse import Warehouse

__all__ = ["ANSWERS", "BEHAVIOURS", "Warehouse"]
