"""Which URLs we may call. Decides over schemes and resolved addresses; knows nothing of HTTP.

A system's URL is typed by a person and could point at our own network (server-side request forgery). So: https only, the name
is resolved once, only public addresses are kept, and the connection goes to exactly those addresses (a second look-up could
answer differently). There are two ways round: `allow_loopback_http`, for development and tests, adds loopback, nothing else;
`allow_http`, for a system that has no https and says so in its settings, adds http to public addresses, nothing else.
"""

import ipaddress
import queue
import socket
import threading
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from connectors.errors import Misconfigured, Retry

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = {"http": 80, "https": 443}

#: IANA special-purpose registries, where Python's own tables (3.11) are silent.
NOT_PUBLIC_V4 = tuple(ipaddress.IPv4Network(n) for n in ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"))
GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")  # RFC 4291: everything else is special
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class Target(NamedTuple):
    """The parts of a URL that a connection needs. `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str


class Place(NamedTuple):
    """One address to connect to, as `socket.getaddrinfo` gives it."""

    family: int
    sockaddr: tuple[str, int]


def target(url: str, *, allow_loopback_http: bool, allow_http: bool = False) -> Target:
    """Take a URL apart. Raises Misconfigured for anything but https (or http, where that or loopback is allowed)."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise Misconfigured("The address of this system contains a character that must be escaped.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Misconfigured(f"The address of this system is not a URL: {error}.") from error
    if parts.scheme != "https" and not ((allow_loopback_http or allow_http) and parts.scheme == "http"):
        raise Misconfigured("The address of this system must begin with https://.")
    if not parts.hostname:
        raise Misconfigured("The address of this system names no host.")
    if parts.username is not None or parts.password is not None:
        raise Misconfigured("The address of this system must not contain a user name or password.")
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Target(parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port, path)


def places(goal: Target, *, allow_loopback_http: bool, seconds: float, allow_http: bool = False) -> Sequence[Place]:
    """Resolve a host and keep the addresses we may connect to. Raises Retry (unresolved) or Misconfigured (none)."""
    found = resolve(goal.host, goal.port, seconds)
    may = {"allow_loopback_http": allow_loopback_http, "allow_http": allow_http}
    kept = [p for p in found if is_allowed(p, goal.scheme, **may)]
    if not kept:
        raise Misconfigured(f"{goal.host} is an internal address. Only public https addresses may be called.")
    return kept


def is_allowed(place: Place, scheme: str, *, allow_loopback_http: bool, allow_http: bool = False) -> bool:
    """Public addresses over https; loopback, and http to public addresses, only by permission each."""
    address = embedded(ipaddress.ip_address(place.sockaddr[0].partition("%")[0]))
    if address.is_loopback:
        return allow_loopback_http
    return (scheme == "https" or allow_http) and is_public(address)


def is_public(address: Address) -> bool:
    """Reachable on the public internet: not private, link-local (cloud metadata), shared, reserved or multicast."""
    address = embedded(address)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return address in GLOBAL_UNICAST_V6
    return not any(address in network for network in NOT_PUBLIC_V4)


def embedded(address: Address) -> Address:
    """The IPv4 address inside a mapped (::ffff:), 6to4, Teredo or NAT64 address; otherwise the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def resolve(host: str, port: int, seconds: float) -> Sequence[Place]:
    """All addresses of a host. Names in a thread of their own, because the C library's resolver takes no deadline."""
    if literal := _literal(host):
        return [Place(socket.AF_INET6 if literal.version == 6 else socket.AF_INET, (host, port))]
    answer: queue.SimpleQueue[Sequence[Place] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put([Place(i[0], i[4][:2]) for i in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])  # type: ignore[arg-type]
        except (OSError, UnicodeError) as error:
            answer.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise Retry(f"{host} could not be resolved in time.", down=True) from None
    if isinstance(found, BaseException):
        raise Retry(f"{host} could not be resolved.", down=True, detail=str(found)) from found
    return found


def _literal(host: str) -> Address | None:
    """The address a host is written as, if it is one."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
