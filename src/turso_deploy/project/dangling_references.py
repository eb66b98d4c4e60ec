"""Find dangling references: SQLite accepts views, triggers and foreign keys that name missing objects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.diff import have_same_meaning
from turso_deploy.catalog.error_location import locate
from turso_deploy.catalog.integrity import find_default_fault, find_fault, find_reference_faults
from turso_deploy.catalog.row_trial import FailingExpression, failing_expressions
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.errors import Cause, ErrorCode, ProjectError
from turso_deploy.sql.identifiers import identifiers_in, names_in_double_quotes
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string
from turso_deploy.sql.schema import DanglingReference, Schema, SchemaObject, Trigger, View, place_in, title


def find_dangling_references(wanted: Schema, all_objects: Schema, scratch: Scratch) -> tuple[DanglingReference, ...]:
    """Use every foreign key, view and trigger of the wanted schema, and return those that do not work.

    `all_objects` are those that the scratch database holds: the wanted ones, and those that they may refer to.
    """
    broken = [
        *_broken_tables(wanted, all_objects, scratch),
        *_broken_views(wanted, all_objects, scratch),
        *_broken_triggers(wanted, all_objects, scratch),
    ]
    # The place of the missing name in the SQL of the object, or else the beginning of the object.
    return tuple(
        DanglingReference(item, text, place_in(item.sql, locate(item.sql, text), item.place)) for item, text in broken
    )


def require_working_expressions(wanted: Schema, scratch: Scratch) -> None:
    """Compile the defaults of the wanted schema, and try its other expressions with rows.

    A function in a default that only a server has gets its stand-in here, which the seeds need. Raises ProjectError
    (`sql-invalid`) with the places of those that fail.
    """
    failing = list(failing_expressions(wanted))
    for table in wanted.tables.values():
        fault = find_default_fault(table, scratch)
        if fault and fault.startswith("unknown function"):  # of this SQLite, with another number of arguments
            failing.append(FailingExpression(table, "a DEFAULT", fault))
    if failing:
        raise _error_for_expressions(failing)


_Broken = list[tuple[SchemaObject, str]]
"""Objects, each with SQLite's error message."""


def _broken_tables(wanted: Schema, all_objects: Schema, scratch: Scratch) -> _Broken:
    return [
        (table, message)
        for table in wanted.all_tables.values()
        for message in find_reference_faults(table, all_objects, scratch)
    ]


def _broken_views(wanted: Schema, all_objects: Schema, scratch: Scratch) -> _Broken:
    """Read every view, and return the broken ones that read no other broken view: those are the causes."""
    tried = {name: find_fault(view, all_objects, scratch) for name, view in wanted.views.items()}
    broken = {name: message for name, message in tried.items() if message}
    causes = [name for name in broken if not identifiers_in(wanted.views[name].sql) & (broken.keys() - {name})]
    return [(wanted.views[name], broken[name]) for name in causes or broken]


def _broken_triggers(wanted: Schema, all_objects: Schema, scratch: Scratch) -> _Broken:
    """Fire every trigger. Each is created after those before it have passed, so that a failure is its own.

    One that writes to a view needs the INSTEAD OF trigger of the view, which may come later, and is tried again.
    """
    triggers = list(wanted.triggers.values())
    _drop(triggers, scratch)
    broken, count = [(trigger, "") for trigger in triggers], -1
    while broken and len(broken) != count:
        tried, broken, count = broken, [], len(broken)
        for trigger, _ in tried:
            scratch.run(trigger.sql)
            if message := find_fault(trigger, all_objects, scratch):
                broken.append((trigger, message))
                _drop([trigger], scratch)
    working = [trigger for trigger in triggers if trigger not in [item for item, _ in broken]]
    _drop(working, scratch)
    for trigger in triggers:  # in their order, in which SQLite fires them
        scratch.run(trigger.sql)
    return [*broken]


def _drop(triggers: Sequence[Trigger], scratch: Scratch) -> None:
    for trigger in triggers:
        scratch.run(f"DROP TRIGGER {quote_identifier(trigger.name)}")


def require_known(dangling: Sequence[DanglingReference], wanted: Schema, live: Catalog) -> None:
    """Raise ProjectError (`missing-reference`) for references that do not dangle in a database already.

    An application may have such references for years, for example since a RENAME of an old SQLite, and they break
    nothing else. A view or a trigger must also be the one that the database has.
    """
    if not dangling:
        return
    schema = live.with_ignored
    with closing(Scratch()) as scratch:
        scratch.load(live.rows, live.shadows)
        unknown = [one for one in dangling if not _is_known(one, wanted, schema, scratch)]
    if unknown:
        raise dangling_error(unknown)


def _is_known(dangling: DanglingReference, wanted: Schema, live: Schema, scratch: Scratch) -> bool:
    item, name = dangling.item, fold_case(dangling.item.name)
    if isinstance(item, View | Trigger):
        there = live.views.get(name) if isinstance(item, View) else live.triggers.get(name)
        return there is not None and have_same_meaning(item, there) and find_fault(there, live, scratch) is not None
    old = wanted.all_tables[name].directives.table.renamed_from
    table = live.all_tables.get(name) or live.all_tables.get(fold_case(old or ""))
    return table is not None and dangling.message in find_reference_faults(table, live, scratch)


def dangling_error(dangling: Sequence[DanglingReference]) -> ProjectError:
    """Return the error for references that dangle: tables before views, and those before triggers."""
    shown = [one for one in dangling if one.item.kind == dangling[0].item.kind]
    causes = [Cause(f"{title(one.item)}: {one.message}", one.place) for one in shown]
    code = error_code_for(shown[0].message)
    hint = "Define it in the schema folder, or correct the name."
    if code is not ErrorCode.MISSING_REFERENCE:
        hint = "Correct the definition here."
    elif hints := list(filter(None, (hint_for_text(one.item.sql, one.message) for one in shown))):
        hint = hints[0]
    return ProjectError(
        code, "; ".join(cause.message for cause in causes), hint=hint, place=causes[0].place, causes=causes
    )


def hint_for_text(sql: str, message: str) -> str | None:
    """Return the hint for a text in double quotes, which SQLite can take for a name only; None for another error.

    https://www.sqlite.org/quirks.html#dblquote
    """
    text = text_in_double_quotes(sql, message)
    if text is None:
        return None
    return (
        f"{quote_identifier(text)} is a name, because it is in double quotes. If a text is meant, write it in single "
        f"quotes: {quote_string(text)}. Otherwise define the column, or correct its name."
    )


def text_in_double_quotes(sql: str, message: str) -> str | None:
    """Return the name in double quotes that SQLite misses according to a message; None for another error."""
    found = _MISSING_COLUMN.fullmatch(message)
    return found[1] if found and fold_case(found[1]) in names_in_double_quotes(sql) else None


_MISSING_COLUMN = re.compile(r"no such column: \"?(.*?)\"?(?: - should this be .*)?", re.DOTALL)


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
