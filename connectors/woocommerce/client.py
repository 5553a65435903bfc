"""One request to a shop's REST API and what its answer means. Knows settings and status codes; no command and no topic."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import msgspec

from connectors.base import Job, Response, Session
from connectors.errors import Misconfigured, Refused, Retry
from connectors.http import retry_after
from connectors.woocommerce import oauth

API = "/wp-json/wc/v3"
MAX_PAGE = 100  # the API refuses more

#: What whoever allows plain http has to know. Requests are signed, so nobody learns the key or changes what we ask for; answers are not.
OPEN_LINE = (
    "Without https, orders, names and addresses can be read, and what the shop answers can be changed, by anybody on the way. "
    "Give the shop a certificate, and its address with https://, as soon as possible."
)

T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of one shop. `url` is where the shop is, without `/wp-json`."""

    url: str
    start_at: datetime | None = None  # polls never ask for what was last modified before
    overlap: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 120  # seconds every poll reads again
    page_size: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 50
    sweep_hours: Annotated[float, msgspec.Meta(ge=0.001)] = 24  # all products are read again after so long
    notify_customer: bool = True  # the shop mails the customer about a shipment
    allow_http: bool = False  # the shop has no https: see OPEN_LINE
    allow_loopback_http: bool = False  # development only: the shop is a simulator on this machine


@dataclass(frozen=True, slots=True)
class Answer:
    """What a shop said to one request of ours.

    `asked_at` is our clock when we began, `shop_time` the shop's when it answered, `seconds` how long that took. Of a list: how many
    `pages` and rows (`total`) there are.
    """

    status: int
    body: bytes
    asked_at: datetime
    shop_time: datetime
    writing: bool = False
    pages: int = 0
    total: int = 0
    seconds: float = 0.0

    @property
    def code(self) -> str:
        """The shop's error code; empty when there is none."""
        return problem(self.body).code

    def decode(self, decoder: "msgspec.json.Decoder[T]") -> T:
        """The body; Retry when the shop's words are not what its API promises (a half-updated plugin, a cache)."""
        try:
            return decoder.decode(self.body.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, UnicodeError) as error:
            raise Retry("The shop's answer cannot be understood.", unknown=self.writing, detail=str(error)) from error


class Problem(msgspec.Struct):
    """WordPress's error object. `data` is `{"status": 404}`, or the bare number 500 for some business errors."""

    code: str = ""
    message: str = ""
    data: Any = None


_PROBLEM = msgspec.json.Decoder(Problem)


def problem(body: bytes) -> Problem:
    """The error object in a body; an empty one when it is something else."""
    try:
        return _PROBLEM.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Problem()


def ask(
    session: Session,
    method: str,
    path: str,
    query: Mapping[str, str | int] | None = None,
    body: Any = None,
    about: Sequence[Job] = (),
) -> Answer:
    """Send one request. Returns answers of 2xx, and 404 and 410 of the API itself; everything else raises one of the four."""
    settings: Settings = session.settings
    url = settings.url.rstrip("/") + API + path + (f"?{urlencode(query)}" if query else "")
    asked_at = session.now()
    writing = method != "GET"
    key, secret = _keys(session)
    headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if writing else {})
    if url.startswith("https:"):
        headers["Authorization"] = "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()
    else:  # a shop on plain http takes no password
        url = oauth.signed(method, url, key, secret)
    content = None if body is None else msgspec.json.encode(body)
    try:
        response = session.http.request(method, url, headers=headers, body=content, about=about)
    except Retry as error:  # a read that got no answer changed nothing: its outcome is not unknown
        unknown = error.unknown and writing
        raise Retry(error.words, after=error.after, unknown=unknown, down=error.down, detail=error.detail) from error
    judge(writing, response, asked_at)
    return Answer(
        response.status,
        response.body,
        asked_at,
        _shop_time(response, asked_at),
        writing,
        pages=_count(response, "x-wp-totalpages"),
        total=_count(response, "x-wp-total"),
        seconds=(session.now() - asked_at).total_seconds(),
    )


def _count(response: Response, header: str) -> int:
    given = response.headers.get(header, "")
    return int(given) if given.isdecimal() and len(given) < 10 else 0


def _keys(session: Session) -> tuple[str, str]:
    key, secret = session.secret("consumer_key"), session.secret("consumer_secret")
    if not (key and secret):
        raise Misconfigured("The shop's consumer key and secret are not set.")
    return key, secret


def _shop_time(response: Response, otherwise: datetime) -> datetime:
    """The shop's clock from the Date header: what its modification dates are to be compared with."""
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).astimezone(otherwise.tzinfo)
    except (ValueError, TypeError):
        return otherwise


# ---- status codes -----------------------------------------------------------------------------------------------------------
def judge(writing: bool, response: Response, now: datetime) -> None:
    """Raise what a status means. Observed on WooCommerce 11 unless noted."""
    said = problem(response.body)
    detail = f"{response.status} {said.code}: {said.message}"[:300]
    if 200 <= response.status < 300:
        if is_page(response.body):
            raise Retry(_PAGE, unknown=writing, detail=f"{response.status} with a web page")
    elif response.status == 401 and "nonce" in said.message:  # our own request again, after its answer was lost
        raise Retry("The shop has answered this request before.", detail=detail)
    elif response.status in (401, 403):
        raise Misconfigured(_rights(response.status, said), detail=detail)
    elif response.status == 404 and (not said.code or said.code == "rest_no_route"):
        if not said.code:
            raise Misconfigured(f"{_PAGE} Pretty permalinks may be switched off.", detail=detail)
    elif response.status in (404, 410):
        return
    elif response.status in (408, 425, 429):
        raise Retry("The shop asks us to come back later.", after=retry_after(response, now), detail=detail)
    elif 300 <= response.status < 400:
        raise Misconfigured("The shop's address leads elsewhere; enter the address it leads to.", detail=detail)
    elif response.status >= 500 and not _is_business(response.status, said):
        busy = response.status in (502, 503, 504)
        after = retry_after(response, now)
        unknown = writing and response.status != 503  # 503 refuses to begin: maintenance, overload
        raise Retry("The shop reports an internal error.", after=after, unknown=unknown, down=busy, detail=detail)
    else:
        raise Refused(
            f"The shop refused: {said.message or response.status}", reason=said.code or "refused", detail=detail
        )


_PAGE = "The shop answered with a web page instead of data: maintenance, a security plugin, or a wrong address."


def is_page(body: bytes) -> bool:
    """Whether a body is HTML (or a PHP warning in front of the data) rather than JSON."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"[")


def _is_business(status: int, said: Problem) -> bool:
    """`"data": 500` with status 500 is a refusal in disguise ("Invalid refund amount"); 501 wants another request."""
    return status == 501 or (status == 500 and said.data == 500 and bool(said.code))


def _rights(status: int, said: Problem) -> str:
    """All authentication failures are 401 (403 comes from firewalls); the codes tell them apart."""
    if said.code == "woocommerce_rest_authentication_error":
        return f"The shop rejects our key: {said.message}"
    if said.code.startswith("woocommerce_rest_cannot_"):
        return "The shop does not know our consumer key, or it may not do this."
    return f"The shop (or a firewall before it) does not let us in: {said.message or status}"
