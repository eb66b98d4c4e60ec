"""Messages keep the case of names: on a server and in a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.report.console import render
from turso_deploy.report.document import Status

BEFORE = """
CREATE TABLE PersonX (personId INTEGER PRIMARY KEY, fullName TEXT NOT NULL, niceName TEXT, extraData TEXT);
CREATE TABLE PetX (petId INTEGER PRIMARY KEY, ownerId INTEGER REFERENCES PersonX (personId), kindOf TEXT);
CREATE TABLE KeyX (codeName TEXT PRIMARY KEY, ownerId INTEGER) WITHOUT ROWID;
"""
AFTER = """
CREATE TABLE PersonX (personId INTEGER PRIMARY KEY, fullName TEXT NOT NULL UNIQUE, niceName TEXT NOT NULL,
  UNIQUE (fullName, niceName));
CREATE TABLE PetX (petId INTEGER PRIMARY KEY, ownerId INTEGER REFERENCES PersonX (personId) ON DELETE CASCADE,
  kindOf TEXT CHECK (kindOf <> 'X'));
CREATE TABLE KeyX (codeName TEXT PRIMARY KEY, ownerId INTEGER REFERENCES PERSONX (PERSONID)) WITHOUT ROWID;
CREATE UNIQUE INDEX PetKind ON PetX (kindOf, Upper(kindOf)) WHERE kindOf <> 'Z';
"""
FOLDED = "personx|petx|keyx|personid|fullname|nicename|extradata|petid|ownerid|kindof|codename|petkind"


@pytest.fixture
def live(target: DatabaseUnderTest, tmp_path: Path) -> DatabaseUnderTest:
    """Rows that contradict the changed definitions."""
    target.deploy(write_project(tmp_path / "before", {"a.sql": BEFORE}))
    target.run(
        "INSERT INTO PersonX VALUES (1, 'a', 'n', 'e'), (2, 'a', NULL, 'f')",
        "INSERT INTO PetX VALUES (1, 1, 'X'), (2, 2, 'Y'), (3, 2, 'Y')",
        "INSERT INTO KeyX VALUES ('k', 7)",
    )
    return target


def test_hazards_and_changes_keep_the_case_of_names(live: DatabaseUnderTest, tmp_path: Path) -> None:
    report = live.plan(write_project(tmp_path / "after", {"a.sql": AFTER}))
    text = render(report, False)
    assert {hazard.object for step in report.steps for hazard in step.hazards if hazard.name.startswith("add-")} == {
        "PersonX.niceName",
        "PersonX.fullName",
        "PetX.kindOf",
        "KeyX.ownerId",
        "PetKind",
    }
    assert "FOREIGN KEY (ownerId) REFERENCES PersonX (personId) ON DELETE CASCADE" in text
    assert not re.findall(FOLDED, text)


def test_row_without_a_parent_is_named_by_the_column_as_it_is_written(live: DatabaseUnderTest, tmp_path: Path) -> None:
    rebuilt = BEFORE.replace("extraData TEXT)", "extraData TEXT, CHECK (personId > 0))")
    files = {"a.sql": rebuilt, "scripts/break.sql": "-- @run after\nUPDATE PetX SET ownerId = 9 WHERE petId = 1;\n"}
    report = live.deploy(write_project(tmp_path / "after", files))
    assert report.status is Status.FAILED
    text = render(report, False)
    assert "ownerId references no row in PersonX" in text
    assert not re.findall(FOLDED, text)


def test_approval_may_be_written_in_any_case(live: DatabaseUnderTest, tmp_path: Path) -> None:
    changed = write_project(tmp_path / "after", {"a.sql": BEFORE.replace(", extraData TEXT", "")})
    report = live.deploy(changed, approvals=parse_approvals("drop-column:personx.EXTRADATA"))
    assert report.status is Status.DEPLOYED
