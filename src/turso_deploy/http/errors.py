"""The error of a request without a complete answer, and its kinds."""

from __future__ import annotations

from enum import Enum, auto


class TransportErrorKind(Enum):
    """The reason for which a request got no answer."""

    NOT_REACHED_IN_TIME = auto()
    NOT_ANSWERED_IN_TIME = auto()
    UNKNOWN_HOST = auto()
    NO_NAME_SERVER = auto()
    REFUSED = auto()
    NOT_LOOPBACK = auto()
    PROXY = auto()
    PROXY_REFUSED = auto()
    UNUSABLE_PROXY = auto()
    NO_SOCKS = auto()
    NOT_SECURE = auto()
    NO_AUTHORITIES = auto()
    UNUSABLE_BUNDLE = auto()
    UNUSABLE_CERTIFICATE = auto()
    NO_CERTIFICATE = auto()
    UNUSABLE_ADDRESS = auto()
    TOO_LONG = auto()
    BROKEN = auto()

    @property
    def setup(self) -> tuple[str, str] | None:
        """The fault in the set-up of this machine and the hint to correct it; None for every other kind."""
        return _SETUP_FAULTS.get(self)


_SETUP_FAULTS = {
    TransportErrorKind.UNUSABLE_PROXY: (
        "the proxy that this machine is set to use is not supported",
        "Set HTTPS_PROXY, HTTP_PROXY or ALL_PROXY to http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT.",
    ),
    TransportErrorKind.NO_SOCKS: (
        "the proxy that this machine is set to use needs the package PySocks",
        "Install the extra `socks`: pip install 'turso-deploy[socks]'.",
    ),
    TransportErrorKind.NO_AUTHORITIES: (
        "this machine has no trusted certificate authority to verify the server's certificate with",
        "Install certificates of authorities (Debian's package ca-certificates), or name a file of them in "
        "SSL_CERT_FILE.",
    ),
    TransportErrorKind.UNUSABLE_BUNDLE: (
        "the certificates that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names cannot be read",
        "Name a file of certificates in PEM, or no file for those of the system.",
    ),
    TransportErrorKind.UNUSABLE_CERTIFICATE: (
        "the client certificate that SSL_CLIENT_CERT names cannot be read",
        "Name a file in PEM with the certificate and its key without a passphrase, or the key's own file in "
        "SSL_CLIENT_KEY.",
    ),
    TransportErrorKind.NO_CERTIFICATE: (
        "the server demands a certificate of its clients",
        "Name the file of the client certificate in SSL_CLIENT_CERT.",
    ),
}


class TransportError(Exception):
    """A request without a complete answer; the message repeats nothing of the request.

    `request_sent` is True if the server may have received the request. `retryable` is True if the same request may
    succeed a moment later.
    """

    def __init__(self, kind: TransportErrorKind, *, request_sent: bool, retryable: bool) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.request_sent = request_sent
        self.retryable = retryable
