"""What a database holds, to be compared: with the state before a deployment, and with the one after it."""

from __future__ import annotations

from typing import Any

from tests.support.databases import DatabaseUnderTest

_OF_ONE_RUN = ("id", "deployed_at", "started_at", "duration_ms")


def state(target: DatabaseUnderTest) -> Any:
    """All that the database holds, but the id and the times of each deployment, which no two runs share."""
    held = target.dump()
    columns = [name for (name,) in target.rows("SELECT name FROM pragma_table_info('schema_deployments')")]
    shared = [position for position, name in enumerate(columns) if name not in _OF_ONE_RUN]
    history = held.get("schema_deployments", [])
    return held | {"schema_deployments": [tuple(row[position] for position in shared) for row in history]}


def damage(target: DatabaseUnderTest) -> list[str]:
    """What is broken in the database; empty when it is whole."""
    whole, orphans = target.rows("PRAGMA integrity_check"), target.rows("PRAGMA foreign_key_check")
    return [f"damage: {whole} {orphans}"] if (whole, orphans) != ([("ok",)], []) else []
