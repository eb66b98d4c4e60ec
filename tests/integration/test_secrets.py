"""What must never be seen: a token, a seed's values; and what must never be obeyed: text that looks like a command."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.hostile.readers import COMMANDS, obeyed
from tests.support.databases import QUICK, DatabaseUnderTest
from tests.support.schema_folders import SMALL, with_changes, write_folder
from tests.support.sqld import Sqld, free_port, sign
from turso_deploy.cli import deploy_command
from turso_deploy.cli.run import run
from turso_deploy.github.annotations import MAX_PER_LEVEL
from turso_deploy.github.outputs import OUTPUTS

VALUE = "SEEDVALUE-4711"
AUTHORS = f'id,name,profile\n1,{VALUE} Ada,"[""{VALUE}""]"\n2,Grace {VALUE},\n'
BOOKS = f'{{"id": "{VALUE}-1", "title": "{VALUE}", "author": 1}}\n{{"id": "{VALUE}-2", "title": "x", "author": 2}}\n'
SECRET = with_changes(SMALL, authors=AUTHORS, books=BOOKS)


@dataclass
class Seen:
    """Everything that people and later steps of a job can see of a run."""

    status: int
    printed: str
    files: str

    @property
    def all(self) -> str:
        """Without the one line that may hold the token, because the runner needs it to blot it out."""
        return re.sub(r"^::add-mask::.*$", "", self.printed, flags=re.MULTILINE) + self.files


@dataclass
class Observer:
    """Runs the program as a runner does, or off a runner, with the report or with JSON."""

    folder: Path
    on_runner: bool
    as_json: bool

    def run(
        self, command: str, target: DatabaseUnderTest, files: Mapping[str, str] = SECRET, **settings: object
    ) -> Seen:
        written = [self.folder / "outputs", self.folder / "summary.md"]
        for path in written:
            path.write_text("", encoding="utf-8")
        environment = {"GITHUB_OUTPUT": str(written[0]), "GITHUB_STEP_SUMMARY": str(written[1])}
        output, errors = StringIO(), StringIO()
        status = run(
            {
                "command": command,
                "schema_path": str(write_folder(self.folder / "schema", files)),
                "database_url": target.url,
                "auth_token": target.token,
                "json_output": self.as_json,
                **settings,
            },
            environment | ({"GITHUB_ACTIONS": "true"} if self.on_runner else {}),
            output,
            errors,
            timing=QUICK,
        )
        return Seen(
            status, errors.getvalue() + output.getvalue(), "".join(path.read_text(encoding="utf-8") for path in written)
        )


@pytest.fixture(
    params=[(False, False), (False, True), (True, False), (True, True)], ids=["text", "json", "ci", "ci-json"]
)
def observer(request: pytest.FixtureRequest, tmp_path: Path) -> Observer:
    return Observer(tmp_path, *request.param)


def assert_nothing_shows(seen: Seen, token: str) -> None:
    """Neither the token, nor a part of it, nor a seed's value."""
    for part in (token, *token.split(".")):
        assert part not in seen.all
    assert VALUE not in seen.all
    assert VALUE not in seen.printed


def test_a_deployment_that_works_shows_neither_token_nor_seed_values(
    observer: Observer, on_sqld: DatabaseUnderTest
) -> None:
    for command, status in (("plan", 0), ("deploy", 0), ("deploy", 0), ("verify", 0)):
        seen = observer.run(command, on_sqld)
        assert seen.status == status
        assert_nothing_shows(seen, on_sqld.token)
        assert bool(seen.files) is observer.on_runner
    [[catalog]] = on_sqld.rows("SELECT catalog FROM schema_deployments")
    assert isinstance(catalog, bytes)
    assert VALUE.encode() not in zlib.decompress(catalog)
    history = json.dumps(on_sqld.rows("SELECT * FROM schema_deployments"), default=repr)
    assert VALUE not in history.replace(f"{VALUE}-", "")  # but for the keys in the record of the seeded rows
    assert on_sqld.value("SELECT count(*) FROM authors") == 2


def test_the_token_is_masked_before_anything_else_is_printed(tmp_path: Path, on_sqld: DatabaseUnderTest) -> None:
    output, errors = StringIO(), StringIO()
    inputs = {"INPUT_AUTH-TOKEN": on_sqld.token, "INPUT_DATABASE-URL": on_sqld.url}
    settings = {"command": "deploy", "schema_path": str(write_folder(tmp_path / "schema", SMALL))}
    assert run(settings, {"GITHUB_ACTIONS": "true", **inputs}, output, errors) == 0
    assert output.getvalue().splitlines()[0] == f"::add-mask::{on_sqld.token}"
    off_runner = Observer(tmp_path, on_runner=False, as_json=False).run("deploy", on_sqld)
    assert on_sqld.token not in off_runner.printed


FAILURES = {
    "bound not met": with_changes(SECRET, manifest=SMALL["manifest.yml"].replace("2..4", ">=5")),
    "count not met": with_changes(SECRET, manifest=SMALL["manifest.yml"].replace("views: 1", "views: 2")),
    "not unique": with_changes(SECRET, authors=AUTHORS + f"3,{VALUE} Ada,\n"),
    "not null": with_changes(SECRET, authors=AUTHORS + f"3,,{VALUE}\n"),
    "no key": with_changes(SECRET, authors=AUTHORS + f',"",{VALUE}\n'),
    "no integer": with_changes(SECRET, authors=AUTHORS + f"{VALUE},{VALUE} X,\n"),
    "too many values": with_changes(SECRET, authors=AUTHORS + f"3,a,b,{VALUE}\n"),
    "quote not closed": with_changes(SECRET, authors=AUTHORS + f'3,"{VALUE}\n'),
    "malformed JSON": with_changes(SECRET, books=BOOKS + f'{{"id": "{VALUE}" {VALUE}\n'),
    "a list for a number": with_changes(SECRET, books=BOOKS + f'{{"id": "b3", "title": "t", "author": ["{VALUE}"]}}\n'),
    "no parent": with_changes(SECRET, books=BOOKS + f'{{"id": "b3", "title": "{VALUE}", "author": 99}}\n'),
    "malformed YAML": {
        **{name: text for name, text in SECRET.items() if "authors" not in name},
        "seeds/authors.yaml": f"- id: 1\n  name: {VALUE}\n- id: 2\n  name: [{VALUE}\n",
    },
    "anchor in YAML": {
        **{name: text for name, text in SECRET.items() if "authors" not in name},
        "seeds/authors.yaml": f"- id: 1\n  name: &{VALUE} Ada\n",
    },
    "trigger raises": with_changes(
        SECRET,
        triggers="CREATE TRIGGER trg_books_title BEFORE INSERT ON books WHEN new.author = 2 BEGIN\n"
        "  SELECT json(new.id);\nEND;\n",
    ),
    "check": with_changes(
        SECRET, tables=SMALL["tables.sql"].replace("title TEXT NOT NULL", "title TEXT NOT NULL CHECK (title <> 'x')")
    ),
    "strict": with_changes(
        SECRET,
        tables=SMALL["tables.sql"].replace("  profile TEXT\n)", "  profile INTEGER\n) STRICT"),
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_seeds_that_fail_are_not_quoted(observer: Observer, on_sqld: DatabaseUnderTest, failure: str) -> None:
    seen = observer.run("deploy", on_sqld, FAILURES[failure])
    assert seen.status in (1, 2)
    assert_nothing_shows(seen, on_sqld.token)
    assert on_sqld.names() == set()


def test_rows_that_the_server_refuses_are_not_quoted(observer: Observer, on_sqld: DatabaseUnderTest) -> None:
    observer.run("deploy", on_sqld)
    on_sqld.run(
        f"INSERT INTO authors (id, name) VALUES (70, '{VALUE} Barbara')",
        "CREATE TRIGGER other_watch BEFORE INSERT ON authors WHEN new.id = 4 BEGIN SELECT json(new.name); END",
        "CREATE TRIGGER other_guard BEFORE INSERT ON authors WHEN new.id = 5 "
        f"BEGIN SELECT RAISE(ABORT, '{VALUE} may not come in'); END",
    )
    before = on_sqld.dump()
    for row in (f"3,{VALUE} Barbara,", f"4,{VALUE} four,", f"5,{VALUE} five,"):
        seen = observer.run("deploy", on_sqld, with_changes(SECRET, authors=f"{AUTHORS}{row}\n"))
        assert seen.status == 1
        assert_nothing_shows(seen, on_sqld.token)
    assert on_sqld.dump() == before


def test_data_that_verify_finds_wrong_are_not_quoted(observer: Observer, on_sqld: DatabaseUnderTest) -> None:
    observer.run("deploy", on_sqld)
    on_sqld.run(f"UPDATE authors SET profile = '{VALUE}'")
    seen = observer.run("verify", on_sqld)
    assert seen.status == 1
    assert_nothing_shows(seen, on_sqld.token)


def test_servers_that_fail_do_not_bring_the_token_out(
    observer: Observer, sqld: Sqld, on_sqld: DatabaseUnderTest
) -> None:
    strangers = sign(Ed25519PrivateKey.generate(), {"a": "rw"})
    tokens = (strangers, sqld.expired_token(), on_sqld.read_only_token, f"{on_sqld.token}\n", f'"{on_sqld.token}"')
    for token in tokens:
        seen = observer.run("deploy", DatabaseUnderTest(on_sqld.url, on_sqld.direct_url, token))
        assert seen.status in (1, 2)
        assert_nothing_shows(seen, token.strip('"\n'))
    for url in (
        f"http://127.0.0.1:{free_port()}",
        f"{on_sqld.url}/nowhere",
        f"{on_sqld.url}?authToken={on_sqld.token}",
        f"libsql://x:{on_sqld.token}@example.com",
        on_sqld.token,
    ):
        seen = observer.run("deploy", DatabaseUnderTest(url, on_sqld.direct_url, on_sqld.token))
        assert seen.status in (1, 2)
        assert_nothing_shows(seen, on_sqld.token)


def test_a_lost_reply_does_not_bring_anything_out(observer: Observer, on_sqld: DatabaseUnderTest) -> None:
    on_sqld.proxy.lose_replies = True
    seen = observer.run("deploy", on_sqld)
    assert seen.status == 1
    assert_nothing_shows(seen, on_sqld.token)


def test_a_bug_of_ours_does_not_bring_anything_out(
    observer: Observer, on_sqld: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"{on_sqld.token} {VALUE}")

    monkeypatch.setattr(deploy_command, "deploy", broken)
    seen = observer.run("deploy", on_sqld)
    assert seen.status == 1
    assert "RuntimeError" in seen.printed
    assert_nothing_shows(seen, on_sqld.token)


def test_exceptions_hold_no_token(on_sqld: DatabaseUnderTest) -> None:
    database = on_sqld.open()
    assert on_sqld.token not in repr(database)
    assert on_sqld.token not in database.address
    database.close()


COMMAND = "::error::OBEYED%0A::set-output name=status::OBEYED"


HOSTILE = with_changes(
    SMALL,
    views=f'CREATE VIEW v_books AS SELECT title,\n{COMMAND!r} AS "\n{COMMAND}\r##[error]OBEYED"\nFROM books;\n',
    authors=f'id,name,profile\n1,"\n{COMMAND}\n",\n2,{COMMAND},\n',
)
NAME = f'"\n{COMMAND}\n##[error]OBEYED"'
HOSTILE_FAILURES = {
    "manifest": with_changes(HOSTILE, manifest=SMALL["manifest.yml"].replace("views: 1", "views: 2")),
    "bound": with_changes(HOSTILE, manifest=SMALL["manifest.yml"].replace("2..4", ">=5")),
    "name": with_changes(HOSTILE, triggers=f"CREATE VIEW {NAME} AS SELECT * FROM {NAME};\n"),
    "syntax": with_changes(HOSTILE, triggers=f"CREATE TABLE {NAME} (a {NAME} b c));\n"),
    "row": with_changes(HOSTILE, authors=f'id,name,profile\n1,"\n{COMMAND}\n",\n1,x,\n'),
    "key of the manifest": with_changes(HOSTILE, manifest=f'"\\n{COMMAND}": 1\n'),
    "column of a seed": with_changes(HOSTILE, authors=f"id,{NAME}\n1,x\n"),
    "name of a seed file": {**HOSTILE, f"seeds/{COMMAND}.csv": "a\n1\n"},
    "statement that the server refuses": with_changes(
        HOSTILE,
        triggers=f"CREATE INDEX {NAME} ON books (no_such_function(\n{COMMAND!r}\n));\n",
        manifest="expect: {indexes: 2}\n",
    ),
}


def assert_nothing_obeyed(seen: Seen) -> None:
    commands = list(obeyed(seen.printed))
    assert {name for name, _ in commands} <= COMMANDS
    errors = sum(name == "error" for name, _ in commands)
    assert (1 <= errors <= MAX_PER_LEVEL) if seen.status in (1, 2) else errors == 0
    assert not any(data.startswith("OBEYED") for _, data in commands)
    outputs = re.findall(r"^([\w-]+)<<", seen.files, flags=re.MULTILINE)
    assert sorted(outputs) == sorted(OUTPUTS)


@pytest.mark.parametrize("as_json", [False, True])
def test_text_that_looks_like_a_command_is_deployed_and_not_obeyed(
    on_sqld: DatabaseUnderTest, tmp_path: Path, as_json: bool
) -> None:
    observer = Observer(tmp_path, on_runner=True, as_json=as_json)
    for command in ("plan", "deploy", "verify"):
        seen = observer.run(command, on_sqld, HOSTILE)
        assert seen.status == 0
        assert_nothing_obeyed(seen)
    assert on_sqld.value("SELECT name FROM authors WHERE id = 1") == f"\n{COMMAND}\n"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("failure", HOSTILE_FAILURES)
def test_text_that_looks_like_a_command_is_not_obeyed_when_it_fails(
    on_sqld: DatabaseUnderTest, tmp_path: Path, failure: str, as_json: bool
) -> None:
    observer = Observer(tmp_path, on_runner=True, as_json=as_json)
    seen = observer.run("deploy", on_sqld, HOSTILE_FAILURES[failure])
    assert seen.status in (1, 2)
    assert_nothing_obeyed(seen)
    assert on_sqld.names() == set()


def test_names_in_the_database_that_look_like_a_command_are_not_obeyed(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    on_sqld.run(f"CREATE TABLE {NAME} (a)", f"CREATE VIEW other_view AS SELECT '{COMMAND}' AS {NAME}")
    observer = Observer(tmp_path, on_runner=True, as_json=False)
    for command, status in (("plan", 1), ("deploy", 1), ("verify", 3)):
        seen = observer.run(command, on_sqld, SMALL)
        assert seen.status == status
        assert "OBEYED" in seen.printed
        assert_nothing_obeyed(seen)
