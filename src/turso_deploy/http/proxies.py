"""The proxy for a server, selected by the environment or the settings of the system as requests does it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from turso_deploy.http.errors import TransportError, TransportErrorKind

_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")


def proxy_for(url: str) -> str | None:
    """Return the URL of the proxy for the server at a URL, or None. Raises TransportError for one that is unusable.

    Plain http to this machine uses no proxy: it is allowed only because it never leaves the machine.
    """
    from importlib.util import find_spec

    from requests.utils import get_environ_proxies, select_proxy
    from urllib3.util import parse_url

    server = urlsplit(url)
    if server.scheme == "http" and is_local_name(server.hostname or ""):
        return None
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    try:
        found = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        found = None
    if not found or not found.host or found.scheme not in ("http", "https", *_SOCKS):
        raise TransportError(TransportErrorKind.UNUSABLE_PROXY, request_sent=False, retryable=False)
    if found.scheme in _SOCKS and not find_spec("socks"):
        raise TransportError(TransportErrorKind.NO_SOCKS, request_sent=False, retryable=False)
    return found.url


def is_local_name(host: str) -> bool:
    """Return True if a host is this machine by its name: a loopback address, `localhost`, or a name below it.

    Those names are for nothing else: https://www.rfc-editor.org/rfc/rfc6761#section-6.3.
    """
    return host == "localhost" or host.endswith(".localhost") or is_loopback_address(host)


def is_loopback_address(host: str) -> bool:
    """Return True for a loopback address; a name is none."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Return True if a host is this machine by its name, and the name resolves to no address of another machine.

    A name that does not resolve at all is no other machine. The connection checks the address again.
    """
    if is_loopback_address(host) or not is_local_name(host):
        return is_loopback_address(host)
    import socket  # slow to load

    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return True
    return all(is_loopback_address(str(address[0])) for *_, address in found)
