from __future__ import annotations

import subprocess
import sys
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from turso_deploy.core.errors import InputError
from turso_deploy.database.file import FileDatabase
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.database.interface import MAX_TIMEOUT, REQUEST_SIZES
from turso_deploy.database.open import open_database
from turso_deploy.settings.reader import read_settings


def test_each_address_has_its_database(tmp_path: Path) -> None:
    local = open_database(f"file:{tmp_path}/local.db")
    remote = open_database("libsql://db-org.turso.io", auth_token="token")
    remote.close()
    assert isinstance(local, FileDatabase)
    assert isinstance(remote, HranaDatabase)
    assert remote.address == "https://db-org.turso.io"


def test_a_token_that_would_break_the_header_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        open_database("libsql://db-org.turso.io", auth_token="hunter2\r\nX-Other: 1")
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("timeout", [inf, nan, 0, -1, MAX_TIMEOUT + 1, True, "60", None])
@pytest.mark.parametrize("url", ["file:local.db", "libsql://db-org.turso.io"])
def test_timeout_that_the_settings_reject_is_an_input_error(url: str, timeout: Any) -> None:
    with pytest.raises(InputError, match=r"`timeout` .* seconds, more than 0 and at most 3600"):
        open_database(url, timeout=timeout)


@pytest.mark.parametrize("size", [inf, nan, 0, -1, REQUEST_SIZES[0] - 1, REQUEST_SIZES[-1] + 1, 1.5, "100000", None])
@pytest.mark.parametrize("url", ["file:local.db", "libsql://db-org.turso.io"])
def test_request_size_that_the_settings_reject_is_an_input_error(url: str, size: Any) -> None:
    with pytest.raises(InputError, match=r"`request_size` .* an integer from 100000 to 100000000"):
        open_database(url, request_size=size)


@pytest.mark.parametrize(("timeout", "size"), [(0.001, REQUEST_SIZES[0]), (MAX_TIMEOUT, REQUEST_SIZES[-1])])
def test_limits_themselves_are_accepted_as_in_the_settings(timeout: float, size: int) -> None:
    with open_database("libsql://db-org.turso.io", timeout=timeout, request_size=size) as database:
        assert (database.timeout, database.request_size) == (timeout, size)
    settings = read_settings({"timeout": str(timeout), "request_size": str(size)}, {})
    assert (settings.timeout, settings.request_size) == (timeout, size)


def test_no_client_is_loaded_before_a_database_is_opened() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, turso_deploy.database.open; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"http.client", "ssl", "sqlite3", "apsw"} & set(loaded)
