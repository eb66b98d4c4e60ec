"""Random schemas: plain values that write themselves as schema files, and strategies that draw two which share much.

A drawn schema may name what is not there (an index on a column that was left out); `mended` takes such things away, so
that every example is a schema that SQLite accepts and hypothesis has no example to throw away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hypothesis import strategies as st

from turso_deploy.sql.lexer import quote_identifier

TABLES = ("users", "Order", "größe", "two words")
COLUMNS = ("a", "b", "select", 'quo"te', "true", "two words", "é", "rowid", "null")
SEARCHES = ("s1", "s2")
INDEXES, VIEWS, TRIGGERS = ("i1", "i 2", "i3", "i4"), ("v1", "v 2", "v3"), ("t1", "t 2", "t3")

LOOSE_TYPES = ("", "INT", "INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "VARCHAR(10)")
STRICT_TYPES = ("INT", "INTEGER", "TEXT", "REAL", "BLOB", "ANY")
DEFAULTS = (None, None, None, "7", "-1", "'x'", "'007'", "NULL", "(1 + 1)", "CURRENT_TIMESTAMP", "x'00'", "1.5")
COLLATIONS = (None, None, None, "NOCASE", "RTRIM", "BINARY")
ACTIONS = (None, None, "CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION")
CHECKS = (
    "{0} IS NOT 'bad'",
    "length({0}) < 100",
    "{0} IS NULL OR {0} <> 99",
    "typeof({0}) IN ('null', 'text', 'integer')",
    "{0} IS NOT '7' OR {0} IS NULL",
    "{0} NOT IN (1, '2', 1.5)",
)
EXPRESSIONS = ("length({0})", "{0} || 'x'", "coalesce({0}, 0)", "typeof({0})")
KEYS = ("none", "none", "alias", "alias", "counter", "one", "descending", "two", "without rowid", "two without rowid")

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Reference:
    """A foreign key of one column; `column` is None where the parent's primary key is meant without being named."""

    parent: str
    column: str | None
    on_delete: str | None
    on_update: str | None
    deferred: bool

    def sql(self) -> str:
        text = f"REFERENCES {quote_identifier(self.parent)}" + (
            f" ({quote_identifier(self.column)})" if self.column else ""
        )
        text += f" ON DELETE {self.on_delete}" if self.on_delete else ""
        text += f" ON UPDATE {self.on_update}" if self.on_update else ""
        return text + (" DEFERRABLE INITIALLY DEFERRED" if self.deferred else "")


@dataclass(frozen=True)
class Column:
    """A column with what is written at it. `generated` is a template and the column that it reads."""

    name: str
    type: str
    not_null: bool
    default: str | None
    collation: str | None
    unique: bool
    check: str | None
    generated: tuple[str, str, bool] | None
    reference: Reference | None
    comment: bool
    renamed_from: str | None = None
    using: str | None = None

    def sql(self) -> str:
        above = f"-- @renamed from={quote_identifier(self.renamed_from)}\n  " if self.renamed_from else ""
        above += f"-- @using {self.using}\n  " if self.using else ""
        parts = [quote_identifier(self.name), self.type]
        if self.generated:
            template, source, stored = self.generated
            parts.append(f"AS ({template.format(quote_identifier(source))}) {'STORED' if stored else 'VIRTUAL'}")
        parts += ["NOT NULL"] if self.not_null else []
        parts += [f"DEFAULT {self.default}"] if self.default is not None and not self.generated else []
        parts += [f"COLLATE {self.collation}"] if self.collation else []
        parts += ["UNIQUE"] if self.unique else []
        parts += [f"CHECK ({self.check.format(quote_identifier(self.name))})"] if self.check else []
        parts += [self.reference.sql()] if self.reference else []
        return above + " ".join(filter(None, parts)) + (" /* a comment, with ) and ; in it */" if self.comment else "")


@dataclass(frozen=True)
class Table:
    """A table. Of `key`, the kinds "one" and above take the first columns."""

    name: str
    key: str
    strict: bool
    columns: Mapping[str, Column]
    unique: tuple[str, ...] = ()
    pair: tuple[str, tuple[str, str], str | None] | None = None
    """A foreign key of two columns: its parent, the columns here, what happens on delete."""
    renamed_from: str | None = None

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        if self.key in ("alias", "counter"):
            return ("id",)
        plain = tuple(name for name, column in self.columns.items() if not column.generated)
        count = {"none": 0, "one": 1, "descending": 1, "without rowid": 1}.get(self.key, 2)
        return plain[:count]

    @property
    def without_rowid(self) -> bool:
        return self.key.endswith("without rowid")

    @property
    def has_own_rowid(self) -> bool:
        """Whether rows have a rowid that is no column and has a name to ask for it."""
        is_column = self.key in ("alias", "counter") or self.has_alias_by_type
        return not (self.without_rowid or is_column or "rowid" in self.columns)

    @property
    def has_alias_by_type(self) -> bool:
        """Whether the key is one column of the type INTEGER: https://www.sqlite.org/lang_createtable.html#rowid."""
        key = self.key_columns if self.key in ("one", "descending") else []
        return [self.columns[name].type.upper() for name in key] == ["INTEGER"]

    @property
    def has_rowid_name(self) -> bool:
        """Whether `rowid` is the rowid of a row."""
        return not self.without_rowid and "rowid" not in self.columns

    @property
    def stored_columns(self) -> list[str]:
        """Every column that rows bring along."""
        alias = ["id"] if self.key in ("alias", "counter") else []
        return alias + [name for name, column in self.columns.items() if not column.generated]

    def sql(self) -> str:
        lines = [column.sql() for column in self.columns.values()]
        if self.key in ("alias", "counter"):
            lines.insert(0, "id INTEGER PRIMARY KEY" + (" AUTOINCREMENT" if self.key == "counter" else ""))
        elif self.key_columns:
            order = " DESC" if self.key == "descending" else ""
            lines.append(f"PRIMARY KEY ({', '.join(quote_identifier(name) + order for name in self.key_columns)})")
        if self.unique:
            lines.append(f"CONSTRAINT together UNIQUE ({', '.join(map(quote_identifier, self.unique))})")
        if self.pair:
            parent, columns, action = self.pair
            key = f"FOREIGN KEY ({', '.join(map(quote_identifier, columns))}) REFERENCES {quote_identifier(parent)}"
            lines.append(key + (f" ON DELETE {action}" if action else ""))
        options = [*(["WITHOUT ROWID"] if self.without_rowid else []), *(["STRICT"] if self.strict else [])]
        above = f"-- @renamed from={quote_identifier(self.renamed_from)}\n" if self.renamed_from else ""
        return (
            f"{above}CREATE TABLE {quote_identifier(self.name)} (\n  "
            + ",\n  ".join(lines)
            + f"\n) {', '.join(options)};\n"
        )


@dataclass(frozen=True)
class Index:
    """An index. Each part is a column with what is written around it."""

    name: str
    table: str
    unique: bool
    parts: tuple[tuple[str, str], ...]
    where: str | None

    def sql(self) -> str:
        parts = ", ".join(template.format(quote_identifier(column)) for column, template in self.parts)
        where = f" WHERE {quote_identifier(self.where)} IS NOT NULL" if self.where else ""
        unique = "UNIQUE " if self.unique else ""
        return (
            f"CREATE {unique}INDEX {quote_identifier(self.name)} ON {quote_identifier(self.table)} ({parts}){where};\n"
        )


@dataclass(frozen=True)
class View:
    """A view of the columns of one table, or of all of another view."""

    name: str
    source: str
    columns: tuple[str, ...]

    def sql(self) -> str:
        columns = ", ".join(map(quote_identifier, self.columns)) or "count(*) AS n"
        return f"CREATE VIEW {quote_identifier(self.name)} AS SELECT {columns} FROM {quote_identifier(self.source)};\n"


@dataclass(frozen=True)
class Trigger:
    """A trigger on a table or a view. Its body names a column of some table and changes no row."""

    name: str
    on: str
    event: str
    timing: str
    body: tuple[str, str]

    def sql(self) -> str:
        table, column = map(quote_identifier, self.body)
        return (
            f"CREATE TRIGGER {quote_identifier(self.name)} {self.timing} {self.event} "
            f"ON {quote_identifier(self.on)} BEGIN\n"
            f"  SELECT CASE WHEN count({column}) < 0 THEN 1 ELSE 2 END FROM {table};\n"
            f"  UPDATE {table} SET {column} = {column} WHERE 0;\nEND;\n"
        )


@dataclass(frozen=True)
class Search:
    """An FTS5 table, of its own content or of that of a table."""

    name: str
    columns: tuple[str, ...]
    content: str | None
    tokenizer: str

    def sql(self) -> str:
        arguments = [*map(quote_identifier, self.columns), f"tokenize={self.tokenizer}"]
        arguments += [f"content={quote_identifier(self.content)}"] if self.content else []
        return f"CREATE VIRTUAL TABLE {self.name} USING fts5({', '.join(arguments)});\n"


@dataclass(frozen=True)
class Schema:
    """All objects by name."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    searches: Mapping[str, Search] = field(default_factory=dict)

    def files(self) -> dict[str, str]:
        """The schema folder."""
        objects = (self.tables, self.indexes, self.views, self.triggers, self.searches)
        sql = "".join(item.sql() for group in objects for item in group.values())
        # A folder needs one definition at least, and a manifest.
        return {"schema.sql": sql + "CREATE TABLE anchor (id INTEGER PRIMARY KEY);\n", "manifest.yml": _MANIFEST}


_MANIFEST = "schema_version: 1.0.0\n"


@st.composite
def two_schemas(draw: st.DrawFn) -> tuple[Schema, Schema]:
    """Two schemas; most of the second is as in the first."""
    first = draw(_schemas(None))
    return mended(first), mended(draw(_schemas(first)))


def _schemas(base: Schema | None) -> st.SearchStrategy[Schema]:
    base = base or Schema()
    return st.builds(
        Schema,
        _group(TABLES, base.tables, _table),
        _group(INDEXES, base.indexes, lambda name, _: _index(name)),
        _group(VIEWS, base.views, lambda name, _: _view(name)),
        _group(TRIGGERS, base.triggers, lambda name, _: _trigger(name)),
        _group(SEARCHES, base.searches, lambda name, _: _search(name)),
    )


@st.composite
def _group(draw: st.DrawFn, names: Sequence[str], base: Mapping[str, _Item], make: object) -> dict[str, _Item]:
    """Each name: as in the base, or drawn anew, or left out."""
    found: dict[str, _Item] = {}
    for name in names:
        choice = draw(st.sampled_from("kkkxn" if name in base else "xnn" if not base else "xxn"))
        if choice == "k":
            found[name] = base[name]
        elif choice == "n":
            found[name] = draw(make(name, base.get(name)))  # type: ignore[operator]
    return found


@st.composite
def _table(draw: st.DrawFn, name: str, base: Table | None) -> Table:
    strict = (
        draw(st.sampled_from((False, False, True))) if base is None or draw(st.integers(0, 3)) == 0 else base.strict
    )
    key = draw(st.sampled_from(KEYS)) if base is None or draw(st.integers(0, 3)) == 0 else base.key
    columns = draw(_group(COLUMNS, base.columns if base else {}, lambda column, _: _column(column, strict)))
    unique = draw(st.sampled_from(((), (), ("a", "b"), ("select",))))
    parent = draw(st.sampled_from((None, None, *TABLES)))
    pair = (parent, ("a", "b"), draw(st.sampled_from(ACTIONS))) if parent else None
    return Table(name, key, strict, columns, unique, pair)


@st.composite
def _column(draw: st.DrawFn, name: str, strict: bool) -> Column:
    rarely = st.sampled_from((False, False, False, True))
    generated = None
    if draw(st.integers(0, 6)) == 0:
        generated = (draw(st.sampled_from(EXPRESSIONS)), draw(st.sampled_from(COLUMNS)), draw(st.booleans()))
    reference = None
    if draw(rarely):
        parent, column = draw(st.sampled_from(TABLES)), draw(st.sampled_from((None, *COLUMNS)))
        actions = draw(st.sampled_from(ACTIONS)), draw(st.sampled_from(ACTIONS))
        reference = Reference(parent, column, *actions, draw(st.booleans()))
    return Column(
        name,
        draw(st.sampled_from(STRICT_TYPES if strict else LOOSE_TYPES)),
        draw(rarely),
        draw(st.sampled_from(DEFAULTS)),
        draw(st.sampled_from(COLLATIONS)),
        draw(rarely),
        draw(st.sampled_from((None, None, None, *CHECKS))),
        generated,
        reference,
        draw(rarely),
    )


_PARTS = ("{0}", "{0}", "{0} DESC", "{0} COLLATE NOCASE", "length({0})", "coalesce({0}, '') || 'x'")


@st.composite
def _index(draw: st.DrawFn, name: str) -> Index:
    part = st.tuples(st.sampled_from(COLUMNS), st.sampled_from(_PARTS))
    return Index(
        name,
        draw(st.sampled_from(TABLES)),
        draw(st.sampled_from((False, False, True))),
        tuple(draw(st.lists(part, min_size=1, max_size=2))),
        draw(st.sampled_from((None, None, *COLUMNS))),
    )


@st.composite
def _view(draw: st.DrawFn, name: str) -> View:
    earlier = VIEWS[: VIEWS.index(name)]
    source = draw(st.sampled_from((*TABLES, *earlier)))
    columns = () if source in VIEWS else draw(st.lists(st.sampled_from(COLUMNS), max_size=2, unique=True))
    return View(name, source, tuple(columns))


@st.composite
def _trigger(draw: st.DrawFn, name: str) -> Trigger:
    on = draw(st.sampled_from((*TABLES, *VIEWS)))
    timing = "INSTEAD OF" if on in VIEWS else draw(st.sampled_from(("BEFORE", "AFTER")))
    event = draw(st.sampled_from(("INSERT", "UPDATE", "DELETE")))
    return Trigger(name, on, event, timing, (draw(st.sampled_from(TABLES)), draw(st.sampled_from(COLUMNS))))


@st.composite
def _search(draw: st.DrawFn, name: str) -> Search:
    columns = draw(st.lists(st.sampled_from(("a", "b", "two words")), min_size=1, max_size=2, unique=True))
    tokenizer = draw(st.sampled_from(("porter", "unicode61", "trigram")))
    return Search(name, tuple(columns), draw(st.sampled_from((None, *TABLES))), tokenizer)


def mended(schema: Schema) -> Schema:
    """The schema without what SQLite would not accept."""
    tables = {name: _mended_table(table) for name, table in schema.tables.items() if table.columns}
    tables = {name: _with_real_references(table, tables) for name, table in tables.items()}
    indexes = {
        name: index
        for name, index in schema.indexes.items()
        if index.table in tables
        and {column for column, _ in index.parts} | ({index.where} - {None}) <= tables[index.table].columns.keys()
        and len({column for column, _ in index.parts}) == len(index.parts)
    }
    views: dict[str, View] = {}
    for name, view in schema.views.items():
        known = tables[view.source].columns.keys() if view.source in tables else set()
        if view.source in views or (view.source in tables and known >= set(view.columns)):
            views[name] = view
    triggers = {
        name: trigger
        for name, trigger in schema.triggers.items()
        if (trigger.on in tables or trigger.on in views)
        and trigger.body[0] in tables
        and trigger.body[1] in tables[trigger.body[0]].stored_columns
    }
    searches = {name: _mended_search(search, tables) for name, search in schema.searches.items()}
    return Schema(tables, indexes, views, triggers, searches)


def _mended_search(search: Search, tables: Mapping[str, Table]) -> Search:
    """The index with the content of a table only where it can find the rows by their rowids, and the columns."""
    content = tables.get(search.content or "")
    if content and content.has_rowid_name and set(search.columns) <= set(content.stored_columns):
        return search
    return replace(search, content=None)


def _mended_table(table: Table) -> Table:
    types = STRICT_TYPES if table.strict else LOOSE_TYPES
    plain = {name for name, column in table.columns.items() if not column.generated}
    columns = {}
    for name, column in table.columns.items():
        generated = column.generated if column.generated and column.generated[1] in plain else None
        kind = column.type if column.type in types else "TEXT"
        default = column.default
        columns[name] = replace(column, generated=generated, type=kind, default=default)
    table = replace(table, columns=columns, unique=table.unique if set(table.unique) <= columns.keys() else ())
    if len(table.key_columns) < {"none": 0, "two": 2, "two without rowid": 2}.get(table.key, 1):
        table = replace(table, key="none")
    if not plain and table.key == "none":
        table = replace(table, key="alias")
    return table


def _with_real_references(table: Table, tables: Mapping[str, Table]) -> Table:
    """The table with the foreign keys whose parents have such a key."""
    columns = {
        name: column if _is_real(column.reference, tables) and not column.generated else replace(column, reference=None)
        for name, column in table.columns.items()
    }
    pair = table.pair
    stored = {name for name, column in columns.items() if not column.generated}
    if pair and not (pair[0] in tables and len(tables[pair[0]].key_columns) == 2 and set(pair[1]) <= stored):
        pair = None
    return replace(table, columns=columns, pair=pair)


def _is_real(reference: Reference | None, tables: Mapping[str, Table]) -> bool:
    if reference is None or reference.parent not in tables:
        return reference is None
    parent = tables[reference.parent]
    if reference.column is None:
        return len(parent.key_columns) == 1
    column = parent.columns.get(reference.column)
    return parent.key_columns == (reference.column,) or (column is not None and column.unique)
