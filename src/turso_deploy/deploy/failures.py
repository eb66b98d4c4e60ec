"""Explain why a transaction did not commit: which file and line, which check, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.catalog.error_location import locate
from turso_deploy.core.errors import EXIT_CODE_ORDER, Cause, DatabaseError, DeployError, ErrorCode, Place
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import Failure, Outcome, Purpose, Rows, TransactionStep
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.engine_messages import showable, without_prefix
from turso_deploy.history.entries import READ_BACK
from turso_deploy.plan.hazards import Advice, Approval, HazardName, blocking_error, no_advice
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.rebuild import TEMPORARY_PREFIX
from turso_deploy.plan.steps import HINT_ABOUT_FUNCTIONS, is_missing_function
from turso_deploy.plan.table_hazards import remedy_for_live_rows, remedy_for_rows
from turso_deploy.project.bound import parse_bound
from turso_deploy.project.expectations import corrections
from turso_deploy.project.manifest import COUNTED_KINDS
from turso_deploy.project.project import Project
from turso_deploy.report.document import CheckLine, CountLine
from turso_deploy.seeds.steps import error_for_missing_rows, error_for_orphans
from turso_deploy.sql.lexer import fold_case, read_column_title
from turso_deploy.sql.schema import Trigger, place_in, target_of, title
from turso_deploy.transaction.assemble import COMPILE_LABEL, Assembly
from turso_deploy.transaction.checks import CATALOG_CHECK, INVALID_JSON, count_name
from turso_deploy.transaction.row_verification import ADDED_VIOLATIONS


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


def explain_failure(
    assembly: Assembly,
    outcome: Outcome,
    checks: Sequence[CheckLine],
    project: Project,
    approvals: Sequence[Approval] = (),
    advice: Advice = no_advice,
) -> DeployError:
    """Return the error for a transaction that was rolled back. `checks` are its results before that."""
    failed = outcome.failed
    assert failed is not None
    explanation = explain(failed.failure)
    if failed.position is None:
        return explanation.error(DatabaseError, "The transaction failed: {}. It was rolled back.")
    step = assembly.steps[failed.position]
    if step.label == READ_BACK:
        return DatabaseError(
            ErrorCode.CHECK_FAILED,
            f"The deployment was not recorded: the row written to {HISTORY_TABLE} is not there, or not as it was "
            "written. The transaction was rolled back.",
            hint=f"Look for triggers and constraints of other programs on {HISTORY_TABLE}, and remove them.",
        )
    for orphans in assembly.seeds.orphan_checks:
        figures = outcome.results[assembly.steps.index(orphans.figures)]
        if step is orphans.check and figures is not None:
            return error_for_orphans(orphans, figures)
    if step.purpose is Purpose.CHECK and (error := blocking_error(assembly.deletions(outcome), approvals, advice)):
        return error
    if step is assembly.seeds.check and (missing := _result_of(assembly.seeds.missing, assembly, outcome)):
        return error_for_missing_rows(assembly.seeds, missing)
    if step.purpose is Purpose.CHECK and any(not check.ok for check in checks):
        return explain_failed_checks(checks, {}, project, plan=assembly.plan)
    if step.purpose is Purpose.COMPILE:
        return _compile_error(step, failed.failure, project)
    if trigger := _raising_trigger(failed.failure, project):
        return DatabaseError(
            explanation.code,
            f"{step.label}: {title(trigger)} rejects a row: {without_prefix(failed.failure.message)}. The "
            "transaction was rolled back.",
            hint=f"Change the rows so that the trigger accepts them, or change the trigger ({trigger.place}).",
            place=step.place,
        )
    is_statement = explanation.code is ErrorCode.STATEMENT_FAILED
    # The SQL of a step that creates an object keeps the lines of its file.
    offset = failed.failure.offset if step.label.startswith("create ") else None
    place = place_in(step.query.sql, offset, step.place)
    return DatabaseError(
        explanation.code,
        f"{step.label}: {explanation.message.replace(TEMPORARY_PREFIX, '')}. The transaction was rolled back.",
        hint=_remedies_at(step, failed.failure, assembly.plan) or explanation.hint,
        place=place if is_statement else None,
    )


_BROKEN_RULES = {
    "UNIQUE constraint": HazardName.ADD_UNIQUE,
    "NOT NULL constraint": HazardName.ADD_NOT_NULL,
    "CHECK constraint": HazardName.ADD_CHECK,
    "cannot store": HazardName.ADD_STRICT,
    "datatype mismatch": HazardName.ADD_STRICT,
}


def _remedies_at(step: TransactionStep, failure: Failure, plan: Plan) -> str:
    """Return the remedies of the hazards of a plan's step that breaks a rule; "" for another step, or without any.

    Where scripts run first, the rows that break a rule are not counted, so the database finds them.
    """
    reason = without_prefix(failure.message)
    rule = next((name for start, name in _BROKEN_RULES.items() if reason.startswith(start)), None)
    steps = (planned for planned in plan.all_steps if planned.label == step.label)
    found = [hazard for planned in steps for hazard in planned.hazards if hazard.name is rule and hazard.remedy]
    column = reason.rpartition(".")[2]
    named = [hazard for hazard in found if fold_case(read_column_title(hazard.object)[1]) == fold_case(column)]
    remedies = list(dict.fromkeys(hazard.remedy or "" for hazard in named or found))
    if remedies and plan.additions:  # for values that such a script writes, a backfill is too late
        remedies.insert(0, "Correct what the scripts that run between write, and the rows that they leave:")
    return "\n".join(remedies)


def explain_contradiction(
    contradiction: str,
    assembly: Assembly,
    outcome: Outcome,
    checks: Sequence[CheckLine],
    project: Project,
    *,
    committed: bool,
) -> DeployError:
    """Return the error for a transaction whose reply does not prove its outcome, because of a contradiction in it.

    `committed` is what the deployment history shows of it.
    """
    failed = [check for check in checks if not check.ok]
    reason: DeployError = DatabaseError(
        ErrorCode.UNEXPECTED_REPLY, f"The reply of the server does not prove what happened: {contradiction}."
    )
    if failed:
        reason = explain_failed_checks(failed, {}, project, plan=assembly.plan)
    elif outcome.failed and outcome.failed.position is not None:
        label, explanation = assembly.steps[outcome.failed.position].label, explain(outcome.failed.failure)
        reason = explanation.error(DatabaseError, f"{label}: {{}}.")
    return with_outcome(reason, committed=committed)


def with_outcome(reason: DeployError, *, committed: bool) -> DeployError:
    """Return an error with what the deployment history shows of the transaction whose reply is the reason for it."""
    separator = "\n" if "\n" in reason.message else " "
    shown = "the transaction was committed all the same" if committed else "the transaction was not committed"
    return DatabaseError(
        reason.code,
        f"{reason.message}{separator}According to the deployment history, {shown}.",
        hint=_HINT_IF_COMMITTED if committed else _HINT_IF_NOT,
        place=reason.place,
        committed=committed,
        causes=reason.causes,
    )


def without_outcome(reason: DeployError, unknown: DeployError) -> DeployError:
    """Return an error for a transaction of which the history could not be read; `unknown` is the error for that."""
    return DatabaseError(
        reason.code,
        f"{reason.message} The deployment history could not be read afterwards.",
        hint=f"{reason.hint} {unknown.hint}" if reason.hint else unknown.hint,
        committed=None,
    )


_HINT_IF_COMMITTED = (
    "The server, or a proxy before it, does not do what its replies say. Compare the database with the schema folder "
    "(`turso-deploy verify`), look at its rows, and go back to a restore point if they are wrong."
)
_HINT_IF_NOT = "The server, or a proxy before it, gave a reply that cannot be. Run again, without a proxy in between."


def _raising_trigger(failure: Failure, project: Project) -> Trigger | None:
    """Return the trigger of the schema folder whose RAISE has this message, which so quotes no row of the database."""
    message = without_prefix(failure.message)
    triggers = project.wanted.triggers.values()
    return next((trigger for trigger in triggers if message in trigger.definition.raised_texts), None)


def _compile_error(step: TransactionStep, failure: Failure, project: Project) -> DatabaseError:
    """Return the error for an object that the engine cannot compile: the one with the name that the engine misses."""
    explanation, reason = explain(failure), showable(failure.message)
    items = {title(item): item for item in project.wanted.objects()}
    name = step.label.removeprefix(COMPILE_LABEL)
    first = items.get(name)
    if first is None:  # an object of others, whose SQL changes with a rename
        message = f"{name} would no longer work: {{}}. The transaction was rolled back."
        return explanation.error(DatabaseError, message)
    others = sorted(items.values(), key=lambda item: target_of(item) != target_of(first))
    named = next((item for item in (first, *others) if locate(item.sql, reason) is not None), None)
    item = named or first
    hint = HINT_ABOUT_FUNCTIONS if is_missing_function(reason) else explanation.hint
    return DatabaseError(
        explanation.code,
        f"{title(item)} would not work: {explanation.message}. The transaction was rolled back.",
        hint=hint if named else f"{_HINT_ABOUT_OTHERS} {hint}",
        place=place_in(item.sql, locate(item.sql, reason), item.place),
    )


_HINT_ABOUT_OTHERS = (
    "No definition in the schema folder contains the name: one that only the database has does, and is used here. "
    "Correct or drop it by hand."
)


def combined(errors: Sequence[DeployError]) -> DeployError:
    """Return the first of several errors by their exit codes, with the messages, hints and causes of all."""
    errors = sorted(errors, key=lambda error: EXIT_CODE_ORDER.index(error.exit_code))
    first, *others = errors
    if not others:
        return first
    causes = [cause for error in errors for cause in error.causes or (Cause(error.message, error.place),)]
    return type(first)(
        first.code,
        "\n".join(error.message for error in errors),
        hint="\n".join(dict.fromkeys(error.hint for error in errors if error.hint)),
        place=first.place,
        committed=first.committed,
        causes=causes,
    )


def _result_of(step: TransactionStep | None, assembly: Assembly, outcome: Outcome) -> Rows | None:
    return outcome.results[assembly.steps.index(step)] if step else None


def explain_failed_checks(
    checks: Sequence[CheckLine],
    counts: Mapping[str, CountLine],
    project: Project,
    differences: Sequence[Cause] = (),
    plan: Plan | None = None,
) -> DatabaseError:
    """Return the error for the checks and counts that failed, each with what it expected and found.

    `differences` are the objects that differ from the schema folder, each with its place there. `plan` is that of the
    deployment, if there is one.
    """
    failed = [check for check in checks if not check.ok]
    causes = [
        Cause(f"{check.name}: expected {check.expected}, found {check.actual}", Place.read(check.place))
        for check in failed
    ]
    causes += [
        Cause(
            f"{count_name(kind)}: expected {count.expected}, found {count.actual}",
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
        hint="\n".join(dict.fromkeys(_hints(failed, counts, project, plan, has_differences=bool(differences)))),
        place=placed[0].place if placed else None,
        causes=placed,
    )


def _counts_found(failed: Sequence[CheckLine], counts: Mapping[str, CountLine]) -> Mapping[str, int]:
    """Return the numbers of objects by kind that were found: all of them, or those of the failed checks."""
    found = {check.name: int(check.actual) for check in failed if check.section == "expect" and check.actual.isdigit()}
    by_kind = {kind: found[name] for kind in COUNTED_KINDS if (name := count_name(kind)) in found}
    return by_kind | {kind: count.actual for kind, count in counts.items() if count.actual is not None}


def _hint_for_bounds(project: Project, found: Mapping[str, int]) -> str:
    corrected = corrections(project.manifest, found, project.place_in_manifest)
    return f"Correct the schema, the seeds or the bounds in the manifest{f': {corrected}' if corrected else '.'}"


def _hints(
    failed: Sequence[CheckLine],
    counts: Mapping[str, CountLine],
    project: Project,
    plan: Plan | None,
    *,
    has_differences: bool,
) -> Iterator[str]:
    """Yield what to do about the failed checks: correct live rows, seeds, bounds or the schema."""
    for check in failed:
        match check.section:
            case "json_columns":
                title = check.name.removeprefix(INVALID_JSON)
                yield f"{_remedy_for_json(title, plan)} Or remove {title} from `json_columns` ({check.place})."
            case "rows":
                yield _hint_for_rows(check, project)
            case "" if check.details:
                table = check.name.removeprefix(ADDED_VIOLATIONS)
                yield (
                    f"Correct these rows of {table} with a script in scripts/, or add the rows that they refer to, for "
                    "example as seeds."
                )
    if any(check.name == CATALOG_CHECK for check in failed):
        yield (
            "The database executed the steps with another result than the simulation: its engine may be of another "
            "version. The schema folder is not the cause. Please report it with the output of `plan --sql`."
        )
    if has_differences:
        yield (
            "`turso-deploy plan` shows what differs; `turso-deploy deploy` makes the database match the schema folder."
        )
    elif any(not count.ok for count in counts.values()) or any(check.section == "expect" for check in failed):
        yield _hint_for_bounds(project, _counts_found(failed, counts))


def _remedy_for_json(title: str, plan: Plan | None) -> str:
    """Return what to do about values that are not JSON in a column, as it is before the deployment."""
    table, column = read_column_title(title)
    goal = f"each value of {title} is JSON"
    change = plan.changes.get(fold_case(table)) if plan else None
    if change is not None:
        return remedy_for_rows(change, {fold_case(column)}, goal)
    return remedy_for_live_rows(table, [column], goal, plan.former_names if plan else {})


def _hint_for_rows(check: CheckLine, project: Project) -> str:
    """Return what to do about a number of rows that is out of its bound."""
    table, bound = check.name.removeprefix("rows of "), parse_bound(check.expected)
    seed = next((seed for seed in project.seeds if fold_case(seed.table) == fold_case(table)), None)
    or_bound = f"or correct the bound ({check.place})"
    if not check.actual.isdigit():
        return f"The rows of {table} could not be counted: look at the table, {or_bound}."
    if int(check.actual) < bound.low:
        where = f" ({seed.file})" if seed else ""
        return f"Add rows to {table}, for example as seeds{where}, {or_bound}."
    if seed and bound.high is not None and seed.row_count > bound.high:
        return f"The seeds of {table} alone have {seed.row_count:,} rows ({seed.file}): remove some, {or_bound}."
    return f"The rows are in the database: delete those of {table} that should not be there, {or_bound}."


def _details(check: CheckLine) -> list[str]:
    """Return the details of a check, and the number of those that are left out."""
    is_listed = bool(check.details) and not check.section  # a check of the manifest counts in its details
    more = int(check.actual) - len(check.details) if is_listed else 0
    return [*check.details, f"and {more:,} more"] if more > 0 else list(check.details)
