"""Convert a live schema into the files of a schema folder: the stored statements, and a manifest that matches them."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import chain, count
from types import MappingProxyType
from typing import Any

import yaml

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.integrity import find_fault
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.project.dangling_references import text_in_double_quotes
from turso_deploy.project.expectations import actual_counts
from turso_deploy.project.manifest import MANIFEST_NAME, manifest_json_schema
from turso_deploy.sql.comments import without_directives
from turso_deploy.sql.identifiers import names_and_strings_in
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.quoted_texts import names_visible_in, with_text
from turso_deploy.sql.schema import Index, Schema, SchemaObject, Trigger, View, key_of, title
from turso_deploy.sql.splitter import terminated

FIRST_VERSION = "0.1.0"
_MANIFEST_SCHEMA_NAME = "manifest.schema.json"
_VIEWS = "views"

# Tables in which other tools keep their records, by names that hardly any application uses itself. A pattern is written
# into the manifest only if it matches a table or view.
_RECORDS_OF_OTHER_TOOLS = (
    "__drizzle_*",
    "_prisma_migrations",
    "schema_migrations",  # dbmate, Ecto, geni, golang-migrate, Rails, Sequel
    "ar_internal_metadata",  # Rails
    "_sqlx_migrations",
    "d1_migrations",
    "_cf_*",  # Cloudflare
    "_hub_migrations",  # NuxtHub
    "knex_migrations*",
    "kysely_migration*",
    "SequelizeMeta",
    "SequelizeData",
    "typeorm_metadata",
    "mikro_orm_migrations",
    "adonis_schema*",
    "payload_migrations",
    "directus_migrations",
    "strapi_migrations*",
    "strapi_database_schema",
    "__diesel_schema_migrations",
    "seaql_migrations",
    "refinery_schema_history",
    "flyway_schema_history",
    "databasechangelog*",  # Liquibase
    "play_evolutions*",
    "jobrunr_migrations",
    "atlas_schema_revisions",
    "goose_db_version*",
    "bun_migration*",
    "gorp_migrations",  # sql-migrate
    "alembic_version",
    "django_migrations",
    "south_migrationhistory",
    "aerich",  # Tortoise
    "migratehistory",  # peewee-migrate
    "migrate_version",  # sqlalchemy-migrate
    "_yoyo_*",
    "yoyo_lock",
    "_sqlite_migrations",  # sqlite-migrate
    "_migrations",
    "phinxlog",
    "doctrine_migration_versions",
    "__EFMigrations*",  # Entity Framework Core
    "__MigrationHistory",  # Entity Framework 6
    "room_master_table",
    "android_metadata",
    "grdb_migrations",
    "Z_METADATA",  # this and the next two: Core Data
    "Z_PRIMARYKEY",
    "Z_MODELCACHE",
)
# Tables with a name that an application may use itself: they are records of a tool if they have exactly its columns.
_RECORDS_BY_COLUMNS: tuple[tuple[str, str], ...] = (
    ("migrations", "id timestamp name"),  # TypeORM
    ("migrations", "id migration batch"),  # Laravel
    ("migrations", "id version class group namespace time batch"),  # CodeIgniter
    ("migrations", "id name run_on"),  # db-migrate
    ("migrations", "id name up down"),  # the package sqlite of npm
    ("migrations", "id"),  # gormigrate
    ("migration", "version apply_time"),  # Yii
    ("migration", "id name app_name ran_on"),  # Piccolo
    ("migration_versions", "version executed_at"),  # Doctrine
    ("schema_info", "version"),  # Sequel
    ("schemaversion", "version name md5 run_at"),  # Postgrator
    ("VersionInfo", "Version AppliedOn Description"),  # FluentMigrator
    ("SchemaVersions", "SchemaVersionID ScriptName Applied"),  # DbUp
    (
        "schema_version",  # Flyway before version 5
        "installed_rank version description type script checksum installed_by installed_on execution_time success",
    ),
)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+\.[0-9]+\.[0-9]+")
# Not text in some version of YAML: https://yaml.org/type/bool.html
_YAML_WORDS = frozenset("null true false yes no on off y n".split())
# Names of devices on Windows: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICES = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
_MAX_FILE_NAME = 80


def records_of_other_tools(catalog: Catalog) -> list[str]:
    """Return the `ignore:` patterns for tables of other tools in this database.

    A table that a managed object refers to is managed too, because the schema folder could not be deployed without it.
    """
    names = {*catalog.schema.all_tables, *catalog.schema.views}
    by_columns = [
        name for name, columns in _RECORDS_BY_COLUMNS if _has_columns(catalog.schema, fold_case(name), columns)
    ]
    found = [*_matching(_RECORDS_OF_OTHER_TOOLS, names), *by_columns]
    managed = read_catalog(catalog.rows, catalog.shadows, found).schema
    hidden = names - managed.all_tables.keys() - managed.views.keys()
    needed = {name for item in managed.objects() for name in names_and_strings_in(item.sql) & hidden}
    return [pattern for pattern in found if not _matching([pattern], needed)]


def _has_columns(schema: Schema, name: str, columns: str) -> bool:
    """Return True if a table has exactly these columns, in any order."""
    table = schema.tables.get(name)
    return table is not None and table.definition.by_name.keys() == set(fold_case(columns).split())


def _matching(patterns: Sequence[str], names: Collection[str]) -> list[str]:
    return [pattern for pattern in patterns if any(fnmatchcase(name, fold_case(pattern)) for name in names)]


def schema_files(schema: Schema, schema_version: str, ignore: Sequence[str]) -> dict[str, str]:
    """Return the files of a schema folder for a schema, by name; `ignore` are patterns for the manifest.

    Each table has a file with its indexes and triggers; all views share one file with their triggers.
    """
    attached: dict[str, list[SchemaObject]] = defaultdict(list)
    dependents: tuple[Index | Trigger, ...] = (*schema.indexes.values(), *schema.triggers.values())
    for item in dependents:
        attached[fold_case(item.table)].append(item)
    names = file_names([table.name for table in schema.all_tables.values()], taken=[_VIEWS])
    tables = [[table, *attached[key]] for key, table in schema.all_tables.items()]
    files = {name: _text(items) for name, items in zip(names, tables, strict=True)}
    if schema.views:
        files[f"{_VIEWS}.sql"] = _text([item for key, view in schema.views.items() for item in (view, *attached[key])])
    return {
        **files,
        MANIFEST_NAME: _manifest(schema, schema_version, ignore),
        _MANIFEST_SCHEMA_NAME: manifest_json_schema(),
    }


def with_texts_in_single_quotes(schema: Schema, all_objects: Schema) -> tuple[Schema, list[str]]:
    """Return the schema with texts in single quotes where they are in double quotes, and the objects that have some.

    SQLite says in the scratch database, which takes them for names, what it misses. `all_objects` are those of the
    database.
    """
    changed: dict[tuple[str, str], str] = {}
    with closing(Scratch()) as scratch:
        for item in all_objects.objects() if any('"' in one.sql for one in all_objects.objects()) else ():
            sql = _accepted(item, all_objects, scratch)
            if sql != item.sql:
                changed[key_of(item)] = sql
    kinds: list[Any] = [
        MappingProxyType({name: item._replace(sql=changed.get(key_of(item), item.sql)) for name, item in items.items()})
        for items in schema.by_kind.values()
    ]
    found = [title(item) for item in schema.objects() if key_of(item) in changed]
    return replace(schema, **dict(zip(("all_tables", "indexes", "views", "triggers"), kinds, strict=True))), found


def _accepted(item: SchemaObject, schema: Schema, scratch: Scratch) -> str:
    """Create an object in the scratch database, and return its SQL with those texts in single quotes that it needs."""
    sql, visible = item.sql, names_visible_in(item, schema)
    while True:
        try:
            scratch.run(sql)
            message = find_fault(item, schema, scratch) if isinstance(item, View | Trigger) else None
        except ScratchError as error:
            message = error.message
        text = text_in_double_quotes(sql, message) if message else None
        if text is None or fold_case(text) in visible or (changed := with_text(sql, text)) == sql:
            return sql
        if isinstance(item, View | Trigger):
            scratch.run(f"DROP {item.kind.upper()} IF EXISTS {quote_identifier(item.name)}")
        sql = changed


def _text(items: Sequence[SchemaObject]) -> str:
    """Return the statements with an empty line between them, except between the indexes of one table.

    Directives are left out: they were applied, or an ALTER TABLE removed their column.
    """
    pieces = []
    for number, item in enumerate(items):
        follows = isinstance(item, Index) and number > 0 and isinstance(items[number - 1], Index)
        pieces += ["\n" if number and not follows else "", terminated(without_directives(item.sql)), "\n"]
    return "".join(pieces)


def file_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return a file name ending in `.sql` for each name: valid on every system, and unique regardless of case.

    `taken` are names without the ending that must not be used.
    """
    used = {name.casefold() for name in taken}
    found = []
    for name in names:
        stem = unicodedata.normalize("NFC", name)
        stem = "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in stem)[:_MAX_FILE_NAME]
        if not stem.strip("_-") or _DEVICES.fullmatch(stem.casefold()):
            stem = f"table_{stem.strip('_-')}".rstrip("_")
        candidates = chain([stem], (f"{stem}-{number}" for number in count(2)))
        candidate = next(each for each in candidates if each.casefold() not in used)
        used.add(candidate.casefold())
        found.append(f"{candidate}.sql")
    return found


def _manifest(schema: Schema, schema_version: str, ignore: Sequence[str]) -> str:
    """Return a manifest that a change of the schema does not contradict.

    Exact counts and lists of names would have to be edited with each new table. What they would verify, the comparison
    of the folder with the database does, so they are comments with the figures of this database.
    """
    counts = ", ".join(f"{kind}: {count}" for kind, count in actual_counts(schema).items())
    lines = [
        f"# yaml-language-server: $schema={_MANIFEST_SCHEMA_NAME}",
        "#",
        "# Conditions that the database must meet after a deployment.",
        "# docs/reference/manifest.md of turso-deploy describes every key.",
        "#",
        "# The objects of this folder are not listed here: deploy and verify compare every definition with the",
        "# database, so a new table needs no edit of this file.",
        f"schema_version: {_yaml(schema_version)}",
        "",
        "# Numbers of objects; they also count what was created by hand. An exact number changes with each new object.",
        '# A bound is an integer or text: 12, ">=20", "<=5", "20..40". This database has:',
        f"# expect: {{ {counts} }}",
    ]
    if schema.tables:
        table = next(iter(schema.tables.values()))
        lines += [
            "",
            "# Numbers of rows, for tables that must not be empty or must not grow:",
            f'# rows: {{ {_yaml(table.name)}: ">=1" }}',
        ]
    if ignore:
        lines += ["", "# Tables of other tools in the same database: neither counted, compared nor changed.", "ignore:"]
        lines += [f"  - {_yaml(pattern)}" for pattern in ignore]
    else:
        lines += ["", "# Names of objects that are neither counted, compared nor changed:", "# ignore: [name]"]
    return "\n".join(lines) + "\n"


def _yaml(text: str) -> str:
    """Return a text as YAML, in quotes if it could be read as anything but text."""
    if _PLAIN_NAME.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=float("inf"))
    return quoted.rstrip("\n")
