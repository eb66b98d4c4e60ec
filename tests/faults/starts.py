"""What the schedules of faults deploy: each kind of change, and the database that it is made to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.faults.between import NEW, OLD
from tests.support.schema_folders import SMALL, write_project
from turso_deploy.database.interface import REQUEST_SIZE
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.project import Project
from turso_deploy.report.document import Status

CHUNK = 13_000
EVERYTHING = tuple(Approval(name, None) for name in HazardName)
_BOOKS = "".join(f'{{"id": "b{number}", "title": "Book {number}", "author": 1}}\n' for number in range(1, 501))
_VOLUMES = _BOOKS.replace(OLD, NEW)
_REBUILT = SMALL["tables.sql"].replace("title TEXT NOT NULL,", "title TEXT NOT NULL CHECK (title <> ''),\n  year,")
_SPLIT = """\
-- @run between
-- @needs books.title
INSERT INTO titles (book, title) SELECT id, title FROM books ORDER BY id;
"""
_NOT_NEEDED = "-- @run before\n-- @needs shelves.number\nDELETE FROM shelves;\n"
_LIVE_ROWS = (
    "UPDATE books SET title = 'Live ' || id WHERE id IN ('b1', 'b2', 'b400')",
    "INSERT INTO books VALUES ('b501', 'Live', 1)",
)
_LIVE_AUTHOR = ("INSERT INTO authors VALUES (3, 'Live', NULL)", "INSERT INTO books VALUES ('live', 'Live', 3)")
_NO_RECORDS = ("ALTER TABLE schema_deployments DROP COLUMN seed_rows",)


class Start(NamedTuple):
    """A project to deploy, and a database that holds the project `first` and what an application wrote since.

    `stopped` is the status of a deployment that cannot succeed.
    """

    project: Project
    first: Project | None = None
    live: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = EVERYTHING
    request_size: int = REQUEST_SIZE
    stopped: Status | None = None


def starts(folder: Path) -> dict[str, Start]:
    """Return the kinds of deployments by what they are, with their schema folders in `folder`."""
    first = write_project(folder / "first", books=_BOOKS, manifest="schema_version: 1.0.0\n")

    def project(manifest: str = "schema_version: 2.0.0\n", **changed: str) -> Project:
        files = {name: text for name, text in changed.items() if "/" in name}
        stems = {name: text for name, text in changed.items() if "/" not in name}
        path = folder / str(len(list(folder.iterdir())))
        return write_project(path, {**SMALL, **files}, manifest=manifest, **stems)

    more = _VOLUMES + '{"id": "b501", "title": "Volume 501", "author": 2}\n'
    policy = "schema_version: 2.0.0\nseeds: {{books: {{existing: {}}}}}\n"
    exchanged = 'id,name,profile\n1,Grace,"{""born"": 1815}"\n2,Ada,\n'
    titles = _REBUILT + "CREATE TABLE titles (book TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL);\n"
    split = {"scripts/1-split.sql": _SPLIT, "scripts/2-shelves.sql": _NOT_NEEDED}
    deleted = {"scripts/1-delete.sql": "-- @run after\nDELETE FROM authors WHERE id = 3;\n"}
    return {
        "a new database": Start(write_project(folder / "new")),
        "a table made anew, and seeds": Start(project(tables=_REBUILT, books=_VOLUMES), first),
        "seeds only": Start(project("schema_version: 1.0.0\n", books=_VOLUMES), first),
        "a check that does not hold": Start(
            project('rows: {authors: ">=200"}\n', tables=_REBUILT), first, stopped=Status.FAILED
        ),
        "a table made anew, and seeds in chunks": Start(
            project(tables=_REBUILT, books=_VOLUMES), first, request_size=CHUNK
        ),
        "seeds over live rows, approved": Start(project(books=more), first, _LIVE_ROWS),
        "seeds over live rows, not approved": Start(
            project(books=more), first, _LIVE_ROWS, approvals=(), stopped=Status.BLOCKED
        ),
        "seeds beside live rows that are kept": Start(
            project(policy.format("keep"), books=more), first, _LIVE_ROWS, approvals=()
        ),
        "seeds over live rows that the folder owns": Start(
            project(policy.format("update"), books=more), first, _LIVE_ROWS, approvals=()
        ),
        "rows that exchange unique values": Start(
            project(books=_BOOKS, authors=exchanged), first, _LIVE_ROWS, approvals=()
        ),
        "scripts between the additions and a table made anew": Start(
            project(tables=titles, books=_BOOKS, **split), first, _LIVE_ROWS
        ),
        "an earlier version": Start(project("schema_version: 0.9.0\n", tables=_REBUILT, books=_VOLUMES), first),
        "an earlier version, not approved": Start(
            project("schema_version: 0.9.0\n", books=_BOOKS), first, approvals=(), stopped=Status.BLOCKED
        ),
        "rows that a script deletes": Start(project(books=_BOOKS, **deleted), first, _LIVE_AUTHOR),
        "a history without records of rows": Start(project(books=_VOLUMES), first, (*_NO_RECORDS, *_LIVE_ROWS)),
    }
