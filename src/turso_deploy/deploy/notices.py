"""What somebody should know of a plan besides its steps: a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from turso_deploy.core.errors import Place
from turso_deploy.core.text import count_of
from turso_deploy.deploy.pending import PendingChanges
from turso_deploy.deploy.write_estimate import Written
from turso_deploy.plan.hazards import HAZARDS, Approval, Severity, unused_approvals
from turso_deploy.plan.plan import UnmatchedRename, UnusedBackfill
from turso_deploy.report.document import ChunksLine
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, SchemaObject, title
from turso_deploy.transaction import history

_NAMED = 10  # of the objects that are taken over: all of a large database, once it was adopted


def notices_of(work: PendingChanges, wanted: Schema, permissions: Sequence[Approval], address: str) -> list[str]:
    """All that there is to know of the work on the database at an address."""
    plan = work.plan
    return [
        *unmanaged_notices(plan.unmanaged),
        *_managed_notices(work, wanted),
        *(f"{text[0].upper()}{text[1:]}; only the case differs, which is left as it is." for text in plan.respelt),
        *map(_nothing_to_rename_notice, plan.nothing_to_rename),
        *map(_passed_over_notice, plan.passed_over),
        *map(_stale_notice, unused_approvals(plan.hazards, permissions)),
        *(
            f"The script {script.name} is for databases that were there before; it counts as run in this new one."
            for script in work.skipped
        ),
        *_rest_notices(work),
        *(_long_rewrite_notice(one, address) for one in work.written if one.is_long),
    ]


def unmanaged_notices(objects: Sequence[SchemaObject]) -> list[str]:
    """What is in the database and nobody's here."""
    if not objects:
        return []
    names = ", ".join(map(title, objects))
    return [f"In the database and not in the schema folder, left as it is: {names}."]


def chunks_notices(chunks: ChunksLine | None) -> list[str]:
    """That the seeds go in several transactions, where they do."""
    if chunks is None:
        return []
    return [
        f"The seeds are too large for one request, and not part of the one transaction: they go in "
        f"{count_of(chunks.total, 'chunk')}, each a transaction of its own. One that stops half way is gone on with "
        "when it is run again."
    ]


def _managed_notices(work: PendingChanges, wanted: Schema) -> list[str]:
    """What stood there before, and is dropped from now on when it leaves the schema folder."""
    if not work.history_is_outdated:
        return []
    before = {fold_case(name) for name in work.live.last.managed} if work.live.last else set()
    there = {fold_case(title(item)) for item in work.live.catalog.schema.objects()}
    names = sorted(
        name for name in history.managed_names(wanted) if fold_case(name) in there and fold_case(name) not in before
    )
    if not names:
        return []
    more = f" and {count_of(len(names) - _NAMED, 'more object')}" if len(names) > _NAMED else ""
    return [
        "Was already in the database; a deployment takes it over, and drops it when it leaves the schema folder: "
        f"{', '.join(names[:_NAMED])}{more}."
    ]


def _stale_notice(entry: Approval) -> str:
    match HAZARDS[entry.name][0]:
        case Severity.NEEDS_APPROVAL:
            return f"The permission {entry} fits nothing in this plan: it is misspelt, or can be removed."
        case Severity.WARNING:
            return f"The permission {entry} is not needed: {entry.name} only informs."
        case Severity.BLOCKED:
            return f"The permission {entry} does not help: {entry.name} is about rows that have to be mended."


def _long_rewrite_notice(written: Written, address: str) -> str:
    what = f"{written.table} has {written.rows:,} rows, all written in one transaction."
    if address.startswith("file:"):
        return f"{what} Meanwhile nobody else can write to the file: deploy while others write little."
    return (
        f"{what} A libSQL server takes the write lock away from a transaction after 5 seconds when another writer "
        "waits: deploy while others write little. If that happens, nothing is changed, and the deployment can be run "
        "again."
    )


def _nothing_to_rename_notice(comment: UnmatchedRename) -> str:
    return (
        f"{_is_passed_over('@renamed', f'{comment.kind} {comment.title}', comment.place)}: there is no "
        f"{comment.old_name} in the database, so a new {comment.kind} is made. If another one was meant, correct the "
        "comment before it is."
    )


def _passed_over_notice(comment: UnusedBackfill) -> str:
    told = _is_passed_over("@using", f"column {comment.column}", comment.place)
    if comment.replaced:
        return (
            f"{told}: the table takes the place of a virtual one, whose rows are not kept, so there are none to fill."
        )
    return (
        f"{told}: it fills a column that is new, or whose type, NOT NULL or STRICT changes, and once only: what stands "
        "in the text of the live table as well was followed when that was made. To change values that stand there, use "
        "a one-time script."
    )


def _is_passed_over(directive: str, item: str, place: Place | None) -> str:
    return f"The comment {directive} at the {item}{f' ({place})' if place else ''} is passed over"


def _rest_notices(work: PendingChanges) -> list[str]:
    tables = [seed.table for seed in work.seeds if seed.before]
    if not tables:
        return []
    return [
        f"A deployment stopped while it brought in these seeds: {', '.join(tables)}. What is there already is not "
        "brought in again; the checks of rows are still to be made."
    ]
