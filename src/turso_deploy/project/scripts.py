"""One-time scripts: data changes that no diff can derive, each run once, in the transaction of a deployment.

`schema/scripts/NAME.sql` starts with `-- @run before` or `-- @run after`: before or after the steps for the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from turso_deploy.core.errors import ErrorCode, Place, PlanError, ProjectError
from turso_deploy.core.transaction import TransactionStep, change_step
from turso_deploy.sql.splitter import Statement


class Script(NamedTuple):
    """A script by its name without `.sql`. `checksum` is the SHA-256 of its text; its first line states when it runs.

    `fault` is an error of it in the wanted schema. It matters only until the script has run, because schemas change.
    """

    name: str
    file: str
    runs_before: bool
    checksum: str
    statements: tuple[Statement, ...]
    fault: tuple[str, Place] | None = None

    @property
    def sql(self) -> str:
        """The statements, joined by semicolons."""
        return ";\n".join(item.text for item in self.statements)

    def steps(self) -> list[TransactionStep]:
        """Return the steps that the script adds to a transaction."""
        return [change_step(item.text, f"script {self.name}", Place(self.file, item.line)) for item in self.statements]


def pending_scripts(scripts: Sequence[Script], ran: Mapping[str, str]) -> tuple[Script, ...]:
    """Return the scripts that have not run in a database. `ran` maps names to checksums from the deployment history.

    Raises PlanError (`script-changed`) for one that was edited after it ran, ProjectError (`script-invalid`) for one
    that cannot run.
    """
    for script in scripts:
        if ran.get(script.name, script.checksum) != script.checksum:
            raise PlanError(
                ErrorCode.SCRIPT_CHANGED,
                f"The script {script.name} has run in this database, and was edited afterwards.",
                hint="Restore its text, and put the new statements into a script of another name.",
                place=Place(script.file, 1),
            )
    pending = tuple(script for script in scripts if script.name not in ran)
    for script in pending:
        if script.fault is not None:
            raise script_error(*script.fault)
    return pending


_HINT = (
    "A script begins with `-- @run before` or `-- @run after`, and holds INSERT, UPDATE and DELETE for the schema at "
    "that point (docs/guides/schema-changes.md of turso-deploy)."
)


def script_error(message: str, place: Place, hint: str = _HINT) -> ProjectError:
    """Return the error (`script-invalid`) for a script. `message` is a clause without a full stop."""
    return ProjectError(ErrorCode.SCRIPT_INVALID, f"The script cannot be used: {message}.", hint=hint, place=place)
