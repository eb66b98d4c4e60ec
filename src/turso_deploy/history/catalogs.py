"""The catalogs in the deployment history: the schema as it stands after a deployment, compressed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.core.errors import InternalError
from turso_deploy.history.stored_catalog import StoredCatalog

MAX_CATALOG_SIZE = 64 * 1024 * 1024
"""The largest catalog that is read, in bytes: a damaged one may claim to be of any size."""


class DeployedCatalog(NamedTuple):
    """The objects that a deployment left in a database, and the patterns of names that its manifest ignored."""

    rows: tuple[CatalogRow, ...]
    ignored: tuple[str, ...] = ()

    def read(self, ignore: Sequence[str] = ()) -> Catalog:
        """Return the catalog without the objects that match `ignore`. Raises ValueError if SQL in it cannot be read."""
        try:
            return read_catalog(self.rows, ignore=ignore)
        except InternalError as error:
            raise ValueError(error.message) from error


def deployed_catalog(catalog: Catalog, ignore: Sequence[str]) -> DeployedCatalog:
    """Return what a deployment records of the catalog that it leads to.

    Unmanaged objects are in it. Internal and ignored objects, shadow tables and the history itself are not.
    """
    rows = tuple(row for row in catalog.rows if (row.kind, row.name) not in catalog.uncounted)
    return DeployedCatalog(rows, tuple(ignore))


@lru_cache(maxsize=64)  # most databases of a fleet get the same catalog
def store(catalog: DeployedCatalog) -> StoredCatalog:
    """Return a catalog in its stored form."""
    document = {"ignore": catalog.ignored, "objects": catalog.rows}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return StoredCatalog(sha256(text).hexdigest(), zlib.compress(text, 9))


def restore(fingerprint: str, content: bytes) -> DeployedCatalog:
    """Return the catalog that `store` stored. Raises ValueError if it is damaged."""
    try:
        decompressor = zlib.decompressobj()
        text = decompressor.decompress(content, MAX_CATALOG_SIZE)
    except zlib.error as error:
        raise ValueError("it is not compressed by zlib") from error
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("it is cut, or too long")
    if sha256(text).hexdigest() != fingerprint:
        raise ValueError("its fingerprint is another one")
    try:
        document = json.loads(text)
        rows = tuple(CatalogRow(*map(_text, row)) for row in document["objects"])
        return DeployedCatalog(rows, tuple(map(_text, document["ignore"])))
    except (TypeError, LookupError) as error:
        raise ValueError("it has another form") from error


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("it holds another value than text")
