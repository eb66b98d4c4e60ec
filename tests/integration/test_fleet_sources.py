"""Control queries and servers with namespaces as sources of a fleet, against a real server and in a file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.fleets import NamespaceFleet, running_fleet
from tests.support.schema_folders import write_folder
from turso_deploy.cli.run import run
from turso_deploy.core.errors import DatabaseError, ErrorCode, InputError
from turso_deploy.core.secret import Secret
from turso_deploy.database.address import parse_address
from turso_deploy.fleet_sources import control_query
from turso_deploy.fleet_sources.selection import Access, open_selection
from turso_deploy.fleet_sources.target import Target

TENANTS = (
    "CREATE TABLE tenants (id INTEGER PRIMARY KEY, slug TEXT, url TEXT, state TEXT DEFAULT 'active')",
    "INSERT INTO tenants (slug, url) VALUES ('acme', 'libsql://acme.example'), ('beta', 'file:beta.db')",
)


@pytest.fixture
def control(target: DatabaseUnderTest) -> DatabaseUnderTest:
    """A control database with two tenants, on a server and in a file."""
    target.run(*TENANTS)
    return target


def selected(control: DatabaseUnderTest, query: str, folder: Path) -> Sequence[Target]:
    (folder / "fleet.yml").write_text(json.dumps({"databases": [{"query": query}]}))
    token = Secret(control.read_only_token) if control.read_only_token else None
    access = Access(control_url=parse_address(control.url), control_token=token)
    with open_selection(str(folder / "fleet.yml"), (), (), access) as found:
        return found.targets


def test_query_returns_the_databases_with_a_read_only_token(control: DatabaseUnderTest, tmp_path: Path) -> None:
    query = "SELECT slug AS NAME, url, id = 2 AS canary, slug || '.fleet' AS host FROM tenants -- all of them"
    found = selected(control, query, tmp_path)
    assert [(one.name, one.url, one.canary, one.host) for one in found] == [
        ("acme", "https://acme.example", False, "acme.fleet"),
        ("beta", "file:beta.db", True, "beta.fleet"),
    ]


def test_number_is_a_name_and_with_is_a_query(control: DatabaseUnderTest, tmp_path: Path) -> None:
    query = "WITH t AS (SELECT id AS name, url FROM tenants) SELECT * FROM t ORDER BY name DESC;"
    assert [one.name for one in selected(control, query, tmp_path)] == ["1", "2"]


def test_many_databases_are_read_in_pages(
    control: DatabaseUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_query, "_PAGE", 7)
    numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50)"
    found = selected(control, f"{numbers} SELECT 't' || n AS name, 'file:' || n || '.db' AS url FROM n", tmp_path)
    assert sorted(one.name for one in found) == sorted(f"t{number}" for number in range(1, 51))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("INSERT INTO tenants (slug) VALUES ('x') RETURNING slug AS name, url", "a control query must not write"),
        ("WITH t AS (SELECT 1) DELETE FROM tenants RETURNING slug AS name, url", "a control query must not write"),
        ("UPDATE tenants SET url = 'x' RETURNING slug AS name, url", "a control query must not write"),
        ("DROP TABLE tenants", "a control query must not write"),
        ("PRAGMA table_info(tenants)", "a control query must not write"),
        ("SELECT slug AS name, url FROM tenants; DELETE FROM tenants", "it has 2 statements"),
        ("SELECT 1 AS name, 2 AS url); DELETE FROM tenants; SELECT (1", "it has 3 statements"),
        ("-- nothing", "it has 0 statements"),
        ("SELECT 'unclosed", ""),
        ("SELECT slug AS name FROM tenants", "it returns no column `url`"),
        ("SELECT slug, url FROM tenants", "it returns no column `name`"),
        ("VALUES ('a', 'file:a.db')", "it returns no column `name`"),
        ("SELECT slug AS name, url, state AS url FROM tenants", "it returns two columns `url`"),
        ("SELECT slug AS name, NULL AS url FROM tenants", "it returns NULL as `url` for `acme`"),
        ("SELECT NULL AS name, url FROM tenants", "it returns NULL as `name`"),
        ("SELECT 'same' AS name, url FROM tenants", "it returns the name `same` 2 times"),
        ("SELECT slug AS name, url FROM missing", "rejected the statement"),
        ("SELECT slug AS name url FROM tenants", "rejected the statement"),
        ("SELECT slug || '/x' AS name, url FROM tenants", "the name contains a slash"),
        ("SELECT slug AS name, 'https://user:secret@' || slug AS url FROM tenants", "a user name or password"),
        ("SELECT slug AS name, 7 AS url FROM tenants", "`url` must be text"),
        ("SELECT slug AS name, url FROM tenants WHERE 0", "no database is selected"),
    ],
)
def test_query_that_cannot_be_meant_is_an_error_and_changes_nothing(
    control: DatabaseUnderTest, tmp_path: Path, query: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        selected(control, query, tmp_path)
    assert message in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.code is ErrorCode.FLEET_INVALID
    assert control.rows("SELECT slug, state FROM tenants ORDER BY id") == [("acme", "active"), ("beta", "active")]


def test_query_without_a_control_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "fleet.yml").write_text("databases:\n  - query: SELECT 1\n")
    with (
        pytest.raises(InputError, match="no control database") as caught,
        open_selection(str(tmp_path / "fleet.yml"), (), (), Access()),
    ):
        pass
    assert "TURSO_CONTROL_URL" in (caught.value.hint or "")
    assert caught.value.place is not None
    assert caught.value.place.line == 2


def test_control_database_that_rejects_the_token_ends_the_run(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    (tmp_path / "fleet.yml").write_text("databases:\n  - query: SELECT 1 AS name, 2 AS url\n")
    access = Access(control_url=parse_address(on_sqld.url), control_token=Secret("not-a-token"))
    with pytest.raises(DatabaseError), open_selection(str(tmp_path / "fleet.yml"), (), (), access):
        pass


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[NamespaceFleet]:
    """A server with three namespaces."""
    (tmp_path / "server").mkdir()
    with running_fleet(tmp_path / "server", ["acme", "beta", "with_underscore-1"]) as running:
        yield running


def test_hashed_names_are_in_no_error_of_the_selection(tmp_path: Path) -> None:
    same = json.dumps({"name": "acme-corporation", "url": "file:a.db"})
    (tmp_path / "t.jsonl").write_text(f"{same}\n{same}\n")
    schema = write_folder(tmp_path / "schema", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"})
    flags = {"command": "deploy", "schema_path": str(schema), "fleet": str(tmp_path / "t.jsonl"), "json_output": True}
    shown = {}
    for names in ("plain", "hashed"):
        output, errors = io.StringIO(), io.StringIO()
        assert run({**flags, "names": names}, {}, output, errors) == 2
        shown[names] = output.getvalue() + errors.getvalue()
    assert "acme-corporation" in shown["plain"]
    assert "acme-corporation" not in shown["hashed"]
    assert "`names` is `hashed`" in shown["hashed"]


def deploy(fleet: NamespaceFleet, folder: Path, **flags: str) -> tuple[int, dict[str, object]]:
    schema = write_folder(folder / "schema", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"})
    given = {"command": "deploy", "schema_path": str(schema), "fleet": str(folder / "fleet.yml"), "json_output": True}
    output = io.StringIO()
    code = run({**given, **flags}, {"TURSO_AUTH_TOKEN": fleet.token}, output, io.StringIO())
    return code, json.loads(output.getvalue())["fleet"]


def test_namespaces_of_a_server_are_found_without_dns(fleet: NamespaceFleet, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("".join(f"{name}\n" for name in fleet.names))
    source = {"server": fleet.server.url, "names": "names.txt", "except": ["beta"]}
    (tmp_path / "fleet.yml").write_text(json.dumps({"databases": [source]}))
    code, report = deploy(fleet, tmp_path)
    assert (code, report["states"]) == (0, {"deployed": 2})
    tables = "SELECT count(*) FROM sqlite_schema WHERE name = 't'"
    assert [fleet.execute(name, tables) for name in fleet.names] == [[(1,)], [(0,)], [(1,)]]


def test_namespace_that_does_not_exist_is_not_found(fleet: NamespaceFleet, tmp_path: Path) -> None:
    source = {"server": fleet.server.url, "names": ["acme", "gone"]}
    (tmp_path / "fleet.yml").write_text(json.dumps({"databases": [source], "rollout": {"failure_budget": 1}}))
    code, report = deploy(fleet, tmp_path, canary="acme")
    assert (code, report["states"]) == (1, {"deployed": 1, "failed": 1})
    assert json.dumps(report).count('"code": "database-not-found"') == 1
