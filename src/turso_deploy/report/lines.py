"""Conversion of object counts, hazards, one-time scripts and errors into the lines of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from turso_deploy.core.errors import BlockedError, Cause, DeployError
from turso_deploy.core.text import count_of
from turso_deploy.history.drift import Drift
from turso_deploy.plan.hazards import Approval, Hazard, approval_of, is_approved
from turso_deploy.plan.steps import StepKind
from turso_deploy.project.expectations import actual_counts
from turso_deploy.project.manifest import Manifest, expected_counts
from turso_deploy.project.scripts import Script
from turso_deploy.report.changes import changes_between
from turso_deploy.report.document import (
    AnnotatedLine,
    CauseLine,
    CountLine,
    ErrorLine,
    HazardLine,
    ObjectChange,
    PlaceLine,
    Report,
    Status,
    StepLine,
)
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, key_of


def count_lines(manifest: Manifest, schema: Schema) -> dict[str, CountLine]:
    """Return the number of objects of each kind that the manifest expects and the schema contains."""
    actual = actual_counts(schema)
    return {
        kind: CountLine(str(bound) if bound else None, actual[kind], bound is None or bound.holds(actual[kind]))
        for kind, bound in expected_counts(manifest).items()
    }


def hazard_line(hazard: Hazard, approvals: Sequence[Approval]) -> HazardLine:
    """Return the line of a hazard, with its approval."""
    approved, approval = is_approved(hazard, approvals), approval_of(hazard, approvals)
    source = approval.source if approval else None
    return HazardLine(hazard.name, hazard.object, hazard.rows, hazard.severity, approved, str(hazard), source)


def script_line(script: Script) -> StepLine:
    """Return the line of a one-time script."""
    return StepLine(StepKind.RUN_SCRIPT, script.name, script.sql, (), script.file)


def drift_lines(drift: Drift, wanted: Schema) -> tuple[ObjectChange, ...]:
    """Return the objects that differ from the last deployment, each with its place in the schema folder."""
    if drift.before is None or not drift.exists:
        return ()
    places = {key_of(item): item.place for item in wanted.objects()}
    found = changes_between(drift.before, drift.after)
    at = (places.get((change.kind, fold_case(change.name))) for change in found)
    return tuple(replace(change, place=str(place) if place else None) for change, place in zip(found, at, strict=True))


def drift_notices(drift: Drift | None, changes: Sequence[ObjectChange]) -> Iterator[str]:
    """Yield a notice of a database that is not as it was last deployed, or of a history that cannot say so."""
    if changes:
        yield (
            f"The database is not as it was last deployed: others changed {count_of(len(changes), 'object')}. "
            "Correct the database, take the changes into the schema folder with `turso-deploy pull --update`, or into "
            "the deployment history only with `turso-deploy accept-drift`."
        )
    elif drift and drift.is_damaged:
        yield f"It is not known whether the database is as it was last deployed: {drift.unknown}."


def with_notice(report: Report, notice: str, level: Literal["warning"] | None = None) -> Report:
    """Return the report with a notice, which is an annotation as well if it has a level."""
    annotated = (AnnotatedLine(level, notice),) if level else ()
    return replace(report, notices=(*report.notices, notice), annotated=(*report.annotated, *annotated))


def failed(report: Report, error: DeployError) -> Report:
    """Return the report of a run that ended with an error."""
    return replace(
        report,
        status=Status.BLOCKED if isinstance(error, BlockedError) else Status.FAILED,
        committed=error.committed,
        error=error_line(error),
        exit_code=error.exit_code,
    )


def annotated_line(level: Literal["warning", "notice"], notice: Cause) -> AnnotatedLine:
    """Return the line of a notice that is an annotation, too."""
    return AnnotatedLine(level, notice.message, PlaceLine(*notice.place) if notice.place else None)


def error_line(error: DeployError) -> ErrorLine:
    """Return the line of an error."""
    file, line, column = error.place or (None, None, None)
    causes = (CauseLine(cause.message, PlaceLine(*cause.place) if cause.place else None) for cause in error.causes)
    return ErrorLine(error.code, error.message, error.hint, file, line, column, tuple(causes))
