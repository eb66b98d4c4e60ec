"""Modules of a repository that is deployed: which way of starting the program imports them, and which does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import turso_deploy

SOURCE = Path(turso_deploy.__file__).parents[1]
MODULE = "print('a module of the repository runs')\nraise SystemExit(0)\n"
START = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); sys.argv[0] = 'turso-deploy'; import runpy; "
START += "runpy.run_module('turso_deploy', run_name='__main__')"


def run(folder: Path, *start: str, path: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *start, "docs", "--output", "pages"],
        cwd=folder,
        env=environment | ({"PYTHONPATH": path} if path else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "t.sql").write_text("CREATE TABLE t (id INTEGER PRIMARY KEY);", encoding="utf-8")
    (tmp_path / "yaml.py").write_text(MODULE, encoding="utf-8")
    return tmp_path


def test_program_that_python_runs_isolated_imports_nothing_of_the_repository(folder: Path) -> None:
    printed = run(folder, "-I", "-c", START, path=str(folder))
    assert "a module of the repository runs" not in printed
    assert "1 table" in printed


def test_program_that_python_does_not_isolate_imports_what_the_working_folder_and_pythonpath_have(folder: Path) -> None:
    """What the documentation warns of. If this fails, the warning can go."""
    assert "a module of the repository runs" in run(folder, "-m", "turso_deploy", path=str(SOURCE))
    assert "a module of the repository runs" in run(folder, "-P", "-c", START, path=str(folder))
