"""The workflows of this repository and of the examples: what they run is pinned, and what they ask for exists."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from turso_deploy.github.outputs import OUTPUTS
from turso_deploy.settings.settings import SETTINGS, input_of

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / ".github/workflows").glob("*.yml")), *sorted((ROOT / "docs/examples").glob("*.yml"))]
OURS = {"./", "./published", "OWNER/turso-deploy@v1"}


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_others_wrote_is_pinned_to_a_commit_with_its_version_beside_it(path: Path) -> None:
    used = [line.strip().lstrip("- ") for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    others = [line for line in used if line.removeprefix("uses: ") not in OURS]
    assert [line for line in others if not re.fullmatch(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_workflow_may_do_nothing_but_what_a_job_asks_for(path: Path) -> None:
    assert load(path)["permissions"] == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_workflow_gives_our_action_inputs_that_it_has(path: Path) -> None:
    known = {input_of(name) for name in SETTINGS}
    given = {name for step in steps(load(path)) if step.get("uses") in OURS for name in step.get("with", {})}
    assert given <= known


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_workflow_asks_our_action_for_outputs_that_it_has(path: Path) -> None:
    workflow = load(path)
    ours = {step["id"] for step in steps(workflow) if step.get("uses") in OURS and "id" in step}
    asked = re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", path.read_text(encoding="utf-8"))
    assert {output for step, output in asked if step in ours} <= set(OUTPUTS)


@pytest.mark.parametrize("path", sorted((ROOT / "docs/examples").glob("*.yml")), ids=lambda path: path.stem)
def test_an_example_says_first_what_it_is_for(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")
