"""The precedence of the sources of a setting on a real runner, for every input of the Action.

A workflow is generated from the settings, so that no input can be left out. Each of its steps fails, because some
settings exclude others; the log names the source of each setting before any of them is judged.
"""

import json
import re
from typing import Any

import pytest

from tests.e2e.act import Run, run_workflow
from turso_deploy.settings.settings import SETTINGS, input_of, variable_of

pytestmark = pytest.mark.container

VALUES = {"command": "plan", "verbose": "true", "env_file": "e2e.env", "settings_file": "e2e.toml"}
"""Values that the log depends on; all others are never read."""

INPUTS = {input_of(name): VALUES.get(name, "of-the-input") for name in SETTINGS}
VARIABLES = {variable_of(name): VALUES.get(name, "of-the-variable") for name in SETTINGS}
STEPS: dict[str, dict[str, Any]] = {
    "variables": {"env": VARIABLES},
    "empty": {"env": VARIABLES, "with": dict.fromkeys(INPUTS, "")},
    "inputs": {"env": VARIABLES, "with": INPUTS},
    "files": {"env": {"TURSO_VERBOSE": "true", "TURSO_ENV_FILE": "e2e.env"}},
}
"""Steps of one job, each with what it sets."""

EFFECTS: dict[str, dict[str, str]] = {
    "plan": {"TURSO_COMMAND": "plan", "TURSO_DATABASE_URL": "file:a.db"},
    "tag": {"TURSO_VERSION_FROM_TAG": "true", "TURSO_DATABASE_URL": "file:b.db"},
    "folder": {"TURSO_SCHEMA_PATH": "other", "TURSO_DATABASE_URL": "file:c.db"},
    "target": {"TURSO_TARGET": "staging", "TURSO_SETTINGS_FILE": "e2e-two.toml"},
    "default": {"TURSO_DATABASE_URL": "file:d.db"},
}
"""Steps without inputs, which the environment alone directs."""

FILES = {
    "e2e.env": "TURSO_SETTINGS_FILE=e2e.toml\nTURSO_COMMAND=verify\nTURSO_TIMEOUT=of-the-file\n",
    "e2e.toml": 'timeout = "of-the-settings-file"\ntoken-max-age = "of-the-settings-file"\n',
    "e2e-two.toml": '[databases.production]\nurl = "file:p.db"\n[databases.staging]\nurl = "file:s.db"\n',
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of the workflow."""
    folder = tmp_path_factory.mktemp("act")
    write = " && ".join(f"printf '{text}' > {name}".replace("\n", "\\n") for name, text in FILES.items())
    steps: list[dict[str, Any]] = [{"run": f"{write} && cp -r schema other"}]
    for name, given in STEPS.items():
        steps.append({"id": name, "name": name, "uses": "./", "continue-on-error": True, **given})
    for name, variables in EFFECTS.items():
        steps.append({"id": name, "name": name, "uses": "./", "continue-on-error": True, "env": variables})
    steps.append({"id": "left", "run": "ls -lnd *.db; echo ::notice::left $(ls -d *.db | xargs)"})
    checkout = {"uses": "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd"}
    job = {"runs-on": "ubuntu-latest", "steps": [checkout, *steps]}
    workflow = folder / "precedence.yml"
    workflow.write_text(json.dumps({"on": "push", "jobs": {"settings": job}}))
    return run_workflow(workflow, "push", folder, payload={"ref": "refs/heads/main"})


def sources_in(run: Run, step: str) -> dict[str, str]:
    """The source of each setting, as the log of a step names it."""
    found = re.findall(rf"^\[settings .*{step}\] .*turso_deploy\.settings: settings: (.*)$", run.log, re.MULTILINE)
    assert len(found) == 1, run.log
    [line] = found
    return dict(re.findall(r"([a-z-]+) from ([^,]+)", line))


def test_variable_counts_for_every_input_that_is_not_set(run: Run) -> None:
    expected = {input_of(name): variable_of(name) for name in SETTINGS}
    assert sources_in(run, "variables") == expected


def test_variable_counts_for_every_input_that_is_empty(run: Run) -> None:
    assert sources_in(run, "empty") == {input_of(name): variable_of(name) for name in SETTINGS}


def test_every_input_that_is_set_wins_over_its_variable(run: Run) -> None:
    assert sources_in(run, "inputs") == {input_of(name): f"the input {input_of(name)}" for name in SETTINGS}


def test_file_of_variables_wins_over_the_settings_file(run: Run) -> None:
    assert sources_in(run, "files") == {
        "command": "e2e.env:2",
        "timeout": "e2e.env:3",
        "token-max-age": "e2e.toml:2",
        "verbose": "TURSO_VERBOSE",
        "settings-file": "e2e.env:1",
        "env-file": "TURSO_ENV_FILE",
    }


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        ("plan", "✅ Planned"),
        ("tag", "❌ Failed"),
        ("folder", "✅ Deployed"),
        ("target", "✅ Deployed"),
        ("default", "✅ Deployed"),
    ],
)
def test_environment_alone_directs_a_step(run: Run, step: str, verdict: str) -> None:
    assert run.steps["settings", step].summary.startswith(f"## {verdict}"), run.log


def test_only_the_databases_that_were_named_are_written(run: Run) -> None:
    [(_, _, message)] = run.steps["settings", "left"].annotations
    assert message == "left c.db d.db s.db"
