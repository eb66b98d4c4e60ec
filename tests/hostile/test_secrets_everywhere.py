"""Every command, in every way to fail, with every secret there is: none is to be seen in anything that was written."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.faults.limits import limited
from tests.faults.proxy import Proxy, everything, running_proxy
from tests.hostile.watched import Watched, Watcher, leaks
from tests.platform.github import WRITER, Github, running_github
from tests.platform.server import Answer, Faults, Request, serving
from tests.platform.turso import Hosted, Turso, running_turso
from tests.support import counters
from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import SMALL, with_changes, write_folder
from tests.support.sqld import running_sqld, sign
from turso_deploy.cli import deploy_command, preview_commands
from turso_deploy.cli.arguments import WITHOUT_SETTINGS
from turso_deploy.deploy import preview
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.loader import load_project

SEED = "SEEDVALUE-4711"
SEED_KEY = f"{SEED}-1"
URL_SECRET = "eyJhbGciOiJFZERTQSJ9.eyJ1cmwiOiJ3aXRoIGEgdG9rZW4ifQ.c2lnbmF0dXJlLW9mLWEtdXJs"
FILES = with_changes(
    SMALL,
    authors=f'id,name,profile\n1,{SEED} Ada,"[""{SEED}""]"\n2,Grace {SEED},\n',
    books=f'{{"id": "{SEED}-1", "title": "{SEED}", "author": 1}}\n{{"id": "b2", "title": "x", "author": 2}}\n',
)

HISTORY_COLUMNS = (
    *("number", "id", "deployed_at", "schema_version", "schema_fingerprint", "seeds_fingerprint", "seeds"),
    *("commit_sha", "ref", "run_url", "actor", "tool_version", "managed_objects", "scripts", "plan_summary", "backup"),
)

COMMANDS: dict[str, tuple[str, ...]] = {
    "deploy": ("deploy",),
    "deploy, with a trial branch": ("deploy", "--trial-branch", "--restore-point", "branch"),
    "plan": ("plan",),
    "plan --sql": ("plan", "--sql"),
    "plan --dry-run": ("plan", "--dry-run"),
    "plan --compare-to": ("plan", "--compare-to", "{folder}/other"),
    "verify": ("verify",),
    "docs": ("docs", "--output", "{folder}/pages"),
    "pull": ("pull", "--schema-path", "{folder}/adopted"),
    "check-tokens": ("check-tokens",),
    "rotate-token": ("rotate-token",),
    "manifest-schema": ("manifest-schema",),
    "report-schema": ("report-schema",),
}


@dataclass
class Stage:
    """A platform with the database `quiz`, GitHub, and what stands between them and a run."""

    turso: Turso
    quiz: Hosted
    github: Github
    proxy: Proxy
    echo: Echo
    watcher: Watcher
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=lambda: FILES)
    around: list[AbstractContextManager[object]] = field(default_factory=list)

    @property
    def secrets(self) -> dict[str, str]:
        """Every secret that a run can know, by a name that may be printed."""
        given = {
            name: str(self.settings[name]).strip('"\n ')
            for name in ("auth_token", "read_only_auth_token", "previous_auth_token", "api_token", "github_token")
            if self.settings.get(name)
        }
        minted = {f"minted token{' again' * number}": token for number, token in enumerate(self.turso.minted)}
        return {**given, **minted, "URL with a token": URL_SECRET, "seed value": SEED}

    def run(self, name: str, *, as_json: bool) -> Watched:
        """One command, told in full or as JSON, with its deployment history as one more place."""
        write_folder(self.folder / "schema", self.files)
        write_folder(self.folder / "other", SMALL)
        command, *flags = (word.format(folder=self.folder) for word in COMMANDS[name])
        loud = [] if command in WITHOUT_SETTINGS or name == "plan --sql" else ["--json" if as_json else "--verbose"]
        self.watcher.environment["RUNNER_DEBUG"] = str(int(as_json))
        with ExitStack() as around:
            for context in self.around:
                around.enter_context(context)
            watched = self.watcher.run(command, *flags, *loud, **self.settings)
        # The record of the seeded rows has their keys, which the table has as well, and hashes of all other values.
        watched.written["history"] = json.dumps(self.history()).replace(SEED_KEY, "")
        if name == "plan --sql":
            watched.written["stdout"] = watched.written["stdout"].replace(SEED, "")  # a script holds what it writes
        return watched

    def history(self) -> Any:
        """The deployment history of the database as it is now; the error where there is none.

        The keys of seed rows are in `seed_rows`, as they are in the tables of the same database.
        """
        steps = [{"stmt": {"sql": f"SELECT {', '.join(HISTORY_COLUMNS)} FROM schema_deployments"}}]
        pipeline = {"baton": None, "requests": [{"type": "batch", "batch": {"steps": steps}}]}
        headers = {"Authorization": f"Bearer {self.turso.token(self.quiz)}"}
        return json.loads(self.proxy.forward("/v3/pipeline", json.dumps(pipeline).encode(), headers)[2])


@dataclass
class Echo:
    """A server that answers every request with the request itself, in its `shape`."""

    url: str = ""
    shape: Callable[[str], Answer] = lambda said: Answer(500, {"error": said})

    def answer(self, request: Request) -> Answer:
        return self.shape(f"Authorization: Bearer {request.bearer} {json.dumps(request.body)}")


def page(status: int) -> Callable[[str], Answer]:
    return lambda said: Answer(status, f"<html><body>{said}</body></html>".encode(), {"Content-Type": "text/html"})


def in_band(said: str) -> Answer:
    """An error of the whole batch, with a code that is no code."""
    return Answer(200, {"results": [{"type": "error", "error": {"message": said, "code": said}}, {"type": "ok"}]})


def in_each_step(said: str) -> Answer:
    errors = [{"message": f"SQLite error: {said}", "code": "SQLITE_CONSTRAINT"}] * 20
    result = {"step_results": [None] * 20, "step_errors": errors}
    return Answer(200, {"results": [{"type": "ok", "response": {"result": result}}, {"type": "ok"}]})


ECHOES: dict[str, Callable[[str], Answer]] = {
    **{
        f"{status}, {shape}": lambda said, status=status, make=make: Answer(status, make(said))  # type: ignore[misc]
        for status in (400, 401, 403, 404, 413, 418, 429, 500, 503)
        for shape, make in (
            ("error", lambda said: {"error": said}),
            ("message and code", lambda said: {"message": said, "code": said}),
        )
    },
    "a JWT error": lambda said: Answer(400, {"error": f"JWT error: {said}"}),
    "plain text": lambda said: Answer(500, said.encode()),
    "web page": page(200),
    "web page, 403": page(403),
    "web page, 502": page(502),
    "wait": lambda said: Answer(429, {"error": said}, {"Retry-After": said[:200].replace("\n", " ")}),
    "redirect": lambda said: Answer(302, None, {"Location": f"http://127.0.0.1:9/{said[:300]}"}),
    "redirect, kept": lambda said: Answer(308, None, {"Location": f"http://127.0.0.1:9/{said[:300]}"}),
    "broken JSON": lambda said: Answer(200, json.dumps({"results": [said]}).encode()[:-2]),
    "another JSON": lambda said: Answer(200, {"results": said}),
    "in band": in_band,
    "in each step": in_each_step,
}


def through_the_proxy(stage: Stage, *plan: Any) -> None:
    stage.proxy.plan(list(plan) * 50)
    stage.settings["database_url"] = stage.proxy.url


def echoed(stage: Stage, shape: Callable[[str], Answer]) -> None:
    stage.echo.shape = shape
    stage.settings["database_url"] = stage.echo.url


def api_echoes(faults: Faults, secrets: Callable[[], list[str]], status: int) -> None:
    said = " ".join(secrets())
    for shape in ({"error": said}, {"message": said}):
        faults.add(".*", Answer(status, shape), times=5)


def interrupted(stage: Stage, number: int) -> None:
    through_the_proxy(stage)
    stage.around.append(stopping_at(stage.proxy, number))


@contextmanager
def stopping_at(proxy: Proxy, number: int) -> Iterator[None]:
    """SIGTERM when the request of that number has come to the proxy: it is the main thread that gets it."""
    arrived, forward = 0, proxy.forward

    def stop(path: str, body: bytes, headers: dict[str, str]) -> Any:
        nonlocal arrived
        arrived += 1
        if arrived == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return forward(path, body, headers)

    proxy.forward = stop  # type: ignore[method-assign]
    try:
        yield
    finally:
        proxy.forward = forward  # type: ignore[method-assign]


def without_a_given_token(stage: Stage) -> None:
    stage.settings["auth_token"] = ""


def other_token(stage: Stage, token: str) -> None:
    stage.settings["auth_token"] = token


def disk_full(stage: Stage) -> None:
    stage.around.append(limited(os.getpid(), resource.RLIMIT_FSIZE, 100))


def bug(stage: Stage) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"{stage.settings} {SEED}")

    stage.watcher.monkeypatch.setattr(deploy_command, "deploy", broken)
    stage.watcher.monkeypatch.setattr(preview_commands, "verify_database", broken)
    for name in ("plan", "script", "compare"):
        stage.watcher.monkeypatch.setattr(preview, name, broken)


def changed(stage: Stage, **files: str) -> None:
    stage.files = with_changes(FILES, **files)


EDITED = f'id,name,profile\n1,{SEED} Augusta,"[""{SEED}""]"\n2,Grace {SEED},\n3,{SEED} new,\n'
DELETING = "-- @run after\nDELETE FROM authors WHERE id = 9;\n"


def over_live_rows(stage: Stage, *statements: str, more: dict[str, str] | None = None, **files: str) -> None:
    """Change the folder, and let an application write rows over those that were seeded."""
    target = DatabaseUnderTest(stage.quiz.url, stage.quiz.url, stage.turso.token(stage.quiz))
    first = load_project(write_folder(stage.folder / "first", FILES))
    report = target.deploy(first, approvals=tuple(Approval(name) for name in HazardName))
    assert report.succeeded, report.error
    target.run("DELETE FROM authors WHERE id > 2", f"UPDATE authors SET name = '{SEED} Ada' WHERE id = 1", *statements)
    stage.files = with_changes(FILES, **files) | (more or {})


MODES: dict[str, Callable[[Stage], None]] = {
    "nothing is wrong": lambda stage: None,
    "a minted token": without_a_given_token,
    **{f"always {fault}": lambda stage, fault=fault: through_the_proxy(stage, fault) for fault in everything()},  # type: ignore[misc]
    **{
        f"now and then {fault}": lambda stage, fault=fault: through_the_proxy(stage, "none", fault)  # type: ignore[misc]
        for fault in everything()
    },
    **{f"echo: {name}": lambda stage, shape=shape: echoed(stage, shape) for name, shape in ECHOES.items()},  # type: ignore[misc]
    **{
        f"the platform echoes {status}": lambda stage, status=status: api_echoes(  # type: ignore[misc]
            stage.turso.faults, lambda: [stage.settings["api_token"]], status
        )
        for status in (400, 401, 403, 429, 500)
    },
    **{
        f"GitHub echoes {status}": lambda stage, status=status: api_echoes(  # type: ignore[misc]
            stage.github.faults, lambda: [stage.settings["github_token"]], status
        )
        for status in (400, 401, 403, 422, 500)
    },
    "a stranger's token": lambda stage: other_token(stage, sign(Ed25519PrivateKey.generate(), {"a": "rw"})),
    "an expired token": lambda stage: other_token(
        stage, stage.turso.token(stage.quiz, exp=datetime.now(UTC) - timedelta(days=1))
    ),
    "a read-only token": lambda stage: other_token(stage, stage.turso.token(stage.quiz, "ro")),
    "a token in quotes": lambda stage: other_token(stage, f'"{stage.settings["auth_token"]}"'),
    "two tokens in one": lambda stage: other_token(stage, f"{stage.settings['auth_token']}\n{URL_SECRET}"),
    "a token in the URL": lambda stage: stage.settings.update(database_url=f"{stage.quiz.url}?authToken={URL_SECRET}"),
    "a password in the URL": lambda stage: stage.settings.update(database_url=f"libsql://x:{URL_SECRET}@db.example"),
    "the token as the URL": lambda stage: stage.settings.update(database_url=URL_SECRET),
    "a setting that is wrong": lambda stage: stage.settings.update(timeout=URL_SECRET),
    "interrupted at the first request": lambda stage: interrupted(stage, 1),
    "interrupted at the third request": lambda stage: interrupted(stage, 3),
    "interrupted at the fourth request": lambda stage: interrupted(stage, 4),
    "the disk is full": disk_full,
    "a bug of ours": bug,
    "rows that are refused": lambda stage: changed(stage, authors=f"id,name\n1,{SEED}\n2,{SEED}\n"),
    "a bound that does not hold": lambda stage: changed(stage, manifest='rows: {authors: ">=200"}\n'),
    "rows of the application would be overwritten": lambda stage: over_live_rows(
        stage,
        f"UPDATE authors SET name = '{SEED} live' WHERE id = 1",
        f"UPDATE books SET title = '{SEED} live'",
        authors=EDITED,
        books=FILES["seeds/books.jsonl"].replace(f'"title": "{SEED}"', f'"title": "{SEED} again"'),
    ),
    "a row of the application is in conflict": lambda stage: over_live_rows(
        stage, f"INSERT INTO authors VALUES (7, '{SEED} new', NULL)", authors=EDITED
    ),
    "a row of the application is no JSON": lambda stage: over_live_rows(
        stage, f"INSERT INTO authors VALUES (7, '{SEED} json', '{{{SEED}')", authors=EDITED
    ),
    "rows leave the file": lambda stage: over_live_rows(stage, books='{"id": "b2", "title": "x", "author": 2}\n'),
    "rows of the application would be deleted": lambda stage: over_live_rows(
        stage,
        f"INSERT INTO authors VALUES (9, '{SEED} deleted', NULL)",
        f"INSERT OR IGNORE INTO books VALUES ('{SEED} live', '{SEED}', 9)",
        more={f"scripts/{uuid4()}.sql": DELETING},
    ),
    "a file that cannot be read": lambda stage: changed(stage, books=f'{{"id": "{SEED}" {SEED}\n'),
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Turso, Hosted, Github]]:
    folder = tmp_path_factory.mktemp("sqld")
    with running_sqld(folder, namespaces=True) as sqld, running_turso(sqld) as turso, running_github() as github:
        yield turso, turso.create("quiz"), github


@contextmanager
def echoing() -> Iterator[Echo]:
    echo = Echo()
    with serving(echo.answer, [], Faults()) as url:
        echo.url = url
        yield echo


@pytest.fixture
def stage(
    platform: tuple[Turso, Hosted, Github],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Stage]:
    turso, quiz, github = platform
    for faults in (turso.faults, github.faults):
        faults.pending.clear()
    turso.minted.clear()
    watcher = Watcher(tmp_path, github, monkeypatch, capsys, caplog)
    with running_proxy(turso.sqld.url, f"{quiz.id}.db", delay=1.2) as proxy, echoing() as echo:
        yield Stage(
            turso,
            quiz,
            github,
            proxy,
            echo,
            watcher,
            tmp_path,
            {
                "schema_path": str(tmp_path / "schema"),
                "auth_token": turso.token(quiz),
                "read_only_auth_token": turso.token(quiz, "ro"),
                "previous_auth_token": sign(Ed25519PrivateKey.generate(), {"a": "rw", "id": quiz.id}),
                "api_token": turso.api_token(),
                "api_url": turso.url,
                "organization": "acme",
                "database": "quiz",
                "github_token": WRITER,
                "comment": "true",
                "timeout": "1",
            },
        )


SCENES = [(name, mode) for name in COMMANDS for mode in MODES]
# All of them in the long run; otherwise each command in a part of the modes, and each mode with a part of the commands.
CHOSEN = SCENES if counters.LONG else SCENES[::7]


@pytest.mark.parametrize(("name", "mode"), CHOSEN)
def test_no_secret_is_seen_whatever_happens(stage: Stage, name: str, mode: str) -> None:
    MODES[mode](stage)
    watched = stage.run(name, as_json=list(MODES).index(mode) % 2 == 0)
    assert leaks(watched, stage.secrets) == []
    assert "Traceback" not in watched.everything
    counters.count("commands run in a way to fail", f"{name}, exit status {watched.status}")


def test_a_run_writes_to_every_place_that_is_searched(stage: Stage) -> None:
    told = stage.run("deploy", as_json=True)
    assert [place for place, text in told.written.items() if not text] == []
    assert "tool_version" in told.written["history"]


def test_the_search_finds_a_secret_that_is_there(stage: Stage) -> None:
    """Also written as Markdown writes it, as JSON does, and in part."""
    token = stage.settings["auth_token"]
    for text in (token, token.split(".")[1], token.replace("_", "&#95;"), f"a{token[30:]}".replace("-", "\\u002d")):
        assert leaks(Watched(0, {"summary": text}), {"token": token}) == ["token in summary"]
