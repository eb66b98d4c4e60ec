"""What the refusals of a statement mean: one of our error codes, a message that is safe to show, and what to do."""

from __future__ import annotations

from msgspec import Struct

from turso_deploy.core.errors import ErrorCode
from turso_deploy.core.transaction import Failure
from turso_deploy.database.engine_messages import showable

SETTING_NOT_TAKEN = "SETTING_NOT_TAKEN"
"""Our own failure code: a setting, read back, was not as the transaction needs it."""


class Explanation(Struct, frozen=True):
    """A failure in our words: the parts of the error that is raised for it."""

    code: ErrorCode
    message: str
    hint: str


# Codes of sqld: libsql-server/src/hrana/stmt.rs; of SQLite: https://www.sqlite.org/rescode.html.
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "TRANSACTION_BUSY")
_TAKEN_AWAY = (
    "TRANSACTION_TIMEOUT"  # only when another writer waits: libsql-server/src/connection/connection_manager.rs
)
_FULL = "SQLITE_FULL"
_CLOSED = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")
_BROKEN = (
    "SQLITE_IOERR",
    "SQLITE_CORRUPT",
    "SQLITE_NOMEM",
    "SQLITE_INTERNAL",
)
_HINTS = (
    (
        "UNIQUE constraint",
        "Another row has the same key already. Look for it in the table, and in what brings rows in: seeds or scripts.",
    ),
    ("NOT NULL constraint", "Give the column a value, or a DEFAULT in the schema."),
    (
        "CHECK constraint",
        "A row breaks the rule of the CHECK. A CHECK with a name (CONSTRAINT name CHECK …) is named here.",
    ),
    ("FOREIGN KEY constraint", "A row refers to one that is not there, or a row that others refer to would go away."),
    (
        "this kind of statement",
        "VACUUM, ANALYZE, ATTACH, TEMP objects and most PRAGMAs with a value are refused by libSQL servers.",
    ),
    ("syntax error", "The server's parser does not accept this SQL, although SQLite's own may."),
)


def explain(failure: Failure) -> Explanation:
    """What a refusal means."""
    reason = showable(failure.message)
    if failure.code.startswith(_BUSY) or reason == "database is locked":
        return Explanation(
            ErrorCode.DATABASE_BUSY,
            "another writer held the database for too long",
            "Run it again when the other writer is done; a `concurrency:` group keeps two deployments apart.",
        )
    if (
        failure.code == _TAKEN_AWAY
    ):  # libsql-server/src/connection/connection_manager.rs; 5 s unless it is set otherwise
        return Explanation(
            ErrorCode.DATABASE_BUSY,
            "the server took the write lock away, because the transaction lasted too long while another writer waited",
            "Nothing is wrong with the deployment: run it again when others write less, or let it do less at once. A "
            "libSQL server grants a transaction 5 seconds for as long as somebody else waits to write.",
        )
    if failure.code.startswith(_FULL):
        return Explanation(
            ErrorCode.DATABASE_FULL,
            "the database, or the disk under it, is full",
            "Give it more room (the disk, the size limit of the database, the plan's quota) and run it again.",
        )
    if failure.code == "BLOCKED" or "operations are forbidden" in failure.message:
        return blocked()
    if failure.code.startswith(_CLOSED):
        return Explanation(
            ErrorCode.ACCESS_BLOCKED,
            f"the database file cannot be used as it is: {reason} ({failure.code})",
            "Give the user who deploys the right to read and write the file, and to write its folder, where SQLite "
            "keeps its journal.",
        )
    if failure.code.startswith("SQLITE_NOTADB"):
        return Explanation(
            ErrorCode.DATABASE_URL_INVALID,
            "the file is no SQLite database",
            "Name another file in `database-url`; one that does not exist is made.",
        )
    if failure.code.startswith(_BROKEN):
        return Explanation(
            ErrorCode.SERVER_ERROR,
            f"the database cannot do its work: {reason} ({failure.code})",
            "Check the database itself: the file, the disk under it (is it full?) and the memory that it may use.",
        )
    hint = next(
        (hint for start, hint in _HINTS if reason.startswith(start)),
        "Run the statement against a copy of the database to see more.",
    )
    return Explanation(
        ErrorCode.STATEMENT_FAILED, f"the database refused the statement: {reason} ({failure.code})", hint
    )


def blocked() -> Explanation:
    """Access is forbidden: Turso Cloud says the same of a read-only token, a blocked database and a used-up plan."""
    return Explanation(
        ErrorCode.ACCESS_BLOCKED,
        "the database is blocked: the server forbids this access",
        "Look at the plan's quota (`turso plan show`), at block_reads and block_writes of the database, "
        "and whether the token is read-only.",
    )


def read_only_token() -> Explanation:
    """The token may read and must not write."""
    return Explanation(
        ErrorCode.TOKEN_READ_ONLY,
        "the database token is read-only, and a deployment writes, as its rehearsal does",
        "Mint one with full access: `turso db tokens create <database>`.",
    )
