"""Takes secrets out of what people may read later: URLs, headers, excerpts of bodies. Personal data stays: it is erased by age.

Two nets: the literal secrets of the system in hand, wherever they appear, and names that announce a secret.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

MASK = "•••"
EXCERPT = 4096  # bytes, headers and body together

#: Headers worth showing. Everything else (Authorization, cookies, signatures, API keys) stays out.
SHOWN = frozenset(
    {
        "content-type",
        "content-length",
        "accept",
        "webhook-id",
        "webhook-timestamp",
        "idempotency-key",
        "retry-after",
        "location",
        "date",
        "server",
        "x-request-id",
        "x-wp-total",
        "x-wp-totalpages",
        "x-wc-webhook-topic",
        "x-wc-webhook-delivery-id",
    }
)

WORDS = (
    "password",
    "passwd",
    "secret",
    "api_key",
    "apikey",
    "api-key",
    "token",
    "authorization",
    "signature",
    "consumer_key",
    "order_key",
    "private_key",
    "access_key",
)
_NAME = rf"[\w.-]*(?:{'|'.join(WORDS)})[\w.-]*"
_QUERY = re.compile(rf"(?<=[?&\s])({_NAME}|sig|key|auth|hmac)=[^&\s\"'<>#]*", re.IGNORECASE)
_JSON = re.compile(rf'("{_NAME}"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,"\]}}]+)', re.IGNORECASE)
_FORM = re.compile(rf"(?:(?<=[?&\s])|^)({_NAME})=[^&\s\"'<>]*", re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_LONGEST = 512  # bytes read beyond the excerpt, so that a secret on the edge is seen whole


class Mask:
    """The nets for one system. `secrets` are its decrypted values; those under four characters would blank out everything."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        plain = {s for s in secrets if len(s) >= 4}
        self._literal = sorted(plain | {quote(s, safe="") for s in plain}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Mask literal secrets and the values of telling names in free text, JSON or a form."""
        text = text.replace("\0", "\ufffd")  # PostgreSQL's text has no NUL
        for secret in self._literal:
            text = text.replace(secret, MASK)
        low = text.lower()
        if any(word in low for word in WORDS):
            text = _FORM.sub(rf"\1={MASK}", _JSON.sub(rf'\1"{MASK}"', text))
        if "bearer " in low or "basic " in low:
            text = _BEARER.sub(rf"\1 {MASK}", text)
        return text

    def url(self, url: str) -> str:
        """A URL without user, fragment and secret query values."""
        scheme, sep, rest = url.partition("#")[0].partition("://")
        host, slash, path = rest.partition("/")
        url = f"{scheme}{sep}{host.rpartition('@')[2]}{slash}{path}".replace("\0", "\ufffd")
        for secret in self._literal:
            url = url.replace(secret, MASK)
        return _QUERY.sub(rf"\1={MASK}", url) if "?" in url else url

    def message(self, headers: Mapping[str, str], body: bytes) -> str:
        """The shown headers, a blank line, and as much of the body as fits in the excerpt."""
        top = "".join(f"{name}: {value}\n" for name, value in headers.items() if name.lower() in SHOWN)
        whole = self.text(f"{top}\n{body[: EXCERPT + _LONGEST].decode('utf-8', 'replace')}")
        if len(whole) * 4 <= EXCERPT:
            return whole
        return whole.encode("utf-8", "replace")[:EXCERPT].decode("utf-8", "ignore")
