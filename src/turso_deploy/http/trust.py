"""The trusted certificate authorities: those of a named bundle, or else those of the system."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

# The variables of requests and curl; each names a file of certificates or a folder of such files.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

UNUSABLE = (
    f"the certificates that {' or '.join(_BUNDLES)} names cannot be read",
    "Name a file of certificates in PEM, or no file for those of the system.",
)
"""The fault, and the hint to correct it, when `tls_context` raises."""

NO_AUTHORITIES = (
    "this machine has no trusted certificate authority to verify the server's certificate with",
    "Install certificates of authorities (Debian's package ca-certificates), or name a file of them in SSL_CERT_FILE.",
)
"""The fault, and the hint to correct it, when `has_no_authorities`."""


def tls_context() -> ssl.SSLContext:
    """Return the context that verifies servers. Raises ValueError if the named bundle cannot be read."""
    bundle = next(filter(None, map(os.environ.get, _BUNDLES)), None)
    is_folder = bundle is not None and Path(bundle).is_dir()
    try:
        # Without a bundle, SSL_CERT_FILE and SSL_CERT_DIR apply, and without these the authorities of the system.
        context = ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)
    except OSError as error:  # ssl.SSLError is one: a file without certificates
        raise ValueError from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def has_no_authorities(context: ssl.SSLContext) -> bool:
    """Return True if no authority was found. Those of a folder are read on demand: call it after a failed handshake."""
    return not context.cert_store_stats()["x509"]
