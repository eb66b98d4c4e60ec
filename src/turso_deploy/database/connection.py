"""HTTP with one server, over a connection that is kept: by the proxy and under the authorities that the machine names.

Every request is sent once. No redirect is followed: it would carry the token to another host.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import urllib3
from msgspec import Struct
from urllib3 import exceptions

from turso_deploy import __version__

if TYPE_CHECKING:
    from ssl import SSLContext

_HEADERS = {"User-Agent": f"turso-deploy/{__version__}", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
# Both are known from other programs, and name a file of certificates or a folder of such files.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_KNOWS_PROXIES = sys.platform in ("darwin", "win32")


class Answer(Struct, frozen=True):
    """What a server answers. The names of `headers` are found in any case; `body` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, where what is not UTF-8 is replaced."""
        return self.body.decode(errors="replace")


class Trouble(Enum):
    """Why there is no answer."""

    NOT_REACHED_IN_TIME = auto()
    NOT_ANSWERED_IN_TIME = auto()
    UNKNOWN_HOST = auto()
    REFUSED = auto()
    PROXY = auto()
    NOT_SECURE = auto()
    NO_AUTHORITIES = auto()
    UNUSABLE_BUNDLE = auto()
    UNUSABLE_ADDRESS = auto()
    BROKEN = auto()


MISSING_CERTIFICATES = {
    Trouble.NO_AUTHORITIES: (
        "this machine has no certificate of an authority to verify the server's with",
        "Install such certificates (Debian's package ca-certificates), or name a file of them in SSL_CERT_FILE.",
    ),
    Trouble.UNUSABLE_BUNDLE: (
        f"the certificates that {' or '.join(_BUNDLES)} names cannot be read",
        "Name a file of certificates in PEM, or no file for those of the system.",
    ),
}
"""What is missing for a server's certificate to be verified, and what to do about it."""

# A kind comes before the kinds that it is one of.
_TROUBLES: tuple[tuple[type[exceptions.HTTPError], Trouble], ...] = (
    (exceptions.NameResolutionError, Trouble.UNKNOWN_HOST),
    (exceptions.NewConnectionError, Trouble.REFUSED),
    (exceptions.ConnectTimeoutError, Trouble.NOT_REACHED_IN_TIME),
    (exceptions.ReadTimeoutError, Trouble.NOT_ANSWERED_IN_TIME),
    (exceptions.SSLError, Trouble.NOT_SECURE),
    (exceptions.LocationValueError, Trouble.UNUSABLE_ADDRESS),
)
# A wrong name, certificate or address stays what it is.
_STAYS = (exceptions.NameResolutionError, exceptions.SSLError, exceptions.LocationValueError)


class NoAnswerError(Exception):
    """No answer came, or only a part of one; the message repeats nothing of the request.

    `sent` is whether the server may have got the request: its body, where it has one, was begun to be sent.
    `passing` is whether the same request may be answered a moment later.
    """

    def __init__(self, trouble: Trouble, *, sent: bool, passing: bool) -> None:
        super().__init__(trouble.name)
        self.trouble = trouble
        self.sent = sent
        self.passing = passing


class Connection:
    """A connection to the server at a URL, which is opened by the first request, and opened anew when it was closed.

    The token is sent to this server only; an empty one is not sent. `timeout` is in seconds, for connecting and for
    each wait for the server to say something.
    """

    def __init__(self, url: str, token: str, timeout: float, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._headers = {**_HEADERS, **(headers or {})}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = urllib3.Timeout(connect=timeout, read=timeout)
        self._authorities: SSLContext | None = None
        self._manager: urllib3.PoolManager | None = None

    def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """The answer to a request, whatever its status. `body` is JSON. Raises NoAnswerError."""
        letter = None if body is None else _Letter(body)
        try:
            self._manager = self._manager or self._open()
            answer = self._manager.request(
                method,
                f"{_in_ascii(self._url)}{path}",
                body=letter,
                headers=self._headers | (letter.headers if letter else {}),
                timeout=self._timeout,
                redirect=False,
                retries=False,
            )
        except exceptions.HTTPError as error:
            raise self._no_answer(error, sent=letter is None or letter.opened) from None
        return Answer(answer.status, answer.headers, answer.data)

    def close(self) -> None:
        """Close the connection."""
        if self._manager:
            self._manager.clear()

    def _open(self) -> urllib3.PoolManager:
        named = _proxy_for(self._url)
        proxy = named and urllib3.util.parse_url(named)
        if self._url.startswith("https:") or (proxy and proxy.scheme == "https"):
            self._authorities = _authorities()
        if not proxy:
            return urllib3.PoolManager(ssl_context=self._authorities)
        credentials = unquote(proxy.auth or "", "latin-1")  # which is how make_headers writes them
        return urllib3.ProxyManager(
            proxy._replace(auth=None).url,
            proxy_headers=urllib3.make_headers(proxy_basic_auth=credentials) if ":" in credentials else None,
            proxy_ssl_context=self._authorities,
            ssl_context=self._authorities,
        )

    def _no_answer(self, error: exceptions.HTTPError, *, sent: bool) -> NoAnswerError:
        # With a proxy, urllib3 lays the blame on it for what breaks after sending, too.
        cause = error.original_error if isinstance(error, exceptions.ProxyError) else error
        trouble = next((trouble for kind, trouble in _TROUBLES if isinstance(cause, kind)), Trouble.BROKEN)
        if cause is not error and not sent:
            trouble = Trouble.PROXY
        elif trouble is Trouble.NOT_SECURE and self._no_authority_is_known(cause):
            trouble = Trouble.NO_AUTHORITIES
        return NoAnswerError(trouble, sent=sent, passing=not isinstance(cause, _STAYS))

    def _no_authority_is_known(self, error: Exception) -> bool:
        """Whether a certificate could not be verified because there is none on this machine to verify it with.

        Those of a folder are read when they are asked for, so this is known only afterwards.
        """
        from ssl import SSLCertVerificationError

        unverified = any(isinstance(cause, SSLCertVerificationError) for cause in error.args)
        return unverified and self._authorities is not None and not self._authorities.cert_store_stats()["x509"]


class _Letter:
    """The body of a request, which knows whether it was begun to be sent: all connecting comes before that."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        self.opened = False

    def __iter__(self) -> Iterator[bytes]:
        self.opened = True
        yield self._content


def _authorities() -> SSLContext:
    """Whose certificates are believed: those of a bundle that is named, or else those of the system."""
    import ssl

    bundle = next(filter(None, map(os.environ.get, _BUNDLES)), None)
    is_folder = bundle is not None and Path(bundle).is_dir()
    try:
        # Without either, SSL_CERT_FILE and SSL_CERT_DIR count, and where these are not set, what the system has.
        return ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)
    except OSError:  # ssl.SSLError, for a file without certificates, is one
        raise NoAnswerError(Trouble.UNUSABLE_BUNDLE, sent=False, passing=False) from None


def _proxy_for(url: str) -> str | None:
    """The URL of the proxy that the environment, or the settings of the system, name for a URL."""
    if not _SYSTEM_KNOWS_PROXIES and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # slow to load

    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    hosts = (parts.hostname or "", parts.netloc)
    if not proxy or any(map(proxy_bypass, hosts)) or _is_in_a_network(hosts[0], proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_in_a_network(host: str, names: str) -> bool:
    """Whether NO_PROXY means an address by its network, such as 10.0.0.0/8."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        for name in names.split(","):
            with suppress(ValueError):
                if "/" in name and address in ipaddress.ip_network(name.strip(), strict=False):
                    return True
    return False


def _in_ascii(url: str) -> str:
    """The URL with its host as name servers know it: https://www.rfc-editor.org/rfc/rfc3490.

    Signs that this standard and the next one write differently would lead to two hosts, and lead to none.
    """
    if url.isascii():
        return url
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        name = host.encode("idna")
        known = name.decode("idna") == host
    except UnicodeError:
        known = False
    if not known:
        raise exceptions.LocationParseError(url)
    return parts._replace(netloc=f"{name.decode()}:{parts.port}" if parts.port else name.decode()).geturl()
