"""What the reader takes from a CREATE statement is what SQLite's own pragmas say of it, for generated statements."""

import random
import sqlite3
from itertools import groupby

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from turso_deploy.sql.definitions import IndexDefinition, KeyPart, TableDefinition
from turso_deploy.sql.lexer import TokenKind, fold_case, quote_identifier, tokenize, unquote
from turso_deploy.sql.parser import parse

NAMES = ["a", "Bc", "id", "key", "end", "two words", 'quo"te', "select", "Größe", "x-y", "back`tick"]
TYPES = [
    "",
    "INTEGER",
    "integer",
    "INT",
    "text",
    "varchar ( 10 )",
    "DECIMAL(10, 2)",
    "double /* ( */ precision",
    "BLOB",
]
COLLATIONS = ["", " COLLATE nocase", " COLLATE RTRIM", " COLLATE binary"]
CONFLICTS = ["", " ON CONFLICT REPLACE", " ON CONFLICT abort"]
ACTIONS = ["", " ON DELETE CASCADE", " ON UPDATE SET NULL ON DELETE RESTRICT", " MATCH FULL ON DELETE set default"]
DEFERRALS = ["", " DEFERRABLE INITIALLY DEFERRED", " NOT DEFERRABLE"]
REFERENCES = ["", ' REFERENCES "Parent"', " REFERENCES parent(x)", " REFERENCES self"]


def spelled(name: str, style: int) -> str:
    """The name in one of its quote styles."""
    bare = name.isascii() and name.isalnum() and name != "select"
    return [
        quote_identifier(name),
        f"[{name}]",
        "`" + name.replace("`", "``") + "`",
        name if bare else quote_identifier(name),
    ][style]


@st.composite
def keys(draw: st.DrawFn, names: list[str]) -> str:
    """The inside of PRIMARY KEY (…) or UNIQUE (…)."""
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    parts = [
        spelled(name, draw(st.integers(0, 3)))
        + draw(st.sampled_from(COLLATIONS))
        + draw(st.sampled_from(["", " DESC", " asc"]))
        for name in chosen
    ]
    return ", ".join(parts)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """A CREATE TABLE with everything in it, in any order."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique_by=fold_case))
    key = draw(st.sampled_from(["", "column", "table"]))
    key_at = draw(st.sampled_from(names))
    items = []
    for name in names:
        constraints = draw(
            st.lists(
                st.sampled_from([" NOT NULL", " NULL", " UNIQUE", " DEFAULT 1", " CHECK (1 > 0)", " CONSTRAINT c"]),
                max_size=3,
            )
        )
        constraints.append(draw(st.sampled_from(COLLATIONS)))
        references = draw(st.sampled_from(REFERENCES))
        if references:
            constraints.append(references + draw(st.sampled_from(ACTIONS)) + draw(st.sampled_from(DEFERRALS)))
        if key == "column" and name == key_at:
            constraints.append(
                f" PRIMARY KEY{draw(st.sampled_from(['', ' DESC', ' ASC']))}{draw(st.sampled_from(CONFLICTS))}"
            )
        elif draw(st.integers(0, 5)) == 0 and len(names) > 1:
            constraints = [draw(st.sampled_from([" AS (1)", " GENERATED ALWAYS AS (1 + 1) STORED", " as (2) virtual"]))]
        constraints = draw(st.permutations(constraints))
        items.append(f"{spelled(name, draw(st.integers(0, 3)))} {draw(st.sampled_from(TYPES))}{''.join(constraints)}")
    constraints = [f"UNIQUE ({inside})" for inside in draw(st.lists(keys(names), max_size=2))]
    if key == "table":
        constraints.append(f"PRIMARY KEY ({draw(keys(names))}){draw(st.sampled_from(CONFLICTS))}")
    if draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(names), min_size=2, max_size=2))
        parent = draw(st.sampled_from(["parent", "parent(x, Y)"]))
        inside = ", ".join(map(quote_identifier, chosen))
        constraints.append(f"FOREIGN KEY ({inside}) REFERENCES {parent}{draw(st.sampled_from(ACTIONS))}")
    separator = draw(st.sampled_from([", ", " "]))
    body = ", ".join(items) + ("" if not constraints else ", " + separator.join(draw(st.permutations(constraints))))
    options = draw(st.sampled_from(["", " WITHOUT ROWID"])) if key else ""
    return f"CREATE TABLE self({body}){options}"


def accepted(sql: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE parent(x, Y)")
    try:
        connection.execute(sql)
    except sqlite3.OperationalError:
        assume(False)
    return connection


def columns_of(parts: tuple[KeyPart, ...], table: TableDefinition) -> tuple[tuple[str, str], ...]:
    return tuple(
        (each.column or "", each.collation or table.by_name[each.column or ""].collation or "binary") for each in parts
    )


def foreign_keys_told(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """What foreign_key_list says, in the order of writing."""
    sql = 'SELECT id, "table", "from", "to", on_update, on_delete FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq'
    told: list[tuple[object, ...]] = []
    for _, group in groupby(connection.execute(sql, ["self"]).fetchall(), key=lambda row: row[0]):
        rows = list(group)
        parent_columns = None if rows[0][3] is None else tuple(fold_case(row[3]) for row in rows)
        told.append(
            (fold_case(rows[0][1]), tuple(fold_case(row[2]) for row in rows), parent_columns, rows[0][4], rows[0][5])
        )
    return told


@given(tables())
@settings(deadline=None, max_examples=300)
def test_a_table_is_read_as_the_pragmas_tell_it(sql: str) -> None:
    connection = accepted(sql)
    table = parse(sql)
    assert isinstance(table, TableDefinition)
    key = table.primary_key
    in_key = [part.column for part in key.parts] if key else []
    told = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', ["self"]
    )
    for column, (name, kind, not_null, default, pk, hidden) in zip(table.columns, told, strict=True):
        assert column.name == name
        as_told = parse(f"CREATE TABLE t(a {kind})")
        assert isinstance(as_told, TableDefinition)
        assert column.type == as_told.columns[0].type
        if not (key and key.rowid_alias and pk):
            assert column.not_null == bool(not_null)
        assert column.default == ((default,) if default else None)
        assert pk == (in_key.index(fold_case(name)) + 1 if fold_case(name) in in_key else 0)
        assert hidden == (0 if column.generated is None else 3 if column.generated.stored else 2)
    assert foreign_keys_told(connection) == [
        (
            one.parent,
            one.columns,
            one.parent_columns,
            one.on_update or "NO ACTION",
            one.on_delete or "NO ACTION",
        )
        for one in table.foreign_keys
    ]
    # SQLite keeps one index for keys that differ only in the order of sorting.
    indexes = set()
    for name, origin in connection.execute("SELECT name, origin FROM pragma_index_list(?)", ["self"]):
        rows = connection.execute("SELECT name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", [name])
        assert origin in ("u", "pk")
        indexes.add(tuple((fold_case(column), fold_case(collation)) for column, collation in rows))
    expected = {columns_of(unique.parts, table) for unique in table.uniques}
    if key and not key.rowid_alias:
        expected.add(columns_of(key.parts, table))
    assert indexes == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from(['"A"', "b", "(a)", "lower(a)", "a + b", "a COLLATE binary || b", "`a`", "[B]"]),
            st.sampled_from(["", " COLLATE nocase", " COLLATE 'rtrim'"]),
            st.sampled_from(["", " DESC", " asc"]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
    st.sampled_from(["", " WHERE a > 1"]),
)
@settings(deadline=None)
def test_an_index_is_read_as_the_pragmas_tell_it(parts: list[tuple[str, str, str]], unique: bool, where: str) -> None:
    sql = f"CREATE {'UNIQUE ' if unique else ''}INDEX i ON t({', '.join(map(''.join, parts))}){where}"
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t(a, b)")
    connection.execute(sql)
    index = parse(sql)
    assert isinstance(index, IndexDefinition)
    rows = connection.execute(
        "SELECT name, lower(coll), \"desc\" FROM pragma_index_xinfo('i') WHERE key ORDER BY seqno"
    ).fetchall()
    assert [(part.column, part.collation or "binary", int(part.descending)) for part in index.parts] == rows
    told = connection.execute("SELECT \"unique\", partial FROM pragma_index_list('t')").fetchone()
    assert told == (index.unique, index.where is not None)


@given(tables(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_table_spelled_in_another_way_means_the_same(sql: str, choose: random.Random) -> None:
    accepted(sql)
    other = "".join(_respelled(token.kind, token.text, unquote(token), choose) for token in tokenize(sql))
    accepted(other)
    assert parse(other) == parse(sql)


def _respelled(kind: TokenKind, text: str, name: str, choose: random.Random) -> str:
    space = choose.choice([" ", "\n\t", " /* , ) */ ", " -- ;\n"])
    if kind is TokenKind.WORD:
        text = "".join(
            choose.choice([letter.lower(), letter.upper()]) if letter.isascii() else letter for letter in text
        )
    if kind is TokenKind.QUOTED:
        text = choose.choice([quote_identifier(name), f"[{name}]", "`" + name.replace("`", "``") + "`"])
    return text + space
