"""Names that lead nowhere: SQLite accepts views, triggers and foreign keys without looking for what they name."""

from __future__ import annotations

import re

from turso_deploy.errors import ErrorCode, Place, ProjectError
from turso_deploy.schema.health import fault, key_fault
from turso_deploy.schema.model import Schema, SchemaObject
from turso_deploy.schema.scratch import Scratch, locate
from turso_deploy.sql.lexer import position, quote
from turso_deploy.sql.names import names_in


def refuse_broken_references(wanted: Schema, scratch: Scratch) -> None:
    """Try every foreign key, view and trigger of the wanted schema, which stands in the scratch database.

    Raises ProjectError (`missing-reference`) with the file and line of the object that names something missing.
    """
    for table in wanted.tables.values():
        if message := key_fault(table, wanted, scratch):
            raise _broken(table, message, scratch)
    _try_views(wanted, scratch)
    _try_triggers(wanted, scratch)


def _try_views(wanted: Schema, scratch: Scratch) -> None:
    """Read every view. One that reads a broken view is broken too, so the one to blame names no other of them."""
    tried = {name: fault(view, wanted, scratch) for name, view in wanted.views.items()}
    broken = {name: message for name, message in tried.items() if message}
    if not broken:
        return
    to_blame = [name for name in broken if not names_in(wanted.views[name].sql) & (broken.keys() - {name})]
    name = next(iter(to_blame or broken))
    raise _broken(wanted.views[name], broken[name], scratch)


def _try_triggers(wanted: Schema, scratch: Scratch) -> None:
    """Fire every trigger. Each is made again when those before it have passed, so that no other can be to blame."""
    for trigger in wanted.triggers.values():
        scratch.run(f"DROP TRIGGER {quote(trigger.name)}")
    for trigger in wanted.triggers.values():
        scratch.run(trigger.sql)
        if message := fault(trigger, wanted, scratch):
            raise _broken(trigger, message, scratch)


def code_of(message: str) -> ErrorCode:
    """Whether SQLite complains of a name that leads nowhere, or of something else."""
    return ErrorCode.MISSING_REFERENCE if _LEADS_NOWHERE.search(message) else ErrorCode.SQL_INVALID


_LEADS_NOWHERE = re.compile(r"no such |has no column named|unknown column|foreign key mismatch")


def _broken(item: SchemaObject, message: str, scratch: Scratch) -> ProjectError:
    code = code_of(message)
    is_missing = code is ErrorCode.MISSING_REFERENCE
    return ProjectError(
        code,
        f"{item.kind} {item.name}: {message}.",
        hint="Define it in the schema folder, or correct the name." if is_missing else "Correct the definition here.",
        place=_place(item, message, scratch),
    )


def _place(item: SchemaObject, message: str, scratch: Scratch) -> Place | None:
    """Where in the object's own text the missing name stands, or the beginning of the object."""
    offset = locate(item.sql, message, scratch.connection)
    if item.place is None or item.place.line is None or offset is None:
        return item.place
    line, column = position(item.sql, offset)
    return Place(item.place.file, item.place.line + line - 1, column if line > 1 else None)
