"""Annotations of a report: errors, hazards and token findings, each at the line that caused it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from turso_deploy.core.errors import Place
from turso_deploy.report import wording
from turso_deploy.report.changes import phrases
from turso_deploy.report.document import ErrorLine, Report, Status

MAX_PER_LEVEL = 10
"""Number of annotations of one level that GitHub shows for a step; it drops further ones silently."""


class Level(StrEnum):
    """Severity of an annotation, the most severe first."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Annotation(NamedTuple):
    """A message with a title, shown at a place in the repository if it has one."""

    level: Level
    message: str
    title: str
    place: Place | None = None


def annotations_of(report: Report) -> list[Annotation]:
    """Return the annotations of a report, the most severe first, at most MAX_PER_LEVEL of each level."""
    found = list(_unsorted(report))
    by_level = ([one for one in found if one.level is level] for level in Level)
    return [annotation for ones in by_level for annotation in ones[:MAX_PER_LEVEL]]


def _unsorted(report: Report) -> Iterator[Annotation]:
    """Yield an annotation for each error, then for each finding and hazard that no error mentions already."""
    title = wording.verdict(report)
    subject = wording.subject(report)
    if report.error:
        yield from _of_error(report.error, title, Level.ERROR, subject)
    if report.blocked_by:
        yield from _of_error(report.blocked_by, title, Level.WARNING, subject)
    if report.status is Status.DRIFTED:
        for change, phrase in zip(report.drift, phrases(report.drift), strict=True):
            yield Annotation(Level.ERROR, f"{wording.DRIFT_TITLE}: {phrase}.", title, Place.read(change.place))
    reported = "".join(error.message for error in (report.error, report.blocked_by) if error)
    for token in report.tokens:
        for finding in token.findings:
            if finding.text not in reported:
                message = f"{finding.text}\n{finding.remedy}"
                yield Annotation(Level(finding.level), message, f"Token in {token.role}")
    for step in report.steps:
        for hazard in step.hazards:
            if hazard.text not in reported:
                message = wording.hazard_text(hazard)
                yield Annotation(Level.WARNING, message, f"{step.kind} {step.object}", Place.read(step.place))
    for hazard in report.hazards:
        if hazard.text not in reported:
            yield Annotation(Level.WARNING, wording.hazard_text(hazard), f"{hazard.name} {hazard.object}")
    for line in report.annotated:
        yield Annotation(Level(line.level), line.message, title, Place(**vars(line.place)) if line.place else None)


def _of_error(error: ErrorLine, title: str, level: Level, subject: str) -> Iterator[Annotation]:
    """Yield one annotation for each cause of the error; otherwise the error itself.

    The first has the hint and the subject of the run, because several runs may share a page.
    """
    hint = "".join(f"\n{text}" for text in (error.hint, subject) if text)
    causes = [(cause.message, Place(**vars(cause.place)) if cause.place else None) for cause in error.causes]
    for number, (message, place) in enumerate(causes if causes[1:] else [(error.message, wording.place_of(error))]):
        yield Annotation(level, f"{message}{'' if number else hint}", title, place)
