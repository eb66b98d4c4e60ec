"""One table that changes: which columns go where, and what that may cost the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct

from turso_deploy.core.transaction import Query
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.sql.affinity import Affinity, affinity_of, stored_form, strict_type
from turso_deploy.sql.canonical import canonical_tokens
from turso_deploy.sql.comments import TableDirectives, expressions_in, renamed_from
from turso_deploy.sql.definitions import Check, ColumnDefinition, KeyPart, TableDefinition
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import Tokens, column_title, fold_case, quote_identifier
from turso_deploy.sql.schema import Schema, Table

_BEFORE = "turso_deploy_before"
_NAMED = 5  # of the new names for something that goes: of hundreds, each would be told for each


class TableChange(Struct, frozen=True, dict=True):
    """An ordinary table as it is wanted and as it is after the renames, with its directives.

    `schema` is the wanted one and `before` the live one after the renames, with what is ignored; `others` are the
    changes of other tables, by folded name.
    """

    wanted: Table
    live: Table
    directives: TableDirectives
    schema: Schema
    before: Schema
    others: Mapping[str, TableChange] = {}

    @property
    def new(self) -> TableDefinition:
        """The wanted definition."""
        return self.wanted.definition

    @property
    def old(self) -> TableDefinition:
        """The live definition."""
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
            using, live, rowid = self.using(name), self.old.by_name.get(name), self._rowid_of(self.old)
            if column.generated is not None:
                continue
            if using is not None:
                found[column.name] = f"({using})"
            elif live is not None:
                found[column.name] = quote_identifier(live.name)
            elif rowid is not None and self._is_rowid(column, self.new):
                found[column.name] = rowid
        return found

    def using(self, name: str) -> str | None:
        """The `@using` expression of a column, by its folded name, where the column is new or of another kind.

        A comment that has done its work may stay: the next rebuild must not change the values again. That it has is
        known by the live table, whose stored text has the comment too, and then it fills what is NULL and must not be.
        """
        new, live = self.new.by_name[name], self.old.by_name.get(name)
        using = self.directives.of(name).using
        if live is None or using is None:
            return using
        if self.new.strict == self.old.strict and _kind(new) == _kind(live):
            return None
        if name not in self.followed or canonical_tokens(self.followed[name]) != canonical_tokens(using):
            return using
        fills = new.type == live.type and new.not_null and not live.not_null and live.generated is None
        return f"coalesce({quote_identifier(live.name)}, {using})" if fills else None

    @cached_property
    def followed(self) -> Mapping[str, str]:
        """The expressions that were at the columns when the live table was made, by folded name."""
        return expressions_in(self.live.sql, self.old)

    @property
    def rowid(self) -> str | None:
        """A name by which both tables' own rowids can be copied; None where the rowid is a column, or there is none.

        An implicit rowid is observable: an external-content FTS5 table finds its rows by it.
        """
        if self.new.primary_key and self.new.primary_key.rowid_alias:
            return None
        return self._rowid_of(self.new, self.old)

    @property
    def keeps_rowids(self) -> bool:
        """Whether each row is found by the rowid that it had, when the table is made anew."""
        if self.rowid is not None:
            return True
        old = next(
            (quote_identifier(column.name) for column in self.old.columns if self._is_rowid(column, self.old)), None
        )
        new = next((column.name for column in self.new.columns if self._is_rowid(column, self.new)), "")
        return self.sources.get(new, "") in (old, self._rowid_of(self.old))

    @property
    def keeps_records(self) -> bool:
        """Whether the wanted table has the columns of the live one in their order, and takes each as it is."""
        as_it_is = [quote_identifier(column.name) for column in self.old.columns]
        same_order = list(self.new.by_name) == list(self.old.by_name)
        return self.rowid is None and same_order and list(self.sources.values()) == as_it_is

    @property
    def keeps_values(self) -> bool:
        """Whether every value of the live table, and of its indexes, stands in the wanted one, too."""
        loses = self.dropped or self.recollated_columns or self.revalued_columns & self.old.by_name.keys()
        return self.keeps_rowids and not loses

    @property
    def moves_columns(self) -> bool:
        """Whether another column stands where one stood; to come or to go at the end moves none."""
        pairs = zip(self.new.by_name, self.old.by_name, strict=False)
        return any(new != old for new, old in pairs)

    @cached_property
    def changed_columns(self) -> frozenset[str]:
        """The folded names of the wanted columns whose values are stored or compared in another way than before."""
        found = {name for name, column in self.new.by_name.items() if self._differs(column, self.old.by_name.get(name))}
        computed = {name for name, column in self.new.by_name.items() if column.generated is not None}
        return frozenset(found | computed if found else ())

    @property
    def recollated_columns(self) -> frozenset[str]:
        """The folded names of the columns that are compared by another collation than before."""
        return frozenset(fold_case(column.name) for column, live in self.kept if column.collation != live.collation)

    @property
    def revalued_columns(self) -> frozenset[str]:
        """The folded names of the wanted columns that hold other values than those of their names did.

        An expression may compare, and so give something else where a column has another collation.
        """
        found, computed = set(), set()
        for name, column in self.new.by_name.items():
            live = self.old.by_name.get(name)
            if column.generated is not None:
                computed.add(name)
                is_kept = live is not None and not self._differs(column, live)
            else:
                is_kept = live is not None and self._stored(column) == quote_identifier(live.name)
            if not is_kept:
                found.add(name)
        return frozenset(found | computed if found or self.recollated_columns else ())

    @cached_property
    def projection(self) -> str:
        """The live rows as they will be stored, under the wanted names."""
        return self.projection_with()

    def projection_with(self, *more: str) -> str:
        """The same with `more` columns of the live row."""
        columns = [
            *more,
            *(
                f"{self._compared(column, self._stored(column))} AS {quote_identifier(column.name)}"
                for column in self.new.columns
                if column.generated is None
            ),
        ]
        rows = f"SELECT {', '.join(columns) or 'NULL'} FROM {self._live_name}"
        for column in self.new.columns:
            if column.generated is not None:
                value = self._compared(column, f"({self._generated(column)})")
                rows = f"SELECT *, {value} AS {quote_identifier(column.name)} FROM ({rows})"
        return f"({rows})"

    def hazards(self) -> Iterator[Hazard]:
        """What bringing the rows into the wanted form may cost, but for what they refer to (see `child_rows`)."""
        for column in self.dropped:
            yield from self.lost_values(column)
        for column, live in self.kept:
            yield from self._changed_values(column, live)
        for column in self.new.columns:
            yield from self._missing_values(column)
            yield from self._refused_by_type(column)
        yield from self._duplicates()
        for check in self.new.checks:
            yield from self.broken_check(check)

    def hazard(self, name: HazardName, column: str | None, count: str, remedy: str | None = None) -> Hazard:
        """A hazard of this table, or of one of its columns."""
        if column is not None:
            return self.hazard_of_key(name, (column,), count, remedy)
        return Hazard(name, self.wanted.name, Query(count), self.wanted.place, remedy=remedy)

    def hazard_of_key(self, name: HazardName, columns: Sequence[str], count: str, remedy: str | None = None) -> Hazard:
        """A hazard of one or more columns that belong together."""
        place = self.wanted.place_of(columns[0]) if len(columns) == 1 else self.wanted.place
        return Hazard(name, column_title(self.wanted.name, *columns), Query(count), place, remedy=remedy)

    @property
    def _live_name(self) -> str:
        return quote_identifier(self.live.name)

    def _differs(self, new: ColumnDefinition, old: ColumnDefinition | None) -> bool:
        if old is None or self.new.strict != self.old.strict:
            return True
        return (_kind(new), new.collation) != (_kind(old), old.collation)

    def _affinity(self, column: ColumnDefinition) -> Affinity:
        return affinity_of(column.type, strict=self.new.strict)

    def _stored(self, column: ColumnDefinition) -> str:
        """What a wanted column makes of the value that it is given."""
        source, live = self.sources.get(column.name), self.old.by_name.get(fold_case(column.name))
        after = self._affinity(column)
        if source is None:
            return f"({stored_form(f'({_sql(column.default)})', after)})" if column.default else "NULL"
        if live and source == quote_identifier(live.name) and affinity_of(live.type, strict=self.old.strict) is after:
            return source  # as a column, it is compared by its affinity in a CHECK
        return f"({stored_form(source, after)})"

    def _generated(self, column: ColumnDefinition) -> str:
        assert column.generated is not None
        return stored_form(f"({_sql(column.generated.expression)})", self._affinity(column))

    def _compared(self, column: ColumnDefinition, value: str) -> str:
        """The value with the collation of its column, which a column that stays as it is has already."""
        live = self.old.by_name.get(fold_case(column.name))
        before = live.collation if live is not None and value == quote_identifier(live.name) else None
        return (
            value if column.collation == before else f"{value} COLLATE {quote_identifier(column.collation or 'binary')}"
        )

    @staticmethod
    def _rowid_of(*tables: TableDefinition) -> str | None:
        """A name of the rowid in all of the tables; None where one has no rowid, or no name is left for it."""
        first, *others = tables
        return next((name for name in first.rowid_names if all(name in other.rowid_names for other in others)), None)

    @staticmethod
    def _is_rowid(column: ColumnDefinition, table: TableDefinition) -> bool:
        key = table.primary_key
        return key is not None and key.rowid_alias and key.parts[0].column == fold_case(column.name)

    def lost_values(self, column: ColumnDefinition) -> Iterator[Hazard]:
        """What it costs to drop a column."""
        if column.generated is None:
            new = [added.name for added in self.added if added.generated is None]
            count = f"SELECT count({quote_identifier(column.name)}) FROM {self._live_name}"
            remedy = if_renamed(f"column {column.name}", column.name, new) if new else None
            yield self.hazard(HazardName.DROP_COLUMN, column.name, count, remedy)

    def _changed_values(self, column: ColumnDefinition, live: ColumnDefinition) -> Iterator[Hazard]:
        if column.collation != live.collation:
            count = f"SELECT count({quote_identifier(live.name)}) FROM {self._live_name}"
            yield self.hazard(HazardName.CHANGE_COLLATION, column.name, count)
        if column.generated is not None:
            if live.generated is None:
                rows = self.projection_with(f"quote({quote_identifier(live.name)}) AS {_BEFORE}")
                count = f"SELECT count(*) FROM {rows} WHERE {_BEFORE} IS NOT quote({quote_identifier(column.name)})"
                yield self.hazard(HazardName.CHANGE_GENERATED, column.name, count)
            return
        if self.using(fold_case(column.name)) is not None:
            return  # the author says what becomes of the values
        before = affinity_of(live.type, strict=self.old.strict)
        after = self._affinity(column)
        if before is not after:
            value = quote_identifier(live.name)
            count = (
                f"SELECT count(*) FROM {self._live_name} WHERE quote({stored_form(value, after)}) IS NOT quote({value})"
            )
            remedy = f"Or say what the values become: `-- @using <expression>` at the column {column.name}."
            yield self.hazard(HazardName.CHANGE_TYPE, column.name, count, remedy)

    def _missing_values(self, column: ColumnDefinition) -> Iterator[Hazard]:
        live = self.old.by_name.get(fold_case(column.name))
        becomes_rowid = self._is_rowid(column, self.new) and column.name in self.sources
        if not (column.not_null or becomes_rowid):
            return
        if live is None and column.default is not None and column.name not in self.sources:
            return
        if live is not None and self.sources.get(column.name) == quote_identifier(live.name) and self._never_null(live):
            return
        if column.generated is not None and fold_case(column.name) not in self.changed_columns:
            return
        count = f"SELECT count(*) FROM {self.projection} WHERE {quote_identifier(column.name)} IS NULL"
        yield self.hazard(HazardName.ADD_NOT_NULL, column.name, count, self._what_fills(column))

    def _what_fills(self, column: ColumnDefinition) -> str:
        if column.generated is not None:
            return f"Mend the rows that the expression of {column.name} reads, or write it so that it is never NULL."
        if using := self.using(fold_case(column.name)):
            return f"`-- @using {using}` at the column {column.name} gives NULL there: write it so that it never does."
        fill = f"Say what fills it: `-- @using <expression>` at the column {column.name}"
        is_new = fold_case(column.name) not in self.old.by_name
        return f"{fill}, or give it a DEFAULT." if is_new else f"{fill}; a DEFAULT is for rows to come."

    def _never_null(self, live: ColumnDefinition) -> bool:
        return live.not_null or self._is_rowid(live, self.old)

    def _refused_by_type(self, column: ColumnDefinition) -> Iterator[Hazard]:
        """STRICT columns, and rowids, take values of their own type only."""
        live, is_rowid = self.old.by_name.get(fold_case(column.name)), self._is_rowid(column, self.new)
        wanted_type = "integer" if is_rowid else strict_type(column.type) if self.new.strict else None
        is_stored = column.generated is not None and column.generated.stored  # and then it should fit, says the engine
        if wanted_type is None or (column.name not in self.sources and column.default is None and not is_stored):
            return
        if is_stored and fold_case(column.name) not in self.changed_columns:
            return
        if live is not None and (self._is_rowid(live, self.old) or self._has_type(live, column.type)):
            return
        other_type = f"typeof({quote_identifier(column.name)}) NOT IN ('null', '{wanted_type}')"
        count = f"SELECT count(*) FROM {self.projection} WHERE {other_type}"
        yield self.hazard(HazardName.ADD_STRICT, column.name, count)

    def _has_type(self, live: ColumnDefinition, name: str) -> bool:
        """Whether a live column holds values of a type only: a STRICT table does not look at generated ones."""
        return self.old.strict and live.generated is None and live.type == name

    def _duplicates(self) -> Iterator[Hazard]:
        known = {key.parts for key in self.old.keys}
        for key in self.new.keys:
            if key.parts not in known or any(part.column in self.changed_columns for part in key.parts):
                columns = [part.column or _sql(part.expression) for part in key.parts]
                yield self.hazard_of_key(HazardName.ADD_UNIQUE, columns, self.count_duplicates(key.parts))

    def count_duplicates(self, parts: Sequence[KeyPart], where: Tokens | None = None) -> str:
        """A query that counts the rows which would share a key, of a constraint or of an index."""
        return count_duplicates(f"{self.projection} AS {quote_identifier(self.wanted.name)}", self.new, parts, where)

    def broken_check(self, check: Check) -> Iterator[Hazard]:
        """What a CHECK may cost that the live table does not have, or that reads what is another value there."""
        if check not in self.old.checks or self._reads_changes(check.expression):
            rows = (
                f"{self.projection} AS {quote_identifier(self.wanted.name)}"  # by which the CHECK may call its columns
            )
            count = f"SELECT count(*) FROM {rows} WHERE NOT ({_sql(check.expression)})"
            yield self.hazard(HazardName.ADD_CHECK, check.at_column, count)

    def _reads_changes(self, expression: Tokens) -> bool:
        return not self.changed_columns.isdisjoint(identifiers_in(_sql(expression)))


def if_renamed(what: str, old: str, new: Sequence[str]) -> str:
    """What to do where a table or a column goes and others come: nobody guesses that it was renamed."""
    names = [*new[:_NAMED], *(["another"] if len(new) > _NAMED else [])]
    return f"If the {what} is called {' or '.join(names)} now, say so there: `{renamed_from(old)}`."


def count_duplicates(source: str, table: TableDefinition, parts: Sequence[KeyPart], where: Tokens | None) -> str:
    """A query that counts rows which share a key; NULLs never do (https://www.sqlite.org/lang_createindex.html#uniqueidx).

    `source` is the table or a query; `table` says how each column is compared.
    """
    terms = [_term(part, table) for part in parts]
    given = " AND ".join([*(f"{term} IS NOT NULL" for term in terms), *([f"({_sql(where)})"] if where else [])])
    return (
        f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM {source} WHERE {given} "
        f"GROUP BY {', '.join(terms)} HAVING count(*) > 1)"
    )


def _term(part: KeyPart, table: TableDefinition) -> str:
    column = table.by_name.get(part.column or "")
    if column is not None:
        return f"{quote_identifier(column.name)} COLLATE {quote_identifier(part.collation or column.collation or 'binary')}"
    value = quote_identifier(part.column) if part.column else f"({_sql(part.expression)})"
    return value + (f" COLLATE {quote_identifier(part.collation)}" if part.collation else "")


def _kind(column: ColumnDefinition) -> tuple[object, ...]:
    """What decides which values a column holds."""
    return column.type, column.not_null, column.generated


def _sql(tokens: Tokens) -> str:
    return " ".join(tokens)
