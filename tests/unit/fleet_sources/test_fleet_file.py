"""The fleet file: what it takes, and the line of each error in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from turso_deploy.core.errors import ErrorCode, InputError, Place
from turso_deploy.fleet_sources.fleet_file import FleetFile, fleet_json_schema, load_fleet
from turso_deploy.fleet_sources.rollout import Share

WHOLE = """\
databases:
  - group: tenants
    except: ["*-scratch"]
  - list: tenants.jsonl
  - query: SELECT name, url FROM tenants
    only: [acme, eu-*]
  - server: http://127.0.0.1:8080
    names: [first, second]
tokens: mint
asleep: wake
rollout: {canary: [acme], waves: [10%, 50%], failure_budget: 1%}
"""


def load(folder: Path, text: str) -> FleetFile:
    (folder / "fleet.yml").write_text(text, encoding="utf-8")
    return load_fleet(str(folder / "fleet.yml")).content


def test_every_key_is_read(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    assert [source.kinds for source in found.databases] == [
        ("tenants", None, None, None),
        (None, "tenants.jsonl", None, None),
        (None, None, "SELECT name, url FROM tenants", None),
        (None, None, None, "http://127.0.0.1:8080"),
    ]
    assert found.databases[0].without == ("*-scratch",)
    assert found.databases[2].only == ("acme", "eu-*")
    assert found.databases[3].names == ("first", "second")
    assert (found.tokens, found.asleep) == ("mint", "wake")
    assert found.rollout.canary == ("acme",)
    assert found.rollout.waves == (10, 50)
    assert found.rollout.failure_budget == Share(1, percent=True)


def test_the_places_of_the_sources_are_known(tmp_path: Path) -> None:
    (tmp_path / "fleet.yml").write_text(WHOLE, encoding="utf-8")
    assert [place.line for place in load_fleet(str(tmp_path / "fleet.yml")).places] == [2, 4, 5, 7]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("databases: [{group: a}]\ntoken: x", 2, "unknown key `token`; known here: databases, tokens, asleep, rollout"),
        ("databases:\n  - group: a\n    exclude: b", 3, "unknown key `databases.0.exclude`; known here: group, list"),
        ("rollout: {cannary: 1}\ndatabases: [{group: a}]", 1, "known here: canary, waves, failure_budget"),
        ("databases: []", 1, "databases"),
        ("", 1, "`databases` is missing"),
        ("- a", 1, "expected a mapping"),
        ("databases:\n  - {}", 2, "expected exactly one of `group`, `list`, `query`, `server`"),
        ("databases:\n  - group: a\n    list: b.csv", 2, "expected exactly one of"),
        ("databases:\n  - server: http://127.0.0.1:1", 2, "`server` and `names` belong together"),
        ("databases:\n  - group: a\n    names: [b]", 2, "`server` and `names` belong together"),
        ("databases:\n  - group: a\n    only: []", 3, "expected names or patterns in a list"),
        ("databases:\n  - group: a\n    only: [12]", 3, "write those that are numbers in quotes"),
        ("databases:\n  - server: http://127.0.0.1:1\n    names: [a/b]", 3, "the name contains a slash"),
        ("databases: [{group: a}]\ntokens: none", 2, "expected `group`, `mint` or `given`"),
        ("databases: [{group: a}]\nasleep: yes", 2, "expected `skip` or `wake`"),
        ("databases: [{group: a}]\nrollout: {waves: [50%, 101%]}", 2, "rising percentages from 1 % to 100 %"),
        ("databases: [{group: a}]\nrollout: {waves: [50%, 10%]}", 2, "rising percentages"),
        ("databases: [{group: a}]\nrollout: {failure_budget: 101%}", 2, "a number of databases or a percentage"),
        ("databases: [{group: a}]\nrollout: {failure_budget: true}", 2, "a number of databases or a percentage"),
        ("databases: [{group: a}]\nrollout: {canary: -1}", 2, "a number of databases, or names"),
        ("databases: &a [{group: a}]", 1, "anchors"),
        ("databases: [{group: a}]\ndatabases: [{group: b}]", 2, "appears twice"),
        ("databases: [{group: a}\n", 2, ""),
    ],
)
def test_error_in_a_fleet_file_has_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert caught.value.code is ErrorCode.FLEET_INVALID
    assert message in caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.line == line
    assert caught.value.place.file.endswith("fleet.yml")
    assert "fleet-file.md" in (caught.value.hint or "")


def test_every_error_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, "databases:\n  - grup: a\n  - group: b\ntokens: no\n")
    assert [cause.place.line for cause in caught.value.causes if cause.place] == [2, 4]


def test_no_error_repeats_a_value_that_could_be_a_secret(tmp_path: Path) -> None:
    secret = "eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.c2lnbmF0dXJl"
    with pytest.raises(InputError) as caught:
        load(tmp_path, f"databases: [{{group: a}}]\ntokens: {secret}\nrollout: {{canary: {{a: {secret}}}}}")
    assert secret not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "not a regular file"),
        (lambda path: path.write_bytes(b"databases:\n  - group: \xff"), "not UTF-8"),
        (lambda path: path.write_text("#" * 1_000_001), "larger than 1 MB"),
    ],
)
def test_file_that_cannot_be_read_is_an_error(tmp_path: Path, write: Any, reason: str) -> None:
    write(tmp_path / "fleet.yml")
    with pytest.raises(InputError, match=reason) as caught:
        load_fleet(str(tmp_path / "fleet.yml"))
    assert caught.value.exit_code == 2
    assert isinstance(caught.value.place, Place)


def test_json_schema_accepts_what_is_read_and_rejects_what_is_not() -> None:
    validator = Draft202012Validator(json.loads(fleet_json_schema()))
    validator.validate(yaml.safe_load(WHOLE))
    for wrong in ("databases: []", "databases: [{group: a}]\ntoken: x", "databases: [{group: a, only: [1]}]"):
        assert not validator.is_valid(yaml.safe_load(wrong))
