"""`version-from-tag`: a release deploys the version that its tag names, or nothing."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from turso_deploy.cli.run import run
from turso_deploy.github.context import read_context


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    folder = tmp_path / "schema"
    folder.mkdir()
    (folder / "notes.sql").write_text("CREATE TABLE notes (id INTEGER PRIMARY KEY);")
    (folder / "manifest.yml").write_text("schema_version: 2.2.0\n")
    return folder


def plan_on(ref: str | None, schema: Path, **settings: Any) -> tuple[int, dict[str, Any]]:
    """The exit status and the report of a plan in a run for this ref."""
    output = io.StringIO()
    environment = {"GITHUB_REF": ref} if ref else {}
    url = f"file:{schema.parent / 'database.db'}"
    common = {"command": "plan", "schema_path": str(schema), "database_url": url, "json_output": True}
    status = run(common | settings, environment, output)
    report: dict[str, Any] = json.loads(output.getvalue())
    return status, report


@pytest.mark.parametrize("tag", ["v2.2.0", "database/v2.2.0", "database-v2.2.0"])
def test_a_tag_of_the_manifests_version_is_let_through(tag: str, schema: Path) -> None:
    status, report = plan_on(f"refs/tags/{tag}", schema, version_from_tag=True)
    assert (status, report["status"]) == (0, "planned")


@pytest.mark.parametrize("tag", ["v2.2.1", "v2.2", "v2.2.0-rc.1", "database/v3.0.0"])
def test_a_tag_of_another_version_is_refused(tag: str, schema: Path) -> None:
    status, report = plan_on(f"refs/tags/{tag}", schema, version_from_tag=True)
    assert (status, report["status"], report["committed"]) == (2, "failed", False)
    assert report["error"]["code"] == "manifest-mismatch"
    assert report["error"]["file"].endswith("schema/manifest.yml")


@pytest.mark.parametrize("ref", [None, "refs/heads/v2.2.0", "refs/heads/main", "refs/tags/latest", "refs/tags/2.2.0"])
def test_a_run_for_no_version_tag_is_wrong_input(ref: str | None, schema: Path) -> None:
    status, report = plan_on(ref, schema, version_from_tag=True)
    assert (status, report["error"]["code"]) == (2, "input-invalid")


def test_a_manifest_without_a_version_matches_no_tag(schema: Path) -> None:
    (schema / "manifest.yml").write_text("{}\n")
    status, report = plan_on("refs/tags/v2.2.0", schema, version_from_tag=True)
    assert (status, report["error"]["code"]) == (2, "manifest-mismatch")


def test_without_the_setting_any_tag_will_do(schema: Path) -> None:
    status, _ = plan_on("refs/tags/v9.9.9", schema)
    assert status == 0


def test_the_version_of_a_tag_is_what_follows_its_v() -> None:
    assert read_context({"GITHUB_REF": "refs/tags/v2.2.0-rc.1"}).tag_version == "2.2.0-rc.1"
