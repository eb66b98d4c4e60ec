"""A catalog as the deployment history stores it, as a value."""

from __future__ import annotations

from typing import NamedTuple


class StoredCatalog(NamedTuple):
    """The SHA-256 of a catalog's JSON, and the JSON compressed by zlib.

    `content` is None if it does not have to be stored, because the history holds it already, or if no row of the
    history holds it any more.
    """

    fingerprint: str
    content: bytes | None
