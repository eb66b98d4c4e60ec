"""The schema of an earlier deployment as a project, with the terms of going back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.database.interface import Database
from turso_deploy.project.manifest import Manifest
from turso_deploy.project.project import EarlierDeployment, Project
from turso_deploy.rollback.target import Target, damaged, read_target
from turso_deploy.sql.definitions import NO_DIRECTIVES, Directives, TableDirectives
from turso_deploy.sql.lexer import fold_case, read_column_title
from turso_deploy.sql.schema import Schema, SchemaObject, Table, title

Item = TypeVar("Item", bound=SchemaObject)


class Terms(NamedTuple):
    """The terms of a rollback.

    `run_again` and `keep_done` name scripts that ran later. `backfills` maps columns, as `column_title` writes them, to
    expressions.
    """

    run_again: frozenset[str] = frozenset()
    keep_done: frozenset[str] = frozenset()
    backfills: Mapping[str, str] = MappingProxyType({})


NO_TERMS = Terms()


def load_earlier(
    database: Database, number: int | None = None, version: str | None = None, terms: Terms = NO_TERMS
) -> Project:
    """Read an earlier deployment from the history of a database, and return its schema as a project.

    It is that with `number`, the last one with `version`, or the one before the last one. The directives in the stored
    SQL are comments only: what they asked for was done when that deployment was made. Raises PlanError
    (`rollback-impossible`), DatabaseError (`history-damaged`) or InputError (`input-invalid`).
    """
    target = read_target(database, number, version)
    catalog = target.catalog.read(target.catalog.ignored)
    wanted = _with_backfills(_schema_to_restore(target, catalog), terms.backfills)
    scratch = Scratch()
    try:
        scratch.load(catalog.rows)
    except BaseException:
        scratch.close()
        raise
    shown = f"deployment {target.number}"
    earlier = EarlierDeployment(
        target.number,
        target.managed,
        target.fingerprint,
        target.scripts,
        target.last_id,
        terms.run_again,
        terms.keep_done,
        tuple(title for title in target.backfilled if _is_kept(title, wanted)),
        target.first_read,
    )
    manifest = Manifest(schema_version=target.version or None, ignore=target.catalog.ignored)
    return Project(SchemaFolder(Path(shown), shown), manifest, wanted, (), (), scratch, earlier=earlier)


def _schema_to_restore(target: Target, catalog: Catalog) -> Schema:
    """Return the schema that a rollback restores: what was managed then, and what is managed now and was there then.

    An object that was unmanaged then and has become managed since gets its earlier definition back, and stays.
    """
    there = {fold_case(title(item)) for item in catalog.schema.objects()}
    then = {fold_case(name) for name in target.managed}
    if missing := sorted(then - there):
        raise damaged(target.number, f"its catalog lacks what it managed, as the {missing[0]}")
    now = {fold_case(name) for name in target.managed_now}
    renamed = {f"table {name}": f"table {present}" for name, present in target.present.tables.items()}

    def restored(found: Mapping[str, Item]) -> dict[str, Item]:
        """Return those of the objects that were managed then, or are managed now under their present names."""
        names = ((name, fold_case(title(item))) for name, item in found.items())
        return {name: found[name] for name, known in names if known in then or renamed.get(known, known) in now}

    schema = catalog.schema
    return replace(
        schema,
        all_tables=restored(schema.all_tables),
        indexes=restored(schema.indexes),
        views=restored(schema.views),
        triggers=restored(schema.triggers),
    )


def _is_kept(title: str, wanted: Schema) -> bool:
    """Return True for a column that the earlier schema has, too, and that no backfill computes."""
    table_name, column = map(fold_case, read_column_title(title))
    table = wanted.tables.get(table_name)
    return bool(table and column in table.definition.by_name and table.directives.of(column).using is None)


def _with_backfills(wanted: Schema, backfills: Mapping[str, str]) -> Schema:
    """Return the schema with expressions at columns. Raises InputError (`input-invalid`) for one that is not there."""
    columns: dict[str, dict[str, Directives]] = {}
    for name, expression in backfills.items():
        table, column = _column_named(wanted, name)
        columns.setdefault(fold_case(table.name), {})[column] = Directives(using=expression)
    return wanted.with_directives({name: TableDirectives(NO_DIRECTIVES, found) for name, found in columns.items()})


def _column_named(wanted: Schema, name: str) -> tuple[Table, str]:
    table_name, column = map(fold_case, read_column_title(name))
    table = wanted.tables.get(table_name)
    found = table.definition.by_name.get(column) if table else None
    if table and found and found.generated is None:
        return table, column
    raise InputError(
        ErrorCode.INPUT_INVALID,
        "`backfill` names a column that the earlier schema does not have, or that is generated.",
        hint="Write TABLE.COLUMN=EXPRESSION with the names of the earlier schema, as in `users.email=''`.",
    )
