"""Find the pending changes of a database: one read, and a second one when rows have to be counted."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.core.errors import BlockedError, DeployError, ErrorCode
from turso_deploy.core.progress import report_step
from turso_deploy.core.transaction import Answers, Failure, Query, Rows, json_bytes
from turso_deploy.core.versions import parse_version
from turso_deploy.database.engine_messages import showable
from turso_deploy.database.interface import Database
from turso_deploy.history.last_deployment import (
    LastDeployment,
    managed_names,
    past_schemas_query,
    past_version_query,
    schema_fingerprint,
)
from turso_deploy.history.lineage import since_number_query, since_schema_query
from turso_deploy.history.seed_records import rows_deployed
from turso_deploy.history.table import require_reliable
from turso_deploy.pending.broken_objects import compiled_before
from turso_deploy.pending.changes import NO_INQUIRY, Inquiry, PendingChanges
from turso_deploy.pending.downgrade import downgrade_hazard
from turso_deploy.pending.engine_version import require_engine, require_file_support, require_text
from turso_deploy.pending.plan_memo import hashable, remembered
from turso_deploy.pending.rollback import (
    fingerprint_of,
    in_words_of_flags,
    managed_by,
    require_possible,
    scripts_kept,
    with_present_names,
)
from turso_deploy.pending.seed_decisions import conflict_error, empty_tables_inquiry, parents_inquiry, seed_inquiry
from turso_deploy.pending.undeployed import has_other_checks
from turso_deploy.pending.write_estimate import rewritten_tables
from turso_deploy.plan.hazards import (
    Hazard,
    Severity,
    uncounted_before_scripts,
    uncounted_before_seeds,
    with_counts,
)
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.planner import make_plan
from turso_deploy.project.dangling_references import require_known
from turso_deploy.project.expectations import require_expectations
from turso_deploy.project.project import EarlierDeployment, Project
from turso_deploy.project.script_check import require_runnable, without_use
from turso_deploy.project.scripts import Moment, Script, pending_scripts, scripts_at
from turso_deploy.seeds.chunks import exceeds
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.lexer import fold_case
from turso_deploy.transaction.checks import Check
from turso_deploy.transaction.database_state import (
    STATE_QUERIES,
    DatabaseState,
    expected_form,
    parse_past,
    parse_state,
)
from turso_deploy.transaction.deletions import PossibleDeletion
from turso_deploy.transaction.possible_deletions import (
    deletion_hazards,
    deletions_by_scripts,
    deletions_by_seeds,
)
from turso_deploy.transaction.predictions import NewRows, Pending, check_questions, undecided_parts
from turso_deploy.transaction.row_verification import FOREIGN_KEY_CHECK_PROBE, check_verifiable
from turso_deploy.transaction.step_predictions import step_probes


def find_pending(
    project: Project,
    database: Database,
    *,
    preview: bool = False,
    show_keys: bool = False,
    further: Sequence[Query] = (),
) -> PendingChanges:
    """Read the database in one request, and plan; ask about the rows that the plan concerns in a second one, if any.

    The first request asks the `further` queries, too.

    With `preview` the rows of all rewritten tables are counted, too, and the checks of rows are predicted: only the
    plan needs that, because a deployment decides. With `show_keys` rows are named by text keys, too.
    """
    is_file = database.address.startswith("file:")
    if is_file:
        require_file_support(project)
    report_step("reading the database")
    if project.earlier:
        state, further_answers = _state_before_rollback(project, project.earlier, database, further)
    else:
        state, further_answers = _state(project, database, further)
    require_engine(project, state, is_file=is_file)
    pending = pending_for(project, state)._replace(further_answers=further_answers)
    if is_file:
        require_text(state.catalog, pending.plan)
    inquiries = [_hazard_rows(pending), compiled_before(pending)]
    if preview:
        inquiries.append(_table_sizes(pending))
    predictions = _predictions(project, database, pending, show_keys=show_keys) if preview else []
    limit, empty = database.request_size, set[str]()
    if limit is None or not exceeds(pending.seeds, limit):
        return _ask(database, pending, [*inquiries, seed_inquiry(project, pending, limit), *predictions])
    # Seeds of several requests are usually new: their rows are sent only if there are rows to compare them with.
    pending = _ask(database, pending, [*inquiries, empty_tables_inquiry(pending, empty)])
    return _ask(database, pending, [seed_inquiry(project, pending, limit, frozenset(empty)), *predictions])


def _state(project: Project, database: Database, further: Sequence[Query]) -> tuple[DatabaseState, Answers]:
    """Read the state of a database and what its history knows of the wanted schema, and ask the `further` queries."""
    fingerprint = fingerprint_of(project)
    past_schemas, past_version = past_schemas_query(fingerprint), past_version_query(project.manifest.schema_version)
    queries = (*STATE_QUERIES, past_schemas, past_version, since_schema_query(fingerprint))
    answers = database.query((*queries, *further))
    report_step("planning")
    *state_answers, schemas, versions, renames = answers[: len(queries)]
    with expected_form():
        state = parse_past(schemas, versions, parse_state(state_answers, project.manifest.ignore))
        state = with_present_names(renames, state, is_required=False)
    return state, tuple(answers[len(queries) :])


def _state_before_rollback(
    project: Project, earlier: EarlierDeployment, database: Database, further: Sequence[Query]
) -> tuple[DatabaseState, Answers]:
    """Return the state as it was read when the earlier deployment was chosen; read it if that was used already."""
    queries = (*STATE_QUERIES, since_number_query(earlier.number))
    received_at, answers = None, None
    if earlier.first_read and not further:
        received_at, answers = earlier.first_read.received_at, earlier.first_read.take(database.address)
    if answers is None:
        received_at, answers = None, database.query((*queries, *further))
    report_step("planning")
    *state_answers, renames = answers[: len(queries)]
    with expected_form():
        state = with_present_names(renames, parse_state(state_answers, project.manifest.ignore), is_required=True)
    if received_at is not None:
        state = state._replace(received_at=received_at)
    return state, tuple(answers[len(queries) :])


def with_predictions(
    project: Project, database: Database, pending: PendingChanges, *, show_keys: bool = False
) -> PendingChanges:
    """Return pending changes with the predictions that only the plan needs; one request, none without a question."""
    return _ask(database, pending, _predictions(project, database, pending, show_keys=show_keys))


def _predictions(project: Project, database: Database, pending: PendingChanges, *, show_keys: bool) -> list[Inquiry]:
    """Return the inquiries for the checks of rows, the steps that would fail, and the missing parents of seeds."""
    if pending.nothing_to_do:
        return []
    changes = Pending.of(project, pending.state, pending.plan, pending.scripts, pending.seeds, show_keys=show_keys)
    return [_predicted_checks(changes), _predicted_failures(changes, database), parents_inquiry(project, pending)]


def _ask(database: Database, pending: PendingChanges, inquiries: Sequence[Inquiry]) -> PendingChanges:
    """Return the pending changes with the answers to all inquiries; no request is made if there are none.

    All are asked in one request, unless the compared seeds exceed its size.
    """
    # Each query may read a whole table, so a query of several inquiries is asked once.
    queries = list(dict.fromkeys(query for inquiry in inquiries for query in inquiry.queries))
    if queries:
        report_step("counting the rows that the plan concerns")
    answers = [answer for part in _by_size(queries, database.request_size) for answer in database.query(part)]
    results = dict(zip(queries, answers, strict=True))
    with expected_form():
        for inquiry in inquiries:
            pending = inquiry.add(pending, [results[query] for query in inquiry.queries])
    return pending


def _by_size(queries: Sequence[Query], limit: int | None) -> Iterator[Sequence[Query]]:
    """Yield the queries in parts whose texts and arguments have at most `limit` bytes together, or a single query."""
    part: list[Query] = []
    size = 0
    for query in queries:
        added = json_bytes(query.sql) + sum(json_bytes(str(argument)) for argument in query.arguments)
        if part and limit is not None and size + added > limit:
            yield part
            part, size = [], 0
        part.append(query)
        size += added
    if part:
        yield part


def _hazard_rows(pending: PendingChanges) -> Inquiry:
    """Return the inquiry for the rows that the hazards of the plan affect."""
    hazards = pending.plan.hazards
    if not hazards:
        return NO_INQUIRY
    counts = [hazard.count_query for hazard in hazards if hazard.count_query]

    def add(pending: PendingChanges, answers: Answers) -> PendingChanges:
        check_verifiable(pending.plan, answers[-1])
        counted = with_counts(hazards, answers[:-1], showable)
        counted = uncounted_before_seeds(counted, {fold_case(seed.table) for seed in pending.seeds})
        if any(script.runs_before for script in pending.scripts):
            counted = uncounted_before_scripts(counted)
        return pending._replace(plan=pending.plan.with_hazards(counted))

    return Inquiry((*counts, FOREIGN_KEY_CHECK_PROBE), add)


def _table_sizes(pending: PendingChanges) -> Inquiry:
    """Return the inquiry for the rows of the tables that are rewritten."""

    def add(pending: PendingChanges, answers: Answers) -> PendingChanges:
        rewritten = tuple(
            table._replace(rows=answer.number()) if isinstance(answer, Rows) else table
            for table, answer in zip(pending.rewritten, answers, strict=True)
        )
        return pending._replace(rewritten=rewritten)

    return Inquiry(tuple(table.count_query for table in pending.rewritten), add)


def _predicted_checks(changes: Pending) -> Inquiry:
    """Return the inquiry for the checks of rows that a deployment makes."""
    questions = list(check_questions(changes))

    def add(pending: PendingChanges, answers: Answers) -> PendingChanges:
        remaining = iter(answers)
        new_rows = NewRows(partial(_rows_inserted, pending), partial(_kept_keys, pending))
        checks: dict[str, tuple[Check, Rows | Failure]] = {}
        undecided = list(undecided_parts(changes))
        undecided += [text for decision in pending.decisions.values() for text in decision.undecided]
        uncounted = {f"{item.name} {item.object}" for item in pending.plan.hazards if item.rows is None}
        for question in questions:
            if question.hazard and question.hazard not in uncounted:
                next(remaining)
                continue
            answer = question.predict([next(remaining) for _ in question.queries], new_rows)
            if isinstance(answer, str):
                undecided.append(f"{question.check.label}: {answer}")
            else:
                label = question.check.label
                checks[label] = (question.check, _sum_of(checks[label][1], answer) if label in checks else answer)
        decided = {question.hazard for question in questions if question.hazard}
        undecided += [
            f"{hazard.name} {hazard.object}: its rows can only be counted in the transaction"
            for hazard in pending.plan.hazards
            if hazard.severity is Severity.BLOCKED and hazard.rows is None
            if f"{hazard.name} {hazard.object}" not in decided
        ]
        return pending._replace(predicted_checks=tuple(checks.values()), undecided=tuple(undecided))

    return Inquiry(tuple(query for question in questions for query in question.queries), add)


def _sum_of(answer: Rows | Failure, other: Rows | Failure) -> Rows | Failure:
    """Return the answer to a check of several foreign keys of a table, each with the number of its violations."""
    if isinstance(answer, Rows) and isinstance(other, Rows):
        return Rows(rows=((answer.number() + other.number(),),))
    return answer if isinstance(answer, Failure) else other


def _predicted_failures(changes: Pending, database: Database) -> Inquiry:
    """Return the inquiry for the steps of the plan that would fail on the rows; the first of them is reported."""
    probes = list(step_probes(changes))

    def add(pending: PendingChanges, answers: Answers) -> PendingChanges:
        failures = (probe.failure(answer, database.query) for probe, answer in zip(probes, answers, strict=True))
        first = next(filter(None, failures), None)
        return pending._replace(predicted_failures=(first.error,) if first else (), failing_step=first)

    return Inquiry(tuple(probe.query for probe in probes), add)


def _rows_inserted(pending: PendingChanges, name: str) -> int | None:
    """Return the number of rows that the seeds insert into a table, by folded name."""
    seed = next((seed for seed in pending.seeds if fold_case(seed.table) == name), None)
    if seed is None:
        return 0
    decision = pending.decisions.get(seed.table)
    return decision.inserted if decision else seed.row_count


def _kept_keys(pending: PendingChanges, name: str) -> set[str]:
    """Return the texts of the keys of the seed rows that leave a live row as it is, by the folded name of a table."""
    return {
        group.key_text(row)
        for seed in pending.seeds
        if fold_case(seed.table) == name and seed.table in pending.decisions
        for _, group, row in seed.rows_at(pending.decisions[seed.table].kept)
    }


def pending_for(project: Project, state: DatabaseState) -> PendingChanges:
    """Return the changes from a state to a project, without the numbers of rows that the hazards concern."""
    kept = (project, state.catalog, state.engine)
    key = partial(_key, project, state)
    return remembered("plan", key, kept, lambda: _pending_for(project, state))._replace(state=state)


def _key(project: Project, state: DatabaseState) -> Hashable:
    """Return all of a state that a plan depends on: everything but times and what only names the last deployment.

    A field that is added later is part of it.
    """
    last = state.last_deployment
    if last:
        last = last._replace(id="", number=0, deployed_at="", baseline=None)
    alike = state._replace(
        engine=None,
        last_deployment=last,
        schema_version=None,
        read_at=0,
        received_at=0.0,
        started_at=None,
    )
    return id(project), id(state.catalog), id(state.engine), hashable(alike[1:])


def _pending_for(project: Project, state: DatabaseState) -> PendingChanges:
    require_known(project.dangling, project.wanted, state.catalog)
    last = state.last_deployment
    planned = partial(
        make_plan,
        project.wanted,
        state.catalog,
        managed=state.managed,
        ignore=project.manifest.ignore,
        engine=state.engine,
        present=state.present_names,
    )
    plan = planned()
    is_new = not (last or state.catalog.schema.all_tables.keys() & project.wanted.all_tables.keys())
    ran = last.scripts if last else {}
    scripts = pending_scripts(project.scripts, ran)
    skipped = without_use(scripts, state.catalog, plan.renamed, ran, is_new=is_new)
    not_needed = {item.script.name for item in skipped}
    to_run = tuple(script for script in scripts if script.name not in not_needed)
    if scripts_at(Moment.BETWEEN, to_run):
        plan = planned(without_scripts=plan)
    if project.earlier:
        plan = plan.with_hazards(in_words_of_flags(plan.hazards))
    require_runnable(to_run, _schemas(state, plan), state.engine, foreign_keys=plan.keeps_foreign_keys_on)
    seeds = tuple(_pending_seeds(project, plan, state))
    deletions = tuple(_deletions(project, state, plan, seeds, to_run))
    pending = PendingChanges(
        state,
        plan,
        seeds,
        to_run,
        skipped,
        bool(skipped) or _history_is_outdated(project, state),
        rewritten_tables(plan, state.catalog.schema),
        deletion_hazards(deletions),
        deletions,
        is_new=is_new,
    )
    return pending._replace(other_hazards=(*_downgrades(project, pending), *pending.other_hazards))


def _downgrades(project: Project, pending: PendingChanges) -> Iterator[Hazard]:
    """Yield the hazard of going back to an earlier version."""
    last, version = pending.state.last_deployment, project.manifest.schema_version
    if last and not pending.nothing_to_do and project.earlier is None:
        place = project.place_in_manifest(("schema_version",)) if version else None
        fingerprint = schema_fingerprint(project.wanted)
        state = pending.state
        hazard = downgrade_hazard(version, fingerprint, last, state.past_schemas, state.past_version, place)
        if hazard:
            yield hazard


def _deletions(
    project: Project, state: DatabaseState, plan: Plan, seeds: Sequence[SeedTable], scripts: Sequence[Script]
) -> Iterator[PossibleDeletion]:
    """Yield the deletions that seeds and scripts may cause, each compiled in the schema that it finds."""
    for moment, catalog in _schemas(state, plan).items():
        if moment is Moment.AFTER:
            yield from deletions_by_seeds(seeds, plan, project.wanted)
        before = moment is Moment.BEFORE
        yield from deletions_by_scripts(scripts_at(moment, scripts), catalog, project.wanted, None if before else plan)


def _schemas(state: DatabaseState, plan: Plan) -> Mapping[Moment, Catalog]:
    """Return the schema that the scripts of each moment find, in the order of the moments."""
    return {
        Moment.BEFORE: state.catalog,
        Moment.BETWEEN: plan.extended or plan.predicted,
        Moment.AFTER: plan.predicted,
    }


def check_manifest(project: Project, pending: PendingChanges) -> None:
    """Raise an error if the version before the changes, or the schema after them, contradicts the manifest.

    It is BlockedError (`upgrade-blocked`, `history-trigger`), PlanError (`manifest-mismatch`) or DatabaseError
    (`history-newer`, `history-damaged`), or one of `require_possible`.
    """
    require_reliable(pending.state.catalog)
    require_possible(project, pending)
    plan = pending.plan
    _require_upgradable(project, pending)
    require_expectations(project.manifest, plan.predicted.schema, plan.unmanaged, project.place_in_manifest)


def stopping_errors(project: Project, pending: PendingChanges, failed_checks: DeployError | None) -> list[DeployError]:
    """Return the errors that would stop a deployment, without those of hazards.

    `failed_checks` is the error for the checks of rows that `pending` predicts to fail.
    """
    errors: list[DeployError] = []
    try:
        check_manifest(project, pending)
    except DeployError as error:
        errors.append(error)
    return [*errors, *pending.predicted_failures, *filter(None, (failed_checks, conflict_error(pending)))]


def _require_upgradable(project: Project, pending: PendingChanges) -> None:
    """Raise BlockedError (`upgrade-blocked`) for a database that may be older than `upgrade_from` allows.

    Scripts that it needs may be deleted from the folder. A database without a version passes if it is new, or if the
    schema of this folder is there already: the first deployment records the version after its seeds.
    """
    last, lowest = pending.state.last_deployment, project.manifest.upgrade_from
    version = last.schema_version if last else None
    found, required = parse_version(version), parse_version(lowest)
    if lowest is None or required is None or pending.is_new or (found is not None and found >= required):
        return
    if last and version is None and last.schema_fingerprint == schema_fingerprint(project.wanted):
        return
    if last is None:
        reason = "and this one has no deployment history, so its version is not known"
    elif version is None:
        reason = "and the history of this one records no version"
    else:
        reason = f"and this one is at {version}" + ("" if found else ", which is no semantic version")
    raise BlockedError(
        ErrorCode.UPGRADE_BLOCKED,
        f"This folder can be deployed to databases from version {lowest} on, {reason}.",
        hint=f"First deploy the release {lowest}, or another one that an older database can be upgraded to. "
        f"`upgrade_from` in the manifest states {lowest}, because scripts that older databases need are not in the "
        "folder any more.",
        place=project.place_in_manifest(("upgrade_from",)),
    )


def _pending_seeds(project: Project, plan: Plan, state: DatabaseState) -> Iterator[SeedTable]:
    """Yield the seeds that are not deployed, whole or in part. A renamed table keeps its deployed seeds."""
    deployed = state.last_deployment.seeds if state.last_deployment else {}
    for seed in project.seeds:
        if fold_case(seed.table) in plan.created_tables:
            yield seed
            continue
        table = plan.old_names.get(fold_case(seed.table), seed.table)
        old_columns = plan.old_columns(seed.table, state.catalog.schema)
        is_renamed = bool(plan.renames or old_columns)
        fingerprint = seed.fingerprint_under(table, old_columns) if is_renamed else seed.fingerprint
        if deployed.get(table) != fingerprint:
            yield seed.slice(rows_deployed(deployed.get(table), fingerprint))


def state_after_deploying(project: Project, ignore: Sequence[str]) -> DatabaseState:
    """Return the state of a database that only this project was deployed to. `ignore` holds patterns of names."""
    rows, shadows = project.scratch.rows(), project.scratch.shadows()
    catalog = read_catalog(rows, shadows, ignore)
    if project.ignored:  # its scratch database holds objects that a deployment would not create
        not_deployed = read_catalog(rows, shadows, project.manifest.ignore).ignored - catalog.ignored
        catalog = read_catalog([row for row in rows if row.name not in not_deployed], shadows, ignore)
    last = LastDeployment(
        id="",
        schema_version=project.manifest.schema_version,
        schema_fingerprint=schema_fingerprint(project.wanted),
        seeds={seed.table: seed.fingerprint for seed in project.seeds},
        managed=managed_names(project.wanted),
        scripts={script.name: script.checksum for script in project.scripts},
        checks=project.manifest.checks_fingerprint,
    )
    return DatabaseState(catalog, None, last)


def _history_is_outdated(project: Project, state: DatabaseState) -> bool:
    last, wanted = state.last_deployment, (project.manifest.schema_version, managed_by(project))
    if last and project.earlier and scripts_kept(project.earlier, last) != last.scripts:
        return True
    return last is None or (last.schema_version, last.managed) != wanted or has_other_checks(project, last)
