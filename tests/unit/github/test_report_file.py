"""The JSON report as a file of the workspace."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from turso_deploy.github.report_file import FOLDER, write_report_file

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_each_report_is_a_file_of_its_own(tmp_path: Path) -> None:
    paths = [write_report_file(tmp_path, command, json.dumps(command)) for command in ("plan", "deploy", "plan")]
    assert paths == [f"{FOLDER}/{name}" for name in ("plan-1.json", "deploy-1.json", "plan-2.json")]
    assert [json.loads((tmp_path / path).read_text()) for path in paths] == ["plan", "deploy", "plan"]


def test_git_does_not_see_the_reports(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    write_report_file(tmp_path, "plan", "{}")
    status = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--short"], capture_output=True, text=True, check=True
    )
    assert status.stdout == ""


@as_root
def test_reports_belong_to_the_owner_of_the_workspace(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 5678)
    path = tmp_path / write_report_file(tmp_path, "plan", "{}")
    found = {(one.stat().st_uid, one.stat().st_gid) for one in (path, path.parent, path.parent / ".gitignore")}
    assert found == {(1234, 5678)}


def test_folder_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    workspace, elsewhere = tmp_path / "workspace", tmp_path / "elsewhere"
    workspace.mkdir()
    elsewhere.mkdir()
    (workspace / FOLDER).symlink_to(elsewhere)
    with pytest.raises(OSError, match="is not a folder"):
        write_report_file(workspace, "plan", "{}")
    assert list(elsewhere.iterdir()) == []


def test_link_in_the_place_of_a_report_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "plan-1.json").symlink_to(tmp_path / "elsewhere")
    assert write_report_file(tmp_path, "plan", "{}") == f"{FOLDER}/plan-2.json"
    assert not (tmp_path / "elsewhere").exists()


def test_folder_of_the_repository_gets_no_gitignore(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    write_report_file(tmp_path, "plan", "{}")
    assert not (tmp_path / FOLDER / ".gitignore").exists()
