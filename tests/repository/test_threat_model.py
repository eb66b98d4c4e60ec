"""The threat model names tests: they exist, and no control is without one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/concepts/threat-model.md").read_text(encoding="utf-8")
CONTROLS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| Threat")]


def test_every_control_names_tests_that_exist() -> None:
    written = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in file.parts
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert CONTROLS
    for control in CONTROLS:
        named = re.findall(r"`(test_\w+)`", control)
        assert named, control
        assert set(named) <= written, set(named) - written
