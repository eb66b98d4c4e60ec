"""Trust of TLS connections: the authorities that verify servers, and the certificate that this client shows.

Both come from the environment. The context is the same for all servers and threads: making it reads all authorities.
"""

from __future__ import annotations

import os
import ssl
from functools import cache
from pathlib import Path
from threading import Lock

from turso_deploy.http.deadline import TimedTlsSocket
from turso_deploy.http.errors import TransportError, TransportErrorKind

_ALPN = ["http/1.1"]
_lock = Lock()


def tls_context() -> ssl.SSLContext:
    """Return the context of this process, which verifies servers. Raises TransportError for an unusable file.

    The variables are those of requests and curl (a file of authorities, or a folder), OpenSSL (which reads them itself)
    and uv (the certificate of this client).
    """
    bundle = _variable("REQUESTS_CA_BUNDLE") or _variable("CURL_CA_BUNDLE")
    defaults = _variable("SSL_CERT_FILE"), _variable("SSL_CERT_DIR")
    with _lock:
        return _context(bundle, _variable("SSL_CLIENT_CERT"), _variable("SSL_CLIENT_KEY"), defaults)


def _variable(name: str) -> str | None:
    return os.environ.get(name) or None


@cache
def _context(bundle: str | None, certificate: str | None, key: str | None, _defaults: object) -> ssl.SSLContext:
    """Return the context for these variables; `_defaults` are those that OpenSSL reads itself."""
    try:
        is_folder = bundle is not None and Path(bundle).is_dir()
        context = ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)
    except OSError:  # ssl.SSLError is one: a file without certificates
        raise TransportError(TransportErrorKind.UNUSABLE_BUNDLE, request_sent=False, retryable=False) from None
    if certificate or key:
        try:
            context.load_cert_chain(certificate or "", key, password="")  # OpenSSL would ask the terminal for it
        except (OSError, ValueError):
            kind = TransportErrorKind.UNUSABLE_CERTIFICATE
            raise TransportError(kind, request_sent=False, retryable=False) from None
    context.hostname_checks_common_name = False
    context.sslsocket_class = TimedTlsSocket
    context.set_alpn_protocols(_ALPN)
    # urllib3 sets them again for each connection, while another thread may copy them into one of its own.
    context.set_alpn_protocols = lambda alpn_protocols: None  # type: ignore[method-assign]
    return context
