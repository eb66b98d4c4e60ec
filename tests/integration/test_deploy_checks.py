"""The checks inside the transaction: when one does not hold, nothing stays, and the figures are told."""

from __future__ import annotations

from pathlib import Path

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import SMALL, write_project
from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.core.transaction import Purpose, Transaction, TransactionStep
from turso_deploy.history.table import create_step
from turso_deploy.project.bound import parse_bound
from turso_deploy.project.manifest import Manifest
from turso_deploy.report.document import CheckLine, Status
from turso_deploy.sql.schema import Schema
from turso_deploy.transaction.checks import Check, Expectation, catalog_check, count_check

MANIFEST = SMALL["manifest.yml"]


def test_a_bound_on_rows_that_is_not_met_rolls_everything_back(target: DatabaseUnderTest, tmp_path: Path) -> None:
    report = target.deploy(write_project(tmp_path / "schema", manifest=MANIFEST.replace("2..4", ">=5")))
    assert (report.status, report.committed, report.requests) == (Status.FAILED, False, 2)
    place = f"{tmp_path}/schema/manifest.yml:3"
    details = ("SELECT count(*) FROM books;",)
    assert CheckLine("rows of books", False, ">=5", "2", details, section="rows", place=place) in report.checks
    assert CheckLine("rows of authors", True, ">=2", "2 or more", section="rows") in report.checks
    assert report.error is not None
    assert report.error.code == "check-failed"
    assert "rows of books: expected >=5, found 2" in report.error.message
    assert (str(report.error.file).endswith("schema/manifest.yml"), report.error.line) == (True, 3)
    assert target.names() == set()


def test_too_many_rows_are_counted_and_the_last_of_them_named(target: DatabaseUnderTest, tmp_path: Path) -> None:
    seeds = "id,name,profile\n" + "".join(f"{n},name {n},\n" for n in range(1, 51))
    manifest = MANIFEST.replace('authors: ">=2"', 'authors: "<=3"')
    report = target.deploy(write_project(tmp_path / "schema", authors=seeds, manifest=manifest))
    place = f"{tmp_path}/schema/manifest.yml:3"
    details = (
        "authors: the last are id 50, 49, 48, 47, 46, 45, 44, 43, 42, 41 and 37 more",
        "SELECT count(*) FROM authors;",
    )
    assert CheckLine("rows of authors", False, "<=3", "50", details, section="rows", place=place) in report.checks
    assert report.error is not None
    assert "The seeds of authors alone have 50 rows" in str(report.error.hint)
    assert target.names() == set()


def test_invalid_json_that_is_in_the_database_already_stops_a_deployment(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    target.run("INSERT INTO authors (name, profile) VALUES ('Alan', '{\"born\": 1912'), ('Kurt', 'null')")
    before = target.dump()
    views = "CREATE VIEW v_books AS SELECT title, name FROM books JOIN authors ON authors.id = author;\n"
    newer = write_project(
        tmp_path / "schema",
        views=views + "CREATE VIEW v_titles AS SELECT title FROM books;\n",
        manifest=MANIFEST.replace("views: 1", "views: 2"),
    )
    report = target.deploy(newer)
    assert (report.status, report.committed) == (Status.FAILED, False)
    place = f"{tmp_path}/schema/manifest.yml:4"
    find = "SELECT id, profile FROM authors WHERE profile IS NOT NULL AND NOT json_valid(profile)"
    details = ("authors.profile: id 3", f"{find};")
    line = CheckLine("invalid JSON in authors.profile", False, "0", "1", details, section="json_columns", place=place)
    assert line in report.checks
    assert target.rows(find) == [(3, '{"born": 1912')]
    assert report.error is not None
    assert report.error.code == "check-failed"
    assert "1912" not in report.error.message
    assert target.dump() == before


def test_a_failed_check_over_a_deployed_database_leaves_it_as_it_was(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    before = target.dump()
    newer = write_project(
        tmp_path / "schema",
        authors="id,name,profile\n1,Changed,\n2,Grace,\n3,New,\n",
        manifest=MANIFEST.replace('authors: ">=2"', 'authors: ">=9"'),
    )
    assert target.deploy(newer).status is Status.FAILED
    assert target.dump() == before


def applied(target: DatabaseUnderTest, checks: list[Check]) -> bool:
    database = target.open()
    figures = [TransactionStep(check.figures, Purpose.FIGURES, check.label) for check in checks]
    raising = [TransactionStep(check.raising, Purpose.CHECK, check.label) for check in checks]
    outcome = database.apply(Transaction((create_step(), *figures, *raising)))
    database.close()
    if not outcome.committed:
        assert outcome.failed is not None
        assert outcome.failed.position is not None
        assert outcome.failed.position > len(checks)
        assert None not in outcome.results[: 1 + len(checks)]
    return outcome.committed


def test_a_count_of_objects_that_is_not_met_rolls_back(target: DatabaseUnderTest) -> None:
    target.run("CREATE TABLE a (x REFERENCES a (rowid))", "CREATE INDEX i ON a (x)", "CREATE TABLE other_b (x)")
    before = target.dump()
    uncounted = {("table", "schema_deployments"), ("table", "other_b")}
    right = {"tables": 1, "indexes": 1, "views": 0, "triggers": 0, "foreign_keys": 1}
    for kind, number in right.items():
        wrong = Manifest.model_validate({"expect": {**right, kind: number + 1}})
        assert not applied(target, count_check(wrong, uncounted))
        assert target.dump() == before
    assert applied(target, count_check(Manifest.model_validate({"expect": right}), uncounted))


def catalog(kind: str, name: str, sql: str) -> list[Check]:
    """The check of a catalog with one object, text for text."""
    row = CatalogRow(kind, name, name, sql)
    return catalog_check(Catalog((row,), Schema({}, {}, {}, {})), {row.key})


def test_a_catalog_that_is_not_as_planned_rolls_back(target: DatabaseUnderTest) -> None:
    target.run("CREATE TABLE a (x TEXT)")
    before = target.dump()
    text = "CREATE TABLE a (x TEXT)"
    for kind, name, sql in (("table", "a", text.swapcase()), ("table", "b", text), ("index", "a", text)):
        assert not applied(target, catalog(kind, name, sql))
        assert target.dump() == before
    assert applied(target, catalog("table", "a", text))


def test_the_catalog_is_compared_text_for_text_whatever_the_text_holds(target: DatabaseUnderTest) -> None:
    text = "CREATE TABLE \"a'b\\c\" (x TEXT DEFAULT '\t\n\"é😀\x7f\u2028\\u0041')"
    target.run(text)
    assert applied(target, catalog("table", "a'b\\c", text))


def test_the_figures_of_all_checks_are_known_when_one_of_them_fails(target: DatabaseUnderTest) -> None:
    def check(found: int, wanted: int) -> Check:
        return Check("it's", f"SELECT {found} AS c0", (), (Expectation("n", parse_bound(wanted)),))

    assert not applied(target, [check(1, 1), check(2, 3), check(4, 4)])
    assert target.names() == set()
