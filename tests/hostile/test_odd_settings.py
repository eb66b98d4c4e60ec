"""Odd settings of every command, by flag and by variable: each run ends with a report and an exit status of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.counters import LONG, count
from tests.support.databases import QUICK
from tests.support.schema_folders import SMALL, write_folder
from turso_deploy.cli.run import run
from turso_deploy.settings.settings import ALL_COMMANDS, SETTINGS, Command, variable_of

PARTS = 20 if LONG else 1
ONE_IN = 3 if LONG else 300
NOWHERE = "http://127.0.0.1:9"
ODD = (
    *("", " ", "\t", "\n", "a\nb", "\x00", "a\x00b", "\udce9", "a\udce9", "\ufeff", "é", "😀", "\u202e", "x" * 300),
    *("-1", "0", "1", "007", "1e999", "-0.0", "NaN", "inf", "9" * 5_000, "1_000", "0x10", "٣", "²", "1.5", "1e-320"),
    *(
        "true",
        "yes",
        "null",
        "[]",
        "{}",
        "None",
        ".",
        "..",
        "~",
        "a/../b",
        "/dev/null",
        "/proc/self/mem",
        "-",
        "--help",
    ),
    *("file:", "file:x.db", "file::memory:", "file:/", "file:a?mode=ro", "file:a\x00b", "file://host/a", "sqlite:a"),
    *("https://", "https://[", "https://[::1", "https://[x]/", "https://a]b", "http://1:99999", "https://a:b@c", "//"),
    *(
        "libsql://a?authToken=x",
        "libsql://é.example",
        "https://" + "a" * 300,
        "https://..",
        "https://a..b",
        "http:///x",
    ),
    *("1h", "0d", "-1d", "999999999999d", "9" * 400 + "d", "P1D", "1d1h"),
    *(
        "drop-table",
        "drop-table:",
        "drop-table:*",
        ",,",
        "drop-table:a,",
        "downgrade:1",
        ":",
        "%",
        "%00",
        "::add-mask::x",
    ),
    *(
        "a.b.c",
        "eyJhbGciOiJFZERTQSJ9.e30.c2ln",
        "eyJ.eyJ.",
        "environment:",
        "environment:\x00",
        "organization:-",
        "v1.0.0",
    ),
)
VARIABLES = (
    *("GITHUB_REF", "GITHUB_SHA", "GITHUB_REPOSITORY", "GITHUB_API_URL", "GITHUB_SERVER_URL", "GITHUB_RUN_ID"),
    *(
        "GITHUB_EVENT_PATH",
        "GITHUB_OUTPUT",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_ACTOR",
        "GITHUB_REF_TYPE",
        "GITHUB_REF_NAME",
    ),
    *("RUNNER_DEBUG", "NO_COLOR", "TERM", "GITHUB_EVENT_NAME", "GITHUB_HEAD_REF", "GITHUB_RUN_ATTEMPT"),
)
PLATFORM = {
    "api_token": "platform-token",
    "api_url": NOWHERE,
    "organization": "acme",
    "database": "quiz",
    "github_token": "ghp_0123456789",
}
Case = tuple[str, dict[str, Any], dict[str, str]]


def cases() -> Iterator[Case]:
    """Yield a command, its flags and its environment, of which one value is odd."""
    for command, name, value in itertools.product(ALL_COMMANDS, SETTINGS, ODD):
        if name == "command":
            continue
        given = _given(command, name)
        yield command, given | {name: value}, {}
        yield command, given, {variable_of(name): value}
    some: tuple[Command, ...] = ("deploy", "plan", "check-tokens", "rotate-token")
    for command, name, value in itertools.product(some, VARIABLES, ODD):
        if "\x00" not in value:  # which no variable can hold
            yield command, _given(command, name) | {"comment": True}, {"GITHUB_ACTIONS": "true", name: value}


def _given(command: str, odd: str) -> dict[str, Any]:
    """Return the flags of a run that would do something, without the odd one."""
    hosted = command in ("check-tokens", "rotate-token")
    flags = {"command": command, "timeout": "0.2", "schema_path": "pulled" if command == "pull" else "schema"}
    flags |= PLATFORM if hosted or odd in PLATFORM else {"database_url": "file:a.db"}
    return {name: value for name, value in flags.items() if name != odd}


def ended(flags: Mapping[str, Any], environment: Mapping[str, str]) -> str | None:
    """Return what is wrong with the end of a run; None for a report and its exit status."""
    printed, errors = StringIO(), StringIO()
    try:
        status = run(flags, environment, printed, errors, timing=QUICK)
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
        return f"{type(error).__name__} at {where}"
    text = printed.getvalue() + errors.getvalue()
    if "unexpectedly" in text or "could not be printed" in text:
        start = max(text.find("unexpectedly"), text.find("could not be printed"))
        return text[start : start + 120].splitlines()[0]
    return None if status in range(6) else f"exit {status}"


@pytest.mark.parametrize("part", range(PARTS))
def test_odd_setting_ends_with_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    folder = tmp_path / "a" / "b"
    write_folder(folder / "schema", SMALL)
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.startswith(("INPUT_", "TURSO_", "GITHUB_")):
            monkeypatch.delenv(name)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    wrong: dict[str, int] = {}
    for command, flags, environment in itertools.islice(cases(), part, None, PARTS * ONE_IN):
        found = ended(flags, environment)
        count("odd settings", command)
        if found:
            shown = {name: value[:30] for name, value in {**flags, **environment}.items() if name not in PLATFORM}
            wrong.setdefault(f"{found}, such as {shown!r}", 0)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["x" * 300, "a\x00b", "x/" * 3_000])
@pytest.mark.parametrize(
    ("command", "setting"),
    [
        *((command, "schema_path") for command in ("deploy", "verify", "docs", "pull")),
        ("plan", "compare_to"),
        ("docs", "output"),
    ],
)
def test_folder_that_no_file_system_takes_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, setting: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "schema", SMALL)
    printed = StringIO()
    assert run({"command": command, "database_url": "file:a.db", setting: name}, {}, printed, StringIO()) == 2
    assert any(
        part in printed.getvalue() for part in ("names a folder that cannot be used", "without the character NUL")
    )
