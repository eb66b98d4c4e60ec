"""The proxy for a server, selected by the environment or the settings of the system."""

from __future__ import annotations

import ipaddress
import os
import sys
from base64 import b64encode
from contextlib import suppress
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from msgspec import Struct

UNUSABLE = (
    "the proxy that this machine is set to use is not supported",
    "Set HTTPS_PROXY, HTTP_PROXY or ALL_PROXY to http://HOST:PORT; proxies reached by TLS (https://) or SOCKS are not "
    "supported.",
)
"""The fault, and the hint to correct it, when `proxy_for` raises."""

_SYSTEM_HAS_PROXY_SETTINGS = sys.platform in ("darwin", "win32")
_DEFAULT_PORT = 80


class Proxy(Struct, frozen=True):
    """A proxy reached by plain HTTP, and the headers that only it receives."""

    host: str
    port: int
    headers: dict[str, str]


def proxy_for(server: SplitResult) -> Proxy | None:
    """Return the proxy for the server at a URL, or None. Raises ValueError for a proxy that is not supported.

    Plain http to this machine uses no proxy: it is allowed only because it never leaves the machine.
    """
    if server.scheme == "http" and is_loopback(server.hostname or ""):
        return None
    if not _SYSTEM_HAS_PROXY_SETTINGS and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # slow to load

    proxies = getproxies()
    proxy = proxies.get(server.scheme) or proxies.get("all")
    hosts = (server.hostname or "", server.netloc)
    if not proxy or any(map(proxy_bypass, hosts)) or _is_in_a_network(hosts[0], proxies.get("no", "")):
        return None
    return _proxy_at(urlsplit(proxy if "://" in proxy else f"http://{proxy}"))


def _proxy_at(url: SplitResult) -> Proxy:
    """Return the proxy at a URL; only http, because Python's ssl cannot wrap a socket in TLS twice."""
    if url.scheme != "http" or not url.hostname:
        raise ValueError
    return Proxy(url.hostname, url.port or _DEFAULT_PORT, _credentials(url))


def _credentials(url: SplitResult) -> dict[str, str]:
    if url.username is None or url.password is None:
        return {}
    pair = unquote_to_bytes(url.username) + b":" + unquote_to_bytes(url.password)
    return {"Proxy-Authorization": f"Basic {b64encode(pair).decode()}"}


def _is_in_a_network(host: str, names: str) -> bool:
    """Return True if NO_PROXY names a network that contains the address, such as 10.0.0.0/8."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        for name in names.split(","):
            with suppress(ValueError):
                if "/" in name and address in ipaddress.ip_network(name.strip(), strict=False):
                    return True
    return False


def is_loopback(host: str) -> bool:
    """Return True if a host is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
