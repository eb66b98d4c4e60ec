"""Files that root writes into the folder of a user, as the container does, belong to that user."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.schema_folders import SMALL, write_folder
from turso_deploy.cli.main import main
from turso_deploy.core.files import give_to_owner
from turso_deploy.sqlite.connection import Connection

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can write files for others")

OWNER = (1001, 1002)


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of another user, as the working directory."""
    for name in list(os.environ):
        if name.startswith(("INPUT_", "TURSO_", "GITHUB_")):
            monkeypatch.delenv(name)
    write_folder(tmp_path / "schema", SMALL)
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, *OWNER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def owners_of(path: Path) -> tuple[int, int]:
    return path.lstat().st_uid, path.lstat().st_gid


def owners(folder: Path) -> set[tuple[int, int]]:
    return {owners_of(path) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["docs"],
        ["docs", "--output", "a/b/c"],
        ["deploy", "--database-url", "file:site.db"],
        ["deploy", "--database-url", "file:site.db", "--json"],
        ["plan", "--database-url", "file:none.db", "--save", "plan.json"],
    ],
)
def test_what_a_command_writes_belongs_to_the_owner_of_the_workspace(workspace: Path, arguments: list[str]) -> None:
    before = len(list(workspace.rglob("*")))
    assert main(arguments) == 0
    assert len(list(workspace.rglob("*"))) > before
    assert owners(workspace) == {OWNER}


def test_restore_point_belongs_to_the_owner_of_the_workspace(workspace: Path) -> None:
    folder, database = workspace / "schema", ["--database-url", "file:site.db"]
    write_folder(folder, {"tables.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);"})
    assert main(["deploy", *database]) == 0
    with closing(Connection.to_file(workspace / "site.db")) as connection:
        list(connection.rows("INSERT INTO users VALUES (1, 'Ada') RETURNING id"))
    write_folder(folder, {"tables.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY);"})
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *OWNER)
    approved = ["--allow-hazards", "drop-column:users.name", "--restore-point", "file"]
    assert main(["deploy", *database, *approved]) == 0
    assert len(list((workspace / "restore-points").iterdir())) == 1
    assert owners(workspace) == {OWNER}


def test_pulled_folder_belongs_to_the_owner_of_the_workspace(workspace: Path) -> None:
    assert main(["deploy", "--database-url", "file:site.db"]) == 0
    assert main(["pull", "--database-url", "file:site.db", "--schema-path", "pulled/schema"]) == 0
    assert (workspace / "pulled/schema/manifest.yml").is_file()
    assert owners(workspace) == {OWNER}


def test_journal_log_and_index_of_a_database_belong_to_its_owner(workspace: Path) -> None:
    assert main(["deploy", "--database-url", "file:site.db"]) == 0
    connection = Connection.to_file(workspace / "site.db")
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("INSERT INTO authors (id, name) VALUES (99, 'x')")
    assert {path.name for path in workspace.glob("site.db*")} == {"site.db", "site.db-wal", "site.db-shm"}
    assert owners(workspace) == {OWNER}
    (workspace / "schema/views.sql").write_text("CREATE VIEW v AS SELECT 1 AS one;\n", encoding="utf-8")
    assert main(["deploy", "--database-url", "file:site.db"]) == 0
    assert {(path.name, *owners_of(path)) for path in workspace.rglob("*") if owners_of(path) != OWNER} == set()
    connection.close()


def test_journal_of_an_open_transaction_belongs_to_the_owner_of_the_database(workspace: Path) -> None:
    assert main(["deploy", "--database-url", "file:site.db"]) == 0
    connection = Connection.to_file(workspace / "site.db")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO authors (id, name) VALUES (99, 'x')")
    assert (workspace / "site.db-journal").is_file()
    assert owners(workspace) == {OWNER}
    connection.close()


def test_database_that_a_link_leads_to_belongs_to_the_owner_of_its_own_folder(workspace: Path) -> None:
    (workspace / "data").mkdir()
    os.chown(workspace / "data", 1003, 1003)
    (workspace / "site.db").symlink_to("data/site.db")
    assert main(["deploy", "--database-url", "file:site.db"]) == 0
    assert owners(workspace / "data") == {(1003, 1003)}


def test_file_that_is_there_keeps_its_owner(workspace: Path) -> None:
    assert main(["docs"]) == 0
    page = workspace / "docs/schema/README.md"
    os.chown(page, 1005, 1005)
    page.write_text("stale", encoding="utf-8")
    assert main(["docs"]) == 0
    assert (page.stat().st_uid, page.read_text(encoding="utf-8") == "stale") == (1005, False)


def test_owner_can_remove_all_that_was_written(workspace: Path) -> None:
    assert main(["docs"]) == 0
    assert main(["deploy", "--database-url", "file:site.db"]) == 0

    def as_owner() -> None:
        os.setgroups([])
        os.setgid(OWNER[1])
        os.setuid(OWNER[0])

    removed = subprocess.run(["rm", "-r", "docs", "site.db"], preexec_fn=as_owner, cwd=workspace, check=False)
    assert removed.returncode == 0
    assert {path.name for path in workspace.iterdir()} == {"schema"}


def test_root_that_may_not_give_files_away_keeps_them(workspace: Path) -> None:
    code = (
        "from pathlib import Path\nfrom turso_deploy.core.files import make_folder, write_file\n"
        "write_file(Path('x'), b'x')\nmake_folder(Path('a/b'))\n"
    )
    command = ["setpriv", "--bounding-set=-chown", "--inh-caps=-chown", sys.executable, "-c", code]
    subprocess.run(command, cwd=workspace, check=True)
    assert {(workspace / name).stat().st_uid for name in ("x", "a", "a/b")} == {0}


def test_user_who_is_not_root_gives_nothing_away(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (workspace / "x").touch()
    give_to_owner(workspace / "x")
    assert (workspace / "x").stat().st_uid == 0
