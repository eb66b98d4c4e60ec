"""What a reader may paste into a shell works, and what the guides say of codes, commands and settings is true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.repository.prose import WORDS
from turso_deploy.cli.arguments import COMMANDS
from turso_deploy.core.errors import ErrorCode
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.settings.settings import SETTINGS, flag_of, input_of

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
GENERATED = ROOT / "docs/schema"
WRITTEN = [page for page in PAGES if page.parent != GENERATED]
FLAGS = {flag_of(name) for name in SETTINGS} | {"--help", "--version"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def shell_environment(tmp_path: Path) -> dict[str, str]:
    """A shell in which `turso-deploy` is the program under test and no setting is given."""
    program = tmp_path / "bin/turso-deploy"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m turso_deploy "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    ours = ("TURSO_", "INPUT_", "GITHUB_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("name", ["getting-started.md", "guides/backup-and-recovery.md", "guides/drift.md"])
def test_the_shell_blocks_of_a_guide_work_one_after_the_other(
    name: str, tmp_path: Path, shell_environment: dict[str, str]
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    script = "set -eu\n" + "\n".join(blocks(ROOT / "docs" / name, "sh"))
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=shell_environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_error_code_has_its_row_and_no_other_has_one() -> None:
    text = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    assert sorted(told) == sorted(ErrorCode)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_in_a_page_exists_with_its_flags(page: Path) -> None:
    for line in re.findall(r"(?:^|[`$] ?|/)turso-deploy ([^`\n#|;]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
        words = line.split()
        commands = [word for word in words[:1] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
        if commands and commands[0] in COMMANDS:
            flags = {word.partition("=")[0].removeprefix("--no-") for word in words if word.startswith("--")}
            assert {flag if flag.startswith("--") else f"--{flag}" for flag in flags} <= FLAGS, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_workflow_in_a_page_gives_inputs_that_there_are(page: Path) -> None:
    known = {input_of(name) for name in SETTINGS}
    for block in blocks(page, "yaml"):
        jobs = yaml.safe_load(block).get("jobs", {})
        for step in (step for job in jobs.values() for step in job["steps"]):
            if "turso-deploy@" in step["uses"]:
                given = step.get("with", {})
                assert set(given) <= known
                parse_approvals(str(given.get("allow-hazards", "")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"", text):
        target = "".join(target)
        if "://" in target:
            continue
        name, _, fragment = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not fragment or fragment in anchors(linked), target


def test_every_page_is_listed_in_the_index_and_the_index_in_the_readme() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    listed = {(ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([^)#]+)\)", index)}
    pages = {page for page in WRITTEN if page.is_relative_to(ROOT / "docs")}
    assert pages - {ROOT / "docs/README.md"} <= listed
    assert GENERATED / "README.md" in listed
    assert "(docs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_pages_that_say_how_long_the_benchmarks_take_agree() -> None:
    told = {
        page.relative_to(ROOT).as_posix(): found[1]
        for page in PAGES
        if (found := re.search(r"make bench.*?(?:about )?(\w+) minutes", page.read_text(encoding="utf-8")))
    }
    assert set(told) >= {"CONTRIBUTING.md", "benchmarks/README.md"}
    assert len(set(told.values())) == 1, told


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_of_the_repository_that_a_page_names_exists(page: Path) -> None:
    names = re.findall(r"`((?:src|tests|docs|benchmarks|\.github)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_is_in_plain_english_and_lines_of_prose_are_short(page: Path) -> None:
    text = re.sub(r"^```.*?^```|<!-- gen.*?<!-- end -->", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    words = re.compile(rf"{WORDS.pattern}|\b(?:ledger|rehears\w*|refus\w*|way back|embedded database)\b", re.IGNORECASE)
    assert words.findall(re.sub(r"`[^`]*`", "", text)) == []
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith(("|", "  <img"))] == []


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [heading.replace("\\", "").lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def test_the_readme_can_be_read_in_one_go() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_hazard_that_a_page_allows_is_one(page: Path) -> None:
    for given in re.findall(r"allow-hazards[ :]+([a-z][\w.:-]+)", page.read_text(encoding="utf-8")):
        parse_approvals(given)
