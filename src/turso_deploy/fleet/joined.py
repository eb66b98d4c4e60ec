"""The command `join-results`: one report from the files of results that the shards of a fleet have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.text import count_of
from turso_deploy.fleet.results import read_results
from turso_deploy.fleet.tally import Facts, report_of
from turso_deploy.report.document import ErrorLine, Report, Status
from turso_deploy.report.fleet_lines import DatabaseResult, State

_REPEATED = (State.UNCHANGED, State.NOT_REACHED, State.STOPPED)
"""States that another result of the same database replaces: the canary is in the results of its job and of shard 1."""
_HINT = "Look at the job of the shard, and run the workflow again: the databases that are done are unchanged then."


def join_results(source: str) -> tuple[Report, Sequence[DatabaseResult]]:
    """Return one report for all files of results, and the results of the databases.

    `source` is a file, a folder with `.jsonl` files, or a pattern.

    Raises InputError if there is none, or if one holds something else.
    """
    paths = _paths(source)
    headings, results = read_results(paths)
    by_name: dict[str, DatabaseResult] = {}
    for result in results:
        if result.name not in by_name or by_name[result.name].state in _REPEATED:
            by_name[result.name] = result
    facts = Facts(
        skipped={},
        shard="1/1",
        shards=tuple(dict.fromkeys(str(heading.get("shard")) for heading in headings)),
        failure_budget=0,
        stopped_by=None,
        waves={},
        retried=sum(result.attempts > 1 for result in by_name.values()),
        results=source,
        command_for=lambda _: None,
    )
    found = list(by_name.values())
    report = report_of("join-results", f"fleet {headings[0]['fleet']}", found, facts, _HINT)
    report = replace(report, requests=sum(result.requests for result in results))
    missing = [*_incomplete(headings), *_missing_shards(headings)]
    return (_with_missing(report, missing) if missing else report), found


def _paths(source: str) -> Sequence[Path]:
    path = Path(source)
    if path.is_dir():
        found = sorted(path.rglob("*.jsonl"))
    elif path.is_file():
        found = [path]
    else:
        found = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))
    if not found:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "There is no file of results to join.",
            hint="Set --results (input `results`) to a file, a folder or a pattern. The shards upload their "
            "files, and this job has to download them first.",
        )
    return found


def _incomplete(headings: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Return a sentence for each shard whose file ends before its last database."""
    return [
        f"Shard {heading.get('shard')} has results of {heading['results']:,} of its "
        f"{count_of(heading['databases'], 'database')}: its job was killed."
        for heading in headings
        if heading["results"] < heading.get("databases", 0)
    ]


def _missing_shards(headings: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Return a sentence for each shard without a file."""
    shards = {str(heading.get("shard")) for heading in headings}
    totals = {shard.partition("/")[2] for shard in shards}
    if len(totals) > 1:
        return [f"The results are of fleets in different numbers of shards: {', '.join(sorted(totals))}."]
    total = next(iter(totals))
    wanted = [f"{number}/{total}" for number in range(1, int(total) + 1)] if total.isdecimal() else []
    return [f"Shard {shard} has no results." for shard in wanted if shard not in shards]


def _with_missing(report: Report, missing: Sequence[str]) -> Report:
    """Return the report as that of a failure, because of some databases nothing is known."""
    error = report.error or ErrorLine(ErrorCode.STOPPED, "", _HINT)
    message = "\n".join(filter(None, (*missing, error.message)))
    return replace(report, status=Status.FAILED, exit_code=1, error=replace(error, message=message))
