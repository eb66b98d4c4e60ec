"""A project: the content of a schema folder, checked and ready to be deployed."""

from __future__ import annotations

from typing import NamedTuple, Self

from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.errors import ErrorCode, InputError, Place
from turso_deploy.core.schema_folder import SchemaFolder, SkippedStatement, notice_of_skipped
from turso_deploy.core.text import enumerated
from turso_deploy.core.validation import Key
from turso_deploy.project.manifest import MANIFEST_NAME, Manifest
from turso_deploy.project.manifest_file import place_in_manifest
from turso_deploy.project.scripts import Script
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.schema import DanglingReference, Schema


class IgnoredDefinition(NamedTuple):
    """A definition or a seed file of the schema folder that a pattern under `ignore:` covers. `title` names it."""

    title: str
    place: Place


class Project(NamedTuple):
    """The state that a repository wants a database to have. It is loaded once; many databases may be deployed from it.

    `scratch` is a database in memory with the wanted schema and the seeds. It is open until the project is closed; use
    the project as a context manager. It holds the `ignored` definitions too, because others may refer to them.
    """

    folder: SchemaFolder
    manifest: Manifest
    wanted: Schema
    scripts: tuple[Script, ...]
    seeds: tuple[SeedTable, ...]
    scratch: Scratch
    ignored: tuple[IgnoredDefinition, ...] = ()
    skipped: tuple[SkippedStatement, ...] = ()
    dangling: tuple[DanglingReference, ...] = ()

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices of what is not deployed (skipped statements, what `ignore:` covers) and of dangling references."""
        reasons = dict.fromkeys(item.reason for item in self.skipped)
        skipped = [notice_of_skipped(reason, self.skipped) for reason in reasons]
        ignored = enumerated([f"{item.title} ({item.place})" for item in self.ignored])
        covered = (
            "In the schema folder, and neither compared nor changed, because a pattern under `ignore:` covers it: "
            f"{ignored}."
        )
        dangling = enumerated([str(one) for one in self.dangling])
        broken = (
            f"What this refers to does not exist, so it is deployed only where a database has it already: {dangling}."
        )
        return (*skipped, *([covered] if ignored else []), *([broken] if dangling else []))

    @property
    def manifest_place(self) -> Place:
        """Place of the manifest."""
        return self.folder.place(MANIFEST_NAME)

    def place_in_manifest(self, key: Key) -> Place:
        """Return the place of a key of the manifest, such as `("expect", "tables")`."""
        return place_in_manifest(self.folder, key)

    def require_open(self) -> None:
        """Raise InputError if the project is closed."""
        if not self.scratch.is_open:
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"The project of {self.folder.shown} is closed, so nothing can be planned with it.",
                hint="Plan and deploy inside the `with` block of `load_project`.",
            )

    def close(self) -> None:
        """Close the scratch database."""
        self.scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
