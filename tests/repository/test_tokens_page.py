"""docs/guides/tokens.md: its workflows can be copied, and its defaults are those of the program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from turso_deploy.settings.reader import read_settings
from turso_deploy.settings.settings import SETTINGS, input_of

PAGE = (Path(__file__).parents[2] / "docs/guides/tokens.md").read_text(encoding="utf-8")
WORKFLOWS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)]
FIELDS = {input_of(name): name for name in SETTINGS}


def settings_of(workflow: dict[str, Any]) -> dict[str, str]:
    """What the workflow sets for the Action, by field."""
    (job,) = workflow["jobs"].values()
    (step,) = [step for step in job["steps"] if step["uses"].startswith("OWNER/turso-deploy@")]
    return {FIELDS[name]: str(value) for name, value in step["with"].items()}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: next(iter(workflow["jobs"])))
def test_a_workflow_of_the_page_sets_what_the_action_takes(workflow: dict[str, Any]) -> None:
    settings = settings_of(workflow)
    assert read_settings(settings, {}).organization == "acme"
    assert all("secrets." in value for name, value in settings.items() if name.endswith("_token"))


def test_the_policys_defaults_are_those_of_the_program() -> None:
    rows = dict(re.findall(r"^\| `(token-[a-z-]+)` \| `(\S+)` \|", PAGE, flags=re.MULTILINE))
    assert set(rows) == {"token-max-age", "token-expiry-warning", "token-require-expiry", "token-policy"}
    for name, default in rows.items():
        assert SETTINGS[FIELDS[name]].default_text == default


def test_every_setting_that_the_page_names_is_one() -> None:
    named = set(re.findall(r"`((?:token|secret|restore|keep|revoke|api|github|previous|read-only)-[a-z-]+)[:`]", PAGE))
    outputs = {"token-expires-at", "token-days-left", "token-age-days", "token-rotation-due"}
    assert named - outputs <= set(FIELDS)
