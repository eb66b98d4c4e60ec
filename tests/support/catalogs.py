"""Catalogs of databases that a test describes by their statements."""

from __future__ import annotations

from collections.abc import Sequence

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.scratch import Scratch


def catalog_of(*statements: str, ignore: Sequence[str] = ()) -> Catalog:
    """Return the catalog of a database after these statements; `ignore` are the manifest's patterns."""
    scratch = Scratch()
    try:
        for sql in statements:
            scratch.run(sql)
        return read_catalog(scratch.rows(), scratch.shadows(), ignore)
    finally:
        scratch.close()
