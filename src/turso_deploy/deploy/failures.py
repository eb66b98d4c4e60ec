"""Failures of the database in terms of the repository: which file and line, which check, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.core.errors import Cause, DatabaseError, DeployError, ErrorCode, Place
from turso_deploy.core.transaction import Failure, Outcome, Purpose, TransactionStep
from turso_deploy.database.engine_errors import explain
from turso_deploy.project.project import Project
from turso_deploy.report.document import CheckLine, CountLine
from turso_deploy.seeds.steps import error_for_orphans
from turso_deploy.sql.lexer import position
from turso_deploy.transaction.assemble import Assembly
from turso_deploy.transaction.checks import CATALOG_FIGURES


def explain_unread(failure: Failure) -> DatabaseError:
    """The catalog or the deployment history could not be read."""
    found = explain(failure)
    if "no such column" in failure.message:  # of all that is read, only the deployment history is somebody's table
        return DatabaseError(
            found.code,
            f"The table {HISTORY_TABLE} of the database is not the deployment history of turso-deploy: {found.message}.",
            hint="Another program or another version of this one seems to have made it. Rename it, or deploy to "
            "another database.",
        )
    return DatabaseError(found.code, f"The schema of the database could not be read: {found.message}.", hint=found.hint)


def explain_failure(
    assembly: Assembly,
    outcome: Outcome,
    checks: Sequence[CheckLine],
    project: Project,
) -> DeployError:
    """Why a transaction did not commit. `checks` are what the figures came to before it was rolled back."""
    failed = outcome.failed
    assert failed is not None
    if failed.index is None:
        found = explain(failed.failure)
        return DatabaseError(found.code, f"The transaction failed: {found.message}.", hint=found.hint)
    step = assembly.steps[failed.index]
    for orphans in assembly.seeds.orphan_checks:
        figures = outcome.results[assembly.steps.index(orphans.figures)]
        if step is orphans.check and figures is not None:
            return error_for_orphans(orphans, figures)
    if step.purpose is Purpose.CHECK and any(not check.ok for check in checks):
        return explain_failed_checks(checks, {}, project)
    found = explain(failed.failure)
    is_its_fault = found.code is ErrorCode.STATEMENT_FAILED
    return DatabaseError(
        found.code,
        f"{step.label}: {found.message}. The transaction was rolled back.",
        hint=found.hint,
        place=_place(step, failed.failure) if is_its_fault else None,
    )


def explain_failed_checks(
    checks: Sequence[CheckLine], counts: Mapping[str, CountLine], project: Project, differing: Sequence[Cause] = ()
) -> DatabaseError:
    """The checks and counts that did not hold, each with what it expected and what it found.

    `differing` are the objects that the check of the whole schema found, each at its own place.
    """
    failed = [check for check in checks if not check.ok]
    wrong = [
        Cause(f"{check.name}: expected {check.expected}, found {check.actual}", Place.read(check.place))
        for check in failed
    ]
    wrong += [
        Cause(
            f"count of {kind.replace('_', ' ')}: expected {count.expected}, found {count.actual}",
            project.place_in_manifest(("expect", kind)),
        )
        for kind, count in counts.items()
        if not count.ok
    ]
    details = [f"\n  {text}" for check in failed for text in _with_rest(check)]
    hint = "Correct the schema, the seeds or the bounds in the manifest."
    if differing:
        hint = "`turso-deploy plan` shows what differs; `turso-deploy deploy` brings the database to the schema folder."
    if any(check.name in CATALOG_FIGURES for check in failed):
        hint = (
            "The database made something else of the steps than the rehearsal did: its engine may be of another "
            "version. Nothing is wrong with the schema folder. Please report it, with what `plan --sql` prints."
        )
    if details:
        hint = "Mend these rows with a script in the schema folder, or add what they refer to, as seeds for example."
    placed = [*differing, *(cause for cause in wrong if cause.place)]
    told = "; ".join(cause.message for cause in wrong)
    return DatabaseError(
        ErrorCode.CHECK_FAILED,
        f"{len(wrong)} check{'s' * (len(wrong) > 1)} did not hold: {told}.{''.join(details)}",
        hint=hint,
        place=placed[0].place if placed else None,
        causes=placed,
    )


def _with_rest(check: CheckLine) -> list[str]:
    """The details of a check that counts what they name, and how many more there are."""
    more = int(check.actual) - len(check.details) if check.details else 0
    return [*check.details, f"and {more:,} more"] if more > 0 else list(check.details)


def _place(step: TransactionStep, failure: Failure) -> Place | None:
    """The line that the engine points at: the stored text of a statement keeps the lines of the file."""
    place = step.place
    if place is None or place.line is None or failure.offset is None or not step.label.startswith("create "):
        return place
    line, column = position(step.query.sql, failure.offset)
    return Place(place.file, place.line + line - 1, column if line > 1 else None)
