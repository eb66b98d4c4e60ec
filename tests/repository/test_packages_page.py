"""docs/contributing/packages.md has each package that the project asks for, and no other."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/contributing/packages.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MONTH = re.compile(r"20\d\d-(?:0[1-9]|1[0-2])\b")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without those of its head."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]


def packages(heading: str) -> list[str]:
    return [str(canonicalize_name(row[0])) for row in rows(heading)]


def names(requirements: Iterable[str | dict[str, str]]) -> list[str]:
    return sorted(str(canonicalize_name(Requirement(text).name)) for text in requirements if isinstance(text, str))


def npm_packages(file: str) -> set[str]:
    document: dict[str, Any] = json.loads((ROOT / file).read_text(encoding="utf-8"))
    return {*document["dependencies"], *document.get("optionalDependencies", {})}


def test_the_page_has_every_package_that_runs() -> None:
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements/runtime.txt").read_text("utf-8"), flags=re.MULTILINE)
    assert packages("Runtime") == names(PROJECT["project"]["dependencies"])
    assert packages("Runtime, through these") == sorted({*locked} - {*packages("Runtime")} - {*packages("Optional")})


def test_the_page_has_every_optional_package() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert packages("Optional") == names(text for extra in extras.values() for text in extra)
    assert all(f"extra `{name}`" in PAGE for name in extras)


def test_the_page_has_every_package_of_each_group() -> None:
    groups = PROJECT["dependency-groups"]
    own = {name: names(entries) for name, entries in groups.items() if names(entries)}
    assert {name: packages(name.capitalize()) for name in own} == own


def test_the_page_has_every_package_of_npm() -> None:
    wanted = npm_packages("tests/package.json") | npm_packages("benchmarks/package.json")
    assert {name for row in rows("npm") for name in row[0].split(", ")} == wanted


@pytest.mark.parametrize("heading", ["Runtime", "Runtime, through these", "Optional", "Test", "Lint", "Build", "Lock"])
def test_each_package_has_a_reason_two_dates_a_license_and_wheels(heading: str) -> None:
    for row in rows(heading):
        _, _, first, latest, _, wheels = row
        assert all(row), row
        assert MONTH.match(first), row
        assert MONTH.fullmatch(latest), row
        assert wheels in ("any", "both", "any, both"), row


def test_a_reader_learns_why_each_thing_is_written_here() -> None:
    for row in rows("Written here"):
        _, where, reason = row
        assert "`src/turso_deploy/" in where, row
        assert reason, row
