"""Find the pending changes of a database: one read, and a second one when rows have to be counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.core.progress import report_step
from turso_deploy.core.transaction import Rows
from turso_deploy.database.engine_messages import showable
from turso_deploy.database.interface import Database
from turso_deploy.deploy.pending import PendingChanges
from turso_deploy.deploy.write_estimate import rewritten_tables
from turso_deploy.plan.hazards import uncounted_before_scripts, uncounted_before_seeds, with_counts
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.planner import make_plan
from turso_deploy.project.expectations import require_expectations
from turso_deploy.project.project import Project
from turso_deploy.project.script_loader import require_runnable_before
from turso_deploy.project.scripts import pending_scripts
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.lexer import fold_case
from turso_deploy.transaction import history
from turso_deploy.transaction.database_state import STATE_QUERIES, DatabaseState, parse_state
from turso_deploy.transaction.row_verification import FOREIGN_KEY_CHECK_PROBE, check_verifiable


def find_pending(project: Project, database: Database, *, estimates: bool = False) -> PendingChanges:
    """Read the database in one request, and plan; count the rows that the hazards concern in a second one, if any.

    With `estimates` the rows of all rewritten tables are counted, too.
    """
    report_step("reading the database")
    answers = database.query(STATE_QUERIES)
    report_step("planning")
    pending = pending_for(project, parse_state(answers, project.manifest.ignore))
    hazards = pending.plan.hazards
    if not (hazards or (estimates and pending.rewritten)):
        return pending
    report_step("counting the rows that the plan concerns")
    counts = [hazard.count_query for hazard in hazards if hazard.count_query]
    counts += [table.count_query for table in pending.rewritten]
    queries = list(dict.fromkeys([*counts, FOREIGN_KEY_CHECK_PROBE]))  # each count reads a whole table: ask it once
    results = dict(zip(queries, database.query(queries), strict=True))
    check_verifiable(pending.plan, results[FOREIGN_KEY_CHECK_PROBE])
    hazard_counts, sizes = counts[: len(hazards)], counts[len(hazards) :]
    seeded = {fold_case(seed.table) for seed in pending.seeds}
    counted = with_counts(hazards, [results[query] for query in hazard_counts], showable)
    counted = uncounted_before_seeds(counted, seeded)
    if any(script.runs_before for script in pending.scripts):
        counted = uncounted_before_scripts(counted)
    rewritten = tuple(
        table._replace(rows=answer.number()) if isinstance(answer := results[query], Rows) else table
        for table, query in zip(pending.rewritten, sizes, strict=True)
    )
    return pending._replace(plan=pending.plan.with_hazards(counted), rewritten=rewritten)


def pending_for(project: Project, state: DatabaseState) -> PendingChanges:
    """Return the changes from a state to a project, without the numbers of rows that the hazards concern."""
    last = state.last_deployment
    plan = make_plan(project.wanted, state.catalog, managed=state.managed, ignore=project.manifest.ignore)
    is_new = not (last or state.catalog.schema.all_tables.keys() & project.wanted.all_tables.keys())
    scripts = pending_scripts(project.scripts, last.scripts if last else {})
    skipped = tuple(script for script in scripts if is_new and script.runs_before)
    to_run = tuple(script for script in scripts if script not in skipped)
    require_runnable_before(to_run, state.catalog)
    return PendingChanges(
        state,
        plan,
        tuple(_pending_seeds(project, plan, state)),
        to_run,
        skipped,
        _history_is_outdated(project, state),
        rewritten_tables(plan, state.catalog.schema),
    )


def check_manifest(project: Project, pending: PendingChanges) -> None:
    """Raise BlockedError if the schema after the changes would contradict the manifest."""
    plan = pending.plan
    require_expectations(project.manifest, plan.predicted.schema, plan.unmanaged, project.place_in_manifest)


def _pending_seeds(project: Project, plan: Plan, state: DatabaseState) -> Iterator[SeedTable]:
    """Yield the seeds that are not deployed, whole or in part. A renamed table keeps its deployed seeds."""
    deployed = state.last_deployment.seeds if state.last_deployment else {}
    for seed in project.seeds:
        if fold_case(seed.table) in plan.created_tables:
            yield seed
            continue
        table, fingerprint = seed.table, seed.fingerprint
        if plan.renames:
            table = plan.old_names.get(fold_case(table), table)
            fingerprint = seed.fingerprint_under(table, plan.old_columns(seed.table, state.catalog.schema))
        if deployed.get(table) != fingerprint:
            yield seed.slice(history.rows_deployed(deployed.get(table), fingerprint))


def state_after_deploying(project: Project, ignore: Sequence[str]) -> DatabaseState:
    """Return the state of a database that only this project was deployed to. `ignore` holds patterns of names."""
    catalog = read_catalog(project.scratch.rows(), project.scratch.shadows(), ignore)
    last = history.LastDeployment(
        id="",
        schema_version=project.manifest.schema_version,
        schema_fingerprint=history.schema_fingerprint(project.wanted),
        seeds={seed.table: seed.fingerprint for seed in project.seeds},
        managed=history.managed_names(project.wanted),
        scripts={script.name: script.checksum for script in project.scripts},
    )
    return DatabaseState(catalog, None, last)


def _history_is_outdated(project: Project, state: DatabaseState) -> bool:
    last, wanted = state.last_deployment, (project.manifest.schema_version, history.managed_names(project.wanted))
    return last is None or (last.schema_version, last.managed) != wanted
