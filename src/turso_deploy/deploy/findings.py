"""Read what the results of a transaction show: its checks, the rows that it wrote, and whether they prove its outcome.

The result of COMMIT alone proves nothing: a server, or a proxy before it, may run steps whose conditions do not hold,
or reply what is not true. A transaction is a success only if all that its reply holds agrees with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from turso_deploy.core.transaction import Outcome, Rows
from turso_deploy.deploy.batch import Batch
from turso_deploy.deploy.seed_results import SeedResult
from turso_deploy.history.entries import READ_BACK
from turso_deploy.report.document import CheckLine
from turso_deploy.seeds.steps import error_for_missing_rows, error_for_orphans

_MALFORMED = (ValueError, TypeError, LookupError)
_UNEXPECTED_FORM = "its figures do not have the expected form"


class Findings(NamedTuple):
    """The lines of the checks, and the rows written of each seed, as the results of a transaction show them.

    `contradiction` says why they do not prove its outcome; "" if they do. `are_readable` is False if no result may be
    read again, because at least one has another form than its query gives.
    """

    checks: tuple[CheckLine, ...] = ()
    seeds: tuple[SeedResult, ...] = ()
    contradiction: str = ""
    are_readable: bool = True


CheckLines = Callable[..., tuple[CheckLine, ...]]
"""`ReportBuilder.check_lines`, which adds nothing to the report."""


def read_findings(batch: Batch, outcome: Outcome, check_lines: CheckLines) -> Findings:
    """Read the results of a transaction."""
    assembly = batch.assembly
    try:
        checks = check_lines(assembly.figures(outcome), assembly.details(outcome))
        assembly.deletions(outcome)
        has_missing_rows = _has_missing_rows(batch, outcome)
        seeds = () if outcome.failed else batch.results(outcome)
    except _MALFORMED:
        return Findings(contradiction=outcome.contradiction or _UNEXPECTED_FORM, are_readable=False)
    contradiction = outcome.contradiction
    if not (outcome.failed or contradiction or _is_read_back(batch, outcome)):
        contradiction = "it is the reply to another transaction, because it does not name this deployment"
    if outcome.committed and not contradiction:
        failed = [check.name for check in checks if not check.ok]
        if failed:
            contradiction = f"it committed, although a check failed ({', '.join(failed)})"
        elif has_missing_rows:
            contradiction = "it committed, although rows are missing"
    return Findings(checks, seeds, contradiction)


def _is_read_back(batch: Batch, outcome: Outcome) -> bool:
    """Return True if the step that reads the row of the deployment back has returned its id."""
    answers = [outcome.results[at] for at, step in enumerate(batch.assembly.steps) if step.label == READ_BACK]
    return [answer.rows for answer in answers if answer] == [((batch.id.deployment_id,),)]


def _has_missing_rows(batch: Batch, outcome: Outcome) -> bool:
    """Return True if the figures name seed rows without a parent, or that are not in the database."""
    seeds, steps = batch.assembly.seeds, batch.assembly.steps
    found = False
    for orphans in seeds.orphan_checks:
        if rows := _rows_of(outcome.results[steps.index(orphans.figures)]):
            error_for_orphans(orphans, rows)
            found = True
    if seeds.missing and (rows := _rows_of(outcome.results[steps.index(seeds.missing)])):
        error_for_missing_rows(seeds, rows)
        found = True
    return found


def _rows_of(rows: Rows | None) -> Rows | None:
    return rows if rows and rows.rows else None
