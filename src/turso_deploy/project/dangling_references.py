"""Find dangling references: SQLite accepts views, triggers and foreign keys that name missing objects."""

from __future__ import annotations

import re
from collections.abc import Sequence

from turso_deploy.catalog.error_location import locate
from turso_deploy.catalog.integrity import find_fault, find_reference_fault
from turso_deploy.catalog.row_trial import FailingExpression, failing_expressions
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.errors import Cause, ErrorCode, ProjectError
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import quote_identifier
from turso_deploy.sql.schema import Schema, SchemaObject, place_in, title


def require_valid_references(wanted: Schema, all_objects: Schema, scratch: Scratch) -> None:
    """Use every foreign key, view and trigger of the wanted schema, and try its expressions with rows.

    `all_objects` are those that the scratch database holds: the wanted ones, and those that they may refer to.
    Raises ProjectError (`missing-reference`, `sql-invalid`) with the file and line of the object that cannot work.
    """
    for find_broken in (_broken_tables, _broken_views, _broken_triggers):
        if broken := find_broken(wanted, all_objects, scratch):
            raise _error(broken, scratch)
    if failing := list(failing_expressions(wanted)):
        raise _error_for_expressions(failing)


_Broken = list[tuple[SchemaObject, str]]
"""Objects, each with SQLite's error message."""


def _broken_tables(wanted: Schema, all_objects: Schema, scratch: Scratch) -> _Broken:
    tried = ((table, find_reference_fault(table, all_objects, scratch)) for table in wanted.all_tables.values())
    return [(table, message) for table, message in tried if message]


def _broken_views(wanted: Schema, all_objects: Schema, scratch: Scratch) -> _Broken:
    """Read every view, and return the broken ones that read no other broken view: those are the causes."""
    tried = {name: find_fault(view, all_objects, scratch) for name, view in wanted.views.items()}
    broken = {name: message for name, message in tried.items() if message}
    causes = [name for name in broken if not identifiers_in(wanted.views[name].sql) & (broken.keys() - {name})]
    return [(wanted.views[name], broken[name]) for name in causes or broken]


def _broken_triggers(wanted: Schema, all_objects: Schema, scratch: Scratch) -> _Broken:
    """Fire every trigger. Each is created after those before it have passed, so that a failure is its own."""
    broken: _Broken = []
    for trigger in wanted.triggers.values():
        scratch.run(f"DROP TRIGGER {quote_identifier(trigger.name)}")
    for trigger in wanted.triggers.values():
        scratch.run(trigger.sql)
        if message := find_fault(trigger, all_objects, scratch):
            broken.append((trigger, message))
            scratch.run(f"DROP TRIGGER {quote_identifier(trigger.name)}")
    return broken


def _error_for_expressions(failing: Sequence[FailingExpression]) -> ProjectError:
    causes = [
        Cause(
            f"{title(item)}: {kind} can never be evaluated: {reason}",
            place_in(item.sql, locate(item.sql, reason), item.place),
        )
        for item, kind, reason in failing
    ]
    hint = (
        "SQLite accepts no current time in a CHECK, a generated column or an index. Store the time in a column, "
        "compare in a view or a query, or in a trigger that raises an error."
    )
    return ProjectError(
        ErrorCode.SQL_INVALID,
        "; ".join(cause.message for cause in causes),
        hint=hint if failing[0].is_about_time else "Correct the expression here.",
        place=causes[0].place,
        causes=causes,
    )


def error_code_for(message: str) -> ErrorCode:
    """Return `missing-reference` for an error of SQLite about a missing object, else `sql-invalid`."""
    return ErrorCode.MISSING_REFERENCE if _MISSING_OBJECT.search(message) else ErrorCode.SQL_INVALID


_MISSING_OBJECT = re.compile(r"no such |has no column named|unknown column|foreign key mismatch")


def _error(broken: _Broken, scratch: Scratch) -> ProjectError:
    # The place of the missing name in the SQL of the object, or else the beginning of the object.
    places = (place_in(item.sql, locate(item.sql, text), item.place) for item, text in broken)
    causes = [Cause(f"{title(item)}: {text}", place) for (item, text), place in zip(broken, places, strict=True)]
    code = error_code_for(broken[0][1])
    is_missing = code is ErrorCode.MISSING_REFERENCE
    return ProjectError(
        code,
        "; ".join(cause.message for cause in causes),
        hint="Define it in the schema folder, or correct the name." if is_missing else "Correct the definition here.",
        place=causes[0].place,
        causes=causes,
    )
