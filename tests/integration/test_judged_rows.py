"""Counted before a deployment: the rows that break a rule afterwards, as the engine itself judges them.

Each table gets another type or name of a column, and a rule over it. The engine judges by INSERT OR IGNORE into a table
of the wanted form; the plan counts by a query over the live rows.
"""

from __future__ import annotations

from contextlib import closing
from itertools import cycle, product
from pathlib import Path

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.core.transaction import Query, Rows
from turso_deploy.pending.find import find_pending
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.report.document import Status
from turso_deploy.sql.lexer import quote_identifier

VALUES = ("1", "'1'", "0", "'abc'", "''", "1.5", "'1.5'", "2.0", "x'31'", "NULL", "'-1'", "' 5'", "'007'", "-3", "'!'")
OTHERS = ("'1'", "'ABC'")
"""Texts beside the values, in a column of texts that is compared without case."""
TYPES = ("", "INTEGER", "VARCHAR(9)", "REAL", "NUMERIC")
CHECKS = (
    "{0} IN (0, 1)",
    "{0} NOT IN ('0', '1')",
    "{0} <> '5'",
    "{0} > 0",
    "{0} = '1' OR {0} IS NULL",
    "{0} BETWEEN '0' AND '9'",
    "typeof({0}) = 'text'",
    "{0} IS NOT 1.5",
    "CASE {0} WHEN 1 THEN 0 ELSE 1 END",
    "{0} = other",
    "t.{0} <> 1",
    "{0} < other",
    "other >= (t.{0}) OR NOT {0} <= 'abc'",
    "{0} NOT BETWEEN '0' AND lower(other) || ''",
    "CASE WHEN other BETWEEN {0} AND 'b' THEN 'x' < {0} ELSE {0} < '!' COLLATE RTRIM END",
    "CAST({0} AS TEXT) <> '1' AND length({0}) < 4",
    "{0} COLLATE NOCASE <> 'ABC'",
)
NAMES = "x true FALSE null current_date rowid order abort like oid exists end _rowid_".split()
"""Names that SQL reads as words or constants, unless they are quoted, and as columns otherwise."""


PAIRS = list(product(VALUES, OTHERS))
ROWS = ", ".join(f"({number}, {value}, {other})" for number, (value, other) in enumerate(PAIRS, start=1))


def test_rule_over_a_column_of_another_type_is_judged_as_the_engine_does(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    names = cycle(NAMES)
    tables = [
        (before, after, check, next(names)) for before, after, check in product(TYPES, TYPES, CHECKS) if before != after
    ]
    statements, wanted = [], {}
    for number, (before, after, check, name) in enumerate(tables):
        quoted, table = quote_identifier(name), f"t{number}"
        columns = f"(id INTEGER PRIMARY KEY, {quoted} {{}}, other TEXT COLLATE NOCASE{{}})"
        rule = f", CHECK ({check.format(quoted)})"
        wanted[f"{table}.sql"] = f"CREATE TABLE {table} {columns.format(after, rule.replace('t.', f'{table}.'))};"
        statements += [
            f"CREATE TABLE {table} {columns.format(before, '')}",
            f"INSERT INTO {table} VALUES {ROWS}",
            f"CREATE TABLE judge{number} {columns.format(after, rule.replace('t.', f'judge{number}.'))}",
            f"INSERT OR IGNORE INTO judge{number} SELECT * FROM {table}",
        ]
    target.run(*statements)
    with closing(target.open()) as database:
        hazards = find_pending(write_project(tmp_path / "schema", wanted), database).plan.hazards
        queries = [Query(f"SELECT count(*) FROM judge{number}") for number in range(len(tables))]
        broken = [len(PAIRS) - answer.number() for answer in database.query(queries) if isinstance(answer, Rows)]
    counted = {item.object: item.rows for item in hazards if item.name is HazardName.ADD_CHECK}
    wrong = [
        (table, f"counted {counted[f't{number}']}", f"broken {broken[number]}")
        for number, table in enumerate(tables)
        if counted[f"t{number}"] != broken[number]
    ]
    assert not wrong


PARENT = """CREATE TABLE parent (
  "true" {0} PRIMARY KEY,
  "false" TEXT,
  "null" TEXT{1},
  "current_date" TEXT{1},
  UNIQUE ("false", "null")
);
CREATE UNIQUE INDEX "rowid" ON parent ("null", "false") WHERE "true" <> {2};
CREATE UNIQUE INDEX dates ON parent (lower("current_date"));
CREATE TABLE child (id INTEGER PRIMARY KEY, "false" {0} REFERENCES parent ("true"){1});
"""
MANIFEST = """json_columns: {parent: ["false"]}
rows: {parent: ">=2", child: 1}
"""
SEEDS = '"true","false","null","current_date"\n{}'


def test_columns_called_like_constants_are_read_in_every_query(target: DatabaseUnderTest, tmp_path: Path) -> None:
    rows = ["1,[1],a,b", '2,"[2]",c,d', "7,[7],g,h"]
    files = {"a.sql": PARENT.format("TEXT", "", "'9'"), "manifest.yml": MANIFEST.replace("child: 1", "child: 0")}
    files["seeds/parent.csv"] = SEEDS.format("\n".join(rows[:2]))
    assert target.deploy(write_project(tmp_path / "first", files)).error is None
    target.run(
        "INSERT INTO parent VALUES ('3', '[3]', 'e', 'f')",
        "INSERT INTO child VALUES (1, '3')",
        """UPDATE parent SET "false" = '[22]' WHERE "true" = '2'""",
    )
    files = {"a.sql": PARENT.format("INTEGER", " NOT NULL", "9"), "manifest.yml": MANIFEST}
    files["seeds/parent.csv"] = SEEDS.format("\n".join(rows).replace("[2]", "[2, 2]"))
    project = write_project(tmp_path / "second", files)
    assert target.plan(project, [Approval(HazardName.CHANGE_TYPE)]).status is Status.BLOCKED
    with closing(target.open()) as database:
        hazards = find_pending(project, database).hazards
    assert {f"{item.name} {item.object}": item.rows for item in hazards if item.rows} == {
        "rewrite-table parent": 3,
        "change-type parent.true": 3,
        "rewrite-table child": 1,
        "change-type child.false": 1,
        "overwrite-rows parent": 1,
    }
    report = target.deploy(project, approvals=[Approval(HazardName.CHANGE_TYPE), Approval(HazardName.OVERWRITE_ROWS)])
    assert report.error is None
    assert target.rows('SELECT "true", "false" FROM parent ORDER BY 1') == [
        (1, "[1]"),
        (2, "[2, 2]"),
        (3, "[3]"),
        (7, "[7]"),
    ]
    assert target.plan(project).steps == ()
