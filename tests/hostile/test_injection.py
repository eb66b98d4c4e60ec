"""Text that looks like something to act on, in every place it can come from: whoever reads what we write sees text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.readers import COMMANDS, acts_on_a_terminal, diagrams_in, obeyed, outputs_in, skeleton
from tests.hostile.watched import Watched, Watcher
from tests.platform.github import WRITER, Github, running_github
from tests.platform.server import Answer, Faults, serving
from tests.support import counters
from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from tests.support.sqld import Sqld
from turso_deploy.github.outputs import OUTPUTS
from turso_deploy.sql.lexer import quote_identifier

PLAIN = "plain words"
PAYLOADS = {
    "a command": "x\n::error::OBEYED\n::set-output name=status::OBEYED\n::add-mask::deployed",
    "an old command": "##[error]OBEYED ##[group]OBEYED",
    "a command behind a carriage return": "x\r::error file=a,line=1::OBEYED\r##[add-mask]OBEYED",
    "an end of commands": "::stop-commands::OBEYED\n::endgroup::",
    "a heredoc": "x\nstatus<<EOF\nOBEYED\nEOF\n",
    "a link": "](https://evil.example) [OBEYED](https://evil.example) <https://evil.example>",
    "an image": "![OBEYED](https://evil.example/x.png)",
    "emphasis": "**OBEYED** __OBEYED__ *OBEYED* ~~OBEYED~~ `OBEYED`",
    "a table": "| OBEYED | x |\n| --- | --- |\n| x | y |",
    "a border behind a backslash": "x\\| OBEYED \\\\| y `\\|` \\",
    "a heading": "# OBEYED\n\n# OBEYED\nOBEYED\n=",
    "a list": "- OBEYED\n1. OBEYED\n> OBEYED",
    "a fence": "```\nOBEYED\n```\n~~~\n``````",
    "a backslash": "OBEYED\\",
    "a script": "<script>OBEYED</script><img src=x onerror=OBEYED>",
    "an end of details": "</details></code></td></table><h1>OBEYED</h1>",
    "a comment": "--> <!-- OBEYED",
    "references": "&lt;b&gt; &#60;b&#62; &amp; &nbsp;",
    "a picture": 'x" { OBEYED }\n    "A" ||--o{ "B" : "OBEYED"\nclick A href "https://evil.example"',
    "a directive of a picture": "%%{init: {'theme': 'OBEYED'}}%%\n```\n%% OBEYED",
    "colours": "\x1b[31mOBEYED\x1b[0m \x1b]8;;https://evil.example\x07OBEYED\x1b]8;;\x07",
    "a one-byte colour": "\x9b31mOBEYED\x85\x7f\x08\x08",
    "another direction": "\u202eDEYEBO\u2066\u2069\u2028\u2029",
    "a mention": "@everyone #1 www.evil.example https://evil.example $OBEYED$",
}


# In the long run everything; otherwise a part of what takes a server, and the terminal's form alone.
LOUD = ["--verbose", "--json"] if counters.LONG else ["--verbose"]
SOME = list(PAYLOADS) if counters.LONG else list(PAYLOADS)[::4]


def files_with(text: str) -> dict[str, str]:
    """A schema folder that has the text wherever text of somebody's own can be."""
    line = " ".join(text.split())
    table, column = quote_identifier(text), quote_identifier(f"{text} column")
    return {
        "tables.sql": f"-- {line}\n-- {line}\n\n-- {line}\nCREATE TABLE {table} (\n  id INTEGER PRIMARY KEY,\n"
        f"  {column} TEXT DEFAULT {quoted(text)} CHECK ({column} <> {quoted(text)}), -- {line}\n"
        f"  parent INTEGER REFERENCES {table} (id)\n);\n"
        f"CREATE INDEX {quote_identifier(f'{text} index')} ON {table} ({column});\n"
        "CREATE TABLE words (word TEXT PRIMARY KEY NOT NULL, more TEXT);\n",
        "views.sql": f"CREATE VIEW {quote_identifier(f'{text} view')} AS SELECT {column} AS {table} FROM {table};\n",
        "triggers.sql": f"CREATE TRIGGER {quote_identifier(f'{text} trigger')} AFTER INSERT ON {table} BEGIN\n"
        f"  SELECT {quoted(text)};\nEND;\n",
        "seeds/words.jsonl": json.dumps({"word": text, "more": json.dumps([text])}) + "\n",
        "queries/common.sql": f"-- {line}\n-- {line}\nSELECT word AS {table}, more FROM words;\n",
        "reference.yml": json.dumps(
            {
                "title": text,
                "tables": {"words": {"application_name": text}},
                "relations": [{"from": "words.word", "to": "words.more", "meaning": text}],
            }
        ),
        "manifest.yml": json.dumps({"schema_version": text, "json_columns": {"words": ["more"]}}),
    }


def quoted(text: str) -> str:
    """The text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


@pytest.fixture
def github() -> Iterator[Github]:
    with running_github() as running:
        yield running


@pytest.fixture
def watcher(
    tmp_path: Path,
    github: Github,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Watcher:
    return Watcher(tmp_path, github, monkeypatch, capsys, caplog)


@pytest.fixture
def on_sqld(sqld: Sqld) -> DatabaseUnderTest:
    return DatabaseUnderTest(sqld.url, sqld.url, sqld.token())


def run(watcher: Watcher, command: str, url: str, token: str, text: str, *flags: str) -> Watched:
    """One command, run for a branch and by an actor of that name."""
    line = text.replace("\x00", "")
    watcher.environment = {"GITHUB_REF": f"refs/heads/{line}", "GITHUB_ACTOR": line, "GITHUB_SHA": line}
    if command != "deploy":
        watcher.environment = {}  # a comment is for pull requests
    given = {"database_url": url, "auth_token": token, "github_token": WRITER, "comment": "true", "timeout": "30"}
    return watcher.run(command, "--schema-path", str(watcher.folder / "schema"), *flags, **given)


def assert_only_text(watched: Watched, like: Watched) -> None:
    """Nothing in it is acted on: it has the form of the same run with plain words."""
    assert watched.status == like.status, watched.written["stdout"]
    for place in ("stdout", "stderr"):
        commands = list(obeyed(watched.written[place]))
        assert {name for name, _ in commands} <= COMMANDS
        assert [name for name, _ in commands] == [name for name, _ in obeyed(like.written[place])]
        assert acts_on_a_terminal(watched.written[place]) == []
    assert outputs_in(watched.written["outputs"]).keys() == OUTPUTS.keys()
    for place in ("summary", "comment"):
        assert_only_words(watched.written[place], like.written[place])


def assert_only_words(markdown: str, like: str) -> None:
    assert skeleton(markdown) == skeleton(like)
    assert diagrams_in(markdown) == []
    assert acts_on_a_terminal(markdown) == []
    counters.count("injections looked for", "pages of Markdown")


@pytest.mark.parametrize("loud", LOUD)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_of_the_repository_is_shown_and_never_followed(
    watcher: Watcher, tmp_path: Path, payload: str, loud: str
) -> None:
    def all_runs(text: str, name: str) -> list[Watched]:
        write_folder(tmp_path / "schema", files_with(text))
        url = f"file:{tmp_path / name}"
        commands = ("plan", "deploy", "deploy", "verify")
        runs = [run(watcher, command, url, "", text, loud) for command in commands]
        DatabaseUnderTest(url, url).run(
            f"CREATE TABLE {quote_identifier(f'other {text}')} (a)", f"DROP VIEW {quote_identifier(f'{text} view')}"
        )
        return [*runs, run(watcher, "verify", url, "", text, loud), run(watcher, "plan", url, "", text, loud)]

    for watched, like in zip(all_runs(PAYLOADS[payload], "hostile.db"), all_runs(PLAIN, "plain.db"), strict=True):
        assert_only_text(watched, like)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_pages_of_a_schema_show_text_and_follow_none(watcher: Watcher, tmp_path: Path, payload: str) -> None:
    pages = []
    for name, text in (("hostile", PAYLOADS[payload]), ("plain", PLAIN)):
        write_folder(tmp_path / "schema", files_with(text))
        watched = watcher.run("docs", "--schema-path", str(tmp_path / "schema"), "--output", str(tmp_path / name))
        assert watched.status == 0, watched.written["stdout"]
        pages.append({path.name: path.read_text(encoding="utf-8") for path in (tmp_path / name).iterdir()})
    hostile, plain = pages
    assert hostile.keys() == plain.keys()
    for name in plain:
        assert_only_words(hostile[name], plain[name])


@pytest.mark.parametrize("payload", SOME)
def test_what_a_server_says_is_never_followed(watcher: Watcher, tmp_path: Path, payload: str) -> None:
    def answers(text: str) -> list[Answer]:
        errors = [{"message": f"SQLite error: no such table: {text}", "code": text}] * 20
        result = {"step_results": [None] * 20, "step_errors": errors}
        return [
            Answer(500, {"error": text}),
            Answer(400, text.encode()),
            Answer(429, {"error": text}, {"Retry-After": "0"}),
            Answer(200, {"results": [{"type": "error", "error": {"message": text, "code": text}}, {"type": "ok"}]}),
            Answer(200, {"results": [{"type": "ok", "response": {"result": result}}, {"type": "ok"}]}),
        ]

    write_folder(tmp_path / "schema", files_with(PLAIN))
    for hostile, plain in zip(answers(PAYLOADS[payload]), answers(PLAIN), strict=True):
        runs = []
        for answer in (hostile, plain):
            with serving(lambda request, answer=answer: answer, [], Faults()) as url:  # type: ignore[misc]
                runs.append(run(watcher, "verify", url, "", PLAIN))
        assert_only_text(*runs)


@pytest.mark.parametrize("payload", SOME)
def test_the_name_of_a_branch_goes_to_the_history_as_it_is_and_nowhere_else(
    watcher: Watcher, on_sqld: DatabaseUnderTest, tmp_path: Path, payload: str
) -> None:
    write_folder(tmp_path / "schema", files_with(PLAIN))
    watched = run(watcher, "deploy", on_sqld.url, on_sqld.token, PAYLOADS[payload])
    assert on_sqld.rows("SELECT ref, actor FROM schema_deployments") == [
        (f"refs/heads/{PAYLOADS[payload]}", PAYLOADS[payload])
    ]
    assert "OBEYED" not in watched.everything
