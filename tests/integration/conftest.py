"""A database to deploy to: on a real sqld, and in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import Target
from tests.support.recording_proxy import Door
from tests.support.sqld import Sqld


@pytest.fixture
def on_sqld(sqld: Sqld, door: Door) -> Target:
    """An empty database on a server with JWT authentication, behind a door."""
    return Target(door.url, sqld.url, sqld.token(), sqld.token("ro"), door)


@pytest.fixture
def in_file(tmp_path: Path) -> Target:
    """A database file that does not exist yet."""
    url = f"file:{tmp_path / 'database.db'}"
    return Target(url, url)


@pytest.fixture(params=["on_sqld", "in_file"])
def target(request: pytest.FixtureRequest) -> Target:
    """An empty database, of either kind."""
    found: Target = request.getfixturevalue(request.param)
    return found
