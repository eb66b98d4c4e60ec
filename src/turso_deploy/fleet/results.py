"""The result of one database of a fleet, from its report; and the file with one line of JSON for each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from sys import intern
from typing import Any, TextIO

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.text import printable
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.report.changes import phrases
from turso_deploy.report.document import HazardLine, Report, Status
from turso_deploy.report.fleet_lines import DatabaseResult, FleetHazard, State

MAX_CHANGES = 10
"""How many changes of a plan a result keeps."""
_MAX_MESSAGE = 300
_MAX_LINE = 1_000_000

_STATES = {
    Status.DEPLOYED: State.DEPLOYED,
    Status.UNCHANGED: State.UNCHANGED,
    Status.PLANNED: State.PLANNED,
    Status.PENDING: State.PENDING,
    Status.VERIFIED: State.VERIFIED,
    Status.DRIFTED: State.DRIFTED,
    Status.CHECKED: State.CHECKED,
    Status.LISTED: State.LISTED,
    Status.BLOCKED: State.BLOCKED,
}


def shown_name(name: str, *, hashed: bool) -> str:
    """Return the name of a database as reports show it: the first 8 characters of its hash if names are `hashed`."""
    return sha256(name.encode(errors="surrogatepass")).hexdigest()[:8] if hashed else name


def result_of(name: str, wave: str, report: Report, attempt: int = 1) -> DatabaseResult:
    """Return the result of a database from the report of its run. `name` is shown as it is given."""
    error = report.error
    hazards = tuple(_hazards(report))
    return DatabaseResult(
        name=name,
        state=_state(report),
        wave=intern(wave),
        code=intern(str(error.code)) if error else None,
        subject=_interned(_subject(report)) if error else None,
        message=_interned(_first_line(error.message)) if error else None,
        hint=_interned(_first_line(error.hint)) if error and error.hint else None,
        committed=report.committed,
        schema_version=_interned(report.schema_version),
        deployment=report.deployment_id,
        plan_fingerprint=_interned(report.plan_fingerprint),
        changes=tuple(intern(text) for text in _changes(report)),
        hazards=hazards,
        requests=report.requests,
        duration_ms=report.duration_ms,
        attempts=attempt,
    )


def _state(report: Report) -> State:
    if report.error and report.error.code is ErrorCode.STOPPED and report.committed is False:
        return State.STOPPED
    if report.committed is None:
        return State.UNKNOWN
    return _STATES.get(report.status, State.FAILED)


def _hazards(report: Report) -> Iterator[FleetHazard]:
    for hazard in _all_hazards(report):
        yield FleetHazard(hazard.name, intern(hazard.object), hazard.rows, hazard.approved)


def _all_hazards(report: Report) -> list[HazardLine]:
    return [*(hazard for step in report.steps for hazard in step.hazards), *report.hazards]


def _subject(report: Report) -> str | None:
    """Return what the error is about, as data: blocking hazards, failed checks, or a place in the folder."""
    blocking = [f"{hazard.name}:{hazard.object}" for hazard in _all_hazards(report) if hazard.approved is False]
    if report.status is Status.BLOCKED and blocking:
        return ", ".join(dict.fromkeys(blocking))
    failed = [check.name for check in report.checks if not check.ok]
    if report.error and report.error.code is ErrorCode.CHECK_FAILED and failed:
        return ", ".join(dict.fromkeys(failed))
    if report.error and report.error.file:
        return ":".join(str(part) for part in (report.error.file, report.error.line) if part is not None)
    return None


def _changes(report: Report) -> list[str]:
    found = phrases(report.changes)
    found += [f"{step.kind} {step.object}" for step in report.steps if step.kind == "run-script"]
    found += [f"seeds of {seed.table}" for seed in report.seeds if seed.written]
    more = len(found) - MAX_CHANGES
    return found[:MAX_CHANGES] + ([f"and {more:,} more"] if more > 0 else [])


def _first_line(text: str) -> str:
    return printable(text.strip().partition("\n")[0])[:_MAX_MESSAGE]


def _interned(text: str | None) -> str | None:
    return None if text is None else intern(text)


class ResultsFile:
    """The file of `results`, written line by line, so that a run that is killed leaves what it had done.

    Raises InputError if it cannot be opened.
    """

    def __init__(self, path: str | None) -> None:
        self._file: TextIO | None = None
        if path is None:
            return
        try:
            self._file = Path(path).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 — open until `close`
        except OSError as error:
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"The file of `results` cannot be written: {error.strerror}.",
                hint="Its folder has to exist. Name another file with --results.",
            ) from None

    def write(self, line: object) -> None:
        """Write one line."""
        if self._file:
            self._file.write(json.dumps(line, default=vars, ensure_ascii=True) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def read_results(paths: Iterable[Path]) -> tuple[list[dict[str, Any]], list[DatabaseResult]]:
    """Read files of results: their headings with the number of `results`, one a file, and their databases.

    A line that a kill has cut is left out.
    Raises InputError (`input-invalid`) for a file that holds something else.
    """
    headings, results = list[dict[str, Any]](), list[DatabaseResult]()
    for path in paths:
        lines = _lines(path)
        heading = next(lines, None)
        if not isinstance(heading, dict) or "fleet" not in heading:
            raise _invalid(path, "its first line is not that of a file of results")
        before = len(results)
        for number, line in enumerate(lines, 2):
            try:
                results.append(validate(line, DatabaseResult))
            except ValidationError as error:
                raise _invalid(path, f"line {number}: {error.issues[0].message}") from None
        headings.append({**heading, "results": len(results) - before})
    return headings, results


def _lines(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8") as file:
            while line := file.readline(_MAX_LINE):
                try:
                    found = json.loads(line)
                except ValueError:
                    if line.endswith("\n"):
                        raise _invalid(path, "a line is not JSON") from None
                    return
                yield found
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise _invalid(path, reason or "it cannot be read") from None


def _invalid(path: Path, reason: str) -> InputError:
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"{path} is no file of results: {reason}.",
        hint="Give the files that `--results` has written, one for each shard.",
    )
