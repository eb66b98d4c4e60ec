from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from turso_deploy.core.errors import InputError
from turso_deploy.database.address import FileAddress, RemoteAddress
from turso_deploy.database.file import FileDatabase
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.database.open import open_database


def test_each_address_has_its_database(tmp_path: Path) -> None:
    local = open_database(FileAddress(str(tmp_path / "local.db")))
    remote = open_database(RemoteAddress("https://db-org.turso.io"), auth_token="token")
    remote.close()
    assert isinstance(local, FileDatabase)
    assert isinstance(remote, HranaDatabase)
    assert remote.address == "https://db-org.turso.io"


def test_a_token_that_would_break_the_header_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        open_database("libsql://db-org.turso.io", auth_token="hunter2\r\nX-Other: 1")
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_no_client_is_loaded_before_a_database_is_opened() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, turso_deploy.database.open; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"http.client", "ssl", "sqlite3"} & set(loaded)
