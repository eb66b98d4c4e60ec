"""The objects of a database as frozen values: a Schema of tables, indexes, views and triggers.

Every object keeps its SQL as the engine stores it (`sqlite_schema.sql`, https://www.sqlite.org/schematab.html) and its
definition in canonical form. Objects are found by their *folded* name,
because SQLite compares names without regard to ASCII case (https://www.sqlite.org/lang_keywords.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from turso_deploy.sql.definitions import (
    NO_TABLE_DIRECTIVES,
    ForeignKey,
    IndexDefinition,
    TableDefinition,
    TableDirectives,
    TriggerDefinition,
    ViewDefinition,
    VirtualTableDefinition,
)
from turso_deploy.sql.lexer import fold_case, position

if TYPE_CHECKING:
    from turso_deploy.core.errors import Place


class Table(NamedTuple):
    """An ordinary table."""

    name: str
    sql: str
    definition: TableDefinition
    place: Place | None = None
    directives: TableDirectives = NO_TABLE_DIRECTIVES
    kind: Literal["table"] = "table"

    def place_of(self, column: str) -> Place | None:
        """Return the place of a column in its file, or the place of the table if the column is not found.

        The stored SQL keeps the line breaks of the file.
        """
        found = self.definition.by_name.get(fold_case(column))
        return place_in(self.sql, found.start if found else None, self.place)


class VirtualTable(NamedTuple):
    """A virtual table, such as a full-text index: https://www.sqlite.org/vtab.html."""

    name: str
    sql: str
    definition: VirtualTableDefinition
    place: Place | None = None
    directives: TableDirectives = NO_TABLE_DIRECTIVES
    kind: Literal["table"] = "table"


AnyTable = Table | VirtualTable


class Index(NamedTuple):
    """An index of a CREATE INDEX; the automatic ones of PRIMARY KEY and UNIQUE belong to their table."""

    name: str
    table: str
    sql: str
    definition: IndexDefinition
    place: Place | None = None
    kind: Literal["index"] = "index"


class View(NamedTuple):
    """A view."""

    name: str
    sql: str
    definition: ViewDefinition
    place: Place | None = None
    kind: Literal["view"] = "view"


class Trigger(NamedTuple):
    """A trigger, on a table or (INSTEAD OF) on a view."""

    name: str
    table: str
    sql: str
    definition: TriggerDefinition
    place: Place | None = None
    kind: Literal["trigger"] = "trigger"


SchemaObject = Table | VirtualTable | Index | View | Trigger


def place_in(sql: str, offset: int | None, place: Place | None) -> Place | None:
    """Return the place of an offset in a text that begins in the line of `place`; that place itself for None."""
    if place is None or place.line is None or offset is None:
        return place
    line, column = position(sql, offset)
    return place._replace(line=place.line + line - 1, column=column if line > 1 else None)


def key_of(item: SchemaObject) -> tuple[str, str]:
    """Return the kind and the folded name of an object, which identify it in the catalog."""
    return item.kind, fold_case(item.name)


def target_of(item: SchemaObject) -> str:
    """Return the folded name of the table or view that an object is, or that its index or trigger belongs to."""
    return fold_case(item.table if isinstance(item, Index | Trigger) else item.name)


def title(item: SchemaObject) -> str:
    """Return the kind and name of an object, as in the deployment history and in messages."""
    return f"{item.kind} {item.name}"


@dataclass(frozen=True)
class Schema:
    """The objects of one database that a deployment compares, by folded name, in creation order.

    `all_tables` holds ordinary and virtual tables, `tables` and `virtual_tables` one kind each. `ignored_parents` are
    the ignored tables to which foreign keys refer; they are no objects of the schema.
    """

    all_tables: Mapping[str, AnyTable]
    indexes: Mapping[str, Index]
    views: Mapping[str, View]
    triggers: Mapping[str, Trigger]
    ignored_parents: Mapping[str, SchemaObject] = field(default_factory=dict, compare=False)

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """The ordinary tables."""
        return {name: table for name, table in self.all_tables.items() if isinstance(table, Table)}

    @cached_property
    def virtual_tables(self) -> Mapping[str, VirtualTable]:
        """The virtual tables."""
        return {name: table for name, table in self.all_tables.items() if isinstance(table, VirtualTable)}

    def with_directives(self, directives: Mapping[str, TableDirectives]) -> Schema:
        """Return the schema with the directives of its tables, which are given by folded name."""
        tables = {
            name: table._replace(directives=directives.get(name, table.directives))
            for name, table in self.all_tables.items()
        }
        return replace(self, all_tables=tables)

    def parent_columns(self, key: ForeignKey) -> tuple[str, ...]:
        """Return the folded names of the columns that a foreign key refers to, or () if they are unknown.

        Without columns it means the parent's primary key: https://www.sqlite.org/foreignkeys.html#fk_basics
        SQLite accepts it although that key has another number of columns: https://www.sqlite.org/foreignkeys.html#fk_indexes
        """
        if key.parent_columns is not None:
            return key.parent_columns
        parent = self.tables.get(key.parent) or self.ignored_parents.get(key.parent)
        if not isinstance(parent, Table) or parent.definition.primary_key is None:
            return ()
        columns = tuple(part.column or "" for part in parent.definition.primary_key.parts)
        return columns if len(columns) == len(key.columns) else ()

    @property
    def by_kind(self) -> Mapping[str, Mapping[str, SchemaObject]]:
        """The objects by the plural of their kind, in the order in which they can be created."""
        return {"tables": self.all_tables, "indexes": self.indexes, "views": self.views, "triggers": self.triggers}

    def objects(self) -> Iterator[SchemaObject]:
        """Yield every object: tables, then indexes, views and triggers, each in creation order."""
        for found in self.by_kind.values():
            yield from found.values()


class DanglingReference(NamedTuple):
    """An object of the schema folder that refers to something missing: SQLite's message, and its place."""

    item: SchemaObject
    message: str
    place: Place | None

    def __str__(self) -> str:
        """Return the object, the message and the place."""
        return f"{title(self.item)}: {self.message}" + (f" ({self.place})" if self.place else "")
