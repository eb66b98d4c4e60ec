from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleets import NamespaceFleet, run_fleet, running_fleet
from turso_deploy.fleet.order import arranged
from turso_deploy.fleet_sources.target import Target

TABLES = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, nick TEXT);\n"
NAMES = [f"t{number:02}" for number in range(12)]


@pytest.fixture
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceFleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), NAMES) as running:
        yield running


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    folder = tmp_path / "schema"
    folder.mkdir()
    write(folder, TABLES, "1.0.0")
    return folder


def write(folder: Path, sql: str, version: str) -> None:
    (folder / "tables.sql").write_text(sql)
    (folder / "manifest.yml").write_text(f"schema_version: {version}\n")


def order(*, canary: int = 1) -> list[str]:
    targets = [Target(name, "https://x", lambda: None) for name in NAMES]
    return [target.name for wave in arranged(targets, canary) for target in wave.targets]


def test_fleet_is_deployed_in_two_requests_a_database_and_is_unchanged_in_one(
    fleet: NamespaceFleet, schema: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results.jsonl"
    code, report = run_fleet(fleet, schema, waves="50%", results=str(results))
    assert (code, report["status"], report["committed"], report["requests"]) == (0, "deployed", True, 24)
    assert report["fleet"]["states"] == {"deployed": 12}
    waves = [(wave["name"], wave["databases"]) for wave in report["fleet"]["waves"]]
    assert waves == [("canary", 1), ("wave 1", 6), ("rest", 5)]
    assert [plan["databases"] for plan in report["fleet"]["plans"]] == [12]
    assert report["fleet"]["versions"] == {"1.0.0": 12}
    heading, *lines = map(json.loads, results.read_text().splitlines())
    assert heading["databases"] == 12
    assert sorted(line["name"] for line in lines) == NAMES
    code, report = run_fleet(fleet, schema)
    assert (code, report["status"], report["committed"], report["requests"]) == (0, "unchanged", False, 12)
    assert all(fleet.deployments(name) == 1 for name in NAMES)


def test_plan_groups_databases_by_what_would_happen_and_changes_nothing(fleet: NamespaceFleet, schema: Path) -> None:
    run_fleet(fleet, schema)
    fleet.execute(NAMES[0], "INSERT INTO users VALUES (1, 'a', 'x'), (2, 'b', 'y')")
    fleet.execute(NAMES[1], "INSERT INTO users VALUES (1, 'a', 'x')")
    fleet.execute(NAMES[3], "CREATE VIEW mine AS SELECT nick FROM users")
    write(schema, TABLES.replace(", nick TEXT", ""), "1.1.0")
    run_fleet(fleet, schema, only=NAMES[5])
    code, report = run_fleet(fleet, schema, "plan")
    found = report["fleet"]
    assert (code, found["states"]) == (1, {"unchanged": 1, "planned": 8, "blocked": 2, "failed": 1})
    (hazard,) = [hazard for plan in found["plans"] for hazard in plan["hazards"]]
    assert (hazard["name"], hazard["object"], hazard["databases"]) == ("drop-column", "users.nick", 2)
    assert (hazard["rows"], hazard["largest"], hazard["largest_in"]) == (3, 2, NAMES[0])
    causes = {cause["code"]: cause["databases"] for cause in found["causes"]}
    assert causes == {"hazard-blocked": 2, "plan-impossible": 1}
    assert fleet.deployments(NAMES[0]) == 1


def test_blocked_canary_keeps_all_other_databases_as_they_are(fleet: NamespaceFleet, schema: Path) -> None:
    run_fleet(fleet, schema)
    canary = order()[0]
    fleet.execute(canary, "INSERT INTO users VALUES (1, 'a', 'x')")
    write(schema, TABLES.replace(", nick TEXT", ""), "1.1.0")
    code, report = run_fleet(fleet, schema)
    assert (code, report["status"], report["fleet"]["stopped_by"]) == (5, "blocked", "canary")
    assert report["fleet"]["states"] == {"blocked": 1, "not-reached": 11}
    (cause,) = report["fleet"]["causes"]
    assert (cause["code"], cause["subject"], cause["examples"]) == (
        "hazard-blocked",
        "drop-column:users.nick",
        [canary],
    )
    assert cause["command"].endswith(f"--only {canary}")
    assert report["error"]["code"] == "hazard-blocked"
    assert "With --results FILE, the file has the message and the hint of each database." in report["error"]["hint"]
    code, report = run_fleet(fleet, schema, allow_hazards="drop-column:users.nick")
    assert (code, report["fleet"]["states"]) == (0, {"deployed": 12})


def test_databases_that_are_deleted_or_blocked_are_failures_with_their_causes(
    fleet: NamespaceFleet, schema: Path
) -> None:
    *_, first, second = order()
    fleet.configure(first, block_writes=True)
    fleet.write_list([*NAMES, "gone"])
    code, report = run_fleet(fleet, schema, failure_budget="3", canary=order()[0])
    assert code == 1
    assert report["fleet"]["states"] == {"deployed": 11, "failed": 2}
    causes = {cause["code"]: cause["examples"] for cause in report["fleet"]["causes"]}
    assert causes == {"access-blocked": [first], "database-not-found": ["gone"]}
    assert report["fleet"]["retried"] == 1
    assert fleet.deployments(second) == 1


def test_databases_of_all_states_are_brought_to_the_same_schema(fleet: NamespaceFleet, schema: Path) -> None:
    run_fleet(fleet, schema, only="t0[0-5]")
    write(schema, TABLES.replace("nick TEXT", "nick TEXT, mail TEXT"), "1.1.0")
    run_fleet(fleet, schema, only="t0[4-7]")
    code, report = run_fleet(fleet, schema)
    assert (code, report["fleet"]["states"]) == (0, {"deployed": 8, "unchanged": 4})
    assert len(report["fleet"]["plans"]) == 2
    sql = {tuple(fleet.execute(name, "SELECT sql FROM sqlite_schema WHERE name = 'users'")) for name in NAMES}
    assert len({" ".join(str(row[0]).split()) for (row,) in sql}) == 1


def test_stored_plans_of_a_fleet_are_deployed_and_a_database_with_another_plan_is_blocked(
    fleet: NamespaceFleet, schema: Path, tmp_path: Path
) -> None:
    run_fleet(fleet, schema, only="t0*")
    write(schema, TABLES.replace("nick TEXT", "nick TEXT, mail TEXT"), "1.1.0")
    stored = tmp_path / "plans.json"
    code, report = run_fleet(fleet, schema, "plan", save=str(stored))
    assert (code, report["fleet"]["states"]) == (0, {"planned": 12})
    plans = json.loads(stored.read_text())["plans"]
    assert sorted(plan["databases"] for plan in plans) == [2, 10]
    last = next(name for name in reversed(order()) if name.startswith("t0"))
    fleet.execute(last, "ALTER TABLE users ADD COLUMN mine TEXT")
    code, report = run_fleet(fleet, schema, plan=str(stored), failure_budget="1")
    assert (code, report["fleet"]["states"]) == (5, {"deployed": 11, "blocked": 1})
    (cause,) = report["fleet"]["causes"]
    assert (cause["code"], cause["examples"]) == ("plan-changed", [last])
    assert fleet.deployments(last) == 1
    code, report = run_fleet(fleet, schema, plan=str(stored), except_=last)
    assert (code, report["fleet"]["states"]) == (0, {"unchanged": 11})


@pytest.mark.parametrize("content", ["", "{}", '{"kind": "turso-deploy plan"}', "[]"])
def test_file_without_the_plans_of_a_fleet_is_an_error_before_any_request(
    fleet: NamespaceFleet, schema: Path, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "plans.json"
    file.write_text(content)
    code, report = run_fleet(fleet, schema, plan=str(file))
    assert (code, report["error"]["code"], report["requests"]) == (2, "plan-file-invalid", 0)
    code, report = run_fleet(fleet, schema, "plan", save=str(file))
    assert (code, report["error"]["code"], report["requests"]) == (2, "plan-file-invalid", 0)
    assert file.read_text() == content


def test_edited_plans_of_a_fleet_are_an_error(fleet: NamespaceFleet, schema: Path, tmp_path: Path) -> None:
    file = tmp_path / "plans.json"
    run_fleet(fleet, schema, "plan", save=str(file))
    file.write_text(file.read_text().replace('"databases": 12', '"databases": 13'))
    code, report = run_fleet(fleet, schema, plan=str(file))
    assert (code, report["error"]["code"]) == (2, "plan-file-invalid")
    assert "checksum" in report["error"]["message"]


def test_reading_commands_tell_the_versions_and_states_of_all_databases(fleet: NamespaceFleet, schema: Path) -> None:
    run_fleet(fleet, schema, only="t0*")
    fleet.execute("t03", "ALTER TABLE users ADD COLUMN mine TEXT")
    code, report = run_fleet(fleet, schema, "status")
    assert code == 4
    assert report["fleet"]["states"] == {"verified": 9, "pending": 2, "drifted": 1}
    assert report["fleet"]["versions"] == {"1.0.0": 10, "": 2}
    code, report = run_fleet(fleet, schema, "verify", only="t0*")
    assert (code, report["status"], report["fleet"]["states"]) == (4, "drifted", {"verified": 9, "drifted": 1})
    code, report = run_fleet(fleet, schema, "history")
    assert (code, report["fleet"]["states"], report["fleet"]["versions"]) == (0, {"listed": 12}, {"1.0.0": 10, "": 2})
    code, report = run_fleet(fleet, schema, "check-tokens")
    assert (code, report["fleet"]["states"]) == (0, {"checked": 12})


def test_fleet_is_rolled_back_to_a_version(fleet: NamespaceFleet, schema: Path) -> None:
    run_fleet(fleet, schema)
    write(schema, TABLES.replace("nick TEXT", "nick TEXT, mail TEXT"), "1.1.0")
    run_fleet(fleet, schema)
    code, report = run_fleet(fleet, schema, "rollback", to="1.0.0", allow_hazards="drop-column:users.mail")
    assert (code, report["status"], report["fleet"]["states"]) == (0, "deployed", {"deployed": 12})
    assert report["fleet"]["versions"] == {"1.0.0": 12}


def test_shards_deploy_every_database_once(fleet: NamespaceFleet, schema: Path) -> None:
    states = []
    for shard in ("canary/3", "1/3", "2/3", "3/3"):
        code, report = run_fleet(fleet, schema, shard=shard)
        assert code == 0
        assert report["fleet"]["shards"] == ["1/3", "2/3", "3/3"]
        states.append(report["fleet"]["states"])
    assert states[0] == {"deployed": 1}
    assert sum(state.get("deployed", 0) for state in states) == 12
    assert states[1]["unchanged"] == 1
    assert all(fleet.deployments(name) == 1 for name in NAMES)


def test_hashed_names_appear_nowhere_in_the_report(fleet: NamespaceFleet, schema: Path, tmp_path: Path) -> None:
    fleet.write_list([*NAMES, "gone"])
    results = tmp_path / "results.jsonl"
    code, report = run_fleet(
        fleet, schema, names="hashed", failure_budget="5", canary="0", results=str(results), only="gone,t01"
    )
    text = json.dumps(report) + results.read_text()
    assert (code, report["fleet"]["states"]) == (1, {"deployed": 1, "failed": 1})
    assert "gone" not in text
    assert report["fleet"]["causes"][0]["command"] is None
    code, report = run_fleet(fleet, schema, names="hashed", canary="gone", results=str(results), only="gone,t01")
    assert report["fleet"]["states"] == {"failed": 1, "not-reached": 1}
    text = json.dumps(report) + results.read_text()
    assert "gone" not in text
    assert "t01" not in text


def test_server_with_fewer_active_namespaces_than_databases_is_deployed_to(
    tmp_path_factory: pytest.TempPathFactory, schema: Path
) -> None:
    names = [f"n{number:02}" for number in range(30)]
    with running_fleet(tmp_path_factory.mktemp("fleet"), names, "--max-active-namespaces", "4") as fleet:
        for _ in range(3):
            code, report = run_fleet(fleet, schema)
            assert code == 0, report["fleet"]["causes"]
        assert all(fleet.deployments(name) == 1 for name in names)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_run_within_a_second_and_the_next_run_ends_the_rest(
    tmp_path_factory: pytest.TempPathFactory, schema: Path, tmp_path: Path, number: signal.Signals
) -> None:
    names = [f"n{number:03}" for number in range(120)]
    with running_fleet(tmp_path_factory.mktemp("fleet"), names) as fleet:
        results = tmp_path / "results.jsonl"
        command = [sys.executable, "-m", "turso_deploy", "deploy", "--fleet", str(fleet.list_file), "--json"]
        command += ["--schema-path", str(schema), "--results", str(results), "--parallel", "4"]
        environment = {**os.environ, "TURSO_AUTH_TOKEN": fleet.token}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            while not results.exists() or results.read_bytes().count(b"\n") < 8:
                time.sleep(0.01)
            process.send_signal(number)
            begun = time.monotonic()
            output, _ = process.communicate(timeout=30)
            assert time.monotonic() - begun < 3  # one second on an idle machine
        report = json.loads(output)
        states = report["fleet"]["states"]
        assert (process.returncode, report["fleet"]["stopped_by"], "unknown" in states) == (1, "signal", False)
        assert 0 < states["deployed"] < 120
        assert sum(states.values()) == 120
        assert sum(fleet.deployments(name) for name in names) == states["deployed"]
        code, report = run_fleet(fleet, schema)
        assert (code, report["fleet"]["states"]["unchanged"]) == (0, states["deployed"])
        assert all(fleet.deployments(name) == 1 for name in names)


def test_killed_run_is_finished_by_the_next_one_and_nothing_is_deployed_twice(
    tmp_path_factory: pytest.TempPathFactory, schema: Path, tmp_path: Path
) -> None:
    names = [f"n{number:03}" for number in range(60)]
    with running_fleet(tmp_path_factory.mktemp("fleet"), names) as fleet:
        results = tmp_path / "results.jsonl"
        command = [sys.executable, "-m", "turso_deploy", "deploy", "--fleet", str(fleet.list_file)]
        command += ["--schema-path", str(schema), "--results", str(results), "--parallel", "4"]
        environment = {**os.environ, "TURSO_AUTH_TOKEN": fleet.token}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
            while not results.exists() or results.read_bytes().count(b"\n") < 12:
                time.sleep(0.01)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        time.sleep(1)  # what was sent may still be committed
        code, report = run_fleet(fleet, schema)
        assert (code, sum(report["fleet"]["states"].values())) == (0, 60)
        assert all(fleet.deployments(name) == 1 for name in names)
