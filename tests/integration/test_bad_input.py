"""Bad input: a clear error that names the place, and a database that has not changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.databases import CompletedRun, DatabaseUnderTest, run_program
from tests.support.http_server import listening
from tests.support.schema_folders import SMALL, with_changes, write_folder
from tests.support.sqld import Sqld, free_port, sign

TABLES, MANIFEST = SMALL["tables.sql"], SMALL["manifest.yml"]
AUTHORS, BOOKS = SMALL["seeds/authors.csv"], SMALL["seeds/books.jsonl"]


def assert_refused(
    finished: CompletedRun, code: str, *, status: int, file: str | None = None, line: int | None = None
) -> None:
    """One run that failed for this reason at this place, and knows that it changed nothing."""
    error = finished.error
    assert error is not None, finished.printed
    assert error["code"] == code, error
    assert (finished.status, finished.document["status"], finished.document["committed"]) == (status, "failed", False)
    assert error["hint"] or code == "seed-invalid"  # the message of which says what the row should have
    assert (error["file"] or "").endswith(file or ""), error
    if line is not None:
        assert error["line"] == line, error
    assert "Traceback" not in finished.printed


@pytest.fixture
def deployed(target: DatabaseUnderTest, tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    """A database to which the small project was deployed, and which the test leaves unchanged."""
    assert run_program("deploy", write_folder(tmp_path / "schema", SMALL), target.url, target.token).status == 0
    before = target.dump()
    yield target
    assert target.dump() == before


def more(sql: str) -> dict[str, str]:
    """The small project with a statement on the second line of one more file."""
    return {**SMALL, "more.sql": f"-- one more file\n{sql}\n"}


@pytest.mark.parametrize(
    ("files", "code", "file", "line"),
    [
        (more("CREATE TABLE t (a TEXT,\n  b TEXT NOT,\n  c TEXT);"), "sql-syntax", "more.sql", 3),
        (more("CREATE TABLE t (a TEXT DEFAULT 'never closed);"), "sql-syntax", "more.sql", 2),
        (more("CREAT TABLE t (a TEXT);"), "sql-syntax", "more.sql", 2),
        (more("VACUUM;"), "sql-forbidden", "more.sql", 2),
        (more("ANALYZE;"), "sql-forbidden", "more.sql", 2),
        (more("CREATE TEMP TABLE t (a);"), "sql-forbidden", "more.sql", 2),
        (more("CREATE TABLE t AS SELECT 1 AS a;"), "sql-forbidden", "more.sql", 2),
        (more("ATTACH 'other.db' AS other;"), "sql-forbidden", "more.sql", 2),
        (more("PRAGMA journal_mode = wal;"), "sql-forbidden", "more.sql", 2),
        (more("SAVEPOINT s;"), "sql-forbidden", "more.sql", 2),
        (more("ROLLBACK;"), "sql-forbidden", "more.sql", 2),
        (more("CREATE INDEX i ON nowhere (a);"), "missing-reference", "more.sql", 2),
        (more("CREATE VIEW v AS\n  SELECT a FROM nowhere;"), "missing-reference", "more.sql", 3),
        (more("CREATE TABLE t (a REFERENCES nowhere (a));"), "missing-reference", "more.sql", 2),
        (more("CREATE TABLE Authors (a TEXT);"), "duplicate-object", "tables.sql", 1),
        (with_changes(SMALL, manifest=MANIFEST + "expected: {}\n"), "manifest-invalid", "manifest.yml", 6),
        (with_changes(SMALL, manifest=MANIFEST.replace("2..4", "4..2")), "manifest-invalid", "manifest.yml", 3),
        ({**SMALL, "seeds/nowhere.csv": "a\n1\n"}, "seed-invalid", "nowhere.csv", None),
        (with_changes(SMALL, authors="id,surname\n1,Ada\n"), "seed-invalid", "authors.csv", 1),
        (with_changes(SMALL, authors=AUTHORS + '3,,"{}"\n'), "seed-invalid", "authors.csv", 4),
        (with_changes(SMALL, authors=AUTHORS + "2,Barbara,\n"), "seed-invalid", "authors.csv", 4),
        (with_changes(SMALL, authors=AUTHORS + "3,Ada,\n"), "seed-invalid", "authors.csv", 4),
        (
            with_changes(SMALL, books=BOOKS + '{"id": "b3", "title": "T", "author": 9}\n'),
            "seed-invalid",
            "books.jsonl",
            3,
        ),
        (with_changes(SMALL, authors=AUTHORS + "3,Barbara,,extra\n"), "seed-invalid", "authors.csv", 4),
        (with_changes(SMALL, books=BOOKS + '{"id": "b3", "title": \n'), "seed-invalid", "books.jsonl", 3),
    ],
)
def test_a_mistake_in_the_schema_folder_is_placed(
    deployed: DatabaseUnderTest, tmp_path: Path, files: dict[str, str], code: str, file: str, line: int | None
) -> None:
    came_before = deployed.proxy.requests
    finished = run_program("deploy", write_folder(tmp_path / "schema", files), deployed.url, deployed.token)
    needs_the_database = 'author": 9' in files["seeds/books.jsonl"]
    assert_refused(finished, code, status=1 if needs_the_database else 2, file=file, line=line)
    # A reference may dangle in the database already, which only one read can show.
    reads = int(code == "missing-reference" and "INDEX" not in files["more.sql"])
    if not needs_the_database:
        assert finished.document["requests"] == reads
        assert deployed.proxy.requests == came_before + (0 if deployed.is_file else reads)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("seeds/authors.csv", b"id,name\n1,Ada\n2,Andr\xe9\n", 3),
        ("seeds/books.jsonl", b'{"id": "b1",\xff "title": "T", "author": 1}\n', 1),
        ("more.sql", b"-- caf\xe9\nCREATE TABLE t (a);\n", 1),
    ],
)
def test_a_file_in_another_encoding_is_placed(
    deployed: DatabaseUnderTest, tmp_path: Path, name: str, content: bytes, line: int
) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    (folder / name).write_bytes(content)
    finished = run_program("deploy", folder, deployed.url, deployed.token)
    code = "sql-syntax" if name.endswith(".sql") else "seed-invalid"
    assert_refused(finished, code, status=2, file=name, line=line)
    assert finished.document["requests"] == 0


def test_seeds_in_yaml_that_is_malformed_are_placed(deployed: DatabaseUnderTest, tmp_path: Path) -> None:
    files = {name: text for name, text in SMALL.items() if name != "seeds/authors.csv"}
    files["seeds/authors.yaml"] = "- id: 1\n  name: Ada\n- id: 2\n  name: [unclosed\n"
    finished = run_program("deploy", write_folder(tmp_path / "schema", files), deployed.url, deployed.token)
    assert_refused(finished, "seed-invalid", status=2, file="authors.yaml")
    assert finished.error["line"] >= 4


def test_a_folder_that_is_not_there_or_empty_is_named(deployed: DatabaseUnderTest, tmp_path: Path) -> None:
    nowhere = run_program("deploy", tmp_path / "nowhere", deployed.url, deployed.token)
    assert_refused(nowhere, "schema-not-found", status=2)
    empty = write_folder(tmp_path / "empty", {"manifest.yml": ""})
    assert_refused(run_program("deploy", empty, deployed.url, deployed.token), "schema-empty", status=2)


@pytest.mark.parametrize(
    ("sql", "line", "code"),
    [
        # Stand-ins make any function known in the scratch database; the plan knows those of the server.
        ("CREATE INDEX i ON books (\n  title,\n  no_such_function(title)\n);", 4, "plan-impossible"),
        # libSQL's own rule
        ("CREATE INDEX i ON books (libsql_vector_idx(title));", 2, "statement-failed"),
        # The server's parser takes these two for the same word; SQLite's does not. One statement before and one after.
        (
            "CREATE TABLE t (a); CREATE TABLE u (\n  temp TEXT,\n  temporary TEXT\n); CREATE TABLE v (a);",
            2,
            "statement-failed",
        ),
    ],
)
def test_a_statement_that_only_the_server_refuses_is_placed(
    on_sqld: DatabaseUnderTest, tmp_path: Path, sql: str, line: int, code: str
) -> None:
    folder = write_folder(tmp_path / "schema", {name: text for name, text in SMALL.items() if name != "manifest.yml"})
    (folder / "more.sql").write_text(f"-- one more file\n{sql}\n", encoding="utf-8")
    finished = run_program("deploy", folder, on_sqld.url, on_sqld.token)
    assert_refused(finished, code, status=1, file="schema/more.sql")
    assert line <= finished.error["line"] <= line + sql.count("\n")
    assert on_sqld.names() == set()


def test_a_function_that_only_the_server_lacks_is_placed_to_the_line(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    sql = "-- first\nCREATE TABLE t (a TEXT);\nCREATE INDEX i ON t (\n  a,\n  no_such_function(a)\n);\n"
    folder = write_folder(tmp_path / "schema", {"all.sql": sql})
    finished = run_program("deploy", folder, on_sqld.url, on_sqld.token)
    assert_refused(finished, "plan-impossible", status=1, file="schema/all.sql", line=5)
    assert "no such function: no_such_function" in finished.error["message"]


def test_a_row_that_only_the_database_refuses_is_placed(target: DatabaseUnderTest, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    run_program("deploy", folder, target.url, target.token)
    target.run("INSERT INTO authors (id, name) VALUES (70, 'Barbara')")
    before = target.dump()
    (folder / "seeds" / "authors.csv").write_text(AUTHORS + "3,Barbara,\n", encoding="utf-8")
    finished = run_program("deploy", folder, target.url, target.token)
    assert_refused(finished, "seed-invalid", status=1, file="schema/seeds/authors.csv")
    assert finished.error["line"] == AUTHORS.count("\n") + 1
    assert "`name` must be unique, and the live row with rowid 70" in finished.error["message"]
    assert target.dump() == before


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/db",
        "example.com",
        "libsql://someone:hunter2@example.com",
        "libsql://example.com?authToken=eyJhbGciOi",
        "http://example.com",
        " libsql://example.com",
        '"libsql://example.com"',
        "file:",
        "file::memory:",
    ],
)
def test_a_url_that_leads_nowhere_is_refused_unasked(tmp_path: Path, url: str) -> None:
    finished = run_program("deploy", write_folder(tmp_path / "schema", SMALL), url, "")
    assert_refused(finished, "database-url-invalid", status=2)
    assert "hunter2" not in finished.printed
    assert "eyJ" not in finished.printed


@pytest.mark.parametrize("spoil", [" {}", "{} ", "{}\n", '"{}"', "'{}'", "Bearer {}", "TURSO_AUTH_TOKEN={}", "{}\n{}"])
def test_a_token_that_was_copied_badly_is_told_before_any_request(
    on_sqld: DatabaseUnderTest, tmp_path: Path, spoil: str
) -> None:
    token = spoil.replace("{}", on_sqld.token)
    finished = run_program("deploy", write_folder(tmp_path / "schema", SMALL), on_sqld.url, token)
    assert_refused(finished, "token-malformed", status=2)
    assert on_sqld.token.split(".")[1] not in finished.printed
    assert on_sqld.proxy.requests == 0


def test_an_expired_and_a_read_only_token_are_told_before_any_request(
    sqld: Sqld, on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    expired = run_program("deploy", folder, on_sqld.url, sqld.expired_token())
    assert_refused(expired, "token-expired", status=2)
    read_only = run_program("deploy", folder, on_sqld.url, on_sqld.read_only_token)
    assert_refused(read_only, "token-read-only", status=2)
    assert (on_sqld.proxy.requests, on_sqld.names()) == (0, set())


@pytest.mark.parametrize("command", ["deploy", "plan", "verify"])
def test_a_token_of_another_database_is_refused(on_sqld: DatabaseUnderTest, tmp_path: Path, command: str) -> None:
    token = sign(Ed25519PrivateKey.generate(), {"a": "rw"})
    finished = run_program(command, write_folder(tmp_path / "schema", SMALL), on_sqld.url, token)
    assert_refused(finished, "token-rejected", status=1)
    assert (on_sqld.proxy.requests, on_sqld.names()) == (1, set())


def test_a_missing_token_is_told(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    finished = run_program("deploy", write_folder(tmp_path / "schema", SMALL), on_sqld.url)
    assert_refused(finished, "token-rejected", status=1)
    assert "TURSO_AUTH_TOKEN" in finished.error["hint"]


@pytest.mark.parametrize("command", ["deploy", "plan", "verify"])
def test_a_server_that_is_down_is_told(sqld: Sqld, tmp_path: Path, command: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    finished = run_program(command, write_folder(tmp_path / "schema", SMALL), url, sqld.token())
    assert_refused(finished, "unreachable", status=1)


def test_a_server_that_is_slow_is_given_up_after_the_time_that_was_set(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    on_sqld.proxy.latency = 1
    folder = write_folder(tmp_path / "schema", SMALL)
    finished = run_program("deploy", folder, on_sqld.url, on_sqld.token, timeout="0.2")
    assert_refused(finished, "timeout", status=1)
    assert "0.2 s" in finished.error["message"]
    assert (finished.document["requests"], on_sqld.names()) == (1, set())


@pytest.mark.parametrize("status", [200, 403, 404])
def test_a_web_page_is_not_taken_for_a_database(sqld: Sqld, tmp_path: Path, status: int) -> None:
    with web_site(status) as url:
        finished = run_program("deploy", write_folder(tmp_path / "schema", SMALL), url, sqld.token())
    assert_refused(finished, "unexpected-reply", status=1)
    assert "web page" in finished.error["message"]
    assert "Welcome" not in finished.printed


@contextmanager
def web_site(status: int) -> Iterator[str]:
    """Something else than a database, on loopback."""

    class Site(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>Welcome</title>")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with listening(Site) as url:
        yield url


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("These are notes, and no database at all. " * 20, encoding="utf-8")
    finished = run_program("deploy", write_folder(tmp_path / "schema", SMALL), f"file:{file}")
    assert_refused(finished, "database-url-invalid", status=1)
    assert file.read_text(encoding="utf-8").startswith("These are notes")
