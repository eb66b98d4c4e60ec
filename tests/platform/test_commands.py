"""Whole runs with the Turso Platform: deployments without a stored token, rehearsals, backups, checks and rotation."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.platform.github import WRITER, Github
from tests.platform.server import Answer
from tests.platform.turso import Hosted, Turso, refused
from tests.support.databases import QUICK
from tests.support.json_reports import parse_report
from tests.support.schema_folders import SMALL, with_changes, write_folder
from turso_deploy.cli.run import run
from turso_deploy.core.transaction import Query, Rows
from turso_deploy.database.address import RemoteAddress
from turso_deploy.database.open import open_database
from turso_deploy.turso.platform import Platform
from turso_deploy.turso.token_checks import ask
from turso_deploy.turso.tokens import fingerprint


@dataclass
class Run:
    """What one run gave: its exit status, its JSON report, and what a runner was told."""

    status: int
    report: dict[str, Any]
    commands: str
    outputs: str
    summary: str

    @property
    def everything(self) -> str:
        """All that people see: without the masks, which the runner needs as they are."""
        shown = re.sub(r"^::add-mask::.*$", "", self.commands, flags=re.MULTILINE)
        return json.dumps(self.report) + shown + self.outputs + self.summary

    @property
    def masks(self) -> list[str]:
        """What the runner was told to blot out, in order."""
        return re.findall(r"^::add-mask::(.*)$", self.commands, flags=re.MULTILINE)

    @property
    def tokens(self) -> dict[str, dict[str, Any]]:
        """The tokens of the report by role."""
        return {token["role"]: token for token in self.report["tokens"]}


@dataclass
class Program:
    """Runs the program on a runner, for the database `quiz` of the platform."""

    turso: Turso
    quiz: Hosted
    folder: Path
    secrets: list[str] = field(default_factory=list)

    @property
    def hosted(self) -> dict[str, Any]:
        """The settings that lead to the platform."""
        return {
            "api_token": self.secret(self.turso.api_token()),
            "api_url": self.turso.url,
            "organization": "acme",
            "database": "quiz",
        }

    def secret(self, token: str) -> str:
        """The token, of which no part may be seen afterwards."""
        self.secrets.append(token)
        return token

    def __call__(self, command: str, files: Any = SMALL, environment: Any = None, **settings: Any) -> Run:
        outputs, summary = self.folder / "outputs", self.folder / "summary"
        for path in (outputs, summary):
            path.write_text("")
        write_folder(self.folder / "schema", files)
        runner = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(summary),
            **(environment or {}),
        }
        given = {"command": command, "schema_path": str(self.folder / "schema"), "json_output": True, **settings}
        output, errors = io.StringIO(), io.StringIO()
        status = run(given, runner, output, errors, timing=QUICK)
        done = Run(status, parse_report(output.getvalue()), errors.getvalue(), outputs.read_text(), summary.read_text())
        parts = [part for token in [*self.secrets, *done.masks] for part in token.split(".") if len(part) > 8]
        assert not any(part in done.everything for part in parts)
        return done

    def rows(self, hosted: Hosted, sql: str) -> Rows:
        """What a database answers, asked with a token of its own."""
        database = open_database(hosted.url, auth_token=self.turso.token(hosted), timeout=30)
        try:
            (answer,) = database.query([Query(sql)])
        finally:
            database.close()
        assert isinstance(answer, Rows)
        return answer

    def tables(self) -> set[object]:
        """The tables of `quiz`."""
        answer = self.rows(self.quiz, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        return {name for (name,) in answer.rows}


@pytest.fixture
def program(turso: Turso, quiz: Hosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Nothing is set in the environment, and nothing deployed."""
    for name in list(os.environ):
        if name.startswith(("INPUT_", "TURSO_")):
            monkeypatch.delenv(name)
    return Program(turso, quiz, tmp_path)


def from_now(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days, hours=1)


def minted(turso: Turso) -> list[dict[str, str]]:
    return [request.query for request in turso.asked if request.path.endswith("/auth/tokens")]


def test_a_deployment_needs_no_stored_database_token(program: Program, turso: Turso) -> None:
    done = program("deploy", **program.hosted)
    assert (done.status, done.report["status"]) == (0, "deployed")
    assert "authors" in program.tables()
    assert minted(turso) == [{"expiration": "15m", "authorization": "full-access"}]
    token = done.tokens["auth-token"]
    assert (token["state"], token["minted"], token["days_left"]) == ("minted", True, 0)
    assert done.tokens["api-token"]["state"] == "works"
    assert done.report["database"] == program.quiz.url


def test_the_minted_token_is_masked_before_it_is_used(program: Program) -> None:
    done = program("deploy", **program.hosted)
    used = {request.bearer for request in program.quiz.asked}
    assert used == {done.masks[-1]}


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_reading_is_done_with_a_token_that_only_reads(program: Program, turso: Turso, command: str) -> None:
    program("deploy", **program.hosted)
    turso.asked.clear()
    assert program(command, token_lifetime="1h", **program.hosted).status == 0
    assert minted(turso) == [{"expiration": "1h", "authorization": "read-only"}]


def test_a_token_that_is_given_is_used_and_held_against_the_platform(program: Program, turso: Turso) -> None:
    own = program.secret(turso.token(program.quiz))
    assert program("deploy", auth_token=own, **program.hosted).report["status"] == "deployed"
    assert minted(turso) == []
    foreign = program.secret(turso.token(turso.create("other")))
    done = program("deploy", auth_token=foreign, **program.hosted)
    assert (done.status, done.report["error"]["code"]) == (2, "token-mismatch")
    assert "another database than quiz" in done.report["error"]["message"]
    assert done.tokens["auth-token"]["state"] == "wrong database"


def test_a_database_that_sleeps_is_woken(program: Program, turso: Turso) -> None:
    program.quiz.settings["sleeping"] = True
    assert program("deploy", **program.hosted).status == 0
    assert "POST databases/quiz/wakeup" in turso.calls()


def test_a_database_that_is_blocked_is_told_before_anything_is_minted(program: Program, turso: Turso) -> None:
    turso.configure(program.quiz, block_writes=True)
    own = program.secret(turso.token(program.quiz))
    done = program("deploy", auth_token=own, **program.hosted)
    assert done.report["error"]["code"] == "access-blocked"
    assert program.quiz.asked == []


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"api_token": "x" * 20}, "`organization` and `database` are"),
        ({"organization": "acme", "database": "quiz"}, "`api-token` is"),
        ({"api_token": "x" * 20, "organization": "acme"}, "`database` is"),
    ],
)
def test_a_part_of_the_way_to_the_platform_that_is_missing_is_named(
    program: Program, given: dict[str, str], missing: str
) -> None:
    done = program("deploy", **given)
    assert done.status == 2
    assert f"{missing} missing" in done.report["error"]["message"]


def test_a_database_token_in_place_of_the_api_token_is_told(program: Program, turso: Turso) -> None:
    settings = {**program.hosted, "api_token": program.secret(turso.token(program.quiz))}
    done = program("deploy", **settings)
    assert (done.status, done.report["error"]["code"]) == (2, "token-malformed")
    assert turso.asked == []
    assert "turso auth api-tokens mint" in done.report["error"]["hint"]


def test_an_api_token_in_place_of_the_database_token_is_told(program: Program, turso: Turso) -> None:
    done = program("deploy", database_url=program.quiz.url, auth_token=program.secret(turso.api_token()))
    assert (done.status, done.report["error"]["code"]) == (2, "token-malformed")
    assert "Platform API" in done.report["error"]["message"]


# Rehearsal on a branch


def test_a_rehearsal_happens_on_a_branch_that_is_gone_afterwards(program: Program, turso: Turso) -> None:
    done = program("deploy", trial_branch=True, **program.hosted)
    assert done.report["status"] == "deployed"
    assert re.match(r"The deployment to the trial branch quiz-trial-[0-9a-f]{8} succeeded:", done.report["notices"][0])
    assert set(turso.databases) == {"quiz"}
    created, deleted = (
        [call for call in turso.calls() if re.fullmatch(pattern, call)]
        for pattern in ("POST databases", "DELETE databases/quiz-trial-.*")
    )
    assert (len(created), len(deleted)) == (1, 1)
    assert program.rows(program.quiz, "SELECT count(*) FROM schema_deployments").rows == ((1,),)


def saved(program: Program, files: Any) -> dict[str, Any]:
    """The settings with which exactly the plan of these files is deployed; its hazards are approved."""
    file = program.folder / "plan.json"
    planned = program("plan", files, save=str(file), **program.hosted)
    return {"plan": str(file), "expect_plan": planned.report["plan_fingerprint"], "allow_hazards": "drop-column"}


WIDE = {"tables.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, nickname TEXT);"}
NARROW = {"tables.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);"}


def test_stored_plan_is_tried_on_a_branch_and_deployed(program: Program, turso: Turso, tmp_path: Path) -> None:
    program("deploy", WIDE, **program.hosted)
    program.rows(program.quiz, "INSERT INTO users VALUES (1, 'Ada', 'ada')")
    plan = saved(program, NARROW)
    points = tmp_path / "points"
    files: dict[str, Any] = {"restore_point": "file", "restore_point_folder": str(points)}
    done = program("deploy", NARROW, trial_branch=True, **files, **plan, **program.hosted)
    assert (done.status, done.report["status"]) == (0, "deployed"), done.report["error"]
    assert "succeeded" in done.report["notices"][0]
    assert set(turso.databases) == {"quiz"}
    recorded = "SELECT plan_fingerprint, backup FROM schema_deployments WHERE number = 2"
    [file] = points.iterdir()
    assert program.rows(program.quiz, recorded).rows == ((plan["expect_plan"], file.name),)
    turso.asked.clear()
    again = program("deploy", NARROW, trial_branch=True, **files, **plan, **program.hosted)
    assert (again.status, again.report["status"]) == (0, "unchanged")
    assert "POST databases" not in turso.calls()
    assert list(points.iterdir()) == [file]


def test_stored_plan_that_does_not_fit_any_more_makes_no_branch(program: Program, turso: Turso, tmp_path: Path) -> None:
    program("deploy", WIDE, **program.hosted)
    program.rows(program.quiz, "INSERT INTO users VALUES (1, 'Ada', 'ada')")
    plan = saved(program, NARROW)
    program.rows(program.quiz, "CREATE TABLE by_hand (id INTEGER PRIMARY KEY)")
    turso.asked.clear()
    points = tmp_path / "points"
    files: dict[str, Any] = {"restore_point": "file", "restore_point_folder": str(points)}
    done = program("deploy", NARROW, trial_branch=True, **files, **plan, **program.hosted)
    assert (done.status, done.report["error"]["code"], done.report["committed"]) == (5, "plan-changed", False)
    assert "POST databases" not in turso.calls()
    assert not points.exists()


def test_a_rehearsal_that_fails_leaves_the_database_alone(program: Program, turso: Turso) -> None:
    program.rows(program.quiz, "CREATE TABLE other_notes (id INTEGER PRIMARY KEY)")
    before = program.tables()
    script = "-- @run after\nINSERT INTO books (id, title, author) VALUES ('b1', 'again', 1);\n"  # not in a plan
    demanding = {**SMALL, "scripts/again.sql": script}
    done = program("deploy", files=demanding, trial_branch=True, **program.hosted)
    assert (done.status, done.report["status"], done.report["committed"]) == (1, "failed", False)
    assert done.report["error"]["code"] == "statement-failed"
    assert "The database itself was not changed" in done.report["notices"][0]
    assert program.tables() == before
    assert set(turso.databases) == {"quiz"}


def test_nothing_to_deploy_is_nothing_to_rehearse_or_to_save(program: Program, turso: Turso) -> None:
    program("deploy", **program.hosted)
    turso.asked.clear()
    done = program("deploy", trial_branch=True, restore_point="branch", **program.hosted)
    assert done.report["status"] == "unchanged"
    assert "POST databases" not in turso.calls()
    assert done.report["restore_point"] == []


def test_a_branch_is_kept_when_that_is_asked_for(program: Program, turso: Turso) -> None:
    done = program("deploy", trial_branch=True, keep_trial_branch=True, **program.hosted)
    (branch,) = set(turso.databases) - {"quiz"}
    assert any(f"{branch} is kept" in notice for notice in done.report["notices"])
    assert program.rows(turso.databases[branch], "SELECT count(*) FROM schema_deployments").rows == ((1,),)


def test_a_branch_that_cannot_be_made_stops_the_deployment(program: Program, turso: Turso) -> None:
    turso.faults.add("POST .*/databases", refused(402, "too many databases"))
    done = program("deploy", trial_branch=True, **program.hosted)
    assert (done.status, done.report["error"]["code"], done.report["committed"]) == (1, "plan-limit", False)
    assert program.tables() == set()


def test_a_connection_that_drops_while_the_branch_is_there_leaves_no_branch(program: Program, turso: Turso) -> None:
    turso.faults.add("POST .*/auth/tokens", Answer(drop=True), skip=1)
    done = program("deploy", trial_branch=True, **program.hosted)
    assert done.report["error"]["code"] == "unreachable"
    assert set(turso.databases) == {"quiz"}
    assert program.tables() == set()


def test_a_branch_that_is_left_over_is_told_in_the_hint(program: Program, turso: Turso) -> None:
    turso.faults.add("POST .*/auth/tokens", Answer(drop=True), skip=1)
    turso.faults.add("DELETE .*", Answer(drop=True))
    done = program("deploy", trial_branch=True, **program.hosted)
    assert "turso db destroy quiz-trial-" in done.report["error"]["hint"]


@pytest.mark.parametrize("setting", [{"trial_branch": True}, {"restore_point": "branch"}])
def test_a_branch_takes_the_platform(program: Program, turso: Turso, setting: dict[str, str]) -> None:
    own = program.secret(turso.token(program.quiz))
    done = program("deploy", database_url=program.quiz.url, auth_token=own, **setting)
    assert done.status == 2
    assert "Turso Platform API" in done.report["error"]["message"]


def test_a_plan_makes_no_branch(program: Program, turso: Turso) -> None:
    done = program("plan", trial_branch=True, **program.hosted)
    assert (done.status, done.report["error"]["code"]) == (2, "input-invalid")
    assert set(turso.databases) == {"quiz"}


# Local checks before the first request


@pytest.mark.parametrize(
    ("command", "settings", "code"),
    [
        ("deploy", {"allow_hazards": "drop-colum:users.name"}, "input-invalid"),
        ("deploy", {"token_lifetime": "soon"}, "input-invalid"),
        ("deploy", {"token_max_age": "90"}, "input-invalid"),
        ("deploy", {"version_from_tag": True}, "manifest-mismatch"),
        ("deploy", {"database_url": "ftp://quiz"}, "database-url-invalid"),
        ("deploy", {"previous_auth_token": "x", "auth_token": "no-token"}, "token-malformed"),
        ("plan", {"compare_to": "nowhere"}, "schema-not-found"),
        ("pull", {}, "input-invalid"),
        ("pull", {"schema_path": "/dev/null/schema"}, "input-invalid"),
        ("rotate-token", {"secret_scope": "repositories"}, "input-invalid"),
        ("rotate-token", {"secret_name": "GITHUB_TOKEN"}, "input-invalid"),
        ("rotate-token", {"github_token": "a b"}, "token-malformed"),
    ],
)
def test_a_local_error_is_found_before_the_first_request(
    program: Program, turso: Turso, command: str, settings: dict[str, Any], code: str
) -> None:
    environment = {"GITHUB_REF": "refs/tags/v9.9.9", "GITHUB_REPOSITORY": "acme/quiz"}
    github = {"github_token": "github_pat"} if command == "rotate-token" else {}
    done = program(command, environment=environment, **program.hosted | github | settings)
    assert done.status != 0
    assert done.report["error"]["code"] == code
    assert turso.asked == []


@pytest.mark.parametrize("command", ["deploy", "plan", "verify"])
def test_a_syntax_error_in_the_schema_folder_is_found_before_the_first_request(
    program: Program, turso: Turso, command: str
) -> None:
    done = program(command, files=with_changes(SMALL, views="CREATE VIEW v AS SELEKT 1;"), **program.hosted)
    assert (done.status, done.report["error"]["code"]) == (2, "sql-syntax")
    assert turso.asked == []


# Restore points


def test_the_moment_before_the_write_is_in_the_summary_and_in_the_history(program: Program) -> None:
    done = program("deploy", **program.hosted)
    ((moment,),) = program.rows(program.quiz, "SELECT backup FROM schema_deployments").rows
    assert abs(datetime.fromisoformat(str(moment)) - datetime.now(UTC)) < timedelta(minutes=1)
    for told in (done.report["restore_point"][0], done.summary):
        assert f"--from-db quiz --timestamp {moment!s}" in told


def test_a_branch_holds_what_was_there_before(program: Program, turso: Turso) -> None:
    done = program("deploy", restore_point="branch", **program.hosted)
    ((name,),) = program.rows(program.quiz, "SELECT backup FROM schema_deployments").rows
    assert set(turso.databases) == {"quiz", name}
    objects = program.rows(turso.databases[str(name)], "SELECT count(*) FROM sqlite_master")
    assert objects.rows == ((0,),)
    assert str(name) in done.report["restore_point"][0]


def test_a_backup_that_cannot_be_made_stops_the_deployment(program: Program, turso: Turso) -> None:
    turso.faults.add("POST .*/databases", refused(403, "the token lacks db:create"))
    done = program("deploy", restore_point="branch", **program.hosted)
    assert done.report["error"]["code"] == "api-forbidden"
    assert program.tables() == set()


def test_without_the_platform_or_with_backup_off_there_is_no_restore_point(program: Program, turso: Turso) -> None:
    own = program.secret(turso.token(program.quiz))
    assert program("deploy", database_url=program.quiz.url, auth_token=own).report["restore_point"] == []
    more = with_changes(SMALL, authors="id,name,profile\n1,Ada,\n2,Grace,\n3,Barbara,\n")
    done = program("deploy", files=more, restore_point="off", **program.hosted)
    assert (done.report["status"], done.report["restore_point"]) == ("deployed", [])


# Checks


def test_tokens_are_checked_before_every_deployment(program: Program, turso: Turso) -> None:
    done = program(
        "deploy",
        database_url=program.quiz.url,
        auth_token=program.secret(turso.token(program.quiz, exp=from_now(5))),
        read_only_auth_token=program.secret(turso.token(program.quiz, "rw", rid="serving")),
        previous_auth_token=program.secret(turso.token(program.quiz, rid="before")),
    )
    assert (done.status, done.report["status"]) == (0, "deployed")
    assert {role: token["state"] for role, token in done.tokens.items()} == {
        "auth-token": "valid",
        "read-only-auth-token": "works",
        "previous-auth-token": "still works",
    }
    assert "::warning title=Token in auth-token::it expires in 5 days" in done.commands
    assert "::error title=Token in read-only-auth-token::it can write" in done.commands
    assert "::error title=Token in previous-auth-token::the old token still works" in done.commands
    assert "still works" in done.summary


def test_an_enforced_policy_stops_the_deployment_before_it_writes(program: Program, turso: Turso) -> None:
    old = program.secret(turso.token(program.quiz, iat=from_now(-100)))
    done = program("deploy", database_url=program.quiz.url, auth_token=old, token_policy="enforce")
    assert (done.status, done.report["status"]) == (5, "blocked")
    assert done.report["error"]["code"] == "token-policy"
    assert program.quiz.asked == []
    assert program("deploy", database_url=program.quiz.url, auth_token=old).status == 0


def test_the_days_of_the_token_are_outputs(program: Program, turso: Turso) -> None:
    end = from_now(20)
    own = program.secret(turso.token(program.quiz, iat=from_now(-31), exp=end))
    settings = {"database_url": program.quiz.url, "auth_token": own}
    done = program("check-tokens", **settings)
    assert (done.status, done.report["status"]) == (0, "checked")
    printed = dict(re.findall(r"^(token-[a-z-]+)<<ghadelimiter_\S+\n(.*)$", done.outputs, flags=re.MULTILINE))
    assert printed == {
        "token-expires-at": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "token-days-left": "20",
        "token-age-days": "30",
        "token-rotation-due": "false",
    }
    assert "token-rotation-due" in program("check-tokens", token_max_age="10d", **settings).outputs
    assert program("check-tokens", token_max_age="10d", **settings).tokens["auth-token"]["due"]


def test_checking_asks_once_for_each_token_and_needs_no_schema(program: Program, turso: Turso) -> None:
    program.quiz.asked.clear()
    done = program(
        "check-tokens",
        files={},
        database_url=program.quiz.url,
        auth_token=program.secret(turso.token(program.quiz)),
        read_only_auth_token=program.secret(turso.token(program.quiz, "ro")),
    )
    assert [token["state"] for token in done.report["tokens"]] == ["works", "works"]
    assert len(program.quiz.asked) == 2
    assert "Checked 2 tokens: no problems found" in done.summary


def test_checking_fails_when_the_deploy_token_was_rotated_away(
    program: Program, turso: Turso, platform: Platform
) -> None:
    stale = program.secret(turso.token(program.quiz))
    platform.rotate("quiz")
    done = program("check-tokens", database_url=program.quiz.url, auth_token=stale)
    assert (done.status, done.report["error"]["code"]) == (1, "token-rejected")
    assert done.tokens["auth-token"]["state"] == "rejected"


def test_there_has_to_be_a_token_to_check(program: Program) -> None:
    done = program("check-tokens", database_url=program.quiz.url)
    assert done.status == 2
    assert "no token to check" in done.report["error"]["message"]


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("token_max_age", "ninety days", "a duration is a number with its unit"),
        ("token_expiry_warning", "0d", "greater than zero"),
        ("token_lifetime", "15", "a duration is a number with its unit"),
        ("token_policy", "strict", "expected `warn`, `enforce` or `off`"),
        ("keep_restore_points", "0", "expected a number of at least 1"),
    ],
)
def test_a_malformed_setting_of_the_policy_is_told(program: Program, setting: str, value: str, says: str) -> None:
    done = program("check-tokens", **{setting: value})
    assert (done.status, done.report["error"]["code"]) == (2, "input-invalid")
    assert says in done.report["error"]["message"]


# Rotation


@pytest.fixture
def place(github: Github) -> dict[str, str]:
    """What a runner says of where it is, with GitHub's address."""
    return {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": "acme/quiz"}


def test_a_token_is_rotated_from_the_command_line(
    program: Program, turso: Turso, github: Github, place: dict[str, str]
) -> None:
    old = program.secret(turso.token(program.quiz, exp=from_now(3)))
    done = program("rotate-token", environment=place, auth_token=old, github_token=WRITER, **program.hosted)
    stored = github.opened("/repos/acme/quiz/actions/secrets/TURSO_AUTH_TOKEN")
    assert (done.status, done.report["status"]) == (0, "rotated")
    assert minted(turso) == [{"expiration": "90d", "authorization": "full-access"}]
    assert stored in done.masks
    assert fingerprint(stored) in done.summary
    assert "3 days more" in done.report["notices"][-1]
    asked = [turso.asked, program.quiz.asked, github.asked]
    assert all(asked)
    assert done.report["requests"] == sum(map(len, asked))
    address = RemoteAddress(program.quiz.url)
    assert ask(address, stored, timeout=30).works
    assert ask(address, old, timeout=30).works


def test_an_old_token_that_expired_does_not_stop_its_own_rotation(
    program: Program, turso: Turso, github: Github, place: dict[str, str]
) -> None:
    old = program.secret(turso.token(program.quiz, exp=1))
    done = program("rotate-token", environment=place, auth_token=old, github_token=WRITER, **program.hosted)
    assert done.report["status"] == "rotated"


def test_the_serving_token_of_an_environment_is_rotated_and_the_others_revoked(
    program: Program, turso: Turso, github: Github, place: dict[str, str]
) -> None:
    old = program.secret(turso.token(program.quiz, "ro"))
    done = program(
        "rotate-token",
        environment=place,
        auth_token=old,
        github_token=WRITER,
        secret_name="TURSO_AUTH_TOKEN_RO",
        secret_scope="environment:production",
        token_access="read-only",
        token_lifetime="30d",
        revoke_others=True,
        **program.hosted,
    )
    stored = github.opened("/repos/acme/quiz/environments/production/secrets/TURSO_AUTH_TOKEN_RO")
    assert done.report["status"] == "rotated"
    checked = program(
        "check-tokens",
        database_url=program.quiz.url,
        read_only_auth_token=program.secret(stored),
        previous_auth_token=old,
    )
    assert {role: token["state"] for role, token in checked.tokens.items()} == {
        "read-only-auth-token": "works",
        "previous-auth-token": "rejected",
    }


def test_a_rotation_that_fails_says_that_the_old_token_works(
    program: Program, github: Github, place: dict[str, str]
) -> None:
    github.faults.add("PUT .*", Answer(422, {"message": "Validation Failed"}))
    done = program("rotate-token", environment=place, github_token=WRITER, **program.hosted)
    assert done.status == 1
    assert "The old token still works" in done.report["error"]["message"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "Not set: a `github-token`"),
        ({"github_token": WRITER, "secret_name": "GITHUB_X"}, "name of the secret"),
        ({"github_token": WRITER, "secret_scope": "everywhere"}, "secret-scope"),
    ],
)
def test_what_a_rotation_lacks_is_told_before_anything_is_minted(
    program: Program, turso: Turso, place: dict[str, str], settings: dict[str, str], says: str
) -> None:
    done = program("rotate-token", environment=place, **settings, **program.hosted)
    assert done.status == 2
    assert says in done.report["error"]["message"]
    assert minted(turso) == []
