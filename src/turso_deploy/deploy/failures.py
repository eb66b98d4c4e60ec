"""Explain why a transaction did not commit: which file and line, which check, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from turso_deploy.core.errors import Cause, DatabaseError, DeployError, ErrorCode, Place
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import Outcome, Purpose
from turso_deploy.database.engine_errors import explain
from turso_deploy.project.project import Project
from turso_deploy.report.document import CheckLine, CountLine
from turso_deploy.seeds.steps import error_for_orphans
from turso_deploy.sql.schema import place_in
from turso_deploy.transaction.assemble import Assembly
from turso_deploy.transaction.checks import CATALOG_CHECK


def is_stale(assembly: Assembly, outcome: Outcome) -> bool:
    """Return True if the guard stopped the transaction, so that a new plan can succeed.

    A guard that failed for another reason, such as a lost lock, does not count.
    """
    failed = outcome.failed
    return (
        failed is not None
        and failed.position is not None
        and assembly.steps[failed.position].purpose is Purpose.GUARD
        and explain(failed.failure).code is ErrorCode.STATEMENT_FAILED
    )


def explain_failure(assembly: Assembly, outcome: Outcome, checks: Sequence[CheckLine], project: Project) -> DeployError:
    """Return the error for a transaction that was rolled back. `checks` are its results before that."""
    failed = outcome.failed
    assert failed is not None
    explanation = explain(failed.failure)
    if failed.position is None:
        return explanation.error(DatabaseError, "The transaction failed: {}. It was rolled back.")
    step = assembly.steps[failed.position]
    for orphans in assembly.seeds.orphan_checks:
        figures = outcome.results[assembly.steps.index(orphans.figures)]
        if step is orphans.check and figures is not None:
            return error_for_orphans(orphans, figures)
    if step.purpose is Purpose.CHECK and any(not check.ok for check in checks):
        return explain_failed_checks(checks, {}, project)
    is_statement = explanation.code is ErrorCode.STATEMENT_FAILED
    # The SQL of a step that creates an object keeps the lines of its file.
    offset = failed.failure.offset if step.label.startswith("create ") else None
    place = place_in(step.query.sql, offset, step.place)
    return DatabaseError(
        explanation.code,
        f"{step.label}: {explanation.message}. The transaction was rolled back.",
        hint=explanation.hint,
        place=place if is_statement else None,
    )


def explain_failed_checks(
    checks: Sequence[CheckLine], counts: Mapping[str, CountLine], project: Project, differences: Sequence[Cause] = ()
) -> DatabaseError:
    """Return the error for the checks and counts that failed, each with what it expected and found.

    `differences` are the objects that differ from the schema folder, each with its place there.
    """
    failed = [check for check in checks if not check.ok]
    causes = [
        Cause(f"{check.name}: expected {check.expected}, found {check.actual}", Place.read(check.place))
        for check in failed
    ]
    causes += [
        Cause(
            f"count of {kind.replace('_', ' ')}: expected {count.expected}, found {count.actual}",
            project.place_in_manifest(("expect", kind)),
        )
        for kind, count in counts.items()
        if not count.ok
    ]
    details = [f"\n  {text}" for check in failed for text in _details(check)]
    placed = [*differences, *(cause for cause in causes if cause.place)]
    messages = "; ".join(cause.message for cause in causes)
    return DatabaseError(
        ErrorCode.CHECK_FAILED,
        f"{count_of(len(causes), 'check')} failed: {messages}.{''.join(details)}",
        hint=_hint(failed, has_details=bool(details), has_differences=bool(differences)),
        place=placed[0].place if placed else None,
        causes=placed,
    )


def _hint(failed: Sequence[CheckLine], *, has_details: bool, has_differences: bool) -> str:
    if has_details:
        return (
            "Correct these rows with a script in the schema folder, or add the rows that they refer to, for example "
            "as seeds."
        )
    if any(check.name == CATALOG_CHECK for check in failed):
        return (
            "The database executed the steps with another result than the simulation: its engine may be of another "
            "version. The schema folder is not the cause. Please report it with the output of `plan --sql`."
        )
    if has_differences:
        return (
            "`turso-deploy plan` shows what differs; `turso-deploy deploy` makes the database match the schema folder."
        )
    return "Correct the schema, the seeds or the bounds in the manifest."


def _details(check: CheckLine) -> list[str]:
    """Return the details of a check, and the number of those that are left out."""
    more = int(check.actual) - len(check.details) if check.details else 0
    return [*check.details, f"and {more:,} more"] if more > 0 else list(check.details)
