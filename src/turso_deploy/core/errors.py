"""Tree of errors. Each says what happened, where, whether the database changed, and what to do.

DeployError
├── InputError          a setting is missing or malformed                               exit 2
├── ProjectError        the schema folder is not valid                                  exit 2
├── PlanError           the plan cannot be carried out, or contradicts the manifest     exit 1
├── BlockedError        a hazard or a policy blocks the run                             exit 5
├── DatabaseError       the server rejected a request, failed or could not be reached   exit 1
│   ├── LostReplyError  a write was sent and no reply arrived
│   ├── RejectedError   a write was sent and the server answered that it did not run it
│   └── StaleError      the database changed between the read and the write
├── PlatformError       an API of Turso or GitHub rejected a request or failed          exit 1
└── InternalError       a bug of turso-deploy                                           exit 1

Exit code 3 is that of pending changes and stale pages, and 4 that of a database that drifted; these are no errors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, TypeVar

from turso_deploy.core.text import sentence

EXIT_CODE_ORDER = (1, 2, 5, 4, 3, 0)
"""The exit codes by precedence: where several hold, the first of them is the one of the run."""


class ErrorCode(StrEnum):
    """Stable name of each kind of failure, used in `--json` and in the documentation."""

    # settings
    INPUT_INVALID = "input-invalid"
    DATABASE_URL_MISSING = "database-url-missing"
    DATABASE_URL_INVALID = "database-url-invalid"
    TOKEN_MALFORMED = "token-malformed"
    FLEET_INVALID = "fleet-invalid"
    # the schema folder
    SCHEMA_NOT_FOUND = "schema-not-found"
    SCHEMA_EMPTY = "schema-empty"
    SQL_SYNTAX = "sql-syntax"
    SQL_FORBIDDEN = "sql-forbidden"
    SQL_INVALID = "sql-invalid"
    DUPLICATE_OBJECT = "duplicate-object"
    MISSING_REFERENCE = "missing-reference"
    MANIFEST_INVALID = "manifest-invalid"
    SEED_INVALID = "seed-invalid"
    DIRECTIVE_INVALID = "directive-invalid"
    SCRIPT_INVALID = "script-invalid"
    # the plan
    MANIFEST_MISMATCH = "manifest-mismatch"
    RENAME_INVALID = "rename-invalid"
    PLAN_IMPOSSIBLE = "plan-impossible"
    HAZARD_BLOCKED = "hazard-blocked"
    SCRIPT_CHANGED = "script-changed"
    UPGRADE_BLOCKED = "upgrade-blocked"
    ROLLBACK_IMPOSSIBLE = "rollback-impossible"
    SCRIPTS_UNDECIDED = "scripts-undecided"
    HISTORY_TRIGGER = "history-trigger"
    HISTORY_NEWER = "history-newer"
    HISTORY_DAMAGED = "history-damaged"
    # the stored plan
    PLAN_FILE_INVALID = "plan-file-invalid"
    PLAN_OTHER_DATABASE = "plan-other-database"
    PLAN_OUTDATED = "plan-outdated"
    PLAN_CHANGED = "plan-changed"
    # the database
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    UNEXPECTED_REPLY = "unexpected-reply"
    TOKEN_REJECTED = "token-rejected"
    TOKEN_EXPIRED = "token-expired"
    TOKEN_READ_ONLY = "token-read-only"
    ACCESS_BLOCKED = "access-blocked"
    DATABASE_NOT_FOUND = "database-not-found"
    RATE_LIMITED = "rate-limited"
    SERVER_ERROR = "server-error"
    STATEMENT_FAILED = "statement-failed"
    CHECK_FAILED = "check-failed"
    DATABASE_BUSY = "database-busy"
    DATABASE_FULL = "database-full"
    ENGINE_UNSUPPORTED = "engine-unsupported"
    RESTORE_POINT_FAILED = "restore-point-failed"
    STALE_PLAN = "stale-plan"
    OUTCOME_UNKNOWN = "outcome-unknown"
    STOPPED = "stopped"
    # tokens, and the APIs of Turso and GitHub
    TOKEN_POLICY = "token-policy"
    TOKEN_MISMATCH = "token-mismatch"
    API_TOKEN_REJECTED = "api-token-rejected"
    API_FORBIDDEN = "api-forbidden"
    PLAN_LIMIT = "plan-limit"
    NAME_TAKEN = "name-taken"
    NOT_FOUND = "not-found"
    DELETE_PROTECTED = "delete-protected"
    ROTATION_FAILED = "rotation-failed"
    # bugs of this program
    INTERNAL = "internal"


class Place(NamedTuple):
    """Place in the repository that caused an error. Lines and columns count from 1; `file` is as the user named it."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Return the place as compilers write it: `file:line:column`."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    @classmethod
    def read(cls, text: str | None) -> Place | None:
        """Parse `file:line` or `file:line:column`; return None for any other text."""
        match = re.fullmatch(r"(.+?):(\d+)(?::(\d+))?", text or "")
        return cls(match[1], int(match[2])) if match else None


class Cause(NamedTuple):
    """One of several causes of an error: a sentence, and its own place in the repository."""

    message: str
    place: Place | None = None


def listed(causes: Sequence[Cause]) -> str:
    """Format the causes for the end of a message: one in the same line, several in a line each."""
    if len(causes) == 1:
        return f" {causes[0].message}."
    return "".join(f"\n  {cause.place}: {cause.message}" if cause.place else f"\n  {cause.message}" for cause in causes)


MAX_LISTED = 20
"""The number of faults of one kind that an error lists."""


class DeployError(Exception):
    """Base class of all errors that this program explains.

    `committed` is True if the database changed, False if it did not, and None if that is not known.
    `causes` are several causes, the worst first; `message` contains them all.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        hint: str | None = None,
        place: Place | None = None,
        committed: bool | None = False,
        causes: Sequence[Cause] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = sentence(message)
        self.hint = hint
        self.place = place
        self.committed = committed
        self.causes = tuple(causes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what `pickle` and `copy` need: they would otherwise call `__init__` with the message alone."""
        return type(self).__new__, (type(self), *self.args), vars(self)


class InputError(DeployError):
    """A setting is missing or malformed; nothing was read or sent."""

    exit_code = 2


class ProjectError(DeployError):
    """The schema folder is not valid; nothing was sent."""

    exit_code = 2


class PlanError(DeployError):
    """The plan cannot be carried out, or its result would contradict the manifest; no write was sent."""


class BlockedError(DeployError):
    """A hazard without approval or a policy blocks the run; nothing was changed."""

    exit_code = 5


class DatabaseError(DeployError):
    """The server rejected a request, failed, or could not be reached."""


class LostReplyError(DatabaseError):
    """A write was sent and no reply arrived; only the deployment history shows whether it committed."""


class RejectedError(DatabaseError):
    """A write was sent and the server rejected the whole request; only the deployment history proves that."""


class StaleError(DatabaseError):
    """The database changed after the plan was made; it has to be read and planned again."""


class PlatformError(DeployError):
    """The API of Turso or GitHub rejected a request, failed or could not be reached."""


class InternalError(DeployError):
    """A bug of turso-deploy itself; the message asks for a report."""


_Error = TypeVar("_Error", bound=DeployError)


class ErrorExplanation(NamedTuple):
    """The code, the message and the hint of an error that is not raised yet."""

    code: ErrorCode
    message: str
    hint: str = ""

    def error(self, kind: type[_Error], message: str = "{}", *, committed: bool | None = False) -> _Error:
        """Return the error of a kind; `{}` in `message` stands for the explanation's own message."""
        return kind(self.code, message.replace("{}", self.message), hint=self.hint or None, committed=committed)


def error_of_all(errors: Sequence[_Error], start: str, several: str) -> _Error:
    """Return one error for those of one kind; with more than one, it lists the first `MAX_LISTED`.

    The message of each begins with `start`, in place of which that of all begins with `several`.
    """
    first = errors[0]
    if len(errors) == 1:
        return first
    shown, left = errors[:MAX_LISTED], len(errors) - MAX_LISTED
    causes = [Cause(error.message.removeprefix(start).strip().removesuffix("."), error.place) for error in shown]
    more = f"\n  and {left:,} more" if left > 0 else ""
    hints = dict.fromkeys(error.hint for error in shown if error.hint)
    message, hint = f"{several}{listed(causes)}{more}", "\n".join(hints)
    return type(first)(first.code, message, hint=hint or None, place=first.place, causes=causes)
