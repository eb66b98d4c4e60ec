"""The file of a page: checked before the run, written at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.files import reason_against_writing, write_file
from turso_deploy.report.document import Report
from turso_deploy.report.fleet_lines import DatabaseResult
from turso_deploy.report.lines import with_notice
from turso_deploy.report_page.page import MARK, Redact, render_page

_MAX_SIZE = 64_000_000


def require_writable_page(path: Path) -> None:
    """Raise InputError if the page cannot be written: a link, a folder, a file that is no page."""
    if reason := reason_against_writing(path, _MAX_SIZE, _is_page, "a page of this program"):
        raise _error(reason)


def write_page(path: Path, report: Report, results: Sequence[DatabaseResult], redact: Redact) -> Report:
    """Write the page of a report. Return the report, with a warning if the page could not be written."""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    try:
        shown = replace(report, database=redact(report.database))
        write_file(path, render_page(shown, results, redact, now).encode(errors="backslashreplace"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return with_notice(report, f"The page of `html` could not be written: {reason}.", "warning")
    return report


def _is_page(content: bytes) -> bool:
    return not content or MARK.encode() in content[:1000]


def _error(reason: str) -> InputError:
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"The page of `html` cannot be written: {reason}.",
        hint="Name another file with --html (input `html`).",
    )
