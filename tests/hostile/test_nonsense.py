"""Hostile input: files, server replies and tokens that are made to break their readers. Only our errors come out."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from responses import RequestsMock

from tests.support.counters import LONG, count
from tests.support.databases import quick_retries
from tests.support.schema_folders import SMALL, write_folder, write_project
from turso_deploy.core.errors import DeployError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.transaction import Purpose, Query, Rows, Transaction, TransactionStep
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.seeds.files import read_seed_file
from turso_deploy.sql.lexer import SqlTextError, scan
from turso_deploy.sql.splitter import split
from turso_deploy.transaction.database_state import STATE_QUERIES, parse_state
from turso_deploy.turso.tokens import read_claims

MORE = 10 if LONG else 1
PATIENT = settings(max_examples=150 * MORE, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = ["type", "response", "result", "step_results", "step_errors", "cols", "rows", "message", "code", "value"]
SHAPES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, "ok", "error", "integer", "text", "1", 0, [], {}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)


def refusal(call: Callable[[], object]) -> DeployError | None:
    """One of our errors, or None; any other exception goes through."""
    try:
        call()
    except DeployError as error:
        return error
    return None


@PATIENT
@given(suffix=st.sampled_from(["csv", "json", "jsonl", "yaml"]), content=st.binary(max_size=300))
def test_no_bytes_in_a_seed_file_break_its_reader(tmp_path: Path, suffix: str, content: bytes) -> None:
    count("inputs fuzzed", "seed readers, bytes")
    path = tmp_path / f"books.{suffix}"
    path.write_bytes(content)
    error = refusal(lambda: list(read_seed_file(SchemaFolder(path.parent, "seeds"), path.name)))
    assert error is None or error.place


PIECES = st.lists(
    st.sampled_from([*"[]{}\",:'\\\n-?&*!|>%#@`\t ", "\x00", "\ufeff", "\u2028", "id", "1e999", "NaN", "<<: *a", "&a"])
).map("".join)


@PATIENT
@given(suffix=st.sampled_from(["csv", "json", "jsonl", "yaml"]), content=PIECES)
def test_no_signs_in_a_seed_file_break_its_reader(tmp_path: Path, suffix: str, content: str) -> None:
    count("inputs fuzzed", "seed readers, signs")
    path = tmp_path / f"books.{suffix}"
    path.write_bytes(content.encode())
    error = refusal(lambda: list(read_seed_file(SchemaFolder(path.parent, "seeds"), path.name)))
    assert error is None or error.place


@settings(PATIENT, max_examples=100 * MORE)
@given(content=PIECES | JSON.map(json.dumps) | st.binary(max_size=100).map(lambda content: content.decode("latin-1")))
def test_no_manifest_breaks_its_reader(tmp_path: Path, content: str) -> None:
    count("inputs fuzzed", "manifest")
    folder = write_folder(tmp_path / "schema", {"tables.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"})
    (folder / "manifest.yml").write_text(content, encoding="utf-8", newline="")
    error = refusal(lambda: load_project(folder))
    assert error is None or error.place


def ask(body: bytes, *, writes: bool) -> DeployError | None:
    """What is said against a reply: an error of ours, which says what to do, or nothing."""
    database = HranaDatabase("https://quiz-acme.turso.io", "token", timeout=5, retry_budget=quick_retries(5))
    transaction = Transaction((TransactionStep(Query("SELECT 1"), Purpose.FIGURES, "one"),))
    with RequestsMock() as server:
        server.post("https://quiz-acme.turso.io/v3/pipeline", body)
        error = refusal(lambda: database.apply(transaction) if writes else database.query([Query("SELECT 1")]))
    database.close()
    assert error is None or error.hint
    return error


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write_project(tmp_path / "schema")


def replies(result: Any) -> bytes:
    return json.dumps({"baton": None, "base_url": None, "results": [result, {"type": "ok"}]}).encode()


STEPS = st.fixed_dictionaries(
    {
        "step_results": SHAPES | st.lists(SHAPES, min_size=6, max_size=6),
        "step_errors": SHAPES | st.lists(SHAPES, min_size=6, max_size=6),
    }
)
RESULTS = STEPS.map(lambda steps: {"type": "ok", "response": {"type": "batch", "result": steps}})


@PATIENT
@given(
    body=st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
    | SHAPES.map(replies)
    | RESULTS.map(replies),
    writes=st.booleans(),
)
def test_no_reply_of_a_server_breaks_the_client(body: bytes, writes: bool) -> None:
    count("inputs fuzzed", "server replies")
    ask(body, writes=writes)


INFINITE = {"cols": [], "rows": [], "affected_row_count": float("inf")}


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"results": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        replies({"type": "ok", "response": {"result": {"step_results": 7, "step_errors": 7}}}),
        b'{"results": [{"type": "error", "error": {"message": ' + b"[" * 5000 + b"]" * 5000 + b', "code": "X"}}, 1]}',
        replies({"type": "ok", "response": {"result": {"step_results": [INFINITE], "step_errors": [None]}}}),
        b'{"results": "ab"}',
        b'{"results": {"a": 1, "b": 2}}',
        b"\xff\xfe" * 1000,
        b'{"results": [' + b"9" * 10_000 + b", 1]}",
    ],
    ids=["open", "nested", "numbers", "message", "infinite", "text", "object", "utf-16", "digits"],
)
def test_a_reply_that_is_made_to_break_a_parser_is_refused(body: bytes, writes: bool) -> None:
    assert ask(body, writes=writes) is not None


ROWS = st.lists(st.lists(st.none() | st.integers() | st.text(max_size=6) | st.sampled_from(["table", "{}", "[]"])))


@PATIENT
@given(answers=st.lists(ROWS, min_size=len(STATE_QUERIES), max_size=len(STATE_QUERIES)))
def test_no_catalog_or_history_breaks_its_reader(project: Project, answers: list[list[list[Any]]]) -> None:
    count("inputs fuzzed", "catalog and history")
    rows = [Rows((), tuple(map(tuple, answer))) for answer in answers]
    error = refusal(lambda: parse_state(rows, project.manifest.ignore))
    assert error is None or error.hint


def test_a_seed_file_that_would_fill_the_memory_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "books.csv"
    with path.open("wb") as file:
        file.write(b'id,title\n1,"')
        file.truncate(100_000_000)  # a field of 100 MB, which takes no room on the disk
    tracemalloc.start()
    error = refusal(lambda: list(read_seed_file(SchemaFolder(path.parent, "seeds"), path.name)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error is not None
    assert "larger than 64 MB" in error.message
    assert most < 1_000_000


def encoded(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@PATIENT
@given(
    text=st.text(max_size=60)
    | st.binary(max_size=60).map(lambda content: content.decode("latin-1"))
    | st.tuples(JSON, JSON).map(lambda parts: f"{encoded(parts[0])}.{encoded(parts[1])}.c2ln")
    | st.dictionaries(st.sampled_from(["exp", "iat", "nbf", "a", "id", "p", "perm"]), JSON).map(
        lambda claims: f"{encoded({'alg': 'EdDSA'})}.{encoded(claims)}.c2ln"
    )
)
def test_no_text_breaks_the_reader_of_tokens(text: str) -> None:
    count("inputs fuzzed", "token parser")
    error = refusal(lambda: read_claims(text))
    assert error is None or len(text) < 4 or text not in error.message


WORDS = """CREATE TABLE VIEW TRIGGER INDEX BEGIN END CASE WHEN SELECT WITH t a ( ) , ; . 'x' "q" `b` [c] 1 x'ff' ?1 --
    /* */ ; ;""".split()
SQL = st.lists(st.sampled_from([*WORDS, "'", '"', "\n", "\x00", "\ufeff", "--\n", "é"]), max_size=40).map(" ".join)


@settings(PATIENT, max_examples=300 * MORE)
@given(text=SQL | st.text(max_size=80))
def test_no_text_breaks_the_lexer_or_the_splitter(text: str) -> None:
    count("inputs fuzzed", "lexer and splitter")
    with suppress(SqlTextError):
        assert all(text[token.start : token.end] == token.text for token in scan(text))
    with suppress(SqlTextError):
        assert all(statement.text in text for statement in split(text))


@settings(PATIENT, max_examples=100 * MORE)
@given(content=SQL | st.binary(max_size=100).map(lambda content: content.decode("latin-1")))
def test_no_sql_file_breaks_its_reader(tmp_path: Path, content: str) -> None:
    count("inputs fuzzed", "SQL files")
    folder = write_folder(tmp_path / "schema", {"tables.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"})
    (folder / "more.sql").write_text(content, encoding="utf-8", newline="")
    error = refusal(lambda: load_project(folder))
    assert error is None or error.place


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + number)}: &{chr(98 + number)} [{','.join(['*' + chr(97 + number)] * 9)}]\n" for number in range(9)
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("manifest.yml", BOMB),
        ("manifest.yml", "[" * 100_000),
        ("manifest.yml", "a:\n" + "".join(" " * depth + "-\n" for depth in range(3000))),
        ("seeds/authors.yaml", BOMB),
        ("seeds/authors.yaml", "- " * 50_000),
        ("seeds/authors.json", "[" * 100_000),
        ("seeds/authors.jsonl", '{"id":' * 100_000),
        ("seeds/authors.csv", '"' * 100_001),
        ("tables.sql", "CREATE TABLE t (a CHECK (" + "(" * 10_000 + "1" + ")" * 10_000 + "));"),
        ("tables.sql", "CREATE TABLE t (a DEFAULT (" + "-" * 50_000 + "1));"),
        ("tables.sql", "/*" * 50_000),
        ("tables.sql", "%\x01"),
        ("tables.sql", "CREATE TABLE t (a);\x00DROP TABLE t;"),
    ],
    ids=lambda value: value[:12],
)
def test_what_is_made_to_explode_is_refused_soon(tmp_path: Path, name: str, content: str) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    for seeds in (folder / "seeds").glob("authors.*"):
        seeds.unlink()
    (folder / name).write_text(content, encoding="utf-8")
    started = time.monotonic()
    with pytest.raises(DeployError) as error:
        load_project(folder)
    assert error.value.place
    assert time.monotonic() - started < 30
