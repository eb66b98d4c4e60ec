"""What a database holds, to be compared: with the state before a deployment, and with the one after it."""

from __future__ import annotations

from typing import Any

from tests.support.databases import DatabaseUnderTest


def state(target: DatabaseUnderTest) -> Any:
    """All that the database holds, but the id and the time of each deployment, which no two runs share."""
    held = target.dump()
    history = held.get("schema_deployments", [])
    return held | {"schema_deployments": [(number, *rest) for number, _, _, *rest in history]}


def damage(target: DatabaseUnderTest) -> list[str]:
    """What is broken in the database; empty when it is whole."""
    whole, orphans = target.rows("PRAGMA integrity_check"), target.rows("PRAGMA foreign_key_check")
    return [f"damage: {whole} {orphans}"] if (whole, orphans) != ([("ok",)], []) else []
