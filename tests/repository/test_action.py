"""action.yml and docs/reference/settings.md say what the program does: an input has one definition."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from turso_deploy.core.errors import ErrorCode
from turso_deploy.github.outputs import OUTPUTS
from turso_deploy.settings.settings import SETTINGS, input_of, variable_of

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
FIELDS = {input_of(name): (name, setting) for name, setting in SETTINGS.items()}


def test_the_action_has_the_inputs_of_the_program_in_their_order() -> None:
    assert list(ACTION["inputs"]) == list(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_an_input_of_the_action_is_the_setting_of_the_program(name: str) -> None:
    described, setting = ACTION["inputs"][name], FIELDS[name][1]
    assert described["description"] == setting.description_with_default
    assert described["description"].startswith(setting.description)
    assert described["description"].endswith(f"Default: `{setting.default_text}`.") is bool(setting.default_text)


@pytest.mark.parametrize("name", FIELDS)
def test_action_sets_no_default_which_would_win_over_a_variable(name: str) -> None:
    assert set(ACTION["inputs"][name]) == {"description"}


def test_the_actions_outputs_are_those_that_are_written() -> None:
    assert {name: output["description"] for name, output in ACTION["outputs"].items()} == dict(OUTPUTS)
    assert list(ACTION["outputs"]) == list(OUTPUTS)


def test_the_action_runs_the_dockerfile_of_this_repository() -> None:
    assert ACTION["runs"]["using"] == "docker"
    assert ACTION["runs"]["image"] == "Dockerfile"
    assert (ROOT / "Dockerfile").is_file()


def test_the_marketplace_can_show_the_action() -> None:
    assert ACTION["name"]
    assert ACTION["author"]
    assert len(ACTION["description"]) <= 125
    assert set(ACTION["branding"]) == {"icon", "color"}
    assert ACTION["branding"]["color"] in {"white", "black", "yellow", "blue", "green", "orange", "red", "purple"}


def test_the_page_of_inputs_has_every_setting_and_every_output() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    first = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert [name for name in (*FIELDS, *OUTPUTS) if name not in first] == []
    assert [f"`{variable_of(name)}`" for name, _ in FIELDS.values() if f"`{variable_of(name)}`" not in page] == []


def test_every_failure_has_a_name_of_its_own_in_kebab_case() -> None:
    codes = [code.value for code in ErrorCode]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
