"""A project: the content of a schema folder, checked and ready to be deployed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

from turso_deploy.catalog.error_location import locate
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.errors import ErrorCode, InputError, Place
from turso_deploy.core.schema_folder import SchemaFolder, SkippedStatement, notice_of_skipped
from turso_deploy.core.text import MAX_NAMES, enumerated
from turso_deploy.core.transaction import Answers
from turso_deploy.core.validation import Key
from turso_deploy.project.manifest import MANIFEST_NAME, Manifest
from turso_deploy.project.manifest_file import place_in_manifest
from turso_deploy.project.scripts import Script
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.lexer import column_title
from turso_deploy.sql.schema import DanglingReference, Schema, place_in, title


class IgnoredDefinition(NamedTuple):
    """A definition or a seed file of the schema folder that a pattern under `ignore:` covers. `title` names it."""

    title: str
    place: Place


class FirstRead:
    """The answers of a database that were read when an earlier deployment was chosen.

    The first plan uses them in place of a request of its own; a later one reads again. `received_at` is the time of
    `time.monotonic()` at which they arrived.
    """

    def __init__(self, address: str, answers: Answers, received_at: float) -> None:
        self.received_at = received_at
        self._address = address
        self._answers: Answers | None = answers

    def take(self, address: str) -> Answers | None:
        """Return the answers, if they are of the database with this address, and were not used yet."""
        answers, self._answers = self._answers, None
        return answers if address == self._address else None


class EarlierDeployment(NamedTuple):
    """The deployment that a rollback goes back to, and its terms.

    `managed` are the objects that it managed, `fingerprint` is that of its schema, `scripts` are those that had run.
    `last_id` is the id of the last deployment when it was chosen. `run_again` and `keep_done` name scripts that ran
    later.
    """

    number: int
    managed: frozenset[str]
    fingerprint: str
    scripts: frozenset[str]
    last_id: str
    run_again: frozenset[str] = frozenset()
    keep_done: frozenset[str] = frozenset()
    computed: tuple[str, ...] = ()
    """Columns whose values an `@using` has computed since, and that no backfill of the rollback computes back."""
    first_read: FirstRead | None = None
    """The answers to the queries for the state of the database, and to that for the renames since then."""


class Project(NamedTuple):
    """The state that a repository wants a database to have. It is loaded once; many databases may be deployed from it.

    `scratch` is a database in memory with the wanted schema and the seeds. It is open until the project is closed; use
    the project as a context manager. It holds the `ignored` definitions too, because others may refer to them.
    `earlier` is set if the project is not that of a folder, but the schema of an earlier deployment.
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
    earlier: EarlierDeployment | None = None

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
        computed = self.earlier.computed if self.earlier else ()
        forward = (
            f"Values that `@using` has computed since stay as they are: {enumerated(computed)}. To compute them back, "
            "use `--backfill TABLE.COLUMN=EXPRESSION`. The newer folder would compute them again, from these values."
        )
        return (
            *skipped,
            *([covered] if ignored else []),
            *([broken] if dangling else []),
            *([forward] if computed else []),
        )

    def unknown_functions(self, others: Iterable[tuple[str, Place, str]] = ()) -> tuple[str, ...]:
        """Return the notice of the functions that no known engine has, for a run that asks no engine; () if none.

        `others` are more statements that may call them: a name, the place and the SQL.
        """
        calls = [(title(item), item.place, item.sql) for item in self.wanted.objects()]
        for table in self.wanted.tables.values():
            backfills = ((column, each.using) for column, each in table.directives.columns.items() if each.using)
            calls += [(column_title(table.name, column), table.place_of(column), using) for column, using in backfills]
        for script in self.scripts:
            calls += [(f"script {script.name}", Place(script.file, one.line), one.text) for one in script.statements]
        found = []
        for name in sorted(self.scratch.unknown_functions):
            places = [
                f"{what} ({place_in(sql, offset, place)})"
                for what, place, sql in (*calls, *others)
                if (offset := locate(sql, f"no such function: {name}")) is not None
            ]
            found.append(f"{name} in {', '.join(places[:MAX_NAMES]) or 'the schema folder'}")
        if not found:
            return ()
        return (
            "No engine that turso-deploy knows has these functions, and no database was asked: "
            f"{'; '.join(found)}. If a name is misspelt, each use of the object fails.",
        )

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
