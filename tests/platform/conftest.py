"""The stand-ins of the platform and of GitHub, and our clients of them, as fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platform.github import Github, running_github
from tests.platform.turso import Hosted, Turso, running_turso
from tests.support.sqld import Sqld, running_sqld
from turso_deploy.turso.platform import Platform


@pytest.fixture(scope="session")
def hosting_sqld(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sqld]:
    """A server for the platforms of all tests of a worker process: no two databases have one id."""
    with running_sqld(tmp_path_factory.mktemp("sqld"), namespaces=True) as server:
        yield server


@pytest.fixture
def turso(hosting_sqld: Sqld) -> Iterator[Turso]:
    """The platform, with no database yet."""
    with running_turso(hosting_sqld) as running:
        yield running
        running.delete_all()


@pytest.fixture
def quiz(turso: Turso) -> Hosted:
    """An empty database on it."""
    return turso.create("quiz")


@pytest.fixture
def platform(turso: Turso) -> Iterator[Platform]:
    """Our client of it, with a token that may do everything."""
    client = Platform(turso.api_token(), turso.organization, timeout=30, url=turso.url)
    yield client
    client.close()


@pytest.fixture
def github() -> Iterator[Github]:
    """GitHub's secrets."""
    with running_github() as running:
        yield running
