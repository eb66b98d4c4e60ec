"""Whether views and triggers work: SQLite creates them without looking whether what they name exists."""

from __future__ import annotations

from turso_deploy.database.base import Query
from turso_deploy.schema.diff import title
from turso_deploy.schema.model import Schema, Trigger, View
from turso_deploy.schema.scratch import Scratch, ScratchError
from turso_deploy.sql.ddl import TableDefinition
from turso_deploy.sql.lexer import fold, quote


def broken_objects(schema: Schema, scratch: Scratch) -> dict[str, str]:
    """The views and triggers that would fail in use, each with SQLite's reason. `scratch` holds the schema."""
    found = {}
    items: tuple[View | Trigger, ...] = (*schema.views.values(), *schema.triggers.values())
    for item in items:
        try:
            scratch.run(trial(item, schema, scratch))
        except ScratchError as error:
            found[title(item)] = error.message
    return found


def trial(item: View | Trigger, schema: Schema, scratch: Scratch) -> str:
    """A statement that compiles the view or the trigger and touches no row. Raises ScratchError.

    Under EXPLAIN nothing is run (https://www.sqlite.org/lang_explain.html), and firing a trigger compiles it.
    """
    if isinstance(item, View):
        return f"SELECT * FROM {quote(item.name)} LIMIT 0"
    target = quote(item.table)
    match item.definition.event:
        case "INSERT":
            return f"EXPLAIN INSERT INTO {target} DEFAULT VALUES"
        case "DELETE":
            return f"EXPLAIN DELETE FROM {target}"
        case _:
            column = min(item.definition.update_of, default=None) or _first_column(item.table, schema, scratch)
            return f"EXPLAIN UPDATE {target} SET {quote(column)} = NULL"


def _first_column(name: str, schema: Schema, scratch: Scratch) -> str:
    """A column that can be set."""
    table = schema.tables.get(fold(name))
    if table and isinstance(table.definition, TableDefinition):
        return next(column.name for column in table.definition.columns if column.generated is None)
    return scratch.query(Query(f"SELECT * FROM {quote(name)} LIMIT 0")).columns[0]
