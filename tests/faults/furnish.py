"""Run inside the house's own database: makes its tables and systems, tells their secrets, and learns what is sold once they listen.

`python -m tests.faults.furnish FOLDER URLS` (JSON) prints one line of JSON and waits for a line before it reads the products.
"""

import json
import sys
from pathlib import Path

import django


def main(folder: str, urls: str) -> None:
    django.setup()
    from retailsync.partners.models import PartnerKey  # imported late: they need Django
    from retailsync.platform import preparation
    from retailsync.platform.demo import world

    preparation.prepare()
    here = world.ensure(Path(folder), json.loads(urls))
    keys = {code: PartnerKey.issue(system, "the house")[1] for code, system in here.warehouses.items()}
    secrets = {
        "consumer_key": world.secret(here.shop, "consumer_key"),
        "consumer_secret": world.secret(here.shop, "consumer_secret"),
        "webhook": world.secret(here.shop, "webhook"),
        "api_key": world.secret(here.erp, "api_key"),
        **{code: world.secret(system, "webhook") for code, system in here.warehouses.items()},
    }
    print(json.dumps({"keys": keys, "secrets": secrets}), flush=True)
    sys.stdin.readline()
    world.learn(here)


if __name__ == "__main__":
    main(*sys.argv[1:])
