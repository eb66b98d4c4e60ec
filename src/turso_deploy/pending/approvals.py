"""Approvals: which of those in the manifest count for a database, how to approve a hazard there, what is left over."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from turso_deploy.core.errors import Cause
from turso_deploy.core.versions import parse_version
from turso_deploy.plan.hazards import HAZARDS, Approval, Hazard, Severity, reason_against, unused_approvals
from turso_deploy.project.project import Project

_MAX_LINES = 20  # of the approvals that a hint lists for the manifest
_PLAIN_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")


class ManifestApprovals(NamedTuple):
    """The approvals in the manifest of a project, with regard to the version of one database.

    `last_version` is that of the last deployment to it; None if it has none.
    """

    project: Project
    last_version: str | None

    @property
    def counting(self) -> tuple[Approval, ...]:
        """The approvals that count for the database."""
        found = self.project.manifest.approvals
        return tuple(approval for approval, _ in found if self._reason_against(str(approval.version)) is None)

    def advice(self, hazards: Sequence[Hazard]) -> list[str]:
        """Return the lines of a hint: how to approve hazards in the manifest, and which approvals there do not count.

        The hazards have no approval that counts.
        """
        manifest, own = self.project.manifest, self.project.manifest.schema_version
        wanted = [Approval(hazard.name, hazard.object) for hazard in hazards]
        wanted = [approval for approval in wanted if reason_against(approval) is None]
        if not wanted or self.project.earlier:  # a rollback has no manifest of its own
            return []
        lines = [
            f"The approval {approval} at {self.project.place_in_manifest(key)} does not count: {reason}."
            for approval, key in manifest.approvals
            if any(approval.covers(hazard) for hazard in hazards)
            if (reason := self._reason_against(str(approval.version)))
        ]
        if own is None:
            return [*lines, "To approve it in the manifest, set `schema_version` there first."]
        if reason := self._reason_against(own):
            lines = lines or [f"An approval in the manifest would not count: {reason}."]
            if self.last_version is not None:
                lines.append("To approve it there, raise `schema_version` first.")
            return lines
        return [*lines, *self._lines_to_add(wanted, own)]

    def _lines_to_add(self, wanted: Sequence[Approval], own: str) -> Iterator[str]:
        """Yield the lines that approve hazards in the manifest, and where they belong."""
        manifest = self.project.manifest
        entries = [f"    - {_entry(approval)}" for approval in wanted[:_MAX_LINES]]
        version = f"  {own if _PLAIN_VERSION.fullmatch(own) else json.dumps(own, ensure_ascii=False)}:"
        if own in manifest.approve:
            yield f"To approve it with this version, add at {self.project.place_in_manifest(('approve', own))}:"
        elif manifest.approve:
            yield f"To approve it with this version, add at {self.project.place_in_manifest(('approve',))}:"
            yield version
        else:
            yield f"To approve it with this version, add to {self.project.manifest_place}:"
            yield from ("approve:", version)
        yield from entries
        if len(wanted) > _MAX_LINES:
            yield f"    # and {len(wanted) - _MAX_LINES:,} more"

    def _reason_against(self, version: str) -> str | None:
        """Return why an approval under a version does not count for the database, as a clause; None if it counts.

        It counts for a database of a lower version and a folder of the same version or a later one. Where versions
        cannot be compared, the version has to be that of the folder, and not that of the database.
        """
        own, last = self.project.manifest.schema_version, self.last_version
        wanted, new, old = parse_version(version), parse_version(own), parse_version(last)
        can_be_compared = wanted is not None and new is not None
        if version != own and not (can_be_compared and wanted <= new):  # type: ignore[operator]
            return f"it is for {version}, and the folder has the version {own}"
        if last is None:
            return "the version of the database is not known, so it may be a later one"
        if wanted is None or old is None:
            is_exact = wanted == new if can_be_compared else version == own
            if last == version:
                return f"the database is at {last} already"
            return None if is_exact else f"it is for {version}, which cannot be compared with {last} of the database"
        return None if old < wanted else f"the database is at {last} already"


def left_over_approvals(project: Project, hazards: Sequence[Hazard], approvals: Sequence[Approval]) -> Iterator[Cause]:
    """Yield a notice for each approval that no hazard needs, with the place of its entry in the manifest."""
    for approval in unused_approvals(hazards, approvals):
        key = next((key for entry, key in project.manifest.approvals if entry == approval), None)
        yield Cause(_left_over_notice(approval), project.place_in_manifest(key) if key else None)


def _left_over_notice(approval: Approval) -> str:
    if approval.version is not None:
        return (
            f"The approval {approval} in the manifest matches nothing in this plan: it is misspelt, or this database "
            "does not need it."
        )
    match HAZARDS[approval.name][0]:
        case Severity.NEEDS_APPROVAL:
            return f"The approval {approval} matches nothing in this plan: it is misspelt, or can be removed."
        case Severity.WARNING:
            return f"The approval {approval} is not needed: {approval.name} is only a warning."
        case Severity.BLOCKED:
            return f"The approval {approval} has no effect: {approval.name} is about rows that have to be corrected."


def _entry(approval: Approval) -> str:
    """Return an approval as an entry of a YAML list, quoted where a plain scalar would mean something else."""
    text = str(approval)
    is_plain = text.isprintable() and text == text.strip() and not re.search(r": | #|:$", text)
    return text if is_plain else json.dumps(text, ensure_ascii=False)
