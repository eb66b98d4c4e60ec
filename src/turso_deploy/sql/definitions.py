"""The parts of CREATE statements in canonical form. Two definitions are equal if they mean the same to SQLite.

These are no differences: the case and the quotes of names and keywords, comments and spacing, IF NOT EXISTS and TEMP,
the order of columns and of constraints, the names of constraints (they show only in messages), whether a constraint of
one column is written at the column or at the table, and a clause that states the default (NO ACTION, MATCH
SIMPLE, ON CONFLICT ABORT, NOT DEFERRABLE, DEFERRABLE INITIALLY IMMEDIATE, COLLATE BINARY, DEFAULT NULL, ASC, BEFORE,
FOR EACH ROW). Everything else is a difference. Names are folded, and expressions are in canonical form, unless a
field says otherwise; both remember their spelling for messages (`lexer.as_written`, `lexer.readable_sql`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from turso_deploy.sql.lexer import Tokens, fold_case

ROWID_NAMES = ("rowid", "_rowid_", "oid")


class ComparedByMeaning:
    """A value that is compared by its `meaning`, without regard to its spelling and its position in a text."""

    __slots__ = ()

    def meaning(self) -> tuple[object, ...]:
        """Return the values to compare. All are hashable, or the class defines a hash of its own."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        """Return True if both are of one class and have the same meaning."""
        return self is other or (type(other) is type(self) and self.meaning() == other.meaning())

    def __ne__(self, other: object) -> bool:
        """Return the opposite of `__eq__`: the `__ne__` of tuples does not call it."""
        return not self == other

    def __hash__(self) -> int:
        """Return the hash of the meaning."""
        return hash(self.meaning())


class Generated(NamedTuple):
    """The expression of a generated column (https://www.sqlite.org/gencol.html)."""

    expression: Tokens
    stored: bool


# A large schema has tens of thousands of columns, and a frozen dataclass takes four times as long to create.
class _ColumnFields(NamedTuple):
    name: str
    type: str
    not_null: bool
    not_null_conflict: str | None
    default: Tokens | None
    collation: str | None
    generated: Generated | None
    text: str
    start: int
    end: int


class ColumnDefinition(ComparedByMeaning, _ColumnFields):
    """A column apart from its name, which is not compared: equal columns under two names are a column and its renaming.

    `name` is as written, without quotes. `type` is in upper case with single spaces, "" when there is none. `default`
    is None without a default and with NULL. `not_null` is True where the table implies it (a key of a WITHOUT ROWID
    or STRICT table) and False for a rowid alias. `text` is the column as written, from its name to the end of its
    last constraint, and `start` and `end` are its place in the statement, in characters.
    """

    __slots__ = ()

    def meaning(self) -> tuple[object, ...]:
        """Return all but the name and the position."""
        return (self.type, self.not_null, self.not_null_conflict, self.default, self.collation, self.generated)


class KeyPart(NamedTuple):
    """One part of a key or an index: a column, or else an expression."""

    column: str | None
    expression: Tokens = ()
    collation: str | None = None
    descending: bool = False


class PrimaryKey(NamedTuple):
    """The primary key; of a `rowid_alias` the column is the rowid (https://www.sqlite.org/lang_createtable.html#rowid)."""

    parts: tuple[KeyPart, ...]
    on_conflict: str | None
    autoincrement: bool
    rowid_alias: bool


class Unique(NamedTuple):
    """A UNIQUE constraint."""

    parts: tuple[KeyPart, ...]
    on_conflict: str | None


@dataclass(frozen=True)
class Check:
    """A CHECK constraint.

    `at_column` is the column that it is written at, None at the table; DROP COLUMN takes the former along.
    """

    expression: Tokens
    at_column: str | None = field(compare=False)


@dataclass(frozen=True, eq=False)
class ForeignKey(ComparedByMeaning):
    """A foreign key. `parent_columns` is None when the parent's primary key is meant without being named.

    `on_delete` and `on_update` are None for NO ACTION; `deferred` is DEFERRABLE INITIALLY DEFERRED, the only deferral
    that SQLite knows (https://www.sqlite.org/foreignkeys.html#fk_deferred). `at_column` as in Check.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...] | None
    on_delete: str | None
    on_update: str | None
    match: str | None
    deferred: bool
    at_column: str | None

    def meaning(self) -> tuple[object, ...]:
        """Return the constraint without its position, and with its pairs of columns in one order."""
        parents = self.parent_columns
        return (
            self.columns if parents is None else tuple(sorted(zip(self.columns, parents, strict=True))),
            self.parent,
            self.on_delete,
            self.on_update,
            self.match,
            self.deferred,
        )


@dataclass(frozen=True, eq=False)
class TableDefinition(ComparedByMeaning):
    """An ordinary table. Columns and constraints are in written order, which is not compared."""

    name: str
    columns: tuple[ColumnDefinition, ...]
    primary_key: PrimaryKey | None
    uniques: tuple[Unique, ...]
    checks: tuple[Check, ...]
    foreign_keys: tuple[ForeignKey, ...]
    strict: bool
    without_rowid: bool
    random_rowid: bool

    @cached_property
    def by_name(self) -> Mapping[str, ColumnDefinition]:
        """The columns in written order by their folded names."""
        return {fold_case(column.name): column for column in self.columns}

    @property
    def keys(self) -> tuple[PrimaryKey | Unique, ...]:
        """The primary key, if there is one, and the UNIQUE constraints."""
        return (*([self.primary_key] if self.primary_key else []), *self.uniques)

    @property
    def options(self) -> tuple[str, ...]:
        """The options after the closing parenthesis, such as `STRICT`."""
        given = {"STRICT": self.strict, "WITHOUT ROWID": self.without_rowid, "RANDOM ROWID": self.random_rowid}
        return tuple(name for name, is_given in given.items() if is_given)

    @property
    def rowid_names(self) -> tuple[str, ...]:
        """The names of the rowid that no column has taken: https://www.sqlite.org/lang_createtable.html#rowid."""
        return () if self.without_rowid else tuple(name for name in ROWID_NAMES if name not in self.by_name)

    def __hash__(self) -> int:
        """Return the hash of the name, which equal definitions share."""
        return hash(self.name)

    def meaning(self) -> tuple[object, ...]:
        """Return the parts that SQLite regards, without the order of columns and constraints."""
        return (
            self.name,
            self.by_name,
            self.primary_key,
            frozenset(self.uniques),
            frozenset(self.checks),
            frozenset(self.foreign_keys),
            self.strict,
            self.without_rowid,
            self.random_rowid,
        )


class IndexDefinition(NamedTuple):
    """An index; `where` is the predicate of a partial one (https://www.sqlite.org/partialindex.html)."""

    name: str
    table: str
    unique: bool
    parts: tuple[KeyPart, ...]
    where: Tokens | None


class ViewDefinition(NamedTuple):
    """A view; `columns` is None when it does not name them."""

    name: str
    columns: tuple[str, ...] | None
    select: Tokens


class TriggerDefinition(NamedTuple):
    """A trigger.

    `timing` is BEFORE, AFTER or INSTEAD OF, `event` is INSERT, UPDATE or DELETE; `body` is its statements, each with
    its semicolon.
    """

    name: str
    timing: str
    event: str
    update_of: frozenset[str]
    table: str
    when: Tokens | None
    body: Tokens

    @property
    def raised_texts(self) -> frozenset[str]:
        """The messages of RAISE that are written as a string."""
        found = set()
        for start, word in enumerate(self.body):
            opening, _, comma, text, closing = (*self.body[start + 1 : start + 6], *[""] * 5)[:5]
            if (word, opening, comma, closing) == ("RAISE", "(", ",", ")") and text.startswith("'"):
                found.add(text[1:-1].replace("''", "'"))
        return frozenset(found)


_QUOTES = "\"'`[]"
# https://www.sqlite.org/fts5.html#the_fts5vocab_virtual_table_module, https://www.sqlite.org/fts3.html#fts4aux
_MODULES_WITHOUT_ROWS = frozenset({"fts5vocab", "fts4aux", "fts3tokenize", "dbstat"})


class VirtualTableDefinition(NamedTuple):
    """A virtual table. Its arguments are the module's own language: words are folded, quoted text is kept."""

    name: str
    module: str
    arguments: tuple[Tokens, ...]

    @property
    def content(self) -> str | None:
        """The holder of the content of an FTS5 table: the name of a table or view, "" for none, None for itself."""
        return self._option("content", "\"'")

    @property
    def content_rowid(self) -> str:
        """The folded name of the column of the content table by which a full-text index finds its rows."""
        name = self._option("content_rowid", "\"'`[]")
        return "rowid" if name is None else fold_case(name)

    @property
    def has_external_content(self) -> bool:
        """True if an FTS5 table reads its content from another table or a view."""
        return bool(self.content)

    @property
    def is_contentless(self) -> bool:
        """True if no row can be read back: https://www.sqlite.org/fts5.html#contentless_tables."""
        return self.content == ""

    @property
    def is_full_text_index(self) -> bool:
        """True for a table of FTS3, FTS4 or FTS5."""
        return self.module in ("fts3", "fts4", "fts5")

    @property
    def absent_shadows(self) -> frozenset[str]:
        """The endings of those names of shadow tables that this full-text index does not use, because of its options.

        https://www.sqlite.org/fts5.html#the_columnsize_option, https://www.sqlite.org/fts3.html#the_matchinfo_option
        """
        found = set()
        if self.content is not None and self._option("contentless_unindexed", _QUOTES) in (None, "0"):
            found.add("content")
        if self._option("columnsize", _QUOTES) == "0" or self._option("matchinfo", _QUOTES) == "fts3":
            found.add("docsize")
        if self.module == "fts3":
            found |= {"docsize", "stat"}
        return frozenset(found)

    @property
    def has_own_rows(self) -> bool:
        """True if rows are written to the table; False if its module shows what another object holds."""
        return self.module not in _MODULES_WITHOUT_ROWS

    def _option(self, name: str, quotes: str) -> str | None:
        values = ("".join(argument[2:]) for argument in self.arguments if argument[:2] == (name, "="))
        return next((value.strip(quotes) for value in values), None)


Definition = TableDefinition | IndexDefinition | ViewDefinition | TriggerDefinition | VirtualTableDefinition


class Directives(NamedTuple):
    """The directives at one table or column: an old name without quotes, and an expression as written."""

    renamed_from: str | None = None
    using: str | None = None


class TableDirectives(NamedTuple):
    """The directives at one table, and those at its columns by folded name."""

    table: Directives
    columns: Mapping[str, Directives]

    def of(self, column: str) -> Directives:
        """Return the directives at a column, which may be empty."""
        return self.columns.get(fold_case(column), NO_DIRECTIVES)

    @property
    def affect_other_objects(self) -> bool:
        """True if other objects may be affected: SQLite renames in them, or an expression reads them."""
        return any(found.renamed_from or found.using for found in (self.table, *self.columns.values()))


NO_DIRECTIVES = Directives()
NO_TABLE_DIRECTIVES = TableDirectives(NO_DIRECTIVES, {})
