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
#: Parts of the words, quicker to look for: every word has one.
ROOTS = ("passw", "secret", "_key", "apikey", "api-key", "token", "authorization", "signature")
_NAME = rf"[\w.-]*(?:{'|'.join(WORDS)})[\w.-]*"
_QUERY = re.compile(rf"([?&\s])({_NAME}|sig|key|auth|hmac)=[^&\s\"'<>#]*", re.IGNORECASE)
_JSON = re.compile(rf'("{_NAME}"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,"\]}}]+)', re.IGNORECASE)
_FORM = re.compile(rf"([?&\s])({_NAME})=[^&\s\"'<>]*", re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_LONGEST = 512  # characters read beyond the excerpt, so that a secret on the edge is seen whole


class Mask:
    """The nets for one system. `secrets` are its decrypted values; those under four characters would blank out everything."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        plain = {s for s in secrets if len(s) >= 4}
        self._literal = sorted(plain | {quote(s, safe="") for s in plain}, key=len, reverse=True)
        self._margin = max(_LONGEST, *map(len, self._literal), 0)

    def text(self, text: str) -> str:
        """Mask literal secrets and the values of telling names in free text, JSON or a form."""
        text = text.replace("\0", "\ufffd")  # PostgreSQL's text has no NUL
        for secret in self._literal:
            text = text.replace(secret, MASK)
        low = text.replace("İ", "I").lower()  # the one letter that grows when made small: places must stay the same
        if places := _places(low):
            text = _json(text, places)
            if "=" in text:
                text = _FORM.sub(rf"\1\2={MASK}", f"&{text}")[1:]
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
        return _QUERY.sub(rf"\1\2={MASK}", url) if "?" in url else url

    def message(self, headers: Mapping[str, str], body: bytes) -> str:
        """The shown headers, a blank line, and as much of the body as fits in the excerpt."""
        top = "".join([f"{name}: {value}\n" for name, value in headers.items() if name.lower() in SHOWN])
        edge = EXCERPT + self._margin
        given = f"{top}\n{body[:edge].decode('utf-8', 'replace')}"
        whole = self.text(given[:edge])
        if len(given) > edge or len(body) > edge:  # the last secret may be cut in two, and was not recognised
            whole = whole[: -self._margin]
        if len(whole) * 4 <= EXCERPT:
            return whole
        return whole.encode("utf-8", "replace")[:EXCERPT].decode("utf-8", "ignore")


def _places(low: str) -> list[int]:
    """Where a telling word may stand in a text in small letters. Plain searches: one pattern for all takes three times as long."""
    found = []
    for root in ROOTS:
        at = low.find(root)
        while at >= 0:
            found.append(at)
            at = low.find(root, at + 1)
    return sorted(found)


def _json(text: str, places: Iterable[int]) -> str:
    """Mask the values of telling names in JSON. A name begins at the last quotation mark before its word, so only those are tried."""
    done, tried, pieces = 0, -1, []
    for place in places:
        start = text.rfind('"', done, place) if place >= done else -1
        if start == tried or start < 0:
            continue
        tried = start
        if match := _JSON.match(text, start):
            pieces.append(f'{text[done:start]}{match[1]}"{MASK}"')
            done = match.end()
    return "".join([*pieces, text[done:]])
