"""Model of the manifest `schema/manifest.yml`: conditions that the database must meet after a deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, Field, PlainValidator, WithJsonSchema

from turso_deploy.core.errors import InputError
from turso_deploy.core.validation import Key, json_schema
from turso_deploy.core.versions import PATTERN, parse_version
from turso_deploy.plan.hazards import Approval, HazardName, parse_approvals, reason_against
from turso_deploy.project.bound import Bound, parse_bound
from turso_deploy.sql.lexer import fold_case

MANIFEST_NAME = "manifest.yml"
COUNTED_KINDS = ("tables", "indexes", "views", "triggers", "foreign_keys")

_BOUND_SCHEMA = {
    "description": 'An exact number, or a bound: ">=20", "<=40", "20..40".',
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^(>=\s*\d+|<=\s*\d+|\d+\s*\.\.\s*\d+|\d+)$"},
    ],
}


def _semantic(text: str) -> str:
    if parse_version(text) is None:
        raise ValueError("expected a semantic version, as in 2.3.0")
    return text


_APPROVABLE = "|".join(name for name in HazardName if reason_against(Approval(name)) is None)
_APPROVAL_SCHEMA = {"type": "string", "pattern": rf"^\s*({_APPROVABLE})\s*([:,].*)?$"}


def _approvals(value: object) -> tuple[Approval, ...]:
    """Parse one entry of a list under `approve:`: an approval, or several separated by commas."""
    if isinstance(value, dict):
        raise ValueError("expected text: write `drop-column:users.nickname`, without a blank after the colon")
    if not isinstance(value, str):
        raise ValueError("expected text, as in drop-column:users.nickname")
    try:
        found = parse_approvals(value)
    except InputError as error:
        raise ValueError(f"{value.partition(':')[0]}: {error.message} {error.hint}") from None
    if not found:
        raise ValueError("expected the name of a hazard, as in drop-column:users.nickname")
    if reason := next(filter(None, map(reason_against, found)), None):
        raise ValueError(reason)
    return found


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Version = Annotated[str, AfterValidator(_semantic), WithJsonSchema({"type": "string", "pattern": f"^{PATTERN}$"})]
BoundValue = Annotated[Bound, PlainValidator(parse_bound), WithJsonSchema(_BOUND_SCHEMA)]
Names = Annotated[tuple[str, ...], Field(strict=False)]
"""Names in a list, which is no tuple in the strict sense."""
ApprovalEntry = Annotated[tuple[Approval, ...], PlainValidator(_approvals), WithJsonSchema(_APPROVAL_SCHEMA)]
ApprovalList = Annotated[
    tuple[ApprovalEntry, ...],
    Field(strict=False),
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "array", "items": _APPROVAL_SCHEMA}, _APPROVAL_SCHEMA]}),
]
"""Approvals of one version. A single entry needs no list."""


class Expect(BaseModel, frozen=True, extra="forbid", strict=True):
    """Number of objects of each kind in the database after a deployment. A kind that is left out is not checked.

    Objects internal to SQLite, libSQL or Turso, the deployment history and ignored objects are not counted.
    """

    tables: BoundValue | None = Field(
        default=None, description="Tables, virtual ones included, their shadow tables not."
    )
    indexes: BoundValue | None = Field(
        default=None, description="Indexes made by CREATE INDEX, not those behind PRIMARY KEY or UNIQUE."
    )
    views: BoundValue | None = Field(default=None, description="Views.")
    triggers: BoundValue | None = Field(default=None, description="Triggers.")
    foreign_keys: BoundValue | None = Field(
        default=None, description="Foreign keys of all counted tables; a composite one counts once."
    )


class Objects(BaseModel, frozen=True, extra="forbid", strict=True):
    """Objects that must exist, by name. There may be others."""

    tables: Names = Field(default=(), description="Tables that must exist.")
    indexes: Names = Field(default=(), description="Indexes that must exist.")
    views: Names = Field(default=(), description="Views that must exist.")
    triggers: Names = Field(default=(), description="Triggers that must exist.")


class SeedPolicy(BaseModel, frozen=True, extra="forbid", strict=True):
    """What seeds do to rows of one table that exist already."""

    existing: Literal["update", "keep"] = Field(
        description="`update`: the folder owns the rows, and a row with other values gets those of the file. "
        "`keep`: rows that are missing are inserted, and existing rows are not touched."
    )


class Manifest(BaseModel, frozen=True, extra="forbid", strict=True):
    """Conditions that are checked in the transaction of a deployment before it commits."""

    schema_version: str | None = Field(
        default=None, min_length=1, description="The version of the schema, recorded with every deployment."
    )
    expect: Expect = Field(default=Expect(), description="Required number of objects of each kind.")
    objects: Objects = Field(default=Objects(), description="Objects that must exist, by name.")
    rows: dict[str, BoundValue] = Field(default={}, description="Required number of rows, by table.")
    json_columns: dict[str, Names] = Field(
        default={}, description="Columns in which every value other than NULL must be valid JSON, by table."
    )
    seeds: dict[str, SeedPolicy] = Field(
        default={},
        description="What seeds do to existing rows, by table. Without an entry, a row that the application wrote or "
        "changed is the hazard `overwrite-rows`.",
    )
    ignore: Names = Field(
        default=(),
        description="Glob patterns of objects that this schema does not manage: never counted, compared or changed.",
    )
    upgrade_from: Version | None = Field(
        default=None,
        validation_alias=AliasChoices("upgrade_from", "upgrade-from"),
        description="The lowest version of a database that this folder can be deployed to. An older one is blocked.",
    )
    approve: dict[str, ApprovalList] = Field(
        default={},
        description="Approved hazards, by the version of the schema that brings them. They count for databases whose "
        "version is lower.",
    )

    @property
    def approvals(self) -> tuple[tuple[Approval, Key], ...]:
        """The approvals under `approve`, each with its version and the key of its entry."""
        return tuple(
            (approval._replace(version=version), ("approve", version, position))
            for version, entries in self.approve.items()
            for position, entry in enumerate(entries)
            for approval in entry
        )

    @property
    def checks_fingerprint(self) -> str:
        """A SHA-256 over the conditions on rows: `rows` and `json_columns`, in any order and case; "" if none."""
        bounds = {fold_case(name): (bound.low, bound.high) for name, bound in self.rows.items()}
        rows = {name: bound for name, bound in bounds.items() if bound != (0, None)}  # which is no condition
        columns = {fold_case(name): sorted(map(fold_case, found)) for name, found in self.json_columns.items() if found}
        found = json.dumps([rows, columns], sort_keys=True)
        return sha256(found.encode()).hexdigest() if rows or columns else ""


def expected_counts(manifest: Manifest) -> Mapping[str, Bound | None]:
    """Return the bound of each kind of object in the manifest; None for a kind without one."""
    return {kind: getattr(manifest.expect, kind) for kind in COUNTED_KINDS}


def manifest_json_schema() -> str:
    """Return the JSON Schema of the manifest, as published in `schema/manifest.schema.json`."""
    return json_schema(Manifest, "turso-deploy manifest")
