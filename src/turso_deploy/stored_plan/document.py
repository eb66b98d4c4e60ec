"""The document of a stored plan: which database, what the plan depends on, and its hazards with their approvals.

It is compared, and never executed. pydantic validates it, and a checksum shows that it was cut or edited. The checksum
is no signature: who can write the file can compute it, too, so the file has to come from a trusted place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from turso_deploy import __version__
from turso_deploy.plan.hazards import Approval, Hazard, HazardName, approval_of
from turso_deploy.stored_plan.content import FORM, PlanContent, as_json_bytes

KIND = "turso-deploy plan"
"""The kind of the document, by which a plan file is known."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class PlannedDatabase:
    """The database that was read: its address without secrets, and its last deployment if it had one."""

    address: str
    deployment_id: str | None
    deployment_number: int | None
    schema_version: str | None


@dataclass(frozen=True)
class PlannedHazard:
    """A hazard of the plan, its rows (None if they were not counted), and where it was approved."""

    name: HazardName
    object: str
    rows: int | None
    approved_by: str | None


@dataclass(frozen=True)
class PlanOrigin:
    """The commit and the run that made the plan; None outside of a pipeline."""

    commit_sha: str | None
    ref: str | None
    run_url: str | None
    actor: str | None


@dataclass(frozen=True)
class StoredPlan:
    """A stored plan. `checksum` is a SHA-256 over everything else, `fingerprint` over the form and the content."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    kind: str
    format: int
    checksum: str
    fingerprint: str
    created_at: str
    tool_version: str
    database: PlannedDatabase
    origin: PlanOrigin
    hazards: tuple[PlannedHazard, ...]
    content: PlanContent

    def as_json(self) -> str:
        """Return the document as it is written to a file."""
        return json.dumps(self, default=vars, indent=1) + "\n"


def store_plan(
    content: PlanContent,
    hazards: Iterable[Hazard],
    approvals: Sequence[Approval],
    database: PlannedDatabase,
    origin: PlanOrigin,
) -> StoredPlan:
    """Return the document of a plan; `approvals` are those that count for its hazards now."""
    plan = StoredPlan(
        kind=KIND,
        format=FORM,
        checksum="",
        fingerprint=content.fingerprint,
        created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        tool_version=__version__,
        database=database,
        origin=origin,
        hazards=tuple(_planned(hazard, approvals) for hazard in hazards),
        content=content,
    )
    return replace(plan, checksum=checksum_of(json.loads(plan.as_json())))


def checksum_of(document: dict[str, Any]) -> str:
    """Return the checksum of a document as plain data, which is not over the checksum in it."""
    return sha256(as_json_bytes({**document, "checksum": ""})).hexdigest()


def _planned(hazard: Hazard, approvals: Sequence[Approval]) -> PlannedHazard:
    approval = approval_of(hazard, approvals)
    return PlannedHazard(hazard.name, hazard.object, hazard.rows, approval.source if approval else None)


def canonical_address(address: str) -> str:
    """Return the only form of the address of a database: a file by its absolute path, a server by `https:` or `http:`.

    `address` is that of an open database, so `libsql:` and its like are resolved, and no token is in it.
    """
    if address.startswith("file:"):
        return "file://" + quote(os.path.realpath(Path(address.removeprefix("file:"))))
    parts = urlsplit(address)
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"
