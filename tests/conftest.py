"""Fixtures that tests of several packages share: a real server, a proxy in front of it, and databases on both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import counters
from tests.support.memory_folder import use_memory_folder
from tests.support.recording_proxy import RecordingProxy, recording_proxy
from tests.support.sqld import Sqld, running_sqld
from turso_deploy.database.hrana import HranaDatabase

# No test is decided by the time it takes, and CI tries the same examples each time: a failure there can be repeated.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

use_memory_folder()


def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Count the tests that ran."""
    if call.when == "call":
        counters.count("tests", "passed" if call.excinfo is None else "failed")


def pytest_sessionfinish() -> None:
    """Leave what was counted."""
    counters.save()


@pytest.fixture(scope="session")
def shared_sqld(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sqld]:
    """A server for all tests of a worker process: starting one takes ten times as long as emptying its database."""
    with running_sqld(tmp_path_factory.mktemp("sqld")) as server:
        yield server


@pytest.fixture
def sqld(shared_sqld: Sqld) -> Sqld:
    """A server with a new database. Tests that end, limit or start a server use `running_sqld`."""
    shared_sqld.replace_database()
    return shared_sqld


@pytest.fixture
def proxy(sqld: Sqld) -> Iterator[RecordingProxy]:
    """A recording proxy in front of `sqld`."""
    with recording_proxy(sqld.url) as running:
        yield running


@pytest.fixture
def remote(sqld: Sqld) -> Iterator[HranaDatabase]:
    """The database of `sqld`, with full access."""
    database = HranaDatabase(sqld.url, sqld.token(), timeout=30)
    yield database
    database.close()


@pytest.fixture
def file_path(tmp_path: Path) -> str:
    """The name of a database file that does not exist yet."""
    return str(tmp_path / "database.db")
