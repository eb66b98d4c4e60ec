"""The manifest against the catalog that a deployment would lead to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import yaml

from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.errors import ErrorCode, Place, PlanError
from turso_deploy.project.expectations import actual_counts, missing_names, require_expectations
from turso_deploy.project.manifest import Manifest

PLACE = Place("schema/manifest.yml")
DATABASE = (
    "CREATE TABLE Users (id INTEGER PRIMARY KEY, up REFERENCES users)",
    "CREATE TABLE strangers (a REFERENCES users)",
    "CREATE INDEX strangers_a ON strangers (a)",
    "CREATE INDEX users_up ON users (up)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TRIGGER r AFTER INSERT ON strangers BEGIN SELECT 1; END",
)


def check(manifest: object, unmanaged: Sequence[str] = (), extra: Sequence[str] = ()) -> None:
    """Hold the database against a manifest. `unmanaged` names the objects that the schema folder does not define."""
    scratch = Scratch()
    for sql in (*DATABASE, *extra):
        scratch.run(sql)
    model = Manifest.model_validate(manifest)
    catalog = read_catalog(scratch.rows(), scratch.shadows(), model.ignore)
    others = [item for item in catalog.schema.objects() if item.name in unmanaged]
    require_expectations(model, catalog.schema, others, lambda _: PLACE)


def refusal(manifest: object, unmanaged: Sequence[str] = (), extra: Sequence[str] = ()) -> PlanError:
    with pytest.raises(PlanError) as caught:
        check(manifest, unmanaged, extra)
    assert (caught.value.code, caught.value.exit_code) == (ErrorCode.MANIFEST_MISMATCH, 1)
    assert (caught.value.place, caught.value.committed) == (PLACE, False)
    return caught.value


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"expect": {"tables": 2, "indexes": 2, "views": 1, "triggers": 1, "foreign_keys": 2}},
        {"expect": {"tables": ">=1", "indexes": "1..2", "views": "<=1"}},
        {"objects": {"tables": ["USERS"], "indexes": ["users_up"], "views": ["v"], "triggers": ["R"]}},
        {"ignore": ["strangers"], "expect": {"tables": 1, "indexes": 1, "triggers": 0, "foreign_keys": 1}},
    ],
)
def test_a_manifest_that_holds(manifest: object) -> None:
    check(manifest)


def test_every_count_that_does_not_hold_is_told() -> None:
    error = refusal({"expect": {"tables": 13, "indexes": ">=20", "views": 1, "foreign_keys": "5..9"}})
    assert error.message == (
        "The database would not match the manifest: tables: expected 13, would be 2; "
        "indexes: expected >=20, would be 2; foreign keys: expected 5..9, would be 2."
    )
    assert error.hint is not None
    sentence, *lines = error.hint.splitlines()
    assert sentence == "Correct the schema files, or replace `expect:` at schema/manifest.yml with:"
    corrected = yaml.safe_load("\n".join(lines))
    assert corrected == {"expect": {"tables": 2, "indexes": ">=2", "views": 1, "foreign_keys": "2..9"}}
    check(corrected)


@pytest.mark.parametrize(
    ("bound", "corrected"),
    [(3, 2), ("<=1", "<=2"), (">= 5", ">=2"), ("3..9", "2..9"), ("0..1", "0..2"), ("3..3", "2..3")],
)
def test_bound_that_does_not_hold_keeps_its_notation_in_the_corrected_line(bound: object, corrected: object) -> None:
    hint = str(refusal({"expect": {"tables": bound}}).hint)
    assert yaml.safe_load(hint.partition("\n")[2]) == {"expect": {"tables": corrected}}


def test_every_name_that_is_missing_is_told() -> None:
    error = refusal({"objects": {"tables": ["users", "nope"], "triggers": ["v"], "views": ["v"]}})
    assert error.hint == "Correct the schema files, or the manifest."
    assert error.message.endswith("table nope: expected, would be missing; trigger v: expected, would be missing.")


def test_objects_of_others_are_listed_with_the_lines_that_settle_it() -> None:
    error = refusal({"expect": {"tables": 1}}, unmanaged=["strangers", "strangers_a", "r", "users_up"])
    assert "does not define: table strangers, index strangers_a, index users_up, trigger r." in error.message
    assert error.hint is not None
    lines = error.hint[error.hint.index("ignore:") :]
    assert (
        "To count these objects, replace `expect:` at schema/manifest.yml with:\nexpect:\n  tables: 2\n" in error.hint
    )
    assert yaml.safe_load(lines) == {"ignore": ["strangers", "users_up"]}
    check({"expect": {"tables": 1}} | yaml.safe_load(lines), unmanaged=["strangers"])


@pytest.mark.parametrize("name", ['with "quotes"', "star*red", "[old]", "back\\slash", "#1: no", "ünïcode", "what?"])
def test_the_line_for_an_odd_name_ignores_that_very_object(name: str) -> None:
    extra = ['CREATE TABLE "{}" (a)'.format(name.replace('"', '""')), "CREATE TABLE starXred (a)"]
    error = refusal({"expect": {"tables": 2}}, unmanaged=[name, "starXred"], extra=extra)
    assert error.hint is not None
    lines = yaml.safe_load(error.hint[error.hint.index("ignore:") :])
    check({"expect": {"tables": 2}} | lines, extra=extra)
    check({"expect": {"tables": 3}, "ignore": lines["ignore"][:1]}, extra=extra)


def test_objects_of_others_are_not_blamed_for_what_is_missing() -> None:
    error = refusal({"expect": {"tables": 13}}, unmanaged=["strangers"])
    assert "strangers" not in error.message
    assert "ignore" not in str(error.hint)


def test_an_ignored_object_is_no_object_that_must_be_there() -> None:
    scratch = Scratch()
    scratch.run("CREATE TABLE t (a)")
    manifest = Manifest.model_validate({"ignore": ["t"], "objects": {"tables": ["t"]}})
    catalog = read_catalog(scratch.rows(), ignore=manifest.ignore)
    assert missing_names(manifest, catalog.schema) == [(("objects", "tables", 0), "table t")]
    assert actual_counts(catalog.schema)["tables"] == 0
    with pytest.raises(PlanError, match="table t: expected, but a pattern under `ignore:` covers it"):
        require_expectations(manifest, catalog.schema, [], lambda _: PLACE)
