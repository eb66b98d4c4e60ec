"""The authorities whose certificates are believed: those of a bundle that is named, or else those of the system."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

# Both are known from other programs, and name a file of certificates or a folder of such files.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

UNUSABLE = (
    f"the certificates that {' or '.join(_BUNDLES)} names cannot be read",
    "Name a file of certificates in PEM, or no file for those of the system.",
)
"""What is wrong when `verifier` raises, and what to do about it."""

NONE_KNOWN = (
    "this machine has no certificate of an authority to verify the server's with",
    "Install such certificates (Debian's package ca-certificates), or name a file of them in SSL_CERT_FILE.",
)
"""What is wrong when `none_known`, and what to do about it."""


def verifier() -> ssl.SSLContext:
    """What verifies servers by the authorities of this machine. Raises ValueError when the bundle cannot be read."""
    bundle = next(filter(None, map(os.environ.get, _BUNDLES)), None)
    is_folder = bundle is not None and Path(bundle).is_dir()
    try:
        # Without either, SSL_CERT_FILE and SSL_CERT_DIR count, and where these are not set, what the system has.
        context = ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)
    except OSError as error:  # ssl.SSLError, for a file without certificates, is one
        raise ValueError from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def none_known(verifying: ssl.SSLContext) -> bool:
    """Whether no certificate was found. Those of a folder are read when they are asked for: ask after a refusal."""
    return not verifying.cert_store_stats()["x509"]
