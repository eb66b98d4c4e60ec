"""Proxies: which one leads to a server, by the environment or the settings of the system, and what it is told."""

from __future__ import annotations

import ipaddress
import os
import sys
from base64 import b64encode
from contextlib import suppress
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from msgspec import Struct

UNUSABLE = (
    "the proxy that this machine names cannot be used",
    "Name it as http://HOST:PORT in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY; it cannot be one that is itself spoken to in "
    "TLS (https://) or SOCKS.",
)
"""What is wrong when `proxy_for` raises, and what to do about it."""

_SYSTEM_KNOWS_PROXIES = sys.platform in ("darwin", "win32")
_PORT = 80


class Proxy(Struct, frozen=True):
    """A proxy that is spoken to in HTTP, and the headers that are for it alone."""

    host: str
    port: int
    headers: dict[str, str]


def proxy_for(server: SplitResult) -> Proxy | None:
    """The proxy for the server at a URL, if one is named for it. Raises ValueError when that one cannot be used.

    Plain http to this machine goes directly: it is allowed because nobody else hears it.
    """
    if server.scheme == "http" and is_loopback(server.hostname or ""):
        return None
    if not _SYSTEM_KNOWS_PROXIES and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # slow to load

    proxies = getproxies()
    proxy = proxies.get(server.scheme) or proxies.get("all")
    hosts = (server.hostname or "", server.netloc)
    if not proxy or any(map(proxy_bypass, hosts)) or _is_in_a_network(hosts[0], proxies.get("no", "")):
        return None
    return _proxy_at(urlsplit(proxy if "://" in proxy else f"http://{proxy}"))


def _proxy_at(url: SplitResult) -> Proxy:
    """Only http: TLS to a server, inside of TLS to a proxy, is more than Python's ssl can do with a socket."""
    if url.scheme != "http" or not url.hostname:
        raise ValueError
    return Proxy(url.hostname, url.port or _PORT, _credentials(url))


def _credentials(url: SplitResult) -> dict[str, str]:
    if url.username is None or url.password is None:
        return {}
    pair = unquote_to_bytes(url.username) + b":" + unquote_to_bytes(url.password)
    return {"Proxy-Authorization": f"Basic {b64encode(pair).decode()}"}


def _is_in_a_network(host: str, names: str) -> bool:
    """Whether NO_PROXY means an address by its network, such as 10.0.0.0/8."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        for name in names.split(","):
            with suppress(ValueError):
                if "/" in name and address in ipaddress.ip_network(name.strip(), strict=False):
                    return True
    return False


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
