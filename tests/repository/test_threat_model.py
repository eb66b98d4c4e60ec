"""The threat model names tests for each control, which exist and run, and its figures are those of the program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from turso_deploy.http import client
from turso_deploy.schema_docs.queries import MAX_RESULT_BYTES
from turso_deploy.sqlite.limits import MAX_MEMORY, MAX_SECONDS, MAX_STATEMENT_SECONDS, MAX_VALUE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/concepts/threat-model.md").read_text(encoding="utf-8")


@cache
def written_tests() -> Mapping[str, str]:
    """Return the decorators of every test function, by its name."""
    return {
        name: decorators
        for file in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in file.parts
        for decorators, name in re.findall(
            r"^((?:@.*\n(?:[ )].*\n)*)*)def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE
        )
    }


def faults(page: str) -> list[str]:
    """Return what is wrong with the controls of a page: a row of another form, no tests, or some that never run."""
    rows = [line for line in page.splitlines() if line.startswith("|") and not re.match(r"\| Threat|\|-", line)]
    found = [] if rows else ["no control"]
    for row in rows:
        cells = [cell.strip() for cell in row.strip().strip("|").split(" | ")]
        if len(cells) != 3 or not all(cells):
            found.append(f"not a threat, a control and tests: {row}")
            continue
        named = [name.strip(" `") for name in cells[2].split(",")]
        found += [f"no such test: {name}" for name in named if name not in written_tests()]
        found += [f"never runs: {name}" for name in named if "mark.skip(" in written_tests().get(name, "")]
    return found


def test_every_control_names_tests_that_exist_and_run() -> None:
    assert faults(PAGE) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("| A threat | A control | |", "not a threat"),
        ("| A threat | A control |", "not a threat"),
        ("| A threat | | `test_every_control_names_tests_that_exist_and_run` |", "not a threat"),
        ("| A threat | A control | `test_that_nobody_wrote` |", "no such test"),
        ("| A threat | A control | `test_every_control_names_tests_that_exist_and_run`, by hand |", "no such test"),
    ],
)
def test_control_without_a_test_is_found(row: str, fault: str) -> None:
    [found] = faults(f"{PAGE}\n{row}\n")
    assert found.startswith(fault)


def test_page_without_controls_is_found() -> None:
    assert faults("# Threat model\n\n| Threat | Control | Tests |\n|---|---|---|\n") == ["no control"]


@pytest.mark.parametrize(
    "figure",
    [
        f"one statement has {MAX_STATEMENT_SECONDS} s of processor time and all together {MAX_SECONDS} s",
        f"SQLite has {MAX_MEMORY // 2**20} MiB",
        f"a value {MAX_VALUE // 1_000_000} MB",
        f"the results of the queries for the pages {MAX_RESULT_BYTES // 1_000_000} MB",
        f"at most {client._MAX_RESPONSE // 2**20} MiB for a reply",
    ],
)
def test_figures_of_the_page_are_those_of_the_program(figure: str) -> None:
    assert figure in PAGE
