"""The manifest: what it may say, where it is wrong, and that its JSON Schema says the same."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.support.schema_folders import SHIPPED
from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.plan.hazards import HAZARDS, HazardName, Severity
from turso_deploy.project.manifest import Expect, Manifest, manifest_json_schema
from turso_deploy.project.manifest_file import load_manifest, place_in_manifest

PUBLISHED = SHIPPED / "manifest.schema.json"


def load(folder: Path, text: str | bytes) -> Manifest:
    (folder / "manifest.yml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_manifest(SchemaFolder(folder, "schema"))


def refusal(folder: Path, text: str | bytes) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        load(folder, text)
    assert caught.value.code is ErrorCode.MANIFEST_INVALID
    assert caught.value.hint
    return caught.value


def test_everything_that_a_manifest_can_say(tmp_path: Path) -> None:
    manifest = load(
        tmp_path,
        """\
schema_version: 2.2.0
expect: {tables: 12, indexes: ">=20", views: "1..3", triggers: <=2, foreign_keys: 0}
objects: {tables: [users], indexes: [i], views: [v], triggers: [r]}
rows: {users: ">=1", "odd name": 0}
json_columns: {users: [profile, settings]}
ignore: ["blog_*"]
""",
    )
    assert manifest.schema_version == "2.2.0"
    assert [str(getattr(manifest.expect, kind)) for kind in ("tables", "indexes", "views", "triggers")] == [
        "12",
        ">=20",
        "1..3",
        "<=2",
    ]
    assert manifest.objects.views == ("v",)
    assert {name: bound.low for name, bound in manifest.rows.items()} == {"users": 1, "odd name": 0}
    assert manifest.json_columns == {"users": ("profile", "settings")}
    assert manifest.ignore == ("blog_*",)


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n", "\ufeff", "{}"])
def test_a_manifest_may_expect_nothing(tmp_path: Path, text: str | None) -> None:
    manifest = load_manifest(SchemaFolder(tmp_path, "schema")) if text is None else load(tmp_path, text)
    assert manifest == Manifest()
    assert manifest.expect.tables is None


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (
            "schema_version: '1'\nexpects:\n  tables: 1\n",
            2,
            "unknown key `expects`; known here: schema_version, expect,",
        ),
        ("expect:\n  tables: 1\n  tabels: 2\n", 3, "unknown key `expect.tabels`; known here: tables, indexes"),
        ("objects: {}\n\nexpect:\n  tables: many\n", 4, '`expect.tables`: "many" is not a bound'),
        ("expect:\n  views: '5..3'\n", 2, "5..3"),
        ("expect:\n  views: 1.5\n", 2, "expected an integer"),
        ("expect:\n  views: true\n", 2, "expected an integer"),
        ("expect: [1]\n", 1, "`expect`"),
        ("rows:\n  a: 1\n  b: '>3'\n", 3, '`rows.b`: ">3" is not a bound'),
        ("rows:\n  a:\n", 2, "expected an integer"),
        ("json_columns:\n  a: [x]\n  b: x\n", 3, "`json_columns.b`"),
        ("json_columns:\n  a:\n    - x\n    - 1\n", 4, "`json_columns.a.1` must be text: write the value in quotes"),
        ("\nschema_version: 2.2\n", 2, "`schema_version` must be text: write the value in quotes"),
        ("schema_version: ''\n", 1, "`schema_version`: expected text that is not empty"),
        ("ignore:\n  - a\n  - {b: c}\n", 3, "`ignore.1`: expected text"),
        ("- a\n", 1, "expected a mapping"),
    ],
)
def test_a_bad_value_is_placed_at_its_line(tmp_path: Path, text: str, line: int, told: str) -> None:
    error = refusal(tmp_path, text)
    assert error.place == Place("schema/manifest.yml", line)
    assert told in error.message


def test_everything_that_is_wrong_is_told_each_at_its_line(tmp_path: Path) -> None:
    text = "expects: {}\nexpect:\n  tables: many\n  tabels: 1\nrows:\n  a: '>3'\nignore:\n  - x\n  - 1\n"
    error = refusal(tmp_path, text)
    assert [cause.place for cause in error.causes] == [Place("schema/manifest.yml", line) for line in (1, 3, 4, 6, 9)]
    first, *lines = error.message.split("\n")
    assert first == "The manifest cannot be used:"
    assert lines == [f"  {cause.place}: {cause.message}" for cause in error.causes]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("expect:\n  tables: 1\n bad\n", "3:1"),
        ("expect: {tables: 1\nrows: 2\n", "2:5"),
        ("a: 1\na: 2\n", "2:1"),
        ("schema_version: &v 1\n", "1:17"),
        ("schema_version: '1\n", "2:1"),
        ("rows:\n\ta: 1\n", "2:1"),
    ],
)
def test_malformed_yaml_is_placed(tmp_path: Path, text: str, place: str) -> None:
    error = refusal(tmp_path, text)
    assert error.place is not None
    assert error.place.line == int(place.partition(":")[0])
    assert error.place.column is not None


def test_another_encoding_is_refused_at_its_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, "schema_version: '1'\n# caf\xe9\n".encode("latin-1"))
    assert error.place == Place("schema/manifest.yml", 2)
    assert "UTF-8" in error.message


def test_a_manifest_that_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.yml").mkdir()
    with pytest.raises(ProjectError, match="not a file inside the schema folder"):
        load_manifest(SchemaFolder(tmp_path, "schema"))


@pytest.mark.parametrize("name", ["manifest.yaml", "manifest.json", "Manifest.yml", "MANIFEST.YAML"])
def test_a_manifest_under_another_name_never_checks_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("expect: {tables: 1}")
    (tmp_path / "manifest.schema.json").write_text("{}")
    if (tmp_path / "manifest.yml").exists():
        return  # a file system on which the names are one
    with pytest.raises(ProjectError, match=r"its name has to be manifest\.yml") as caught:
        load_manifest(SchemaFolder(tmp_path, "schema"))
    assert caught.value.place == Place(f"schema/{name}")


def test_the_schema_beside_the_manifest_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.schema.json").write_text("{}")
    assert load_manifest(SchemaFolder(tmp_path, "schema")) == Manifest()


def test_a_value_of_the_manifest_is_found_by_its_keys(tmp_path: Path) -> None:
    load(tmp_path, "rows:\n  a: 1\njson_columns:\n  t:\n    - x\n    - y\n")
    assert place_in_manifest(SchemaFolder(tmp_path, "s"), ("rows", "a")) == Place("s/manifest.yml", 2)
    assert place_in_manifest(SchemaFolder(tmp_path, "s"), ("json_columns", "t", 1)) == Place("s/manifest.yml", 6)


def test_the_published_json_schema_is_current() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == manifest_json_schema()


def test_every_key_is_described() -> None:
    schema = json.loads(manifest_json_schema())
    for part in (schema, *schema["$defs"].values()):
        assert all(value.get("description") for value in part["properties"].values())
        assert part["additionalProperties"] is False


def test_the_shipped_manifest_leads_editors_to_the_json_schema() -> None:
    first = (SHIPPED / "manifest.yml").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={PUBLISHED.name}"


VALIDATOR = Draft202012Validator(json.loads(PUBLISHED.read_text(encoding="utf-8")))


def test_the_json_schema_takes_the_shipped_manifest() -> None:
    shipped = yaml.load((SHIPPED / "manifest.yml").read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506
    assert [error.message for error in VALIDATOR.iter_errors(shipped)] == []


@pytest.mark.parametrize(
    ("manifest", "valid"),
    [
        ({}, True),
        ({"expect": {"tables": 12, "views": ">= 3", "indexes": "20..40"}}, True),
        ({"tables": 12}, False),
        ({"expect": {"tabels": 12}}, False),
        ({"expect": {"tables": "many"}}, False),
        ({"expect": {"tables": -1}}, False),
        ({"rows": {"users": ">3"}}, False),
        ({"json_columns": {"users": "profile"}}, False),
        ({"ignore": [1]}, False),
        ({"schema_version": 2}, False),
    ],
)
def test_the_json_schema_and_the_program_agree(tmp_path: Path, manifest: dict[str, Any], valid: bool) -> None:
    assert VALIDATOR.is_valid(manifest) is valid
    text = json.dumps(manifest)
    if valid:
        load(tmp_path, text)
    else:
        refusal(tmp_path, text)


KEYS = [*Manifest.model_fields, *Expect.model_fields, "x"]
SCALARS = [None, True, -1, 0, 7, 1.5, "", "a", "7", ">= 3", "1..3"]
LISTS = [[], *([scalar] for scalar in SCALARS)]
MAPPINGS = [{}, *({key: value} for key in KEYS for value in SCALARS + LISTS)]


def is_accepted(manifest: dict[str, Any]) -> bool:
    try:
        validate(manifest, Manifest)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("key", KEYS)
def test_the_json_schema_accepts_what_the_model_accepts(key: str) -> None:
    manifests = [{key: value} for value in SCALARS + LISTS + MAPPINGS]
    assert [m for m in manifests if is_accepted(m)] == [m for m in manifests if VALIDATOR.is_valid(m)]


def test_many_places_are_found_soon(tmp_path: Path) -> None:
    load(tmp_path, "rows:\n" + "".join(f"  t{number}: 1\n" for number in range(2_000)))
    started = time.monotonic()
    for number in range(2_000):
        assert place_in_manifest(SchemaFolder(tmp_path, "schema"), ("rows", f"t{number}")).line == number + 2
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("approve: {1.0.0: [drop-table:a]}", 1, "`approve` needs `schema_version`"),
        ("schema_version: 1.0.0\napprove:\n  1.0: [drop-table:a]", 3, "1.0, which is no semantic version"),
        ("schema_version: 1.0.0\napprove:\n  spring: []", 3, "spring, which is no semantic version"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0: [drop-tabel:a]", 3, "There is no hazard `drop-tabel`. Did you"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0:\n    - drop-table:a\n    - boom:b", 5, "boom: There is no hazard"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0: [add-not-null:a.b]", 3, "rows that have to be corrected"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0: [rewrite-table]", 3, "only a warning"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0: [downgrade:1.0.0]", 3, "`downgrade` cannot be approved here"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0: [drop-column:users]", 3, "write `drop-column:table.column`"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0: ['drop-table:']", 3, "names no object after its colon"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0:\n    - drop-column: a.b", 4, "without a blank after the colon"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0: [7]", 3, "expected text, as in drop-column:users.nickname"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0: ['']", 3, "expected the name of a hazard"),
        ("schema_version: 1.0.0\napprove:\n  1.0.0:", 3, "expected a list"),
        ("schema_version: 1.0.0\napprove: [drop-table:a]", 2, "expected a mapping"),
    ],
)
def test_approval_that_can_never_count_is_an_error_at_its_line(tmp_path: Path, text: str, line: int, told: str) -> None:
    error = refusal(tmp_path, text)
    assert told in error.message
    assert error.place == Place("schema/manifest.yml", line)


@pytest.mark.parametrize(
    "entries",
    [
        "[drop-column:t.a, 'drop-table:\"odd, name\"']",
        'drop-column:t.a,drop-table:"odd, name"',
        "['drop-column:t.a,drop-table:\"odd, name\"']",
        '\n    - drop-column:t.a\n    - drop-table:"odd, name"',
    ],
)
def test_approvals_are_a_list_or_the_text_of_the_flag(tmp_path: Path, entries: str) -> None:
    text = f"schema_version: 2.0.0\napprove:\n  1.0.0: {entries}\n"
    manifest = load(tmp_path, text)
    assert [(str(one), one.source) for one, _ in manifest.approvals] == [
        ("drop-column:t.a", "manifest approve 1.0.0"),
        ('drop-table:"odd, name"', "manifest approve 1.0.0"),
    ]
    Draft202012Validator(json.loads(manifest_json_schema())).validate(yaml.safe_load(text))


def test_every_hazard_that_can_be_approved_in_the_manifest_is_in_its_json_schema(tmp_path: Path) -> None:
    is_valid = Draft202012Validator(json.loads(manifest_json_schema())).is_valid
    for name in HazardName:
        entry = f"{name}:t.a"
        try:
            load(tmp_path, f"schema_version: 1.0.0\napprove: {{1.0.0: ['{entry}']}}")
            accepted = True
        except ProjectError:
            accepted = False
        assert is_valid({"schema_version": "1.0.0", "approve": {"1.0.0": [entry]}}) is accepted
        assert accepted is (HAZARDS[name][0] is Severity.NEEDS_APPROVAL and name is not HazardName.DOWNGRADE)
