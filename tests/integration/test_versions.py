"""Versions: what plan, deploy and verify say of them, and that an old one does not take a database back unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest, run_program
from tests.support.schema_folders import write_folder, write_project
from turso_deploy.deploy import preview
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status
from turso_deploy.report.wording import verdict

SCHEMAS = {
    "A": "CREATE TABLE orders (id INTEGER PRIMARY KEY);\n",
    "B": "CREATE TABLE orders (id INTEGER PRIMARY KEY);\nCREATE VIEW totals AS SELECT count(*) AS n FROM orders;\n",
    "C": "CREATE TABLE orders (id INTEGER PRIMARY KEY);\nCREATE VIEW totals AS SELECT max(id) AS n FROM orders;\n",
}
HISTORY = "SELECT schema_version FROM schema_deployments ORDER BY number"


class Releases:
    """A database, and the releases that are deployed to it: a schema and a version, which may be missing."""

    def __init__(self, target: DatabaseUnderTest, folder: Path) -> None:
        self.target = target
        self._folder = folder

    def project(self, schema: str, version: str | None = None) -> Project:
        files = {"app.sql": SCHEMAS.get(schema, schema)} | (
            {"manifest.yml": f"schema_version: '{version}'\n"} if version else {}
        )
        return write_project(self._folder / f"{len(list(self._folder.iterdir()))}", files)

    def deploy(self, schema: str, version: str | None = None, approvals: str = "") -> Report:
        return self.target.deploy(self.project(schema, version), approvals=parse_approvals(approvals))

    def plan(self, schema: str, version: str | None = None, approvals: str = "") -> Report:
        return self.target.plan(self.project(schema, version), parse_approvals(approvals))


@pytest.fixture
def releases(target: DatabaseUnderTest, tmp_path: Path) -> Releases:
    (tmp_path / "releases").mkdir()
    return Releases(target, tmp_path / "releases")


def test_old_release_is_blocked_by_plan_and_deployment(releases: Releases) -> None:
    assert releases.deploy("A", "1.0.0").status is Status.DEPLOYED
    assert releases.deploy("B", "2.0.0").status is Status.DEPLOYED
    before = releases.target.dump()
    planned, deployed = releases.plan("A", "1.0.0"), releases.deploy("A", "1.0.0")
    for report in (planned, deployed):
        assert (report.status, report.exit_code, report.committed) == (Status.BLOCKED, 5, False)
        assert report.requests == 1
        assert [(line.name, line.object, line.approved) for line in report.hazards] == [("downgrade", "1.0.0", False)]
        assert report.error is not None
        assert "--allow-hazards downgrade:1.0.0" in (report.error.hint or "")
        assert str(report.error.file).endswith("manifest.yml")
        versions = (report.previous_version, report.schema_version, report.manifest_version)
        assert versions == ("2.0.0", "2.0.0", "1.0.0")
    assert verdict(planned) == "Blocked 2.0.0 -> 1.0.0: 1 object to drop; a deployment would be blocked"
    assert releases.target.dump() == before
    assert releases.deploy("A", "1.0.0", "downgrade:1.5.0").status is Status.BLOCKED
    back = releases.deploy("A", "1.0.0", "downgrade:1.0.0")
    assert (back.status, back.previous_version, back.schema_version) == (Status.DEPLOYED, "2.0.0", "1.0.0")
    assert verdict(back).startswith("Deployed 2.0.0 -> 1.0.0: 1 object dropped")
    assert releases.deploy("B", "2.0.0").status is Status.DEPLOYED


def test_old_version_is_blocked_if_only_the_history_would_be_written(releases: Releases) -> None:
    releases.deploy("A", "2.0.0")
    assert releases.plan("A", "2.0.0-rc.1").status is Status.BLOCKED
    assert releases.deploy("A", "1.0.0").status is Status.BLOCKED
    assert releases.target.rows(HISTORY) == [("2.0.0",)]
    assert releases.deploy("A", "2.0.0").status is Status.UNCHANGED


@pytest.mark.parametrize("version", [None, "autumn"])
def test_schema_of_the_history_is_a_downgrade_where_versions_cannot_be_compared(
    releases: Releases, version: str | None
) -> None:
    def deploy(schema: str, approvals: str = "") -> Status:
        report = releases.deploy(schema, version, approvals)
        assert report.status is Status.BLOCKED or report.requests == 2
        return report.status

    deployed, blocked = Status.DEPLOYED, Status.BLOCKED
    assert [deploy(schema) for schema in "ABA"] == [deployed, deployed, blocked]
    assert deploy("A", "downgrade") is deployed
    assert [deploy(schema) for schema in "BA"] == [deployed, blocked]  # B undoes the rollback
    assert [deploy(schema) for schema in "CBA"] == [deployed, blocked, blocked]
    assert deploy("A", "downgrade") is deployed
    assert [deploy(schema) for schema in "BC"] == [deployed, deployed]
    assert releases.deploy("C", version).status is Status.UNCHANGED


def test_spelling_makes_no_other_schema_of_an_old_one(releases: Releases) -> None:
    releases.deploy("A")
    releases.deploy("B")
    assert (
        releases.plan('create table "orders" (\n  "id" integer primary key -- of the order\n);').status
        is Status.BLOCKED
    )


def test_version_that_appears_or_goes_is_no_downgrade(releases: Releases) -> None:
    releases.deploy("A", "1.0.0")
    assert verdict(releases.deploy("A")) == "Deployed 1.0.0 -> no version, in 2 requests"
    assert verdict(releases.deploy("B", "1.0.0")).startswith("Deployed no version -> 1.0.0: 1 object created")
    assert releases.deploy("A").status is Status.BLOCKED
    assert releases.deploy("A", "1.0.0", "drop-table").status is Status.DEPLOYED  # the same version, another schema


@pytest.mark.parametrize("between", [[None], ["nightly", None], ["2024.01.02"]])
def test_deployments_without_a_semantic_version_do_not_hide_an_old_one(
    releases: Releases, between: list[str | None]
) -> None:
    releases.deploy("A", "1.0.0")
    releases.deploy("A", "2.0.0")
    for version in between:
        assert releases.deploy("A", version).status is Status.DEPLOYED
    planned, deployed = releases.plan("B", "1.5.0"), releases.deploy("B", "1.5.0")
    for report in (planned, deployed):
        assert (report.status, report.requests) == (Status.BLOCKED, 1)
        assert [(line.name, line.object) for line in report.hazards] == [("downgrade", "1.5.0")]
        assert report.error is not None
        assert "The database has " + ("reached" if between[-1] is None else "") in (report.error.hint or "")
    assert releases.deploy("B", "2.1.0").status is Status.DEPLOYED
    assert releases.deploy("C", "2.0.5", "downgrade:2.0.5").status is Status.DEPLOYED
    assert releases.deploy("C").status is Status.DEPLOYED
    assert releases.deploy("C", "2.0.6").status is Status.DEPLOYED  # forward from the version that it went back to


def test_reports_have_the_version_of_the_database_and_not_the_one_of_the_manifest(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "schema", {"app.sql": SCHEMAS["A"], "manifest.yml": "schema_version: 1.0.0\n"})

    def run(command: str, **settings: object) -> tuple[int, str, str | None, str | None, bool | None]:
        done = run_program(command, folder, target.url, target.token, **settings)
        report = done.document
        return (
            done.status,
            report["status"],
            report["previous_version"],
            report["schema_version"],
            report["first_deployment"],
        )

    assert run("verify")[:3] == (3, "pending", None)
    assert run("plan") == (0, "planned", None, None, True)
    assert run("deploy") == (0, "deployed", None, "1.0.0", True)
    assert run("deploy") == (0, "unchanged", "1.0.0", "1.0.0", False)
    (folder / "manifest.yml").write_text("schema_version: 9.9.9\n", encoding="utf-8")
    assert run("verify") == (3, "pending", "1.0.0", "1.0.0", False)
    assert run("plan") == (0, "planned", "1.0.0", "1.0.0", False)
    assert run("plan", check=True) == (3, "pending", "1.0.0", "1.0.0", False)
    assert run("deploy") == (0, "deployed", "1.0.0", "9.9.9", False)
    assert run("plan", check=True) == (0, "unchanged", "9.9.9", "9.9.9", False)


def test_database_that_was_never_deployed_to_is_pending_and_at_no_version(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "a", {"app.sql": SCHEMAS["A"], "manifest.yml": "schema_version: 1.0.0\n"})
    target.run(SCHEMAS["A"])
    planned, verified = target.plan(project), target.verify(project)
    assert verdict(planned) == "Planned 1.0.0 (first deployment): only the deployment history to write"
    assert any("managed from this deployment on" in notice for notice in planned.notices)
    assert verdict(verified).endswith("; nothing was deployed to the database yet")
    assert (planned.schema_version, verified.schema_version) == (None, None)
    assert verdict(target.deploy(project)) == "Deployed 1.0.0 (first deployment), in 2 requests"


def test_comparison_with_a_newer_folder_is_blocked(tmp_path: Path) -> None:
    older, newer, nameless = (
        write_project(
            tmp_path / name,
            {"app.sql": SCHEMAS["A"], "manifest.yml": f"schema_version: {version}\n" if version else ""},
        )
        for name, version in (("older", "1.0.0"), ("newer", "2.0.0"), ("nameless", ""))
    )
    forward, back = preview.compare(newer, older), preview.compare(older, newer)
    assert (forward.status, verdict(forward)) == (
        Status.PLANNED,
        "Planned 1.0.0 -> 2.0.0: only the deployment history to write",
    )
    assert (back.status, back.exit_code, back.schema_version) == (Status.BLOCKED, 5, None)
    assert verdict(back).startswith("Blocked 2.0.0 -> 1.0.0: ")
    assert preview.compare(older, newer, parse_approvals("downgrade:1.0.0")).status is Status.PLANNED
    assert preview.compare(older, nameless).status is Status.PLANNED
