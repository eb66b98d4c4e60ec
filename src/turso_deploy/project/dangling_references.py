"""Names that lead nowhere: SQLite accepts views, triggers and foreign keys without looking for what they name."""

from __future__ import annotations

import re

from turso_deploy.catalog.integrity import fault, key_fault
from turso_deploy.catalog.scratch import Scratch, locate
from turso_deploy.core.errors import Cause, ErrorCode, Place, ProjectError
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import position, quote_identifier
from turso_deploy.sql.schema import Schema, SchemaObject, title


def refuse_broken_references(wanted: Schema, scratch: Scratch) -> None:
    """Try every foreign key, view and trigger of the wanted schema, which stands in the scratch database.

    Raises ProjectError (`missing-reference`) with the file and line of the object that names something missing.
    """
    for broken in (_broken_tables, _broken_views, _broken_triggers):
        if found := broken(wanted, scratch):
            raise _refusal(found, scratch)


_Broken = list[tuple[SchemaObject, str]]
"""Objects, each with what SQLite says against it."""


def _broken_tables(wanted: Schema, scratch: Scratch) -> _Broken:
    tried = ((table, key_fault(table, wanted, scratch)) for table in wanted.all_tables.values())
    return [(table, message) for table, message in tried if message]


def _broken_views(wanted: Schema, scratch: Scratch) -> _Broken:
    """Read every view. One that reads a broken view is broken too, so the ones to blame name no other of them."""
    tried = {name: fault(view, wanted, scratch) for name, view in wanted.views.items()}
    broken = {name: message for name, message in tried.items() if message}
    to_blame = [name for name in broken if not identifiers_in(wanted.views[name].sql) & (broken.keys() - {name})]
    return [(wanted.views[name], broken[name]) for name in to_blame or broken]


def _broken_triggers(wanted: Schema, scratch: Scratch) -> _Broken:
    """Fire every trigger. Each is made again when those before it have passed, so that no other can be to blame."""
    broken: _Broken = []
    for trigger in wanted.triggers.values():
        scratch.run(f"DROP TRIGGER {quote_identifier(trigger.name)}")
    for trigger in wanted.triggers.values():
        scratch.run(trigger.sql)
        if message := fault(trigger, wanted, scratch):
            broken.append((trigger, message))
            scratch.run(f"DROP TRIGGER {quote_identifier(trigger.name)}")
    return broken


def code_of(message: str) -> ErrorCode:
    """Whether SQLite complains of a name that leads nowhere, or of something else."""
    return ErrorCode.MISSING_REFERENCE if _LEADS_NOWHERE.search(message) else ErrorCode.SQL_INVALID


_LEADS_NOWHERE = re.compile(r"no such |has no column named|unknown column|foreign key mismatch")


def _refusal(broken: _Broken, scratch: Scratch) -> ProjectError:
    causes = [Cause(f"{title(item)}: {message}", _place(item, message, scratch)) for item, message in broken]
    code = code_of(broken[0][1])
    is_missing = code is ErrorCode.MISSING_REFERENCE
    return ProjectError(
        code,
        "; ".join(cause.message for cause in causes),
        hint="Define it in the schema folder, or correct the name." if is_missing else "Correct the definition here.",
        place=causes[0].place,
        causes=causes,
    )


def _place(item: SchemaObject, message: str, scratch: Scratch) -> Place | None:
    """Where in the object's own text the missing name stands, or the beginning of the object."""
    offset = locate(item.sql, message, scratch.connection)
    if item.place is None or item.place.line is None or offset is None:
        return item.place
    line, column = position(item.sql, offset)
    return Place(item.place.file, item.place.line + line - 1, column if line > 1 else None)
