"""One-time scripts: data changes that no diff can derive, each run once, in the transaction of a deployment.

`schema/scripts/NAME.sql` starts with `-- @run before`, `-- @run between` or `-- @run after`: the moment when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from turso_deploy.core.errors import ErrorCode, Place, PlanError, ProjectError, error_of_all
from turso_deploy.core.transaction import TransactionStep, change_step
from turso_deploy.sql.lexer import column_title
from turso_deploy.sql.splitter import Statement


class Moment(StrEnum):
    """The moment of a deployment when a script runs."""

    BEFORE = "before"
    """Before all other changes: the schema is as the database has it."""
    BETWEEN = "between"
    """After the renames and additions: new tables and columns exist, and nothing is dropped or rebuilt yet."""
    AFTER = "after"
    """After all other changes: the schema is as the folder defines it, and the seeds are there."""


class Need(NamedTuple):
    """A table or view, or a column of one, that a script works on. Names are as written, without quotes."""

    table: str
    column: str | None
    place: Place

    @property
    def title(self) -> str:
        """The name as messages show it: `users` or `users.address`."""
        return self.table if self.column is None else column_title(self.table, self.column)


class Script(NamedTuple):
    """A script by its name without `.sql`. `checksum` covers its statements, and not comments or spacing.

    `text_checksums` are those that an earlier version recorded for the same statements: the SHA-256 of the whole text.
    `needs` are the names that the database must have for the script to be of use. `faults` are errors that
    matter only until the script has run, because its statements must not change after that.
    """

    name: str
    file: str
    moment: Moment
    checksum: str
    statements: tuple[Statement, ...]
    needs: tuple[Need, ...] = ()
    text_checksums: frozenset[str] = frozenset()
    faults: tuple[tuple[str, Place], ...] = ()

    @property
    def sql(self) -> str:
        """The statements, joined by semicolons."""
        return ";\n".join(item.text for item in self.statements)

    @property
    def runs_before(self) -> bool:
        """True if the script runs before the schema is as the folder defines it, and before the seeds."""
        return self.moment is not Moment.AFTER

    def steps(self) -> list[TransactionStep]:
        """Return the steps that the script adds to a transaction."""
        return [change_step(item.text, f"script {self.name}", Place(self.file, item.line)) for item in self.statements]


NEEDED = "needed"
"""The record, in place of a checksum, of an `after` script that waits for the seeds, and whose needs are met.

The schema precedes the seeds in a transaction of its own if they exceed a request, and may drop what the script needs.
"""


class SkippedScript(NamedTuple):
    """A script that a database does not need, and that is recorded as run. `missing` is the name that it needs.

    Without one, the database is new: it holds no rows for the script.
    """

    script: Script
    missing: Need | None = None


def scripts_at(moment: Moment, scripts: Sequence[Script]) -> list[Script]:
    """Return the scripts that run at a moment."""
    return [script for script in scripts if script.moment is moment]


def pending_scripts(scripts: Sequence[Script], ran: Mapping[str, str]) -> tuple[Script, ...]:
    """Return the scripts that have not run in a database. `ran` maps names to checksums from the deployment history.

    Raises PlanError (`script-changed`) for one that was edited after it ran, ProjectError (`script-invalid`) for one
    that must not run.
    """
    for script in scripts:
        if ran.get(script.name, NEEDED) not in (NEEDED, script.checksum, *script.text_checksums):
            raise PlanError(
                ErrorCode.SCRIPT_CHANGED,
                f"The script {script.name} has run in this database, and its statements were edited afterwards.",
                hint="Restore them, and put the new statements into a script of another name.",
                place=Place(script.file, 1),
            )
    pending = tuple(script for script in scripts if ran.get(script.name, NEEDED) == NEEDED)
    require_faultless(pending)
    return pending


def require_faultless(scripts: Sequence[Script]) -> None:
    """Raise ProjectError (`script-invalid`) with all that must not run in scripts."""
    faults = [script_error(*fault, _HINT_ABOUT_NAMES) for script in scripts for fault in script.faults]
    raise_all(faults)


_START = "The script cannot be used:"
_HINT = (
    "A script begins with `-- @run before`, `-- @run between` or `-- @run after`, and holds INSERT, UPDATE and DELETE "
    "(docs/guides/schema-changes.md of turso-deploy)."
)
_HINT_ABOUT_NAMES = (
    "Name the columns: `INSERT INTO t (a, b) SELECT a, b FROM …`. Their order differs between databases, because a new "
    "column is appended in one that exists."
)
_HINTS_ABOUT_MOMENTS = {
    Moment.BEFORE: "A script that runs before finds the database as it is: old names, no new tables and columns. With "
    "`-- @run between` it finds the new ones, too.",
    Moment.BETWEEN: "A script that runs between finds new names, tables and columns, and nothing that only the views "
    "and triggers of the folder define.",
    Moment.AFTER: "A script that runs after finds what the folder defines, in a new database, too. With "
    "`-- @run between` it can also read what this deployment drops.",
}


def hint_about(moment: Moment) -> str:
    """Return the hint for a script that does not compile at its moment."""
    return (
        f"{_HINTS_ABOUT_MOMENTS[moment]} If only some databases have what it works on, name that below its first line: "
        "`-- @needs table.column`."
    )


def script_error(message: str, place: Place, hint: str | None = None) -> ProjectError:
    """Return the error (`script-invalid`) for a script. `message` is a clause without a full stop."""
    return ProjectError(ErrorCode.SCRIPT_INVALID, f"{_START} {message}.", hint=hint or _HINT, place=place)


def raise_all(errors: Sequence[ProjectError]) -> None:
    """Raise ProjectError (`script-invalid`) with all errors of scripts, if there are any."""
    if errors:
        raise error_of_all(errors, _START, "The scripts cannot be used:")
