"""One table that changes: which columns go where, and what that may cost the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from turso_deploy.database.base import Query
from turso_deploy.schema.affinity import affinity_of, stored_form, strict_type
from turso_deploy.schema.directives import TableDirectives
from turso_deploy.schema.hazards import Hazard, HazardName
from turso_deploy.schema.model import Schema, Table
from turso_deploy.sql.canonical import Tokens
from turso_deploy.sql.ddl import ColumnDefinition, ForeignKey, KeyPart, TableDefinition
from turso_deploy.sql.lexer import fold, quote

_ROWID_NAMES = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True)
class TableChange:
    """An ordinary table as it is wanted and as it is after the renames, with its directives and the wanted schema."""

    wanted: Table
    live: Table
    directives: TableDirectives
    schema: Schema

    @property
    def new(self) -> TableDefinition:
        """The wanted definition."""
        assert isinstance(self.wanted.definition, TableDefinition)
        return self.wanted.definition

    @property
    def old(self) -> TableDefinition:
        """The live definition."""
        assert isinstance(self.live.definition, TableDefinition)
        return self.live.definition

    @property
    def added(self) -> list[ColumnDefinition]:
        """Columns that only the wanted table has."""
        return [column for name, column in self.new.by_name.items() if name not in self.old.by_name]

    @property
    def dropped(self) -> list[ColumnDefinition]:
        """Columns that only the live table has."""
        return [column for name, column in self.old.by_name.items() if name not in self.new.by_name]

    @property
    def kept(self) -> list[tuple[ColumnDefinition, ColumnDefinition]]:
        """Wanted and live definition of the columns that both have."""
        return [
            (column, self.old.by_name[name]) for name, column in self.new.by_name.items() if name in self.old.by_name
        ]

    @cached_property
    def sources(self) -> dict[str, str]:
        """Where each wanted column takes its values from: an expression over the live row; left out for a default."""
        found = {}
        for name, column in self.new.by_name.items():
            using = self.directives.of(name).using
            live = self.old.by_name.get(name)
            if column.generated is not None:
                continue
            if using is not None:
                found[column.name] = f"({using})"
            elif live is not None:
                found[column.name] = quote(live.name)
        return found

    @property
    def rowid(self) -> str | None:
        """A name by which both tables' own rowids can be copied; None where the rowid is a column, or there is none.

        An implicit rowid is observable: an external-content FTS5 table finds its rows by it.
        """
        if self.new.without_rowid or self.old.without_rowid:
            return None
        if self.new.primary_key and self.new.primary_key.rowid_alias:
            return None
        taken = {*self.new.by_name, *self.old.by_name}
        return next((name for name in _ROWID_NAMES if name not in taken), None)

    def hazards(self) -> Iterator[Hazard]:
        """Everything that bringing the rows into the wanted form may cost."""
        yield from self._dropped_columns()
        for column, live in self.kept:
            yield from self._changed_values(column, live)
        for column in self.new.columns:
            yield from self._missing_values(column)
            yield from self._refused_by_strict(column)
        yield from self._duplicates()
        yield from self._broken_checks()
        yield from self._dangling_references()

    def hazard(self, name: HazardName, column: str | None, count: str, remedy: str | None = None) -> Hazard:
        """A hazard of this table, or of one of its columns."""
        target = self.wanted.name if column is None else f"{self.wanted.name}.{column}"
        return Hazard(name, target, Query(count), self.wanted.place, remedy=remedy)

    @property
    def _live_name(self) -> str:
        return quote(self.live.name)

    @property
    def _projection(self) -> str:
        """The rows as they will be copied, under the wanted names."""
        columns = ", ".join(f"{expression} AS {quote(name)}" for name, expression in self.sources.items()) or "NULL"
        return f"(SELECT {columns} FROM {self._live_name})"

    def _dropped_columns(self) -> Iterator[Hazard]:
        for column in self.dropped:
            if column.generated is None:
                count = f"SELECT count({quote(column.name)}) FROM {self._live_name}"
                yield self.hazard(HazardName.DROP_COLUMN, column.name, count)

    def _changed_values(self, column: ColumnDefinition, live: ColumnDefinition) -> Iterator[Hazard]:
        if column.collation != live.collation:
            count = f"SELECT count({quote(live.name)}) FROM {self._live_name}"
            yield self.hazard(HazardName.CHANGE_COLLATION, column.name, count)
        if column.generated is not None:
            if live.generated is None:
                expression = " ".join(column.generated.expression)
                count = (
                    f"SELECT count(*) FROM {self._live_name} WHERE quote({quote(live.name)}) IS NOT quote({expression})"
                )
                yield self.hazard(HazardName.CHANGE_GENERATED, column.name, count)
            return
        if self.directives.of(column.name).using is not None:
            return  # the author says what becomes of the values
        before = affinity_of(live.type, strict=self.old.strict)
        after = affinity_of(column.type, strict=self.new.strict)
        if before is not after:
            value = quote(live.name)
            count = (
                f"SELECT count(*) FROM {self._live_name} WHERE quote({stored_form(value, after)}) IS NOT quote({value})"
            )
            remedy = f"Or say what the values become: `-- @using <expression>` at the column {column.name}."
            yield self.hazard(HazardName.CHANGE_TYPE, column.name, count, remedy)

    def _missing_values(self, column: ColumnDefinition) -> Iterator[Hazard]:
        if not column.not_null or column.generated is not None:
            return
        live = self.old.by_name.get(fold(column.name))
        source = self.sources.get(column.name)
        if source is None:
            if column.default is not None:
                return
            count = f"SELECT count(*) FROM {self._live_name}"
        elif live is not None and live.not_null and self.directives.of(column.name).using is None:
            return
        else:
            count = f"SELECT count(*) FROM {self._live_name} WHERE {source} IS NULL"
        remedy = f"Say what fills it: `-- @using <expression>` at the column {column.name}, or give it a DEFAULT."
        yield self.hazard(HazardName.ADD_NOT_NULL, column.name, count, remedy)

    def _refused_by_strict(self, column: ColumnDefinition) -> Iterator[Hazard]:
        wanted_type = strict_type(column.type) if self.new.strict else None
        source = self.sources.get(column.name)
        live = self.old.by_name.get(fold(column.name))
        already = self.old.strict and live is not None and live.type == column.type
        if wanted_type is None or source is None or already:
            return
        stored = stored_form(source, affinity_of(column.type, strict=True))
        count = f"SELECT count(*) FROM {self._live_name} WHERE typeof({stored}) NOT IN ('null', '{wanted_type}')"
        yield self.hazard(HazardName.ADD_STRICT, column.name, count)

    def _duplicates(self) -> Iterator[Hazard]:
        known = set(_unique_keys(self.old))
        for parts in _unique_keys(self.new):
            if parts not in known or self._changes_values(parts):
                yield self.hazard(HazardName.ADD_UNIQUE, _columns_of(parts), self._count_duplicates(parts))

    def _changes_values(self, parts: tuple[KeyPart, ...]) -> bool:
        """Whether values of a key are compared or stored in another way than before."""
        for part in parts:
            new, old = self.new.by_name.get(part.column or ""), self.old.by_name.get(part.column or "")
            if new is None or old is None or (new.type, new.collation) != (old.type, old.collation):
                return True
            if self.directives.of(new.name).using is not None:
                return True
        return False

    def _count_duplicates(self, parts: tuple[KeyPart, ...]) -> str:
        terms = []
        for part in parts:
            column = self.new.by_name.get(part.column or "")
            collation = part.collation or (column.collation if column else None)
            stored = quote(column.name) if column else " ".join(part.expression)
            if column:
                stored = f"({stored_form(stored, affinity_of(column.type, strict=self.new.strict))})"
            terms.append(stored + (f" COLLATE {quote(collation)}" if collation else ""))
        return count_duplicates(self._projection, terms)

    def _broken_checks(self) -> Iterator[Hazard]:
        for check in self.new.checks:
            if check not in self.old.checks:
                count = f"SELECT count(*) FROM {self._projection} WHERE NOT ({_sql(check.expression)})"
                yield self.hazard(HazardName.ADD_CHECK, check.at_column, count)

    def _dangling_references(self) -> Iterator[Hazard]:
        for key in self.new.foreign_keys:
            if not any(_enforces_the_same(key, other) for other in self.old.foreign_keys):
                yield self.hazard(HazardName.ADD_FOREIGN_KEY, ", ".join(key.columns), self._count_dangling(key))

    def _count_dangling(self, key: ForeignKey) -> str:
        parent_columns = self.schema.parent_columns(key)
        columns = [self.new.by_name[name].name for name in key.columns]
        given = " AND ".join(f"child.{quote(name)} IS NOT NULL" for name in columns)
        same = " AND ".join(
            f"parent.{quote(parent)} = child.{quote(name)}"
            for parent, name in zip(parent_columns, columns, strict=False)
        )
        return (
            f"SELECT count(*) FROM {self._projection} AS child WHERE {given} "
            f"AND NOT EXISTS (SELECT 1 FROM {quote(key.parent)} AS parent WHERE {same})"
        )


def count_duplicates(source: str, terms: list[str], where: str | None = None) -> str:
    """A query that counts rows which share a key; NULLs never do (https://www.sqlite.org/lang_createindex.html#uniqueidx)."""
    given = " AND ".join([*(f"{term} IS NOT NULL" for term in terms), *([f"({where})"] if where else [])])
    return (
        f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM {source} WHERE {given} "
        f"GROUP BY {', '.join(terms)} HAVING count(*) > 1)"
    )


def _unique_keys(table: TableDefinition) -> list[tuple[KeyPart, ...]]:
    keys = [unique.parts for unique in table.uniques]
    return [*keys, table.primary_key.parts] if table.primary_key else keys


def _columns_of(parts: tuple[KeyPart, ...]) -> str:
    return ", ".join(part.column or _sql(part.expression) for part in parts)


def _enforces_the_same(one: ForeignKey, other: ForeignKey) -> bool:
    return (one.columns, one.parent, one.parent_columns) == (other.columns, other.parent, other.parent_columns)


def _sql(tokens: Tokens) -> str:
    return " ".join(tokens)
