"""The rows of `sqlite_schema` and the two queries that read them (https://www.sqlite.org/schematab.html)."""

from __future__ import annotations

import re
from typing import NamedTuple

from turso_deploy.core.transaction import Query, Rows
from turso_deploy.sql.lexer import fold_case

CATALOG_QUERY = Query("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid")
# No other source marks the shadow tables of a virtual table: https://www.sqlite.org/pragma.html#pragma_table_list
SHADOW_QUERY = Query("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'")


NO_TEXT = re.compile("[\U0010ff00-\U0010ff7f]")
"""The characters as which the bytes of a file are read that are no UTF-8: of the last private use area."""


class CatalogRow(NamedTuple):
    """One row of `sqlite_schema`. `sql` is None for the automatic indexes of PRIMARY KEY and UNIQUE."""

    kind: str
    name: str
    table: str
    sql: str | None

    @property
    def key(self) -> tuple[str, str]:
        """The kind and the folded name, which identify the object."""
        return self.kind, fold_case(self.name)


def catalog_rows(answer: Rows) -> list[CatalogRow]:
    """Return the answer to `CATALOG_QUERY` as rows."""
    return [
        CatalogRow(str(kind), str(name), str(table), None if sql is None else str(sql))
        for kind, name, table, sql in answer.rows
    ]
