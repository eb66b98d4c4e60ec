"""Groups of the platform as fleets: which databases, with which tokens, and what the API answers."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.platform.server import Answer
from tests.platform.turso import Turso, refused
from tests.support.schema_folders import write_folder
from turso_deploy.cli.run import run
from turso_deploy.core.errors import ErrorCode, InputError, PlatformError
from turso_deploy.core.secret import Secret
from turso_deploy.fleet_sources.selection import Access, open_selection
from turso_deploy.fleet_sources.target import Selection
from turso_deploy.turso.tokens import read_claims

GROUP = "group:tenants"


def access(turso: Turso, *permissions: str, **more: Any) -> Access:
    token = turso.api_token(*permissions)
    settings = {"api_token": Secret(token), "organization": turso.organization, "api_url": turso.url, "max_pause": 0.01}
    return Access(**{**settings, **more})


def select(turso: Turso, fleet: Path | str = GROUP, only: Sequence[str] = (), **more: Any) -> Selection:
    with open_selection(str(fleet), only, (), access(turso, **more)) as selection:
        return selection


def fleet_file(folder: Path, *lines: str) -> Path:
    (folder / "fleet.yml").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder / "fleet.yml"


def tenants(turso: Turso, *names: str, **settings: Any) -> None:
    for name in names:
        turso.create(name, "tenants", **settings)


def deploy(turso: Turso, folder: Path, command: str = "deploy", **flags: Any) -> tuple[int, dict[str, Any], str]:
    """Run a command for the group, and return the exit code, the JSON report, and the rest of the output."""
    schema = write_folder(folder / "schema", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"})
    given = {"fleet": GROUP, "organization": turso.organization, "api_url": turso.url, "json_output": True}
    output, log = io.StringIO(), io.StringIO()
    environment = {"TURSO_API_TOKEN": flags.pop("api_token", None) or turso.api_token()}
    code = run({"command": command, "schema_path": str(schema), **given, **flags}, environment, output, log)
    return code, json.loads(output.getvalue()), log.getvalue()


def test_all_pages_of_a_group_are_read_and_what_is_no_tenant_is_left_out(turso: Turso) -> None:
    tenants(turso, "a", "b", "c")
    turso.create("of-another-group")
    tenants(turso, "sleeping", sleeping=True)
    tenants(turso, "archived", archived=True)
    tenants(turso, "reads", block_reads=True)
    tenants(turso, "writes", block_writes=True)
    tenants(turso, "other", database_type="tursodb")
    tenants(turso, "same", database_type="libsql")
    tenants(turso, "parent", is_schema=True)
    tenants(turso, "branch", parent={"id": turso.databases["a"].id, "name": "a"})
    found = select(turso)
    assert [one.name for one in found.targets] == ["a", "b", "c", "same"]
    assert [one.url for one in found.targets] == [turso.databases[one.name].url for one in found.targets]
    assert dict(found.skipped) == {
        "sleeping": "asleep",
        "archived": "asleep",
        "reads": "access blocked",
        "writes": "access blocked",
        "other": "another engine",
        "parent": "schema parent",
        "branch": "branch",
    }
    lists = [request.query for request in turso.asked if request.path.endswith("/databases")]
    assert [query.get("cursor") for query in lists] == [None, "2", "4", "6", "8", "10"]
    assert {query["group"] for query in lists} == {"tenants"}


def test_one_group_token_opens_all_databases_of_its_group_and_no_other(turso: Turso, tmp_path: Path) -> None:
    tenants(turso, "a", "b", "c")
    code, report, log = deploy(turso, tmp_path)
    assert (code, report["fleet"]["states"]) == (0, {"deployed": 3})
    assert [call for call in turso.calls() if "tokens" in call] == ["POST groups/tenants/auth/tokens"]
    [token] = turso.minted
    assert token not in json.dumps(report) + log
    assert {request.bearer for name in "abc" for request in turso.databases[name].asked} == {token}
    code, report, _ = deploy(turso, tmp_path)
    assert (code, report["fleet"]["states"]) == (0, {"unchanged": 3})


def test_run_that_only_reads_mints_a_token_that_only_reads(turso: Turso, tmp_path: Path) -> None:
    tenants(turso, "a")
    assert deploy(turso, tmp_path, "plan")[0] == 0
    assert deploy(turso, tmp_path)[0] == 0
    assert [read_claims(token).access for token in turso.minted] == ["ro", "rw"]


def test_minted_token_is_masked_on_a_runner_before_it_is_used(turso: Turso, tmp_path: Path) -> None:
    tenants(turso, "a")
    log = io.StringIO()
    environment = {"TURSO_API_TOKEN": turso.api_token(), "GITHUB_ACTIONS": "true", "INPUT_QUIET": ""}
    schema = write_folder(tmp_path / "schema", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"})
    flags = {"command": "deploy", "fleet": GROUP, "organization": turso.organization, "api_url": turso.url}
    assert run({**flags, "schema_path": str(schema)}, environment, log, log) == 0
    assert f"::add-mask::{turso.minted[0]}\n" in log.getvalue()
    assert log.getvalue().count(turso.minted[0]) == 1


def test_given_token_is_used_unless_the_file_says_otherwise(turso: Turso, tmp_path: Path) -> None:
    tenants(turso, "a")
    given = Secret("given")
    assert select(turso, token=given).targets[0].token() == given
    assert turso.minted == []
    found = select(turso, fleet_file(tmp_path, "databases: [{group: tenants}]", "tokens: group"), token=given)
    assert [found.targets[0].token()] == [Secret(token) for token in turso.minted]
    with pytest.raises(InputError, match="`auth-token`, which is not set"):
        select(turso, fleet_file(tmp_path, "databases: [{group: tenants}]", "tokens: given"))


def test_token_of_each_database_is_minted_when_it_is_its_turn(turso: Turso, tmp_path: Path) -> None:
    tenants(turso, "a", "b")
    file = fleet_file(tmp_path, "databases: [{group: tenants}]", "tokens: mint")
    with open_selection(str(file), (), (), access(turso)) as found:
        assert turso.minted == []
        first = found.targets[0].token()
        assert found.targets[0].token() == first
        assert len(turso.minted) == 1
        assert read_claims(turso.minted[0]).database_id == turso.databases["a"].id
    code, report, _ = deploy(turso, tmp_path, fleet=str(file))
    assert (code, report["fleet"]["states"]) == (0, {"deployed": 2})


def test_minted_token_is_sent_to_no_address_that_only_a_list_names(turso: Turso, tmp_path: Path) -> None:
    hosted = turso.create("a")
    (tmp_path / "t.jsonl").write_text(json.dumps({"name": "a", "url": hosted.url}))
    file = fleet_file(tmp_path, "databases: [{list: t.jsonl}]", "tokens: mint")
    assert select(turso, file).targets[0].url == hosted.url
    for name, url in (("a", "http://127.0.0.1:1"), ("b", hosted.url)):
        (tmp_path / "t.jsonl").write_text(json.dumps({"name": name, "url": url}))
        with pytest.raises(InputError, match="no database of this name at this address"):
            select(turso, file)
    assert turso.minted == []


def test_sleeping_databases_are_woken_where_the_file_says_so(turso: Turso, tmp_path: Path) -> None:
    tenants(turso, "a")
    tenants(turso, "sleeping", sleeping=True)
    file = fleet_file(tmp_path, "databases: [{group: tenants}]", "asleep: wake")
    code, report, _ = deploy(turso, tmp_path, fleet=str(file))
    assert (code, report["fleet"]["states"]) == (0, {"deployed": 2})
    assert [call for call in turso.calls() if "wakeup" in call] == ["POST databases/sleeping/wakeup"]


def test_only_that_names_a_database_which_is_left_out_is_an_error(turso: Turso) -> None:
    tenants(turso, "a")
    tenants(turso, "sleeping", sleeping=True)
    with pytest.raises(InputError, match=r"`only` names sleeping, which is left out \(asleep\)"):
        select(turso, only=("a", "sleeping"))
    assert turso.minted == []


def test_group_that_does_not_exist_is_an_error(turso: Turso, tmp_path: Path) -> None:
    turso.create("a")
    with pytest.raises(InputError, match="has no group tenants") as caught:
        select(turso)
    assert caught.value.code is ErrorCode.FLEET_INVALID
    assert "turso group list" in (caught.value.hint or "")
    file = fleet_file(tmp_path, "databases:", "  - group: nope")
    with pytest.raises(InputError) as caught:
        select(turso, file)
    assert (caught.value.place and caught.value.place.line) == 2


def test_group_without_databases_is_an_empty_selection(turso: Turso) -> None:
    turso.key_of("tenants")
    with pytest.raises(InputError, match="no database is selected"):
        select(turso)


def test_api_token_without_the_right_to_mint_for_groups_fails_before_any_database(turso: Turso, tmp_path: Path) -> None:
    tenants(turso, "a", "b")
    code, report, _ = deploy(turso, tmp_path, api_token=turso.api_token("read", "db:mint-token"))
    assert (code, report["error"]["code"]) == (1, "api-forbidden")
    assert "`group:mint-token`" in report["error"]["hint"]
    assert [turso.databases[name].asked for name in "ab"] == [[], []]


@pytest.mark.parametrize("missing", ["api_token", "organization"])
def test_group_without_the_settings_of_the_platform_is_an_error(turso: Turso, missing: str) -> None:
    with pytest.raises(InputError, match=f"`{missing.replace('_', '-')}` is missing"):
        select(turso, GROUP, (), **{missing: None})


def test_storm_of_429_is_waited_for(turso: Turso) -> None:
    tenants(turso, "a", "b", "c")
    turso.faults.add("GET .*/databases", refused(429, "slow down", **{"Retry-After": "0"}), times=3)
    turso.faults.add("POST .*/auth/tokens", refused(503, "busy"), times=2)
    turso.faults.add("GET .*/databases", Answer(drop=True))
    assert len(select(turso).targets) == 3
    assert len(turso.minted) == 1


def test_429_that_asks_for_more_time_than_there_is_ends_the_run(turso: Turso) -> None:
    tenants(turso, "a")
    turso.faults.add("GET .*/databases", refused(429, "slow down", **{"Retry-After": "3600"}))
    with pytest.raises(PlatformError) as caught:
        select(turso)
    assert caught.value.code is ErrorCode.RATE_LIMITED


def test_cursor_that_does_not_move_ends_the_listing(turso: Turso) -> None:
    tenants(turso, "a", "b", "c")
    same = Answer(document={"databases": [], "pagination": {"next": "2"}})
    turso.faults.add("GET .*/databases", same, times=5)
    with pytest.raises(PlatformError, match="cannot be read"):
        select(turso)


def test_thousand_databases_are_listed_at_one_port(turso: Turso) -> None:
    turso.page = 100
    for number in range(1000):
        turso._host(f"t{number}", turso.key_of("tenants"), None, {}).group = "tenants"
    found = select(turso)
    assert len({one.url for one in found.targets}) == 1000
    assert len({one.url.rpartition(":")[2] for one in found.targets}) == 1
