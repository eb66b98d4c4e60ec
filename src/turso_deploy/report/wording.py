"""Phrases that all renderings of a report share: the verdict, headings, counts and cells of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from turso_deploy.core.errors import Place
from turso_deploy.core.text import count_of, printable, printable_lines
from turso_deploy.plan.steps import StepKind, Verb
from turso_deploy.report.document import (
    CheckLine,
    ErrorLine,
    HazardLine,
    ObjectChange,
    Report,
    Status,
    StepLine,
    TokenLine,
)
from turso_deploy.report.fleet_wording import fleet_verdict
from turso_deploy.sql.lexer import read_column_title
from turso_deploy.stored_plan.content import SHORT

_PLANNED = {"created": "to create", "changed": "to change", "dropped": "to drop", "run": "to run", "seeded": "to seed"}
_PAST = {word: word for word in _PLANNED}
_EFFECTS = {Verb.CREATE: "created", Verb.DROP: "dropped", Verb.RUN: "run", Verb.WRITE: "written"}
_DEPENDENTS = frozenset({Verb.DROP_TEMPORARILY, Verb.RECREATE})

_SECTIONS = {"rows": ("rows as expected", "table"), "json_columns": ("valid JSON", "column")}
_MAX_FAILED = 10
_NO_VERSION = "no version"

_OUTCOMES = {
    False: "nothing was changed",
    True: "the database was changed",
    None: "it is unknown whether the database was changed",
}


def duration(milliseconds: int) -> str:
    """Format a duration: `420 ms`, `1.3 s`."""
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def label(name: str) -> str:
    """Return the key of a count in words: `foreign_keys` becomes `foreign keys`."""
    return printable(name).replace("_", " ")


def plan_name(report: Report) -> str:
    """Return the beginning of the fingerprint of the plan, and its file; empty without a plan."""
    if report.plan_fingerprint is None:
        return ""
    short = report.plan_fingerprint[:SHORT]
    if report.plan_file is None or not (report.is_plan or report.succeeded):
        return short
    return f"{short}, {'saved in' if report.is_plan else 'as in'} {printable(report.plan_file)}"


class ManifestLine(NamedTuple):
    """An expectation of the manifest beside the actual value; `ok` is None if nothing is expected."""

    name: str
    expected: str
    actual: str
    ok: bool | None


def manifest_lines(report: Report) -> list[ManifestLine]:
    """Return the comparison of the manifest with the database: counts of objects, rows and valid JSON.

    Rows and JSON columns are summed up in one line each, followed by the first ten failed checks. The counts of objects
    are omitted if the manifest states none.
    """
    has_counts = any(line.expected is not None for line in report.counts.values())
    lines = [
        ManifestLine(
            label(name),
            printable(line.expected or "-"),
            "-" if line.actual is None else f"{line.actual:,}",
            line.ok if line.expected else None,
        )
        for name, line in report.counts.items()
        if has_counts
    ]
    for section, (name, noun) in _SECTIONS.items():
        checks = [check for check in report.checks if check.section == section]
        failed = [check for check in checks if not check.ok]
        if checks:
            passed = len(checks) - len(failed)
            lines.append(ManifestLine(name, count_of(len(checks), noun), count_of(passed, noun), not failed))
            lines += [
                ManifestLine(printable(check.name), printable(check.expected), printable(check.actual), False)
                for check in failed[:_MAX_FAILED]
            ]
    return lines


def counts_heading(report: Report) -> str:
    """Return the heading of the counts: the actual ones, or those after the planned changes."""
    return "planned" if _is_predicted(report) else "actual"


def _is_predicted(report: Report) -> bool:
    is_stopped = report.command in ("deploy", "rollback") and not report.succeeded and not report.committed
    return report.is_plan or is_stopped


def seed_numbers(report: Report) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the headings and the numbers of the seeds, one tuple for each table."""
    columns = {"rows": [seed.rows for seed in report.seeds]}
    columns["to insert" if _is_predicted(report) else "inserted"] = [seed.inserted for seed in report.seeds]
    columns["to update" if _is_predicted(report) else "updated"] = [seed.updated for seed in report.seeds]
    columns["unchanged"] = [seed.unchanged for seed in report.seeds]
    if any(seed.kept for seed in report.seeds):
        columns["kept"] = [seed.kept for seed in report.seeds]
    if any(seed.deployed_before for seed in report.seeds):
        columns["already deployed"] = [seed.deployed_before for seed in report.seeds]
    if any(seed.left for seed in report.seeds):
        columns["left the file"] = [seed.left for seed in report.seeds]
    return list(columns), [tuple(f"{number:,}" for number in line) for line in zip(*columns.values(), strict=True)]


def left_rows(report: Report) -> list[str]:
    """Return a sentence for each table with rows that left its seed file and stay in the database."""
    sentences = []
    for seed in report.seeds:
        if seed.left:
            more = seed.left - len(seed.left_keys)
            keys = [*map(printable, seed.left_keys), *([f"and {more:,} more"] if more and seed.left_keys else [])]
            named = f": {', '.join(keys)}" if keys else ""
            stay = "leaves its seed file and stays" if seed.left == 1 else "leave its seed file and stay"
            sentences.append(f"{count_of(seed.left, 'row')} of {printable(seed.table)} {stay} in the database{named}")
    return sentences


def not_executed(report: Report) -> str:
    """Return a note that the steps were not executed, if that is certain and not obvious; otherwise an empty text."""
    if report.succeeded or report.committed is not False or report.command in ("plan", "pull"):  # which writes files
        return ""
    return " (not executed)"


def is_in_manifest(check: CheckLine) -> bool:
    """Return whether `manifest_lines` covers the check."""
    return check.section in _SECTIONS


def hazard_text(line: HazardLine) -> str:
    """Return the severity of a hazard, or its approval, and its text."""
    does: str = line.severity
    if line.severity == "needs approval" and line.approved:
        does = f"approved ({line.approved_by})" if line.approved_by else "approved"
    if line.severity == "blocked" and line.approved is None:
        does = "blocked if rows break it"
    return f"{does}: {line.text}"


def outcome(report: Report) -> str:
    """Return whether the database was changed, in words."""
    return "databases were changed" if report.fleet and report.committed else _OUTCOMES[report.committed]


def place_of(error: ErrorLine) -> Place | None:
    """Return the place in the repository that caused the error, if there is one."""
    return Place(error.file, error.line, error.column) if error.file else None


def sql_text(sql: str) -> str:
    """Return the SQL of a step as printable text that ends with a semicolon; empty for a step without SQL."""
    text = "\n".join(printable_lines(sql)).rstrip()
    return text if text.endswith(";") or not text else f"{text};"


def effect(kind: StepKind) -> str:
    """Return the effect of a kind of step: `created`, `changed`, `dropped`, `run` (a script) or `written` (a file).

    Dropping a column changes its table.
    """
    return "changed" if kind is StepKind.DROP_COLUMN else _EFFECTS.get(kind.verb, "changed")


def visible_steps(steps: Sequence[StepLine]) -> list[StepLine]:
    """Return the steps to list one by one: all but the drops and recreations of dependents."""
    return [step for step in steps if step.kind.verb not in _DEPENDENTS]


def hazards_of_steps(report: Report) -> list[HazardLine]:
    """Return the hazards of the steps, without those that the error of the run lists."""
    reported = "".join(error.message for error in (report.error, report.blocked_by) if error)
    return [hazard for step in report.steps for hazard in step.hazards if hazard.text not in reported]


def steps_beside_changes(report: Report) -> list[StepLine]:
    """Return the steps to list beside the changed objects: scripts, and rebuilds of tables that mean the same after."""
    changed = {name for change in report.changes for name in (change.name, change.old_name)}
    return [
        step
        for step in visible_steps(report.steps)
        if not changed.intersection((step.object, read_column_title(step.object)[0]))
    ]


def recreated_dependents(steps: Sequence[StepLine]) -> str:
    """Return `2 indexes, 1 view and 3 triggers dropped and recreated`, or an empty text without such steps."""
    recreated = [step.kind.noun for step in steps if step.kind.verb is Verb.RECREATE]
    found = [
        count_of(number, noun, plural)
        for noun, plural in (("index", "indexes"), ("view", "views"), ("trigger", "triggers"))
        if (number := recreated.count(noun))
    ]
    listed = " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
    return f"{listed} dropped and recreated" if listed else ""


def steps_by_kind(steps: Sequence[StepLine]) -> dict[StepKind, list[StepLine]]:
    """Group the steps by kind; kinds and steps keep their order."""
    groups: dict[StepKind, list[StepLine]] = {}
    for step in steps:
        groups.setdefault(step.kind, []).append(step)
    return groups


def rows_seeded(report: Report) -> int:
    """Return the number of seed rows that this run wrote; 0 unless it was committed."""
    return sum(seed.written for seed in report.seeds) if report.changed else 0


def rows_to_write(report: Report) -> str:
    """Return the estimate of the rows that a plan would write, in words; empty if there is none."""
    estimated = report.rows_to_write if report.is_plan else None
    return f"about {count_of(estimated, 'row')}" if estimated else ""


def chunks(report: Report) -> str:
    """Return the number of chunks of seeds in words; empty if the deployment is one transaction."""
    if report.chunks is None:
        return ""
    number = count_of(report.chunks.total, "chunk")
    return f"in {number}" if report.is_plan else f"{report.chunks.sent:,} of {number} committed"


def verdict(report: Report) -> str:
    """Return the result of the run in one line."""
    if report.fleet:
        return fleet_verdict(report.command, report.status, report.fleet)
    match report.status:
        case Status.VERIFIED | Status.PENDING | Status.DRIFTED | Status.FAILED if report.databases:
            return f"Status: {_states(report)}"
        case Status.DEPLOYED:
            work = _work(report, _PAST, rows_seeded(report))
            title = _titled("Deployed", versions(report), work)
            if report.rollback_to is not None:
                title = _titled(f"Rolled back to {_earlier(report)}", "", work)
            return f"{title}, in {count_of(report.requests, 'request')}"
        case Status.UNCHANGED if report.command == "accept-drift":
            return "Unchanged: the database is as it was last deployed"
        case Status.UNCHANGED if report.rollback_to is not None:
            return f"Unchanged: the database is as {_earlier(report)} left it"
        case Status.UNCHANGED:
            version = _version(report.manifest_version) or "the wanted schema"
            if not report.requests:  # no database was read
                return f"Unchanged: {version} does not differ from the {printable(report.database)}"
            return f"Unchanged: the database is already at {version}, in {count_of(report.requests, 'request')}"
        case Status.ACCEPTED:
            accepted = [f"{count_of(len(report.drift), 'object')} that others changed"] if report.drift else []
            return _titled("Accepted the drift", _version(report.schema_version), accepted)
        case Status.DRIFTED:
            return _titled(
                "Drifted", _version(report.schema_version), [f"{_differing(report.drift)} not as last deployed"]
            )
        case Status.PENDING if report.command == "verify":
            found = [f"{_differing(report.changes)} not deployed yet"] if report.changes else ["not deployed yet"]
            return _titled("Pending", versions(report), found)
        case Status.PLANNED if report.rollback_to is not None:
            return _titled(f"Planned rollback to {_earlier(report)}", "", _planned(report))
        case Status.PLANNED | Status.PENDING:
            title = _titled(report.status.capitalize(), versions(report), _planned(report))
            return f"{title}; {OUTLOOK}" if report.blocked_by else title
        case Status.VERIFIED:
            return _verified(report)
        case Status.PULLED:
            return _titled(
                "Pulled",
                _version(report.manifest_version),
                [*_findings(report), f"{count_of(len(report.steps), 'file')} written"],
            )
        case Status.DOCUMENTED:
            work = [f"{count_of(len(report.steps), 'page')} written"] if report.steps else ["every page is up to date"]
            return _titled("Documented", _version(report.manifest_version), [*_findings(report), *work])
        case Status.STALE:
            return _titled(
                "Stale",
                _version(report.manifest_version),
                [f"{count_of(len(report.steps), 'page')} to write with turso-deploy docs"],
            )
        case Status.LISTED if not report.history:
            return "History: nothing was deployed yet"
        case Status.LISTED:
            return f"History: {count_of(len(report.history), 'deployment')}"
        case Status.CHECKED:
            return f"Checked {_checked_tokens(report)}"
        case Status.ROTATED:
            return "Rotated: the secret holds a new, working token"
        case Status.BLOCKED if report.is_plan and report.first_deployment is not None:  # the plan is known
            return f"{_titled('Blocked', versions(report), _planned(report))}; a deployment would be blocked"
        case Status.BLOCKED | Status.FAILED if report.command == "check-tokens" and report.tokens:
            return f"{report.status.capitalize()}: checked {_checked_tokens(report)}"
        case Status.BLOCKED:
            return f"Blocked: {outcome(report)}"
        case Status.FAILED:
            return f"Failed: {outcome(report)}"


def _earlier(report: Report) -> str:
    """Return the deployment that a rollback goes back to: `deployment 12 (2.3.0)`."""
    version = _version(report.manifest_version)
    return f"deployment {report.rollback_to}" + (f" ({version})" if version else "")


DRIFT_TITLE = "Changed since the last deployment"
"""The title of the changes that others made to a database."""

PENDING_TITLE = "Not deployed yet"
"""The title of the changes in the folder that a verification finds."""


def changes_title(report: Report) -> str:
    """Return the title of the changes that a report without a plan has."""
    return PENDING_TITLE if report.command == "verify" else "Changed by this deployment"


OUTLOOK = "a deployment may be blocked, depending on the rows"
"""The outlook of a plan that has `blocked_by`: no database was read."""


def versions(report: Report) -> str:
    """Return the versions before and after a deployment or a plan: `2.2.0 -> 2.3.0`, `2.3.0 (first deployment)`.

    Return one version if they are equal, and an empty text if neither the database nor the folder has one.
    """
    before, after = report.previous_version, report.schema_version if report.committed else report.manifest_version
    if report.first_deployment:
        return " ".join([*filter(None, [_version(after)]), "(first deployment)"])
    if before == after or report.first_deployment is None:
        return _version(after)
    return f"{_version(before) or _NO_VERSION} -> {_version(after) or _NO_VERSION}"


def versions_of_failure(report: Report) -> str:
    """Return the versions that the verdict on a run that did not succeed does not state; empty for other runs."""
    if report.succeeded:
        return ""
    if report.first_deployment is None:  # the database was not read
        return f"{_version(report.manifest_version)} in the schema folder" if report.manifest_version else ""
    if report.command == "verify":
        return _standing(report)
    found = versions(report)
    return "" if found in verdict(report) else found


def subject(report: Report) -> str:
    """Return the database, the versions and the schema folder of a run in one line; what is not known is left out."""
    facts = (report.database, versions_of_failure(report) or versions(report), report.schema_path)
    return " · ".join(printable(fact) for fact in facts if fact)


def one_line(report: Report) -> str:
    """Return the verdict with the database and the schema folder."""
    facts = [printable(fact) for fact in (report.database, report.schema_path) if fact]
    return f"{verdict(report)} ({' · '.join(facts)})" if facts else verdict(report)


def _standing(report: Report) -> str:
    """Return at which version the database is, and the manifest's where it differs; empty if neither has one."""
    at, manifest = _version(report.schema_version), _version(report.manifest_version)
    if report.first_deployment:
        return "nothing was deployed to the database yet"
    if at == manifest:
        return at
    found = f"the database is at {at}" if at else "the database has no version"
    return f"{found}, {f'the manifest says {manifest}' if manifest else 'the manifest has no version'}"


def _version(version: str | None) -> str:
    return printable(version or "")


def _titled(word: str, version: str, parts: Sequence[str]) -> str:
    title = f"{word} {version}" if version else word
    return f"{title}: {', '.join(parts)}" if parts else title


def _verified(report: Report) -> str:
    """Return the verdict on a database that is as the folder describes it, and at which version that is recorded."""
    standing, found = _standing(report), _findings(report)
    if standing == _version(report.schema_version):
        return _titled("Verified", standing, found)
    return f"{_titled('Verified', '', found)}; {standing}" if found else f"Verified: {standing}"


def _states(report: Report) -> str:
    """Return the number of databases in each state: `2 verified, 1 drifted`."""
    states = [line.status.value for line in report.databases]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "no databases"


def _differing(changes: Sequence[ObjectChange]) -> str:
    return f"{count_of(len(changes), 'object')} {'is' if len(changes) == 1 else 'are'}"


def _planned(report: Report) -> list[str]:
    """Return the numbers of what a plan would change."""
    work = _work(report, _PLANNED, sum(seed.written for seed in report.seeds))
    return work or ["only the deployment history to write"]


def _work(report: Report, words: Mapping[str, str], rows: int) -> list[str]:
    """Return the numbers of objects by effect, of scripts and of seed `rows`, without those that are 0."""
    scripts = sum(step.kind is StepKind.RUN_SCRIPT for step in report.steps)
    work = [f"{count_of(number, 'object')} {words[effect]}" for effect, number in _effects(report).items()]
    work += [f"{count_of(scripts, 'script')} {words['run']}"] if scripts else []
    return [*work, f"{count_of(rows, 'row')} {words['seeded']}"] if rows else work


def _effects(report: Report) -> dict[str, int]:
    """Count the distinct objects that were created, changed and dropped.

    An object with several steps counts once, and so does a table with its columns. An object that is dropped and then
    created counts as changed.
    """
    objects: dict[str, set[tuple[str, str]]] = {"created": set(), "changed": set(), "dropped": set()}
    for step in visible_steps(report.steps):
        if (done := effect(step.kind)) in objects:
            noun = step.kind.noun
            objects[done].add(("table", read_column_title(step.object)[0]) if noun == "column" else (noun, step.object))
    again = objects["created"] & objects["dropped"]
    objects = {
        "created": objects["created"] - again,
        "changed": objects["changed"] | again,
        "dropped": objects["dropped"] - again,
    }
    return {name: len(found) for name, found in objects.items() if found}


def _judgement(report: Report) -> str:
    levels = [finding.level for token in report.tokens for finding in token.findings]
    found = [
        count_of(levels.count(level), noun)
        for level, noun in (("error", "error"), ("warning", "warning"))
        if level in levels
    ]
    return " and ".join(found) or "no problems found"


def _one(kind: str) -> str:
    """Return the singular of a kind of objects: `foreign_keys` becomes `foreign key`."""
    return "index" if kind == "indexes" else label(kind).removesuffix("s")


def _checked_tokens(report: Report) -> str:
    return f"{count_of(len(report.tokens), 'token')}: {_judgement(report)}"


def token_cells(token: TokenLine) -> tuple[str, ...]:
    """Return the cells of a token in a table: role, fingerprint, state, access, age and time until it expires."""
    age = "-" if token.age_days is None else count_of(token.age_days, "day")
    if token.expires_at is None:
        expires = "-" if token.state == "malformed" or token.access == "-" else "never"
    elif token.minted:
        expires = "minted for this run"
    elif token.expired:
        expires = "expired"
    else:
        expires = f"in {count_of(token.days_left, 'day')}" if token.days_left else "in less than a day"
    cells = (token.role, token.fingerprint, token.state, token.access, age, expires)
    return tuple(printable(cell) for cell in cells)


def _findings(report: Report) -> list[str]:
    found = [count_of(line.actual, _one(name), label(name)) for name, line in report.counts.items() if line.actual]
    return [*found, f"{count_of(len(report.checks), 'check')} passed"] if report.checks else found
