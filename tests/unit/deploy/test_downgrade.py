"""The direction of a deployment, by versions and by the deployment history."""

from __future__ import annotations

import pytest

from turso_deploy.core.errors import Place
from turso_deploy.history.last_deployment import LastDeployment
from turso_deploy.pending.downgrade import downgrade_hazard, is_earlier

LAST = LastDeployment("0199", "2.0.0", "B", {}, frozenset(), {})


@pytest.mark.parametrize(
    ("past", "earlier", "forward"),
    [
        ("", "", "A"),
        ("A", "", "AB"),
        ("AB", "A", "BC"),
        ("ABA", "", "AB"),
        ("ABAB", "A", "BC"),
        ("ABABA", "", "AB"),
        ("AABBAA", "", "AB"),
        ("ABCA", "", "ABC"),
        ("ABCB", "A", "BC"),
        ("ABCAB", "A", "BC"),
        ("ABCABC", "AB", "C"),
        ("ABAC", "AB", "C"),
        ("ABACA", "B", "AC"),
        ("ABACAB", "AC", "B"),
        ("XABX", "", "ABX"),
    ],
)
def test_schema_is_earlier_unless_it_is_new_or_undoes_a_rollback(past: str, earlier: str, forward: str) -> None:
    assert [schema for schema in earlier if not is_earlier(schema, past)] == []
    assert [schema for schema in forward + "Z" if is_earlier(schema, past)] == []


@pytest.mark.parametrize(
    ("version", "at", "goes_back"),
    [
        ("1.0.0", "2.0.0", True),
        ("v1.9.9", "2.0.0", True),
        ("2.0.0-rc.1", "2.0.0", True),
        ("2.0.0-rc.1", "2.0.0-rc.2", True),
        ("1.9.0", "1.10.0", True),
        ("2.0.0", "2.0.0", False),
        ("v2.0.0", "2.0.0", False),
        ("2.0.0+build.2", "2.0.0+build.1", False),
        ("2.0.0", "2.0.0-rc.1", False),
        ("1.10.0", "1.9.0", False),
    ],
)
def test_semantic_versions_decide_whatever_the_history_has(version: str, at: str, goes_back: bool) -> None:
    for past in ("AB", "B", ""):
        hazard = downgrade_hazard(version, "A", LAST._replace(schema_version=at), past, None, Place("m.yml", 1))
        assert (hazard is not None) is goes_back
        assert hazard is None or (hazard.object, hazard.place) == (version, Place("m.yml", 1))


@pytest.mark.parametrize(
    ("version", "at"), [(None, "2.0.0"), ("2.0.0", None), (None, None), ("2026-10", "2026-11"), ("2026-11", "2.0.0")]
)
def test_history_decides_where_versions_cannot_be_compared(version: str | None, at: str | None) -> None:
    last = LAST._replace(schema_version=at)
    hazard = downgrade_hazard(version, "A" * 64, last, ("A" * 64, "B"), None, None)
    assert hazard is not None
    assert hazard.object == (version or "A" * 12)
    assert downgrade_hazard(version, "A" * 64, last, ("A" * 64, "B", "A" * 64), None, None) is None
    assert downgrade_hazard(version, "A" * 64, last, (), None, None) is None


@pytest.mark.parametrize(("version", "at"), [("nightly", "nightly"), ("2.0.0", None)])
def test_hazard_names_no_version_of_the_database_that_says_nothing(version: str, at: str | None) -> None:
    last = LAST._replace(schema_version=at)
    hazard = downgrade_hazard(version, "A", last, ("A", "B"), None, None)
    assert hazard is not None
    assert hazard.remedy is not None
    assert hazard.remedy.startswith("The database got another schema after this one.")


@pytest.mark.parametrize(
    ("version", "before", "goes_back"),
    [("1.9.0", "2.0.0", True), ("2.0.0", "2.0.0", False), ("2.1.0", "2.0.0", False), ("nightly", "2.0.0", False)],
)
@pytest.mark.parametrize("at", [None, "nightly", "2024.01.02"])
def test_deployment_without_a_semantic_version_does_not_hide_the_one_before(
    version: str, before: str, goes_back: bool, at: str | None
) -> None:
    last = LAST._replace(schema_version=at)
    assert (downgrade_hazard(version, "C", last, (), before, None) is not None) is goes_back
    assert downgrade_hazard(version, "A", last, ("A", "B"), before, None) is not None
