"""The checks, run by the engine: the figures are right, and the raising form raises exactly when a bound is broken."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.transaction import Query
from turso_deploy.history.table import create_step
from turso_deploy.project.expectations import actual_counts
from turso_deploy.project.manifest import Manifest
from turso_deploy.sql.lexer import column_title
from turso_deploy.transaction.checks import Check, CheckResult, catalog_check, count_check, json_checks, row_checks

# Names that only a quoting function survives.
ODD = ["order", "with space", 'with "quotes"', "it's", "semi;colon", "ünïcode 表", "[brackets]", "%", "a.b", "-- no"]


def scratch_with(*statements: str) -> Scratch:
    scratch = Scratch()
    for sql in statements:
        scratch.run(sql)
    return scratch


def catalog_of(scratch: Scratch, ignore: Sequence[str] = ()) -> Catalog:
    return read_catalog(scratch.rows(), scratch.shadows(), ignore)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def holds(check: Check, scratch: Scratch) -> bool:
    """Whether the raising form lets it pass; a check that cannot run at all fails the test."""
    try:
        rows = scratch.query(check.raising).rows
    except ScratchError as error:
        if error.message != "malformed JSON":
            raise
        return False
    assert rows == (("ok",),)
    return True


def results(check: Check, scratch: Scratch) -> tuple[CheckResult, ...]:
    """What the figures come to, and that the raising form agrees with them."""
    found = check.results(scratch.query(check.figures))
    assert holds(check, scratch) is all(result.ok for result in found)
    return found


VARIED = (
    "CREATE TABLE parent (a, b, PRIMARY KEY (a, b))",
    "CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, x UNIQUE, a, b, up REFERENCES child (id), "
    "again REFERENCES child, FOREIGN KEY (a, b) REFERENCES parent (a, b))",
    "CREATE TABLE kept_out (a REFERENCES child)",
    "CREATE INDEX kept_out_a ON kept_out (a)",
    "CREATE VIRTUAL TABLE search USING fts5 (text)",
    "CREATE INDEX child_a ON child (a)",
    "CREATE UNIQUE INDEX child_b ON child (b) WHERE b > 1",
    "CREATE VIEW v AS SELECT * FROM child",
    "CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN SELECT 1; END",
    "CREATE TRIGGER kept_out_r AFTER INSERT ON kept_out BEGIN SELECT 1; END",
    *(f"CREATE TABLE {quoted(name)} (a REFERENCES {quoted(name)} (a))" for name in ODD),
    "ANALYZE",
    create_step().query.sql,
)


def test_the_counts_of_the_engine_are_the_counts_of_the_program() -> None:
    scratch = scratch_with(*VARIED)
    catalog = catalog_of(scratch, ["kept_out"])
    actual = actual_counts(catalog.schema)
    assert actual == {
        "tables": 3 + len(ODD),
        "indexes": 2,
        "views": 1,
        "triggers": 1,
        "foreign_keys": 3 + len(ODD),
    }
    [check] = count_check(Manifest.model_validate({"expect": actual}), catalog.uncounted)
    assert [(result.name, result.ok, result.actual) for result in results(check, scratch)] == [
        ("count of tables", True, "13"),
        ("count of indexes", True, "2"),
        ("count of views", True, "1"),
        ("count of triggers", True, "1"),
        ("count of foreign keys", True, "13"),
    ]


@pytest.mark.parametrize("kind", ["tables", "indexes", "views", "triggers", "foreign_keys"])
@pytest.mark.parametrize("difference", [-1, 1])
def test_one_count_that_does_not_hold_raises(kind: str, difference: int) -> None:
    scratch = scratch_with(*VARIED)
    catalog = catalog_of(scratch, ["kept_out"])
    actual = dict(actual_counts(catalog.schema))
    expected = actual | {kind: actual[kind] + difference}
    [check] = count_check(Manifest.model_validate({"expect": expected}), catalog.uncounted)
    wrong = [result for result in results(check, scratch) if not result.ok]
    assert [(result.expected, result.actual) for result in wrong] == [(str(expected[kind]), str(actual[kind]))]


def test_only_the_kinds_that_the_manifest_states_are_counted() -> None:
    scratch = scratch_with("CREATE TABLE t (a)")
    assert count_check(Manifest(), []) == []
    [check] = count_check(Manifest.model_validate({"expect": {"views": "<=3"}}), [])
    assert [result.name for result in results(check, scratch)] == ["count of views"]


def figures(check: Check, scratch: Scratch) -> list[str]:
    return [str(figure) for figure in scratch.query(check.figures).rows[0]]


def test_the_catalog_has_to_be_as_simulated_to_the_letter() -> None:
    made = scratch_with("CREATE TABLE t (a -- it's\n)", "CREATE INDEX i ON t (a)", 'CREATE VIEW "v\\" AS SELECT 1')
    rows = catalog_of(made).rows
    length = str(sum(len(row.sql or "") for row in rows))
    [check] = catalog_check(catalog_of(made), {row.key for row in rows})
    assert figures(check, made) == ["3", "3", length]
    assert results(check, made) == (CheckResult("catalog matches the plan", True, "as planned", "as planned"),)
    for other, actual in (
        (("CREATE TABLE t (a -- its\n)", "CREATE INDEX i ON t (a)", 'CREATE VIEW "v\\" AS SELECT 1'), ["2", "3"]),
        (("CREATE TABLE t (a -- it's\n)", "CREATE INDEX i ON t (a)"), ["2", "2"]),
        ((*(row.sql or "" for row in rows), "CREATE TABLE more (a)"), ["3", "4"]),
    ):
        found = figures(check, scratch_with(*other))
        assert found[:2] == actual
        [result] = results(check, scratch_with(*other))
        wrong = [
            f"{name}: {figure} instead of {planned}"
            for name, figure, planned in zip(
                ("changed objects", "all objects", "length of their SQL"), found, ("3", "3", length), strict=True
            )
            if figure != planned
        ]
        assert (result.name, result.ok) == ("catalog matches the plan", False)
        assert result.actual == "; ".join(wrong)
        assert wrong[-1].startswith("length of their SQL")


def test_of_what_no_step_touched_the_number_and_the_length_are_compared() -> None:
    made = scratch_with("CREATE TABLE t (a)", "CREATE TABLE u (a)")
    [check] = catalog_check(catalog_of(made), {("table", "t")})
    assert "u (a)" not in str(check.arguments)
    assert all(result.ok for result in results(check, scratch_with("CREATE TABLE u (a)", "CREATE TABLE t (a)")))
    found = results(check, scratch_with("CREATE TABLE t (a)", 'CREATE TABLE "u" (a)'))
    assert [result.actual for result in found] == ["length of their SQL: 38 instead of 36"]


def test_what_is_internal_or_the_history_is_no_part_of_the_catalog_and_what_is_ignored_is() -> None:
    made = scratch_with("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)", "CREATE TABLE tmp_one (a)")
    [check] = catalog_check(catalog_of(made, ["tmp_*"]), set())
    assert figures(check, made)[:2] == ["0", "2"]
    made.run(create_step().query.sql)
    made.run("CREATE TABLE Turso_CDC (a)")
    assert all(result.ok for result in results(check, made))


def test_a_text_that_a_reply_could_not_hold_is_not_measured() -> None:
    made = scratch_with("CREATE TABLE t (a DEFAULT '\ufffd')")
    [check] = catalog_check(catalog_of(made), set())
    assert len(figures(check, made)) == 2
    assert all(result.ok for result in results(check, made))


@pytest.mark.parametrize(
    ("bound", "rows", "ok", "actual"),
    [
        (2, 2, True, "2"),
        (2, 1, False, "1"),
        (2, 5, False, "5"),
        (0, 0, True, "0"),
        (0, 4, False, "4"),
        (">=2", 1, False, "1"),
        (">=2", 5, True, "2 or more"),
        ("<=2", 0, True, "0"),
        ("<=2", 5, False, "5"),
        ("1..3", 3, True, "3"),
        ("1..3", 0, False, "0"),
        ("1..3", 9, False, "9"),
    ],
)
def test_rows_are_counted_as_far_as_the_bound_needs_and_all_if_there_are_too_many(
    bound: object, rows: int, ok: bool, actual: str
) -> None:
    scratch = scratch_with("CREATE TABLE Users (a)", *["INSERT INTO users VALUES (1)"] * rows)
    manifest = Manifest.model_validate({"rows": {"users": bound}})
    [check] = row_checks(manifest, catalog_of(scratch).schema)
    [result] = results(check, scratch)
    assert result[:5] == ("rows of users", ok, str(bound), actual, ("rows", "users"))
    assert ok or result.details[-1] == "SELECT count(*) FROM Users;"


def test_the_last_rows_of_a_table_with_too_many_are_named() -> None:
    scratch = scratch_with("CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (7), (1), (9), (4)")
    [check] = row_checks(Manifest.model_validate({"rows": {"t": "<=2"}}), catalog_of(scratch).schema)
    assert results(check, scratch)[0].details[0] == "t: the last are id 9, 7"


def test_a_bound_that_always_holds_reads_nothing() -> None:
    scratch = scratch_with("CREATE TABLE t (a)", "CREATE TABLE u (a)")
    manifest = Manifest.model_validate({"rows": {"t": ">=0", "u": ">=1"}})
    assert [check.label for check in row_checks(manifest, catalog_of(scratch).schema)] == ["rows of u"]


@pytest.mark.parametrize("name", ODD)
def test_rows_and_json_of_oddly_named_tables_are_checked(name: str) -> None:
    table, column = quoted(name), quoted(name + " c")
    scratch = scratch_with(f"CREATE TABLE {table} ({column})", f"INSERT INTO {table} VALUES ('{{'), ('{{}}')")
    schema = catalog_of(scratch).schema
    manifest = Manifest.model_validate({"rows": {name: 2}, "json_columns": {name: [name + " c"]}})
    [rows], [json] = row_checks(manifest, schema), json_checks(manifest, schema)
    assert [result.actual for result in results(rows, scratch)] == ["2"]
    assert [(result.name, result.ok, result.actual) for result in results(json, scratch)] == [
        (f"invalid JSON in {column_title(name, name + ' c')}", False, "1")
    ]


def test_every_value_that_is_not_json_is_counted_column_by_column() -> None:
    scratch = scratch_with(
        "CREATE TABLE t (a, B, c)",
        """INSERT INTO t VALUES ('[]', '{"a": 1}', NULL), (NULL, '1', ''), ('null', 'true', '{'), ('"x"', 7, 'x')""",
        "CREATE TABLE other (a)",
    )
    manifest = Manifest.model_validate({"json_columns": {"t": ["a", "b", "c"], "other": []}})
    [check] = json_checks(manifest, catalog_of(scratch).schema)
    assert check.label == "JSON of t"
    assert results(check, scratch) == (
        CheckResult("invalid JSON in t.a", True, "0", "0", ("json_columns", "t", 0)),
        CheckResult("invalid JSON in t.b", True, "0", "0", ("json_columns", "t", 1)),
        CheckResult(
            "invalid JSON in t.c",
            False,
            "0",
            "3",
            ("json_columns", "t", 2),
            ("t.c: rowid 2, 3, 4", "SELECT rowid, c FROM t WHERE c IS NOT NULL AND NOT json_valid(c);"),
        ),
    )


@pytest.mark.parametrize(
    ("table", "hidden", "shown"),
    [
        ("(id INTEGER PRIMARY KEY, j TEXT)", "t.j: id 1, 2", "t.j: id 1, 2"),
        ("(id TEXT PRIMARY KEY, j TEXT)", "t.j: rowid 1, 2", "t.j: key '1', '2'"),
        ("(id TEXT PRIMARY KEY, j TEXT) WITHOUT ROWID", None, "t.j: key '1', '2'"),
        ("(id INTEGER PRIMARY KEY, j TEXT) WITHOUT ROWID", None, "t.j: key 1, 2"),
        ("(rowid, j TEXT)", "t.j: rowid 1, 2", "t.j: rowid 1, 2"),
    ],
)
def test_rows_are_named_by_integers_and_by_other_keys_only_on_request(
    table: str, hidden: str | None, shown: str
) -> None:
    scratch = scratch_with(f"CREATE TABLE t {table}", "INSERT INTO t VALUES (1, 'secret'), (2, '{')")
    manifest, schema = Manifest.model_validate({"json_columns": {"t": ["j"]}}), catalog_of(scratch).schema
    for show_keys, named in ((False, hidden), (True, shown)):
        [check] = json_checks(manifest, schema, show_keys=show_keys)
        [result] = results(check, scratch)
        find = result.details[-1].removesuffix(";")
        assert result.actual == "2"
        assert result.details[:-1] == ((named,) if named else ())
        assert len(scratch.query(Query(find)).rows) == 2
        assert "secret" not in str(result)


def test_ten_of_many_rows_are_named() -> None:
    scratch = scratch_with("CREATE TABLE t (j)", *["INSERT INTO t VALUES ('x')"] * 1234)
    [check] = json_checks(Manifest.model_validate({"json_columns": {"t": ["j"]}}), catalog_of(scratch).schema)
    [result] = results(check, scratch)
    assert result.details[0] == "t.j: rowid 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,224 more"


def test_an_empty_table_has_nothing_that_is_not_json() -> None:
    scratch = scratch_with("CREATE TABLE t (a)")
    [check] = json_checks(Manifest.model_validate({"json_columns": {"t": ["a"]}}), catalog_of(scratch).schema)
    assert [result.ok for result in results(check, scratch)] == [True]


def test_a_label_with_quotes_is_no_sql() -> None:
    name = "it's');SELECT 1;--"
    scratch = scratch_with(f"CREATE TABLE {quoted(name)} (a)")
    [check] = row_checks(Manifest.model_validate({"rows": {name: 1}}), catalog_of(scratch).schema)
    assert not holds(check, scratch)
