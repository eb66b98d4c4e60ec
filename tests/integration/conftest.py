"""A database to deploy to: on a real sqld, and in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.recording_proxy import RecordingProxy
from tests.support.sqld import Sqld


@pytest.fixture
def on_sqld(sqld: Sqld, proxy: RecordingProxy) -> DatabaseUnderTest:
    """An empty database on a server with JWT authentication, behind a recording proxy."""
    return DatabaseUnderTest(proxy.url, sqld.url, sqld.token(), sqld.token("ro"), proxy)


@pytest.fixture
def in_file(tmp_path: Path) -> DatabaseUnderTest:
    """A database file that does not exist yet."""
    url = f"file:{tmp_path / 'database.db'}"
    return DatabaseUnderTest(url, url)


@pytest.fixture(params=["on_sqld", "in_file"])
def target(request: pytest.FixtureRequest) -> DatabaseUnderTest:
    """An empty database, of either kind."""
    found: DatabaseUnderTest = request.getfixturevalue(request.param)
    return found
