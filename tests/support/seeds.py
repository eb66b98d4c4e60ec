"""Seeds that a test writes as CSV, loaded for a schema that it describes by its statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.schema_folders import write_folder
from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.seeds.simulation import simulate_seeds
from turso_deploy.seeds.tables import SeedTable, read_seeds
from turso_deploy.sql.schema import Schema


class LoadedSeeds(NamedTuple):
    """Seeds, the schema that they were loaded for, and a scratch database that holds both."""

    seeds: tuple[SeedTable, ...]
    schema: Schema
    scratch: Scratch


def load_csv_seeds(folder: Path, schema: Iterable[str], files: Mapping[str, str]) -> LoadedSeeds:
    """Write a CSV file for each table that `files` names, and load them for a schema of these statements."""
    scratch = Scratch()
    for sql in schema:
        scratch.run(sql)
    wanted = read_catalog(scratch.rows(), scratch.shadows()).schema
    write_folder(folder, {f"seeds/{table}.csv": content for table, content in files.items()})
    read = read_seeds(SchemaFolder(folder, "schema"), wanted)
    return LoadedSeeds(simulate_seeds(read, wanted, scratch.connection), wanted, scratch)
