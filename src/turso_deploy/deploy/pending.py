"""What a database lacks of a project: found out in one read, and one more where rows are concerned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.catalog.catalog import HISTORY_TABLE, read_catalog
from turso_deploy.core.errors import DatabaseError, ErrorCode
from turso_deploy.core.progress import report_step
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import Failure, Rows
from turso_deploy.database.engine_messages import showable
from turso_deploy.database.interface import Database
from turso_deploy.deploy.failures import explain_unread
from turso_deploy.deploy.write_estimate import Written, written_tables
from turso_deploy.plan.hazards import HazardName, uncounted_before_scripts, uncounted_before_seeds, with_counts
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.planner import make_plan
from turso_deploy.project.project import Project
from turso_deploy.project.scripts import Script, pending_scripts, require_runnable_before
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.lexer import fold_case
from turso_deploy.transaction import history
from turso_deploy.transaction.database_state import LIVE_QUERIES, DatabaseState, read_state
from turso_deploy.transaction.row_proofs import FOREIGN_KEY_CHECK_PROBE, refuse_without_proof


class PendingChanges(Struct, frozen=True):
    """The plan for the schema, the seeds and scripts that the database has not seen, and whether the deployment history is behind.

    Of seeds that were on their way when a deployment stopped, `seeds` are the rows that are left, and may be none.
    `skipped` are scripts for a database that was there before; a new one has nothing for them to do. `written` are the
    tables of which every row is written.
    """

    live: DatabaseState
    plan: Plan
    seeds: tuple[SeedTable, ...]
    scripts: tuple[Script, ...]
    skipped: tuple[Script, ...]
    history_is_outdated: bool
    written: tuple[Written, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether no object and no row would change."""
        return not (self.plan.all_steps or self.seeds or self.scripts)

    @property
    def in_words(self) -> str:
        """What there is to do and may take a while: `rewriting orders (1,000,000 rows), 12 seed rows, 3 steps`."""
        rewritten = [hazard for hazard in self.plan.hazards if hazard.name is HazardName.REWRITE_TABLE]
        rows = self.seed_rows
        found = [
            *(f"rewriting {one.object}" + (f" ({count_of(one.rows, 'row')})" if one.rows else "") for one in rewritten),
            count_of(rows, "seed row") if rows else "",
            count_of(steps, "step") if (steps := len(self.plan.all_steps) + len(self.scripts)) else "",
        ]
        return ", ".join(part for part in found if part) or "the deployment history"

    @property
    def changes_schema(self) -> bool:
        """Whether there is more to do than to bring in rows, and to run what comes after them."""
        first = any(script.runs_before for script in self.scripts)
        return bool(self.plan.all_steps or first or self.skipped or self.live.last is None)

    @property
    def seed_rows(self) -> int:
        """How many seed rows are left to bring in."""
        return sum(seed.row_count for seed in self.seeds)

    @property
    def rows_to_write(self) -> int | None:
        """About how many rows and entries of indexes the steps will write, and the seeds. None: not known.

        What a script writes is not known, nor what triggers do, so neither is counted.
        """
        known = [one.times * one.rows for one in self.written if one.rows is not None]
        return sum(known) + self.seed_rows if len(known) == len(self.written) else None

    @property
    def nothing_to_do(self) -> bool:
        """Whether the database is as the project wants it, and the deployment history says so."""
        return self.changes_nothing and not self.history_is_outdated


def find_pending(project: Project, database: Database, *, estimates: bool = False) -> PendingChanges:
    """Read the database in one request, compare and plan; ask once more how many rows the hazards concern, if any.

    With `estimates` it is also asked how many rows will be written where there is no hazard.
    """
    report_step("reading the database")
    answers = database.query(LIVE_QUERIES)
    report_step("planning")
    work = pending_for(project, parse_state(answers, project.manifest.ignore))
    hazards = work.plan.hazards
    if not (hazards or (estimates and work.written)):
        return work
    report_step("counting the rows that the plan concerns")
    asked = [*(hazard.count for hazard in hazards), *(one.count for one in work.written), FOREIGN_KEY_CHECK_PROBE]
    queries = list(dict.fromkeys(asked))  # a table that is made anew is both, and a count reads all of it
    known = dict(zip(queries, database.query(queries), strict=True))
    *answers, probe = (known[query] for query in asked)
    refuse_without_proof(work.plan, probe)
    counts, sizes = answers[: len(hazards)], answers[len(hazards) :]
    seeded = {fold_case(seed.table) for seed in work.seeds}
    counted = uncounted_before_seeds(with_counts(hazards, counts, showable), seeded)
    if any(script.runs_before for script in work.scripts):
        counted = uncounted_before_scripts(counted)
    written = tuple(map(_with_rows, work.written, sizes))
    return replace(work, plan=work.plan.with_hazards(counted), written=written)


def _with_rows(written: Written, answer: Rows | Failure) -> Written:
    return replace(written, rows=answer.number()) if isinstance(answer, Rows) else written


def pending_for(project: Project, live: DatabaseState) -> PendingChanges:
    """Compare and plan. How many rows the hazards concern is not known yet."""
    last = live.last
    plan = make_plan(
        project.wanted,
        live.catalog,
        directives=project.directives,
        managed=last.managed if last else frozenset(),
        ignore=project.manifest.ignore,
    )
    is_new = not (last or live.catalog.schema.all_tables.keys() & project.wanted.all_tables.keys())
    pending = pending_scripts(project.scripts, last.scripts if last else {})
    skipped = tuple(script for script in pending if is_new and script.runs_before)
    to_run = tuple(script for script in pending if script not in skipped)
    require_runnable_before(to_run, live.catalog)
    return PendingChanges(
        live,
        plan,
        tuple(_pending_seeds(project, plan, live)),
        to_run,
        skipped,
        _history_is_outdated(project, live),
        written_tables(plan, live.catalog.schema),
    )


def _pending_seeds(project: Project, plan: Plan, live: DatabaseState) -> Iterator[SeedTable]:
    """The seeds that the database has not seen, as a whole or in part; another name of their table is no change."""
    deployed = live.last.seeds if live.last else {}
    for seed in project.seeds:
        if fold_case(seed.table) in plan.created_tables:
            yield seed
            continue
        table, fingerprint = seed.table, seed.fingerprint
        if plan.renames:
            table = plan.old_names.get(fold_case(table), table)
            fingerprint = seed.fingerprint_under(table, plan.old_columns(seed.table, live.catalog.schema))
        if deployed.get(table) != fingerprint:
            yield seed.slice(history.rows_in(deployed.get(table), fingerprint))


def state_after_deploying(project: Project, ignore: Sequence[str]) -> DatabaseState:
    """What a database would be to which this project, and nothing else, was deployed. `ignore` is what to overlook."""
    catalog = read_catalog(project.scratch.rows(), project.scratch.shadows(), ignore)
    last = history.Deployment(
        id="",
        schema_version=project.manifest.schema_version,
        schema_fingerprint=history.schema_fingerprint(project.wanted),
        seeds={seed.table: seed.fingerprint for seed in project.seeds},
        managed=history.managed_names(project.wanted),
        scripts={script.name: script.checksum for script in project.scripts},
    )
    return DatabaseState(catalog, None, last)


def parse_state(answers: Sequence[Rows | Failure], ignore: Sequence[str]) -> DatabaseState:
    """The answers to `LIVE_QUERIES` as a Live; `ignore` are the manifest's patterns.

    Raises DatabaseError where they are none.
    """
    try:
        live = read_state(answers, ignore)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DatabaseError(
            ErrorCode.UNEXPECTED_REPLY,
            "The schema or the deployment history of the database cannot be read: they hold something else than they should.",
            hint=f"Look at sqlite_master and at {HISTORY_TABLE}: was a row changed or damaged?",
        ) from error
    if isinstance(live, Failure):
        raise explain_unread(live)
    return live


def _history_is_outdated(project: Project, live: DatabaseState) -> bool:
    last = live.last
    return (
        last is None
        or last.schema_version != project.manifest.schema_version
        or last.managed != history.managed_names(project.wanted)
    )
