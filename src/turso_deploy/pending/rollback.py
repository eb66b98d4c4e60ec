"""A rollback as pending changes: what blocks it, the words of its hazards, and what the history keeps of later work."""

from __future__ import annotations

from collections.abc import Sequence

from turso_deploy.core.errors import BlockedError, ErrorCode, InputError, PlanError, StaleError
from turso_deploy.core.text import enumerated
from turso_deploy.core.transaction import Failure, Rows
from turso_deploy.history.last_deployment import LastDeployment, managed_names, schema_fingerprint
from turso_deploy.history.lineage import UnknownNamesError, present_names
from turso_deploy.history.seed_records import removed_records
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.pending.plan_memo import remembered
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.plan import Plan
from turso_deploy.project.project import EarlierDeployment, Project
from turso_deploy.project.scripts import NEEDED
from turso_deploy.sql.lexer import column_title, fold_case
from turso_deploy.transaction.database_state import DatabaseState


def command_of(project: Project) -> str:
    """Return the command that deploys a project, as the deployment history records it."""
    return f"rollback {project.earlier.number}" if project.earlier else "deploy"


def managed_by(project: Project) -> frozenset[str]:
    """Return the objects that a project manages, as the deployment history records them."""
    return project.earlier.managed if project.earlier else managed_names(project.wanted)


def fingerprint_of(project: Project) -> str:
    """Return the fingerprint of a project's schema; in a rollback that of the folder which was deployed then."""
    if project.earlier:
        return project.earlier.fingerprint
    return remembered("schema", lambda: id(project), (project,), lambda: schema_fingerprint(project.wanted))


def with_present_names(answer: Rows | Failure, state: DatabaseState, *, is_required: bool) -> DatabaseState:
    """Return the state with what the history knows of renames since the wanted schema was deployed.

    Without `is_required` a history that does not know them counts as one without renames: what is not known to be
    renamed is dropped and created, which is a hazard. Otherwise raises PlanError (`rollback-impossible`).
    """
    try:
        if isinstance(answer, Failure):
            raise UnknownNamesError("the history has no record of renames")
        return state._replace(present_names=present_names(answer))
    except UnknownNamesError as error:
        if not is_required:
            return state
        raise PlanError(
            ErrorCode.ROLLBACK_IMPOSSIBLE,
            f"The renames since then are not known: {error}.",
            hint="Go back to a later deployment, or deploy the folder of the release that is meant.",
        ) from None


def scripts_since(earlier: EarlierDeployment, last: LastDeployment) -> list[str]:
    """Return the names of the scripts that ran after a deployment."""
    return sorted(name for name, mark in last.scripts.items() if mark != NEEDED and name not in earlier.scripts)


def scripts_kept(earlier: EarlierDeployment, last: LastDeployment) -> dict[str, str]:
    """Return the scripts that the history records as run after a rollback.

    Those to run again are not among them, and neither are those that wait for the seeds of a later schema.
    """
    return {
        name: mark
        for name, mark in last.scripts.items()
        if name not in earlier.run_again and (mark != NEEDED or name in earlier.scripts)
    }


def seeds_kept(plan: Plan, last: LastDeployment) -> dict[str, str]:
    """Return the fingerprints of seeds that still hold after a rollback: of the tables that it does not touch."""
    touched = _touched_tables(plan)
    return {table: mark for table, mark in last.seeds.items() if fold_case(table) not in touched}


def records_forgotten(plan: Plan, last: LastDeployment) -> dict[str, str]:
    """Return the records of seeded rows that a rollback removes: of the tables that it touches."""
    return removed_records(sorted(last.seeds.keys() - seeds_kept(plan, last).keys()))


def _touched_tables(plan: Plan) -> frozenset[str]:
    """Return the folded names, before and after the plan, of the tables that a step changes, renames or drops."""
    steps = [step for step in plan.all_steps if step.kind.noun in ("table", "column")]
    named = {fold_case(step.object) for step in steps}
    return frozenset(named | {fold_case(step.old_name) for step in steps if step.old_name and step.column is None})


def require_possible(project: Project, pending: PendingChanges) -> None:
    """Raise an error if a project is that of a rollback, and more than its hazards stops it.

    It is StaleError (`stale-plan`) if another deployment was made since the choice, BlockedError (`scripts-undecided`)
    for a script that ran later, InputError (`input-invalid`) for a name or a column that the rollback has no use for.
    """
    earlier, last = project.earlier, pending.state.last_deployment
    if earlier is None or last is None:
        return
    if not pending.nothing_to_do and last.id != earlier.last_id:
        raise StaleError(
            ErrorCode.STALE_PLAN,
            f"Another deployment was made after deployment {earlier.number} was chosen to go back to.",
            hint="Look at the deployment history, and run again.",
        )
    ran = scripts_since(earlier, last)
    if not pending.nothing_to_do:
        _require_known_scripts(earlier, ran)
    undecided = [name for name in ran if name not in earlier.run_again | earlier.keep_done]
    if undecided:
        flags = " ".join(f"--keep-done {name}" for name in undecided)
        raise BlockedError(
            ErrorCode.SCRIPTS_UNDECIDED,
            f"Scripts have run since deployment {earlier.number}, and a rollback does not undo what they wrote: "
            f"{enumerated(undecided)}.",
            hint="Say for each if the next forward deployment runs it again (`--run-again NAME`) or not "
            f"(`--keep-done NAME`). To run none again: {flags}",
        )
    if not pending.nothing_to_do:
        _require_used_backfills(project, pending.plan)


def _require_known_scripts(earlier: EarlierDeployment, ran: Sequence[str]) -> None:
    both = sorted(earlier.run_again & earlier.keep_done)
    if both:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`run-again` and `keep-done` name the same script: {', '.join(both)}.",
            hint="Name each script once.",
        )
    if not (earlier.run_again | earlier.keep_done).issubset(ran):
        shown = f"These have run since: {', '.join(ran)}" if ran else "None has run since"
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`run-again` or `keep-done` names a script that has not run since deployment {earlier.number}.",
            hint=f"{shown}. A name is that of the file, without `.sql`.",
        )


def _require_used_backfills(project: Project, plan: Plan) -> None:
    for name, table in project.wanted.tables.items():
        change = plan.changes.get(name)
        for column, found in table.directives.columns.items():
            if found.using is not None and (change is None or change.backfill(column) is None):
                title = column_title(table.name, table.definition.by_name[column].name)
                raise InputError(
                    ErrorCode.INPUT_INVALID,
                    f"`backfill` has no use for the column {title}: its values stay as they are.",
                    hint="It is for a column that comes back, or whose type, NOT NULL or STRICT changes.",
                )


_DIRECTIVE = "`-- @using <expression>` at the column "


def in_words_of_flags(hazards: Sequence[Hazard]) -> tuple[Hazard, ...]:
    """Return the hazards of a rollback, whose remedies name flags in place of comments in a schema folder."""
    return tuple(hazard._replace(remedy=_remedy(hazard)) for hazard in hazards)


def _remedy(hazard: Hazard) -> str | None:
    if hazard.name is HazardName.ADD_NOT_NULL:
        return f"Give the missing values: `--backfill {hazard.object}=EXPRESSION`, an expression over the row as it is."
    return hazard.remedy and hazard.remedy.replace(_DIRECTIVE, "`--backfill TABLE.COLUMN=EXPRESSION` for the column ")
