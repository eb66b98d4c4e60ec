"""The commands for a fleet: one command for many databases, each with its own connection, in threads."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from turso_deploy.cli.invocation import Invocation
from turso_deploy.core.errors import DatabaseError, DeployError, ErrorCode, InputError, InternalError
from turso_deploy.core.progress import report_line, report_progress, report_step
from turso_deploy.core.text import count_of
from turso_deploy.database.address import parse_address
from turso_deploy.database.open import open_address
from turso_deploy.fleet.database import PermittedDatabase
from turso_deploy.fleet.order import Wave, arranged, single_wave
from turso_deploy.fleet.parallel import Parallel
from turso_deploy.fleet.results import ResultsFile, result_of, shown_name
from turso_deploy.fleet.run import Done, FleetRun, Listener, Task
from turso_deploy.fleet.stopping import Stop
from turso_deploy.fleet.tally import MAX_NAMES, Facts, report_of
from turso_deploy.fleet_sources.rollout import Shard, Share
from turso_deploy.fleet_sources.selection import Access, open_selection
from turso_deploy.fleet_sources.target import Selection
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.pending.plan_memo import PlanMemo, remembering
from turso_deploy.report.document import Report, Status
from turso_deploy.report.fleet_lines import DatabaseResult, State
from turso_deploy.report.fleet_wording import states_in_words
from turso_deploy.report.lines import failed
from turso_deploy.settings.settings import DEPLOYING_COMMANDS, SETTINGS, flag_of
from turso_deploy.stored_plan.document import PlanOrigin
from turso_deploy.stored_plan.fleet_file import PlanOfSome, expected_plans, require_writable_plans, write_plans

if TYPE_CHECKING:
    from turso_deploy.database.interface import Database
    from turso_deploy.fleet_sources.target import Target
    from turso_deploy.history.entries import Provenance
    from turso_deploy.stored_plan.content import PlanContent

RunOne = Callable[["Target", "Database"], Report]
"""Runs the command for one database and returns its report. Raises DeployError."""

_OF_ONE_RUN = frozenset(
    {
        *("command", "fleet", "only", "except_", "canary", "waves", "failure_budget", "shard", "results"),
        *("plan", "save", "json_output", "html", "quiet", "verbose", "comment"),
    }
)
"""Settings that a command to repeat the run for some databases leaves out."""


def run_fleet(invocation: Invocation) -> tuple[Report, Sequence[DatabaseResult]]:
    """Run the command of the settings for every database of the fleet; return the report and the results of each.

    Raises DeployError before the first request.
    """
    settings, started = invocation.settings, time.monotonic()
    shard = settings.shard or Shard()
    stop = Stop()
    with ExitStack() as opened:
        run_one = opened.enter_context(_command(invocation))
        selection = opened.enter_context(_selection(invocation))
        waves = _waves(invocation, selection)
        total = sum(len(wave.targets) for wave in waves)
        file = opened.enter_context(closing(ResultsFile(settings.results)))
        budget = settings.failure_budget or selection.rollout.failure_budget or Share(0)
        tally = _Progress(total, file)
        file.write({"fleet": settings.fleet, "command": settings.command, "shard": str(shard), "databases": total})
        run = FleetRun(
            waves,
            _work(invocation, run_one, stop),
            tally,
            parallel=Parallel(settings.parallel),
            budget=budget.of(total) if settings.command in DEPLOYING_COMMANDS else None,
            stop=stop,
            shown=lambda name: shown_name(name, hashed=settings.names == "hashed"),
        )
        report_step(f"0 of {count_of(total, 'database')}")
        run.run()
    facts = Facts(
        dict(Counter(one.reason for one in selection.skipped)),
        str(shard),
        tuple(str(Shard(number, shard.total)) for number in range(1, shard.total + 1)),
        budget.of(total),
        run.stopped_by,
        tally.durations,
        run.retried,
        settings.results,
        lambda names: _command_for(invocation, names),
    )
    report = report_of(settings.command, settings.named_database, tally.results, facts, _hint(invocation))
    states = report.fleet.states if report.fleet else {}
    report = replace(
        report,
        pending=State.PENDING in states if settings.command == "status" else None,
        drifted=State.DRIFTED in states if settings.command in ("status", "verify") else None,
        duration_ms=round((time.monotonic() - started) * 1000),
    )
    return report, tally.results


@contextmanager
def _selection(invocation: Invocation) -> Iterator[Selection]:
    """Yield the databases of the fleet. The claims of a token that was given for all are checked."""
    report_step("selecting the databases")
    settings = invocation.settings
    access = Access(
        token=settings.auth_token,
        writes=settings.writes_to_database,
        api_token=settings.api_token,
        organization=settings.organization,
        api_url=settings.api_url,
        control_url=settings.control_url,
        control_token=settings.control_token,
        token_lifetime=settings.token_lifetime,
        timeout=settings.timeout,
        allow_insecure_http=settings.allow_insecure_http,
        mask=invocation.runner.mask,
        max_pause=invocation.timing.max_pause,
    )
    with ExitStack() as opened:
        try:
            found = open_selection(settings.fleet or "", settings.only, settings.except_, access)
            selection = opened.enter_context(found)
        except InputError as error:
            raise _without_names(error) if settings.names == "hashed" else error from None
        if selection.uses_given_token and settings.command != "check-tokens":
            _check_token_for_all(invocation)
        yield selection


def _without_names(error: InputError) -> InputError:
    """Return an error of the selection without the names of databases, which may be those of tenants."""
    if error.code is not ErrorCode.FLEET_INVALID:
        return error
    return InputError(
        error.code,
        "The fleet cannot be used. The reason is not shown, because it may contain names, and `names` is `hashed`.",
        hint="See the reason where the log is not public: run `turso-deploy plan` with the same databases there.",
        place=error.place,
    )


def _check_token_for_all(invocation: Invocation) -> None:
    """Check the claims of the token that was given for all databases. Raises DeployError."""
    from turso_deploy.cli.credentials import policy_of
    from turso_deploy.turso.token_checks import check_claims_of_all
    from turso_deploy.turso.token_policy import Role, token_error

    settings, credentials = invocation.settings, invocation.credentials
    given = {Role.DEPLOY: settings.auth_token.reveal()} if settings.auth_token else {}
    policy, writes = policy_of(settings), settings.writes_to_database
    credentials.checks = check_claims_of_all(given, policy, credentials.now, needs_write=writes)
    if error := token_error(credentials.checks, policy):
        raise error


def _waves(invocation: Invocation, selection: Selection) -> Sequence[Wave]:
    """Return the waves of a deployment, or one for a command that changes nothing."""
    settings, rollout = invocation.settings, selection.rollout
    if settings.command not in DEPLOYING_COMMANDS:
        return single_wave(selection.targets, settings.shard)
    canary = rollout.canary if settings.canary is None else settings.canary
    waves = rollout.waves if settings.waves is None else settings.waves
    return arranged(selection.targets, canary, waves or (), settings.shard)


class _Progress(Listener):
    """The results so far, each written to the file of results, and the progress of the run."""

    def __init__(self, total: int, file: ResultsFile) -> None:
        self.results: list[DatabaseResult] = []
        self.durations: dict[str, int] = {}
        self._total = total
        self._file = file
        self._begun = time.monotonic()

    def add(self, done: Done) -> None:
        """Keep the result and write it."""
        self.results.append(done.result)
        self._file.write(done.result)

    def wave_ended(self, wave: Wave, duration: float) -> None:
        """Report the wave in one line."""
        self.durations[wave.name] = round(duration * 1000)
        states = Counter(result.state.value for result in self.results if result.wave == wave.name)
        report_line(
            f"{wave.name}: {count_of(len(wave.targets), 'database')} in {duration:.1f} s: {states_in_words(states)}."
        )

    def tick(self, running: int) -> None:
        """Report how many databases are done, the rate, and the time that is left."""
        ended, spent = len(self.results), time.monotonic() - self._begun
        text = f"{ended:,} of {count_of(self._total, 'database')}"
        if ended and spent > 1:
            left = spent * (self._total - ended) / ended
            text += f", {ended / spent * 60:,.0f} a minute, about {left:,.0f} s left"
        report_progress(text)


def _work(invocation: Invocation, run_one: RunOne, stop: Stop) -> Callable[[Task], Done]:
    """Return the function that does one task. It raises nothing."""
    settings = invocation.settings
    hashed, memo = settings.names == "hashed", PlanMemo()

    def work(task: Task) -> Done:
        target, begun = task.target, time.monotonic()
        name = shown_name(target.name, hashed=hashed)
        retries = RetryBudget(settings.timeout, max_pause=invocation.timing.max_pause, clock=stop)
        try:
            with remembering(memo):
                report = run_one(target, _opened(invocation, task, retries))
        except DeployError as error:
            report = failed(Report(settings.command, Status.FAILED, committed=False, database=""), error)
        except Exception as error:
            report = failed(Report(settings.command, Status.FAILED, committed=False, database=""), _bug(error))
        result = result_of(name, task.wave, report, task.attempt)
        if result.state is State.UNKNOWN and not task.permit.is_used:
            result = replace(result, state=State.STOPPED, committed=False)
        elapsed = round((time.monotonic() - begun) * 1000)
        message = result.message and _without(invocation, target, name, result.message)
        result = replace(result, duration_ms=elapsed, message=message)
        return Done(result, report, overloaded=retries.overloads > 0)

    return work


def _opened(invocation: Invocation, task: Task, retries: RetryBudget) -> Database:
    """Return the database of a task; nothing is sent yet."""
    settings, target = invocation.settings, task.target
    token = target.token()
    database = open_address(
        parse_address(target.url, allow_insecure_http=settings.allow_insecure_http),
        token.reveal() if token else None,
        settings.timeout,
        request_size=settings.request_size,
        retry_budget=retries,
        host=target.host,
    )
    return PermittedDatabase(database, task.permit)


def _bug(error: Exception) -> DeployError:
    return InternalError(
        ErrorCode.INTERNAL,
        f"turso-deploy failed unexpectedly: {type(error).__name__}.",
        hint="This is a bug: please report it. The table schema_deployments shows whether the database changed.",
        committed=None,
    )


def _without(invocation: Invocation, target: Target, name: str, message: str) -> str:
    """Return a message without secrets, and without the name of the database if names are hashed."""
    message = invocation.runner.redacted(message)
    if invocation.settings.names == "hashed":
        for part in (target.url, target.host, target.name):
            message = message.replace(part, name) if part else message
    return message


@contextmanager
def _command(invocation: Invocation) -> Iterator[RunOne]:
    """Prepare the command once for all databases, and yield the function for one of them."""
    settings = invocation.settings
    with ExitStack() as opened:
        match settings.command:
            case "deploy":
                yield _deploying(invocation, opened)
            case "rollback":
                yield _rolling_back(invocation)
            case "plan":
                yield _planning(invocation, opened)
            case "verify":
                from turso_deploy.deploy.verify import verify

                project = opened.enter_context(invocation.load_project())
                yield _closing(lambda _, database: verify(project, database, show_keys=settings.show_keys))
            case "status":
                yield _telling_status(invocation, opened)
            case "history":
                yield _telling_history()
            case _:
                yield _checking_tokens(invocation)


def _closing(run: RunOne) -> RunOne:
    """Return the function that closes the database at the end, too."""

    def run_one(target: Target, database: Database) -> Report:
        with database:
            return run(target, database)

    return run_one


def _deploying(invocation: Invocation, opened: ExitStack) -> RunOne:
    from turso_deploy.deploy.deploy import deploy

    settings, provenance = invocation.settings, invocation.provenance
    expected = expected_plans(settings.plan)
    project = opened.enter_context(invocation.load_project())
    return _closing(
        lambda _, database: deploy(
            project,
            database,
            allow_hazards=settings.allow_hazards,
            provenance=provenance,
            show_keys=settings.show_keys,
            expected_plan=expected,
        )
    )


def _planning(invocation: Invocation, opened: ExitStack) -> RunOne:
    from turso_deploy.deploy.preview import plan

    settings, provenance = invocation.settings, invocation.provenance
    project = opened.enter_context(invocation.load_project())
    plans = opened.enter_context(_saving_plans(settings.save, provenance)) if settings.save else None
    return _closing(
        lambda _, database: plan(
            project,
            database,
            allow_hazards=settings.allow_hazards,
            provenance=provenance,
            show_keys=settings.show_keys,
            save=plans,
        )
    )


@contextmanager
def _saving_plans(file: str, provenance: Provenance) -> Iterator[Callable[[PlanContent], None]]:
    """Yield the function that collects the plans of the databases, and save each plan once at the end."""
    path, lock = Path(file), Lock()
    require_writable_plans(path)
    contents: dict[str, PlanContent] = {}
    databases: Counter[str] = Counter()

    def collect(content: PlanContent) -> None:
        fingerprint = content.fingerprint
        with lock:
            contents.setdefault(fingerprint, content)
            databases[fingerprint] += 1

    yield collect
    plans = [PlanOfSome(fingerprint, number, contents[fingerprint]) for fingerprint, number in databases.most_common()]
    write_plans(path, plans, PlanOrigin(provenance.commit_sha, provenance.ref, provenance.run_url, provenance.actor))


def _rolling_back(invocation: Invocation) -> RunOne:
    from turso_deploy.deploy.deploy import deploy
    from turso_deploy.rollback.project import Terms, load_earlier

    settings, provenance = invocation.settings, invocation.provenance
    terms = Terms(frozenset(settings.run_again), frozenset(settings.keep_done), dict(settings.backfill))

    def run(_: Target, database: Database) -> Report:
        with load_earlier(database, None, settings.to, terms) as project:
            return deploy(project, database, allow_hazards=settings.allow_hazards, provenance=provenance)

    return _closing(run)


def _telling_status(invocation: Invocation, opened: ExitStack) -> RunOne:
    from turso_deploy.audit.status import status_of

    project = opened.enter_context(invocation.load_project())

    def run(target: Target, database: Database) -> Report:
        line = status_of(target.name, project, database)
        deployment = str(line.deployment) if line.deployment else None
        return replace(
            Report("status", line.status, committed=False, database=""),
            schema_version=line.schema_version,
            deployment_id=deployment,
            pending=line.pending,
            drifted=line.drifted,
            requests=database.requests,
        )

    return _closing(run)


def _telling_history() -> RunOne:
    from turso_deploy.audit.past_deployments import show_history

    def run(_: Target, database: Database) -> Report:
        report = show_history(database, limit=1)
        return replace(report, deployment_id=str(report.history[0].number) if report.history else None)

    return _closing(run)


def _checking_tokens(invocation: Invocation) -> RunOne:
    from turso_deploy.cli.credentials import policy_of
    from turso_deploy.core.transaction import Failure, Query
    from turso_deploy.database.engine_errors import explain
    from turso_deploy.turso.token_checks import check_claims_of_all
    from turso_deploy.turso.token_policy import Role, token_error

    policy, now = policy_of(invocation.settings), invocation.credentials.now

    def run(target: Target, database: Database) -> Report:
        token = target.token()
        if token is None:
            raise InputError(
                ErrorCode.INPUT_INVALID, "There is no token to check.", hint="Set `auth-token`, or have one minted."
            )
        if error := token_error(check_claims_of_all({Role.DEPLOY: token.reveal()}, policy, now), policy):
            raise error
        (answer,) = database.query([Query("SELECT 1")])
        if isinstance(answer, Failure):
            raise explain(answer).error(DatabaseError)
        return Report("check-tokens", Status.CHECKED, False, "", requests=database.requests)

    return _closing(run)


def _hint(invocation: Invocation) -> str:
    results = invocation.settings.results
    details = f"{results or 'With --results FILE, the file'} has the message and the hint of each database."
    if invocation.settings.command not in DEPLOYING_COMMANDS:
        return f"The table of causes says what failed where. {details}"
    return (
        "Correct the cause and run the same again: the history of each database says what is done, so that nothing is "
        f"deployed twice. {details}"
    )


def _command_for(invocation: Invocation, names: Sequence[str]) -> str | None:
    """Return the command that repeats the run for just these databases; None if their names may not be shown.

    For very many of them it is that for the whole fleet, for which those that are done are unchanged.
    """
    settings, sources = invocation.settings, invocation.sources
    words = ["turso-deploy", settings.command]
    for name, setting in SETTINGS.items():
        given = sources.given(name)
        if not given or setting.is_secret or name in _OF_ONE_RUN or not given[0].source.startswith(("--", "the input")):
            continue
        value = getattr(settings, name)
        if isinstance(value, bool):
            words.append(flag_of(name) if value else f"--no-{flag_of(name)[2:]}")
        else:
            words += [flag_of(name), str(given[0].value)]
    words += ["--fleet", str(settings.fleet)]
    if len(names) <= MAX_NAMES:
        if settings.names == "hashed":
            return None
        words += ["--only", ",".join(names)]
    return invocation.runner.redacted(shlex.join(words))
