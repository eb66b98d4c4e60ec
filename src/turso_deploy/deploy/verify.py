"""Verify a database: compare it with its last deployment, the folder with that, and the rows with the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from turso_deploy.catalog.diff import diff
from turso_deploy.core.errors import Cause, DatabaseError, DeployError, ErrorCode, StaleError
from turso_deploy.core.progress import report_step
from turso_deploy.core.text import count_of, enumerated
from turso_deploy.core.transaction import Failure, Rows
from turso_deploy.database.interface import Database
from turso_deploy.deploy.failures import explain_failed_checks
from turso_deploy.deploy.notices import column_order_notices, history_notices, text_notices, unmanaged_notices
from turso_deploy.deploy.report_builder import ReportBuilder
from turso_deploy.history.drift import Drift
from turso_deploy.pending.engine_version import require_file_support
from turso_deploy.pending.undeployed import Undeployed, find_undeployed
from turso_deploy.project.expectations import missing_names
from turso_deploy.project.project import Project
from turso_deploy.report.document import CheckLine, ObjectChange, Report, Status
from turso_deploy.report.lines import count_lines, drift_notices
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import key_of, title
from turso_deploy.transaction.checks import Check, json_checks, row_checks
from turso_deploy.transaction.database_state import STATE_QUERIES, DatabaseState, expected_form, parse_state


def verify(project: Project, database: Database, *, show_keys: bool = False) -> Report:
    """Verify the database, in one request that a read-only token may make.

    The report is `drifted` if the database is not what was last deployed, and otherwise `pending` if the folder is not.
    It is `failed` if rows break the manifest. With `show_keys` it names live rows by text keys, too.
    """
    report = ReportBuilder("verify", project, database.address, database)
    try:
        return _verified(project, database, report, show_keys=show_keys)
    except DeployError as error:
        return report.build_failed(error)


def _verified(project: Project, database: Database, report: ReportBuilder, *, show_keys: bool) -> Report:
    """Return the report of a database that could be read. Raises DeployError if a check failed."""
    checks = row_checks(project.manifest, project.wanted, show_keys=show_keys)
    checks += json_checks(project.manifest, project.wanted, show_keys=show_keys)
    if database.address.startswith("file:"):
        require_file_support(project)
    state, answers = _read(project, database, checks)
    report.add_state(state)
    drift = report.drift or Drift(None, state.catalog.schema)
    if drift.is_damaged:
        raise DatabaseError(
            ErrorCode.HISTORY_DAMAGED,
            f"It is not known whether the database is as it was last deployed: {drift.unknown}.",
            hint="Compare the database with `turso-deploy plan`. Then `turso-deploy accept-drift` stores the catalog "
            "of the database again, and so does the next deployment.",
        )
    undeployed = find_undeployed(project, state.last_deployment, drift)
    with expected_form():
        rows, unknown = _row_lines(report, zip(checks, answers, strict=True), undeployed)
    schema = tuple(_schema_lines(project, state, report.found.drift, drift, undeployed))
    notices = (*_notices(project, state, drift, undeployed), *_unchecked_notices(unknown))
    notices += tuple(drift_notices(drift, report.found.drift))
    counts = count_lines(project.manifest, state.catalog.schema)
    report.add_compared(undeployed, counts, (*schema, *rows), notices)
    is_other_schema = bool(drift.exists) or any(undeployed.difference)
    # A schema that is not that of the folder explains each number of objects. The other checks are not explained by it.
    failed = [line for line in (*(() if is_other_schema else schema), *rows) if not line.ok]
    wrong = {} if is_other_schema else counts
    if failed or not all(count.ok for count in wrong.values()):
        raise explain_failed_checks(failed, wrong, project, _absent(project, state) if wrong else ())
    if drift.exists:
        return report.build(Status.DRIFTED, committed=False)
    return report.build(Status.PENDING if undeployed.exists else Status.VERIFIED, committed=False)


def _read(
    project: Project, database: Database, checks: Sequence[Check]
) -> tuple[DatabaseState, Sequence[Rows | Failure]]:
    """Return the state of the database and the answers to the checks.

    A second request is made if a deployment commits while the first one is answered. Raises StaleError (`stale-plan`)
    if that happens again.
    """
    queries = [*STATE_QUERIES, *(check.figures for check in checks)]
    for _ in range(2):
        report_step("checking the database")
        answers = database.query(queries)
        state = parse_state(answers[: len(STATE_QUERIES)], project.manifest.ignore)
        if not state.is_torn:
            return state, answers[len(STATE_QUERIES) :]
    raise StaleError(
        ErrorCode.STALE_PLAN,
        "Deployments committed while the database was read, twice in a row.",
        hint="Run again when no deployment is under way.",
    )


def _row_lines(
    report: ReportBuilder, answered: Iterable[tuple[Check, Rows | Failure]], undeployed: Undeployed
) -> tuple[list[CheckLine], list[str]]:
    """Return the lines of the checks of rows, and the labels of those that cannot be decided.

    Rows that a pending deployment may change, and tables that are missing because of it or of drift, break no bound.
    """
    drifted = {fold_case(change.name) for change in report.found.drift if change.kind == "table"}
    lines, unknown = list[CheckLine](), list[str]()
    for check, answer in answered:
        found = report.check_lines([(check, answer)])
        table = str(check.expectations[0].key[1])
        is_explained = undeployed.concerns(table) or (isinstance(answer, Failure) and fold_case(table) in drifted)
        if is_explained and not all(line.ok for line in found):
            unknown.append(check.label)
        else:
            lines += found
    return lines, unknown


def _schema_lines(
    project: Project, state: DatabaseState, drifted: Sequence[ObjectChange], drift: Drift, undeployed: Undeployed
) -> Iterator[CheckLine]:
    """Yield the line of the comparison with the last deployment, and that of the names in the manifest."""
    if state.last_deployment is None:
        if not any(undeployed.difference):
            yield CheckLine("schema", True, "as in the schema folder", "the same")
    elif drift.before is not None:
        found = f"{count_of(len(drifted), 'object')} changed since"  # the report names them beside this line
        yield CheckLine("schema", not drifted, "as last deployed", found if drifted else "the same")
    named = {fold_case(f"{change.kind} {change.name}") for change in drifted}
    named |= {fold_case(title(change.object)) for changes in undeployed.difference for change in changes}
    if absent := [cause for cause in _absent(project, state) if fold_case(cause.message) not in named]:
        names = ", ".join(cause.message for cause in absent)
        yield CheckLine("objects by name", False, "all present", f"missing: {names}")


def _absent(project: Project, state: DatabaseState) -> list[Cause]:
    """Return the objects that the manifest lists by name and the database lacks, with the places of their keys."""
    absent = missing_names(project.manifest, state.catalog.schema)
    return [Cause(name, project.place_in_manifest(key)) for key, name in absent]


def _notices(project: Project, state: DatabaseState, drift: Drift, undeployed: Undeployed) -> Iterator[str]:
    live, last = state.catalog.schema, state.last_deployment
    yield from project.notices
    yield from project.unknown_functions() if state.engine is None else ()
    yield from history_notices(state.catalog)
    yield from text_notices(state.catalog)
    unmanaged = diff(project.wanted, live).unmanaged(state.managed)
    was_there = {key_of(item) for item in drift.before.objects()} if drift.before and drift.exists else None
    yield from unmanaged_notices([item for item in unmanaged if was_there is None or key_of(item) in was_there])
    yield from column_order_notices(project.wanted, live)
    if last and drift.unknown:
        compared = "managed objects could be compared" if drift.before else "the database was compared with the folder"
        yield (
            f"It is not known what others changed in the database: {drift.unknown}. Only {compared}. The next "
            "deployment, or `turso-deploy accept-drift`, stores the catalog."
        )
    yield from undeployed.notices()


def _unchecked_notices(labels: Sequence[str]) -> Iterator[str]:
    if labels:
        yield f"Not decided before the pending changes are deployed, or the drift is corrected: {enumerated(labels)}."
