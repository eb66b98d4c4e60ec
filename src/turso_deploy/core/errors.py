"""One small tree of errors: what happened, where, whether the database changed, what to do next.

DeployError
├── InputError          a setting is missing or malformed                       exit 2
├── ProjectError        the schema folder holds something that cannot be used   exit 2
├── BlockedError        all is understood, and it must not be done              exit 1
├── DatabaseError       the server refused, failed or could not be reached      exit 1
│   ├── LostReplyError  a write was sent and no answer came back
│   └── StaleError      the database changed between the read and the write
├── PlatformError       an API of Turso or GitHub refused or was not reached    exit 1
└── InternalError       a bug of ours: please report it                         exit 1
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, TypeVar

from msgspec import Struct

from turso_deploy.core.text import sentence


class ErrorCode(StrEnum):
    """The stable name of each kind of failure, as `--json` and the documentation give it."""

    # settings
    INPUT_INVALID = "input-invalid"
    DATABASE_URL_MISSING = "database-url-missing"
    DATABASE_URL_INVALID = "database-url-invalid"
    TOKEN_MALFORMED = "token-malformed"
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
    # ours
    INTERNAL = "internal"


class Place(Struct, frozen=True):
    """Where in the repository an error was caused. Lines and columns count from 1; `file` is as the user named it."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """The place as editors and compilers write it: `file:line:column`."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    @classmethod
    def read(cls, text: str | None) -> Place | None:
        """The place that was written so, its line; None where it has none."""
        match = re.fullmatch(r"(.+?):(\d+)(?::(\d+))?", text or "")
        return cls(match[1], int(match[2])) if match else None


class Cause(Struct, frozen=True):
    """One of several things that are wrong at once, in a sentence, at its own place in the repository."""

    message: str
    place: Place | None = None


def listed(causes: Sequence[Cause]) -> str:
    """The causes of an error as its message tells them: one goes on in the line, several have a line each."""
    if len(causes) == 1:
        return f" {causes[0].message}."
    return "".join(f"\n  {cause.place}: {cause.message}" if cause.place else f"\n  {cause.message}" for cause in causes)


class DeployError(Exception):
    """The base of every failure that this program explains.

    `committed` says whether the database changed: False (it did not), True (it did), None (it could not be found out).
    `causes` are for several things that are wrong at once, the worst first; `message` tells them all.
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


class InputError(DeployError):
    """A setting is missing or malformed; nothing was read or sent."""

    exit_code = 2


class ProjectError(DeployError):
    """The schema folder holds something that cannot be used; nothing was sent."""

    exit_code = 2


class BlockedError(DeployError):
    """All is understood, and it must not be done: nothing was sent that writes.

    A hazard is not allowed, the manifest would not hold, a token breaks the policy.
    """


class DatabaseError(DeployError):
    """The server refused, failed, or could not be reached."""


class LostReplyError(DatabaseError):
    """A write was sent and no answer came back: whether it committed has to be asked of the deployment history."""


class StaleError(DatabaseError):
    """The database is no longer as it was when the plan was made: read it again and plan again."""


class PlatformError(DeployError):
    """The Turso Platform API or GitHub's API refused, failed or could not be reached."""


class InternalError(DeployError):
    """A bug of turso-deploy itself; the message asks for a report."""


_Error = TypeVar("_Error", bound=DeployError)


class ErrorExplanation(Struct, frozen=True):
    """The code, the message and the hint of an error that is not raised yet."""

    code: ErrorCode
    message: str
    hint: str = ""

    def error(self, kind: type[_Error], message: str = "{}", *, committed: bool | None = False) -> _Error:
        """Return the error of a kind; `{}` in `message` stands for the explanation's own message."""
        return kind(self.code, message.replace("{}", self.message), hint=self.hint or None, committed=committed)
