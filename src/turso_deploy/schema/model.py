"""What a database consists of, in plain frozen values: a Schema of tables, indexes, views and triggers.

Every object keeps its SQL as the engine stores it (`sqlite_schema.sql`, https://www.sqlite.org/schematab.html) and its
definition, the canonical parts that two spellings of the same meaning share. Objects are found by their *folded* name,
because SQLite compares names without regard to ASCII case (https://www.sqlite.org/lang_keywords.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from turso_deploy.errors import Place
from turso_deploy.sql.ddl import (
    ForeignKey,
    IndexDefinition,
    TableDefinition,
    TriggerDefinition,
    ViewDefinition,
    VirtualTableDefinition,
)
from turso_deploy.sql.lexer import fold, position


@dataclass(frozen=True, slots=True)
class Table:
    """An ordinary or a virtual table."""

    name: str
    sql: str
    definition: TableDefinition | VirtualTableDefinition
    place: Place | None = field(default=None, compare=False)
    kind = "table"

    def place_of(self, column: str) -> Place | None:
        """Where a column is written: the stored text keeps the lines of the file. Without that, where the table is."""
        found = self.definition.by_name.get(fold(column)) if isinstance(self.definition, TableDefinition) else None
        if found is None or self.place is None or self.place.line is None:
            return self.place
        line, in_line = position(self.sql, found.start)
        return Place(self.place.file, self.place.line + line - 1, in_line if line > 1 else None)


@dataclass(frozen=True, slots=True)
class Index:
    """An index that a CREATE INDEX made; the ones behind PRIMARY KEY and UNIQUE belong to their table."""

    name: str
    table: str
    sql: str
    definition: IndexDefinition
    place: Place | None = field(default=None, compare=False)
    kind = "index"


@dataclass(frozen=True, slots=True)
class View:
    """A view."""

    name: str
    sql: str
    definition: ViewDefinition
    place: Place | None = field(default=None, compare=False)
    kind = "view"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger, on a table or (INSTEAD OF) on a view."""

    name: str
    table: str
    sql: str
    definition: TriggerDefinition
    place: Place | None = field(default=None, compare=False)
    kind = "trigger"


SchemaObject = Table | Index | View | Trigger


@dataclass(frozen=True, slots=True)
class Schema:
    """The objects of one database that are neither internal nor ours, by folded name, in creation order."""

    tables: Mapping[str, Table]
    indexes: Mapping[str, Index]
    views: Mapping[str, View]
    triggers: Mapping[str, Trigger]

    def parent_columns(self, key: ForeignKey) -> tuple[str, ...]:
        """The columns that a foreign key refers to, folded; () where its parent is not known.

        Without columns it means the parent's primary key: https://www.sqlite.org/foreignkeys.html#fk_basics
        """
        if key.parent_columns is not None:
            return key.parent_columns
        parent = self.tables.get(key.parent)
        if parent is None or not isinstance(parent.definition, TableDefinition) or not parent.definition.primary_key:
            return ()
        return tuple(part.column or "" for part in parent.definition.primary_key.parts)

    def objects(self) -> Iterator[SchemaObject]:
        """Every object: tables, then indexes, views and triggers, each in creation order."""
        yield from self.tables.values()
        yield from self.indexes.values()
        yield from self.views.values()
        yield from self.triggers.values()
