"""The change of one ordinary table: which live columns the wanted columns take their values from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from turso_deploy.sql.affinity import Affinity, affinity_of, stored_form, with_numbers_beside
from turso_deploy.sql.comments import expressions_in
from turso_deploy.sql.definitions import ColumnDefinition, TableDefinition
from turso_deploy.sql.identifiers import identifiers_in, with_columns, with_quoted_names
from turso_deploy.sql.lexer import (
    Tokens,
    canonical_tokens,
    fold_case,
    projected_name,
    quote_identifier,
    without_quotes,
)
from turso_deploy.sql.schema import Schema, Table

_COMPARISONS = frozenset("= <> < > <= >= IN IS BETWEEN CASE".split())
_HIDDEN = ("true", "false")  # see `projected_name`
FormerNames = Mapping[tuple[str, str | None], str]
"""The names before the renames of a plan: of a table by its folded new name and None, of a column by both its names."""

_MAX_CASES = 3
"""The number of columns of which each combination of types is judged."""


class JudgedExpressions(NamedTuple):
    """Expressions over the rows of `source`, which follows FROM."""

    source: str
    expressions: tuple[str, ...]


@dataclass(frozen=True)
class TableChange:
    """A table as it is wanted, and as it is after the renames.

    `schema` is the wanted schema, and `before` the live schema after the renames, including ignored objects.
    `other_changes` are the changes of all tables, by folded name. `prepared` are the folded names of new columns that
    were added without their constraints, so that scripts could fill them: they are live, and NULL where none did.
    `former_names` are those of all tables.
    """

    wanted: Table
    live: Table
    schema: Schema
    before: Schema
    other_changes: Mapping[str, TableChange] = field(default_factory=dict)
    prepared: Set[str] = frozenset()
    former_names: FormerNames = field(default_factory=dict)

    @property
    def new(self) -> TableDefinition:
        """The wanted definition."""
        return self.wanted.definition

    @property
    def old(self) -> TableDefinition:
        """The live definition."""
        return self.live.definition

    @property
    def live_name(self) -> str:
        """The quoted name of the live table."""
        return quote_identifier(self.live.name)

    @property
    def added(self) -> list[ColumnDefinition]:
        """The columns that only the wanted table has."""
        return [column for name, column in self.new.by_name.items() if self.live_column(name) is None]

    @property
    def dropped(self) -> list[ColumnDefinition]:
        """The columns that only the live table has."""
        moved = self.moved.values()
        return [
            column for name, column in self.old.by_name.items() if name not in self.new.by_name and column not in moved
        ]

    @property
    def kept(self) -> list[tuple[ColumnDefinition, ColumnDefinition]]:
        """The wanted and the live definition of each column that both tables have."""
        pairs = ((column, self.live_column(name)) for name, column in self.new.by_name.items())
        return [(column, live) for column, live in pairs if live is not None]

    @cached_property
    def moved(self) -> Mapping[str, ColumnDefinition]:
        """The live column of each wanted column that the rebuild renames, by folded wanted name.

        SQLite renames no column from or to a name of the rowid since 3.54.
        """
        found = {}
        for name, at_column in self.wanted.directives.columns.items():
            live, new = self.old.by_name.get(fold_case(at_column.renamed_from or "")), self.new.by_name[name]
            if live and name not in self.old.by_name and new.generated is None and live.generated is None:
                found[name] = live
        return found

    def live_column(self, name: str) -> ColumnDefinition | None:
        """Return the live column that a wanted column with this folded name was, or None."""
        return self.old.by_name.get(name) or self.moved.get(name)

    def old_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the folded names before the rebuild of columns with these folded names."""
        return tuple(fold_case(self.moved[name].name) if name in self.moved else name for name in names)

    @cached_property
    def sources(self) -> dict[str, str]:
        """The expression over a live row that gives the value of each wanted column, if it is not the default."""
        found = {}
        for name, column in self.new.by_name.items():
            backfill, live, rowid = self.backfill(name), self.live_column(name), _rowid_of(self.old)
            if column.generated is not None:
                continue
            if live is not None and name in self.prepared:
                default = " ".join(column.default) if column.default and live.default is None else None
                value, fallback = quote_identifier(live.name), backfill or default
                found[column.name] = f"coalesce({value}, ({fallback}))" if fallback else value
            elif backfill is not None:
                found[column.name] = f"({backfill})"
            elif live is not None:
                found[column.name] = quote_identifier(live.name)
            elif rowid is not None and is_rowid(column, self.new):
                found[column.name] = rowid
        return found

    def backfill(self, name: str) -> str | None:
        """Return the `@using` expression to apply to the column with this folded name, or None.

        It applies to a column that is new, or whose type, NOT NULL or generated expression changes. It applies once:
        if the stored SQL of the live table already contains it, it only replaces the NULLs of a column that becomes
        NOT NULL. So the comment may stay in the file, and later rebuilds do not change the values again.
        """
        new, live = self.new.by_name[name], self.live_column(name)
        using = self.wanted.directives.of(name).using
        if live is None or using is None or name in self.prepared:
            return using
        if self.new.strict == self.old.strict and _value_rules(new) == _value_rules(live):
            return None
        applied = self.applied_expressions.get(name)
        if applied is None or canonical_tokens(applied) != canonical_tokens(using):
            return using
        replaces_null = new.type == live.type and new.not_null and not live.not_null and live.generated is None
        return f"coalesce({quote_identifier(live.name)}, {using})" if replaces_null else None

    @cached_property
    def applied_expressions(self) -> Mapping[str, str]:
        """The `@using` expressions in the stored SQL of the live table, by folded column name."""
        return expressions_in(self.live.sql, self.old)

    @property
    def rowid(self) -> str | None:
        """A name by which the rowids of both tables can be copied.

        None if the rowid is a column of the wanted table, or if one of the tables has no rowid or no free name for it.
        The rowid matters even if no column shows it: an FTS5 table with external content finds its rows by it.
        """
        if self.new.primary_key and self.new.primary_key.rowid_alias:
            return None
        return _rowid_of(self.new, self.old)

    @property
    def keeps_rowids(self) -> bool:
        """True if a rebuild keeps the rowid of each row."""
        if self.rowid is not None:
            return True
        old = next((quote_identifier(column.name) for column in self.old.columns if is_rowid(column, self.old)), None)
        new = next((column.name for column in self.new.columns if is_rowid(column, self.new)), "")
        return self.sources.get(new, "") in (old, _rowid_of(self.old))

    @property
    def keeps_records(self) -> bool:
        """True if both tables have the same columns in the same order, and every value is copied unchanged."""
        unchanged = [quote_identifier(column.name) for column in self.old.columns]
        same_order = list(self.new.by_name) == list(self.old.by_name)
        return self.rowid is None and same_order and list(self.sources.values()) == unchanged

    @property
    def keeps_values(self) -> bool:
        """True if a rebuild keeps every value of the live table and of its indexes."""
        loses = self.dropped or self.recollated_columns or self.revalued_columns & self.old.by_name.keys()
        return self.keeps_rowids and not loses

    @property
    def moves_columns(self) -> bool:
        """True if a position has another column than before; a column added or dropped at the end moves no other."""
        pairs = zip(self.new.by_name, self.old.by_name, strict=False)
        return any(new != old for new, old in pairs)

    @cached_property
    def changed_columns(self) -> frozenset[str]:
        """The folded names of the wanted columns whose values are stored or compared differently than before.

        If there is one, generated columns are included, because they may read it.
        """
        found = {name for name, column in self.new.by_name.items() if self._differs(column, self.live_column(name))}
        generated = {name for name, column in self.new.by_name.items() if column.generated is not None}
        return frozenset(found | generated if found else ())

    @property
    def new_virtual_columns(self) -> tuple[str, ...]:
        """The names of the virtual generated columns whose expression is new: no step evaluates it over the rows."""
        return tuple(
            column.name
            for name, column in self.new.by_name.items()
            if column.generated is not None and not column.generated.stored
            if name not in self.old.by_name or self.old.by_name[name].generated != column.generated
        )

    @property
    def recollated_columns(self) -> frozenset[str]:
        """The folded names of the columns whose collation changes."""
        return frozenset(fold_case(column.name) for column, live in self.kept if column.collation != live.collation)

    @property
    def revalued_columns(self) -> frozenset[str]:
        """The folded names of the wanted columns with other values than the live column of the same name.

        A generated expression may compare columns, and give another value if a collation changes.
        """
        found, generated = set(), set()
        for name, column in self.new.by_name.items():
            live = self.live_column(name)
            if column.generated is not None:
                generated.add(name)
                is_kept = live is not None and not self._differs(column, live)
            else:
                is_kept = live is not None and self._stored(column) == quote_identifier(live.name)
            if not is_kept:
                found.add(name)
        return frozenset(found | generated if found or self.recollated_columns else ())

    @property
    def changes_values(self) -> bool:
        """True if live rows get other values than they have or a default, or values that are compared otherwise."""
        return any(
            self._compared(column, self._stored(column)) != self.values_now.get(column.name)
            for column in self.new.columns
            if column.name in self.sources
        )

    @property
    def values_now(self) -> Mapping[str, str]:
        """The name over a live row of each wanted column that the live table has, quoted, by the wanted name."""
        return {column.name: quote_identifier(live.name) for column, live in self.kept if column.generated is None}

    @cached_property
    def projection(self) -> str:
        """A subquery that gives the live rows as the wanted table will store them, under the names of `projected`."""
        return self.projection_with()

    def projection_with(self, *more: str) -> str:
        """Return the projection with `more` columns, which are expressions over the live row."""
        return self._projection(more, self._typed_columns())

    def judged(self, *expressions: Tokens, within: str = "") -> JudgedExpressions:
        """Return rules over the wanted columns, with the rows on which they have the result that SQLite will give.

        These are the rows that meet the condition `within`, which is over the live row; all if it is "".

        A comparison depends on the types of the columns in it, and the projection shows computed values, which have no
        type: https://www.sqlite.org/datatype3.html#comparison_expressions
        """
        typed = self._typed_columns(*expressions)
        rows = f"{self._projection((), typed, within)} AS {quote_identifier(self.wanted.name)}"
        return JudgedExpressions(rows, tuple(self._judged(expression, typed) for expression in expressions))

    def _projection(self, more: Sequence[str], typed: Set[str], within: str = "") -> str:
        """Return the projection in which the columns in `typed` are shown with their type, too."""
        columns = [
            *more,
            *(
                f"{self._compared(column, self._stored(column))} AS {projected(column.name)}"
                for column in self.new.columns
                if column.generated is None
            ),
        ]
        rows = f"SELECT {', '.join(columns) or 'NULL'} FROM {self.live_name}{f' WHERE {within}' if within else ''}"
        rows = self._with_types(
            rows, [column for name, column in self.new.by_name.items() if column.generated is None and name in typed]
        )
        for name, column in self.new.by_name.items():
            if column.generated is not None:
                value = stored_form(f"({self._judged(column.generated.expression, typed)})", self.affinity(column))
                rows = f"SELECT *, {self._compared(column, f'({value})')} AS {projected(column.name)} FROM ({rows})"
                rows = self._with_types(rows, [column] if name in typed else [])
        return f"({rows})"

    def _typed_columns(self, *expressions: Tokens) -> frozenset[str]:
        """Return the folded names of the computed columns that expressions, or generated columns, compare."""
        generated = (column.generated.expression for column in self.new.columns if column.generated is not None)
        compared = [tokens for tokens in (*expressions, *generated) if not _COMPARISONS.isdisjoint(tokens)]
        named = identifiers_in(" ".join(token for tokens in compared for token in tokens))
        return frozenset(
            name for name, column in self.new.by_name.items() if name in named and not self._keeps_its_type(column)
        )

    def _keeps_its_type(self, column: ColumnDefinition) -> bool:
        """Return True if the projection shows a column with its affinity, as it does a live column."""
        live = self.live_column(fold_case(column.name))
        return column.generated is None and live is not None and self._stored(column) == quote_identifier(live.name)

    def _with_types(self, rows: str, columns: Sequence[ColumnDefinition]) -> str:
        """Return the query for rows with columns that have a type, too."""
        by_cast = [column for column in columns if self.affinity(column) is not Affinity.BLOB]
        if by_cast:
            rows = f"SELECT *, {', '.join(map(self._typed_form, by_cast))} FROM ({rows})"
        untyped = [column for column in columns if self.affinity(column) is Affinity.BLOB]
        if untyped:
            # A cast to BLOB would change values, and `+` takes any affinity away, so that a text beside it would give
            # it one. The first SELECT of a compound decides: https://www.sqlite.org/datatype3.html#column_affinity_for_compound_views
            types = ", ".join(f"CAST(NULL AS BLOB) AS {self._typed_name(column)}" for column in untyped)
            values = ", ".join(projected(column.name) for column in untyped)
            name = f"turso_deploy_rows_{self.new.columns.index(untyped[0])}"
            rows = (
                f"WITH {name} AS NOT MATERIALIZED ({rows}) SELECT *, {types} FROM {name} WHERE 0 "
                f"UNION ALL SELECT *, {values} FROM {name} LIMIT -1"  # so that no condition moves into the second one
            )
        return rows

    def _typed_form(self, column: ColumnDefinition) -> str:
        """Return a column of the projection with its type. The cast changes no value but those of `_has_other_type`."""
        type_name = "TEXT" if self.affinity(column) is Affinity.TEXT else "NUMERIC"
        return f"CAST({projected(column.name)} AS {type_name}) AS {self._typed_name(column)}"

    def _typed_name(self, column: ColumnDefinition) -> str:
        return f"turso_deploy_typed_{self.new.columns.index(column)}"

    def _has_other_type(self, column: ColumnDefinition) -> str:
        """Return the condition that a column holds a value that its affinity leaves as it is: no text, or no number."""
        types = "('blob')" if self.affinity(column) is Affinity.TEXT else "('text', 'blob')"
        return f"typeof({projected(column.name)}) IN {types}"

    def _judged(self, expression: Tokens, typed: Set[str]) -> str:
        """Return an expression over the projection.

        A value of another type than its column's equals none of that type, so it is compared without one.
        """
        named = identifiers_in(" ".join(expression))
        columns = [column for name, column in self.new.by_name.items() if name in named & typed]
        names = {name: projected(column.name) for name, column in self.new.by_name.items() if name in _HIDDEN}
        if _COMPARISONS.isdisjoint(expression):
            return with_columns(expression, names)
        untyped = [column for column in columns if self.affinity(column) is Affinity.BLOB]
        names |= {fold_case(column.name): self._typed_name(column) for column in untyped}
        return self._judged_by_type(expression, [column for column in columns if column not in untyped], names)

    def _judged_by_type(self, expression: Tokens, columns: Sequence[ColumnDefinition], names: Mapping[str, str]) -> str:
        if not columns:
            return with_columns(expression, names)
        first = columns[:1] if len(columns) <= _MAX_CASES else columns
        rest = columns[len(first) :]
        with_types = {**names, **{fold_case(column.name): self._typed_name(column) for column in first}}
        without = " OR ".join(map(self._has_other_type, first))
        bare = self._judged_by_type(self._beside_texts(expression, first), rest, names)
        typed = self._judged_by_type(expression, rest, with_types)
        return f"CASE WHEN {without} THEN ({bare}) ELSE ({typed}) END"

    def _beside_texts(self, expression: Tokens, columns: Sequence[ColumnDefinition]) -> Tokens:
        """Return an expression for rows in which numeric columns hold texts, which become values without a type.

        Nothing equals such a text, but it is less or greater than a number, also than one that is written as a text.
        """
        numeric = {fold_case(column.name) for column in columns if self.affinity(column) is not Affinity.TEXT}

        def column_of(operand: Tokens) -> str:
            while operand[:1] == ("(",) and operand[-1:] == (")",):
                operand = operand[1:-1]
            is_column = len(operand) == 1 or (len(operand) == 3 and operand[1] == ".")
            return fold_case(without_quotes(operand[-1])) if is_column and operand[-1][0] != "'" else ""

        def collation_of(operand: Tokens) -> str:
            column = self.new.by_name.get(column_of(operand))
            return (column.collation or "") if column is not None else ""

        quoted = with_quoted_names(expression)
        return with_numbers_beside(quoted, lambda operand: column_of(operand) in numeric, collation_of)

    def affinity(self, column: ColumnDefinition) -> Affinity:
        """Return the affinity of a wanted column."""
        return affinity_of(column.type, strict=self.new.strict)

    def _differs(self, new: ColumnDefinition, old: ColumnDefinition | None) -> bool:
        if old is None or self.new.strict != self.old.strict:
            return True
        return (_value_rules(new), new.collation) != (_value_rules(old), old.collation)

    def _stored(self, column: ColumnDefinition) -> str:
        """Return the expression of the value that a wanted column stores."""
        source, live = self.sources.get(column.name), self.live_column(fold_case(column.name))
        after = self.affinity(column)
        if source is None:
            default = " ".join(column.default or ())
            return f"({stored_form(f'({default})', after)})" if column.default else "NULL"
        if live and source == quote_identifier(live.name) and affinity_of(live.type, strict=self.old.strict) is after:
            return source  # as a column, it is compared by its affinity in a CHECK
        return f"({stored_form(source, after)})"

    def _compared(self, column: ColumnDefinition, value: str) -> str:
        """Return the value with the collation of its column, unless it is an unchanged column that has it already."""
        live = self.live_column(fold_case(column.name))
        before = live.collation if live is not None and value == quote_identifier(live.name) else None
        if column.collation == before:
            return value
        return f"{value} COLLATE {quote_identifier(column.collation or 'binary')}"


def projected(column: str) -> str:
    """Return the name of a column of a projection, quoted."""
    return quote_identifier(projected_name(column))


def is_rowid(column: ColumnDefinition, table: TableDefinition) -> bool:
    """Return True if a column is an alias of the rowid: https://www.sqlite.org/lang_createtable.html#rowid."""
    key = table.primary_key
    return key is not None and key.rowid_alias and key.parts[0].column == fold_case(column.name)


def _rowid_of(*tables: TableDefinition) -> str | None:
    """Return a name of the rowid in all tables; None if one of them has no rowid, or if no name is free for it."""
    first, *others = tables
    return next((name for name in first.rowid_names if all(name in other.rowid_names for other in others)), None)


def _value_rules(column: ColumnDefinition) -> tuple[object, ...]:
    """Return the parts of a definition that decide which values the column holds."""
    return column.type, column.not_null, column.generated
