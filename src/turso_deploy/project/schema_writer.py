"""A live database as a schema folder: each object's statement as it is stored, and a manifest that holds for it."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import yaml

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.project.expectations import actual_counts
from turso_deploy.project.manifest import MANIFEST_NAME, manifest_json_schema
from turso_deploy.sql.comments import without_directives
from turso_deploy.sql.identifiers import names_and_strings_in
from turso_deploy.sql.lexer import TokenKind, fold_case, scan
from turso_deploy.sql.schema import Index, Schema, SchemaObject, Trigger

FIRST_VERSION = "0.1.0"
_MANIFEST_SCHEMA_NAME = "manifest.schema.json"
_VIEWS = "views"

# Where other tools keep their own records; each pattern is written into the manifest only where it matches something.
_RECORDS_OF_OTHER_TOOLS = (
    "__drizzle_*",
    "_prisma_migrations",
    "schema_migrations",  # dbmate, geni, golang-migrate, Rails
    "ar_internal_metadata",
    "_sqlx_migrations",
    "d1_migrations",
    "_cf_*",
    "knex_migrations*",
    "kysely_migration*",
    "SequelizeMeta",
    "typeorm_metadata",
    "mikro_orm_migrations",
    "__diesel_schema_migrations",
    "seaql_migrations",
    "refinery_schema_history",
    "flyway_schema_history",
    "databasechangelog*",
    "atlas_schema_revisions",
    "goose_db_version*",
    "alembic_version",
    "django_migrations",
    "_migrations",
)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+\.[0-9]+\.[0-9]+")
# Read as something else than text by one version of YAML or another: https://yaml.org/type/bool.html
_YAML_WORDS = frozenset("null true false yes no on off y n".split())
# Names that Windows gives to devices: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICES = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
_LONGEST_FILE_NAME = 80


def records_of_other_tools(catalog: Catalog) -> list[str]:
    """The patterns by which a manifest ignores what other tools keep in this database.

    What an adopted object names is adopted too: without it, the schema folder could not be deployed.
    """
    names = {*catalog.schema.all_tables, *catalog.schema.views}
    found = _matching(names)
    adopted = read_catalog(catalog.rows, catalog.shadows, found).schema
    hidden = names - adopted.all_tables.keys() - adopted.views.keys()
    needed = _matching({name for item in adopted.objects() for name in names_and_strings_in(item.sql) & hidden})
    return [pattern for pattern in found if pattern not in needed]


def _matching(names: Collection[str]) -> list[str]:
    return [
        pattern for pattern in _RECORDS_OF_OTHER_TOOLS if any(fnmatchcase(name, fold_case(pattern)) for name in names)
    ]


def schema_files(schema: Schema, schema_version: str, ignore: Sequence[str]) -> dict[str, str]:
    """The files of a schema folder for these objects, by name; `ignore` goes into the manifest.

    A table has a file with its indexes and triggers, views have one file together with theirs.
    """
    return {
        **_table_files(schema),
        **_view_file(schema),
        MANIFEST_NAME: _manifest(schema, schema_version, ignore),
        _MANIFEST_SCHEMA_NAME: manifest_json_schema(),
    }


def _table_files(schema: Schema) -> dict[str, str]:
    names = file_names([table.name for table in schema.all_tables.values()], taken=[_VIEWS])
    indexes, triggers = _by_table(schema.indexes.values()), _by_table(schema.triggers.values())
    return {
        file: _text([table, *indexes[key], *triggers[key]])
        for (key, table), file in zip(schema.all_tables.items(), names, strict=True)
    }


def _view_file(schema: Schema) -> dict[str, str]:
    items: list[SchemaObject] = []
    triggers = _by_table(schema.triggers.values())
    for key, view in schema.views.items():
        items += [view, *triggers[key]]
    return {f"{_VIEWS}.sql": _text(items)} if items else {}


def _by_table(items: Iterable[Index | Trigger]) -> Mapping[str, Sequence[SchemaObject]]:
    """Indexes or triggers, by the folded name of what they stand on; none where nothing does."""
    found: dict[str, list[SchemaObject]] = defaultdict(list)
    for item in items:
        found[fold_case(item.table)].append(item)
    return found


def _text(items: Sequence[SchemaObject]) -> str:
    """Statements, one blank line before each that is not the index of the table above it.

    Directives have done their work in a database, or lost their column to an ALTER TABLE.
    """
    pieces = []
    for number, item in enumerate(items):
        follows = isinstance(item, Index) and number > 0 and isinstance(items[number - 1], Index)
        pieces += ["\n" if number and not follows else "", terminated(without_directives(item.sql)), "\n"]
    return "".join(pieces)


def terminated(sql: str) -> str:
    """A stored statement with its semicolon, where no comment at its end can swallow it."""
    *_, last = scan(sql)
    if last.kind is not TokenKind.COMMENT:
        return f"{sql};"
    if last.text.startswith("--"):
        return f"{sql}\n;"
    # A block comment may end with the text: https://www.sqlite.org/lang_comment.html
    return f"{sql};" if last.text.endswith("*/") and len(last.text) > len("/*/") else f"{sql} */;"


def file_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """A file name ending in `.sql` for each name: safe on every system, and unique without regard to case.

    `taken` are names, without the ending, that none may get.
    """
    used = {name.casefold() for name in taken}
    found = []
    for name in names:
        stem = unicodedata.normalize("NFC", name)
        stem = "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in stem)[:_LONGEST_FILE_NAME]
        if not stem.strip("_-") or _DEVICES.fullmatch(stem.casefold()):
            stem = f"table_{stem.strip('_-')}".rstrip("_")
        candidate, number = stem, 1
        while candidate.casefold() in used:
            number += 1
            candidate = f"{stem}-{number}"
        used.add(candidate.casefold())
        found.append(f"{candidate}.sql")
    return found


def _manifest(schema: Schema, schema_version: str, ignore: Sequence[str]) -> str:
    objects: Mapping[str, list[str]] = {
        "tables": [item.name for item in schema.all_tables.values()],
        "indexes": [item.name for item in schema.indexes.values()],
        "views": [item.name for item in schema.views.values()],
        "triggers": [item.name for item in schema.triggers.values()],
    }
    lines = [
        f"# yaml-language-server: $schema={_MANIFEST_SCHEMA_NAME}",
        "#",
        "# What must be true of the database after a deployment.",
        "# docs/reference/manifest.md of turso-deploy describes every key.",
        f"schema_version: {_yaml(schema_version)}",
        "",
        '# How many objects there are. A bound is an integer or text: 12, ">=20", "<=5", "20..40".',
        "expect:",
        *(f"  {kind}: {count}" for kind, count in actual_counts(schema).items()),
        "",
        "# The objects that must exist, by name.",
        "objects:",
    ]
    for kind, names in objects.items():
        lines += [f"  {kind}:", *(f"    - {_yaml(name)}" for name in names)] if names else []
    if ignore:
        lines += ["", "# What other tools keep in the same database: neither counted nor touched.", "ignore:"]
        lines += [f"  - {_yaml(pattern)}" for pattern in ignore]
    return "\n".join(lines) + "\n"


def _yaml(text: str) -> str:
    """A text as YAML, in quotes where it could be read as something else."""
    if _PLAIN_NAME.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=float("inf"))
    return quoted.rstrip("\n")
