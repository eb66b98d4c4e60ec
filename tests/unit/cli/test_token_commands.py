"""Commands of Turso's own command line, as pages and messages give them, are ones that it has.

It cannot be run here without an account. What it takes is told by its manual, https://docs.turso.tech/cli, and for
`db config` by https://turso.tech/blog/prevent-accidental-deletes-with-database-and-group-delete-protection.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "docs/examples/*.yml", ".github/workflows/*.yml", "src/**/*.py")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
COMMANDS: dict[str, set[str]] = {
    "auth login": set(),
    "auth signup": set(),
    "auth api-tokens mint": {"--org", "--group", "--scope", "--read-only", "--full-access"},
    "db config": set(),
    "db config delete-protection disable": set(),
    "db create": {"--group", "--from-db", "--timestamp", "--from-file", "--from-dump", "--wait"},
    "db destroy": {"--yes"},
    "db list": set(),
    "db shell": set(),
    "db show": {"--url", "--http-url"},
    "db tokens create": {"--expiration", "--read-only"},
    "group list": set(),
    "group unarchive": set(),
    "org list": set(),
    "plan show": set(),
}
UNSCOPED = "an API token without an organization is deprecated: https://docs.turso.tech/cli/auth/api-tokens/mint"


def commands_in(text: str) -> list[str]:
    """What stands behind `turso` in a code span, a string, or at the start of a line."""
    return re.findall(r"(?:^|[`\"])turso ((?:auth|db|group|org|plan|config|dev)\b[^`\"\n]*)", text, re.MULTILINE)


FOUND = [(path, command) for path in SOURCES for command in commands_in(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    ("path", "command"), FOUND, ids=[f"{path.relative_to(ROOT)}: {command}" for path, command in FOUND]
)
def test_a_command_of_turso_is_one_that_it_has_with_flags_that_it_takes(path: Path, command: str) -> None:
    words = command.split()
    [*_, longest] = sorted(known for known in COMMANDS if words[: len(known.split())] == known.split())
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert flags <= COMMANDS[longest]
    if longest.endswith("mint"):
        assert "--org" in flags, UNSCOPED


def test_the_commands_of_the_pages_are_found() -> None:
    told = {command for path, command in FOUND if path.name == "getting-started.md"}
    assert {"auth signup", "db create library", "db show library --url"} <= told
