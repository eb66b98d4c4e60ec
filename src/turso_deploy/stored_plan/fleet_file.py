"""The file of the stored plans of a fleet: every plan that a database of it had, for `deploy --plan` with `fleet`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from turso_deploy import __version__
from turso_deploy.core.errors import InputError
from turso_deploy.core.files import read_file, reason_against_writing, write_file
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.stored_plan.content import FORM, PlanContent
from turso_deploy.stored_plan.document import PlanOrigin, checksum_of
from turso_deploy.stored_plan.expected_plan import ExpectedPlan
from turso_deploy.stored_plan.file import MAX_SIZE, has_kind, plan_file_error

KIND = "turso-deploy fleet plan"
"""The kind of the document, by which the file is known."""
_PLAN_AGAIN = "Make a new one with `turso-deploy plan --fleet … --save`, and deploy that."


@dataclass(frozen=True)
class PlanOfSome:
    """A plan, and the number of databases that had it."""

    fingerprint: str
    databases: int
    content: PlanContent


@dataclass(frozen=True)
class StoredPlans:
    """The stored plans of a fleet. `checksum` is a SHA-256 over everything else."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    kind: str
    format: int
    checksum: str
    created_at: str
    tool_version: str
    origin: PlanOrigin
    plans: tuple[PlanOfSome, ...]

    def as_json(self) -> str:
        """Return the document as it is written to a file."""
        return json.dumps(self, default=vars, indent=1) + "\n"


def write_plans(path: Path, plans: Sequence[PlanOfSome], origin: PlanOrigin) -> None:
    """Save the plans of a fleet. Raises InputError (`plan-file-invalid`) if the file cannot be written."""
    require_writable_plans(path)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    stored = StoredPlans(KIND, FORM, "", now, __version__, origin, tuple(plans))
    stored = replace(stored, checksum=checksum_of(json.loads(stored.as_json())))
    try:
        write_file(path, stored.as_json().encode())
    except OSError as error:
        raise _error(path, f"it cannot be written: {error.strerror}") from None


def require_writable_plans(path: Path) -> None:
    """Raise InputError (`plan-file-invalid`) if plans cannot be saved in a file: a link, a folder, no such file."""
    if reason := reason_against_writing(
        path, MAX_SIZE, lambda content: has_kind(content, KIND), "the plans of a fleet"
    ):
        raise _error(path, reason)


def expected_plans(file: str | None) -> ExpectedPlan | None:
    """Return the plans of which each database of a fleet has to have one; None without a file.

    Raises InputError (`plan-file-invalid`).
    """
    if file is None:
        return None
    path = Path(file)
    try:
        document = json.loads(read_file(path, MAX_SIZE))
    except OSError as error:
        raise _error(path, f"it cannot be read: {error.strerror or 'it does not exist'}") from None
    except (ValueError, RecursionError):
        raise _error(path, "it is cut, or it is no JSON document") from None
    return ExpectedPlan("", alternatives=_contents(path, document))


def _contents(path: Path, document: Any) -> Mapping[str, PlanContent]:
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise _error(path, "it does not hold the plans of a fleet")
    if document.get("format") != FORM:
        raise _error(path, f"it has another format than {FORM}, which this version reads")
    if document.get("checksum") != checksum_of(document):
        raise _error(path, "it was edited, or damaged: its checksum is not that of its content")
    try:
        stored = validate(document, StoredPlans)
    except ValidationError as error:
        raise _error(path, f"it was edited: {error.issues[0].message}") from None
    contents = {plan.fingerprint: plan.content for plan in stored.plans}
    if any(content.fingerprint != fingerprint for fingerprint, content in contents.items()):
        raise _error(path, "it was edited: a fingerprint is not that of its content")
    return contents


def _error(path: Path, reason: str) -> InputError:
    return plan_file_error(path, reason, _PLAN_AGAIN)
