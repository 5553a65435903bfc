"""OAuth 1.0a, one-legged, as WooCommerce takes it over plain http, where it accepts no password: the secret signs and never leaves.

Its reading of RFC 5849 (plugins/woocommerce/includes/class-wc-rest-authentication.php): everything stands in the query string; the
base string is METHOD & address & parameters, where the parameters are sorted by name, each encoded, joined with “=” and encoded
again, and a body is not part of it; the key is the consumer secret and “&”. A signature is good for 15 minutes either way, and a
nonce once.
"""

import base64
import hmac
import secrets
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode

WINDOW = 15 * 60  # seconds a timestamp may be away from the shop's clock
METHOD = "HMAC-SHA256"


def signed(method: str, url: str, key: str, secret: str, *, timestamp: int | None = None, nonce: str = "") -> str:
    """The URL with a signature for one request. Dated by the computer's clock: it is for the shop to compare, and means nothing else."""
    address, _, query = url.partition("?")
    params = {
        **dict(parse_qsl(query, keep_blank_values=True)),
        "oauth_consumer_key": key,
        "oauth_timestamp": str(int(time.time()) if timestamp is None else timestamp),
        "oauth_nonce": nonce or secrets.token_hex(16),
        "oauth_signature_method": METHOD,
    }
    params["oauth_signature"] = signature(method, address, params, secret)
    return f"{address}?{urlencode(params)}"


def verify(method: str, url: str, params: Mapping[str, str], secret: str) -> bool:
    """Whether the signature among these query parameters is right; time and nonce are for the caller to check. `url` without query."""
    given = params.get("oauth_signature", "").replace(" ", "+")
    if params.get("oauth_signature_method") != METHOD:
        return False
    return hmac.compare_digest(signature(method, url, params, secret).encode(), given.encode("utf-8", "replace"))


def signature(method: str, url: str, params: Mapping[str, str], secret: str) -> str:
    """Base64 of the HMAC over the base string; `oauth_signature` itself is no part of it."""
    said = {name: value for name, value in params.items() if name != "oauth_signature"}
    pairs = (f"{_encoded(name)}={_encoded(said[name])}" for name in sorted(said, key=lambda name: name.encode()))
    text = "&".join((method.upper(), _encoded(url), "%26".join(map(_encoded, pairs))))
    return base64.b64encode(hmac.digest(f"{secret}&".encode(), text.encode(), "sha256")).decode()


def _encoded(text: str) -> str:
    """RFC 3986: letters, digits and -._~ stay."""
    return quote(text, safe="")
