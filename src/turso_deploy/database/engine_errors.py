"""Errors of the engine: an error code, a message that is safe to show, and a hint for each failure of a statement."""

from __future__ import annotations

from turso_deploy.core.errors import ErrorCode, ErrorExplanation
from turso_deploy.core.transaction import Failure
from turso_deploy.database.engine_messages import NO_REASON, showable

SETTING_NOT_TAKEN = "SETTING_NOT_TAKEN"
"""Our own failure code: a setting that was read back does not have the value that the transaction needs."""

BLOCKED = ErrorExplanation(
    ErrorCode.ACCESS_BLOCKED,
    "the server forbids this access: the database is blocked, or the token is read-only",
    "Check whether the token is read-only and, on Turso Cloud, the plan's quota (`turso plan show`), block_reads and "
    "block_writes of the database.",
)
"""Turso Cloud gives the same answer for a read-only token, a blocked database and an exhausted plan."""

UNSUPPORTED_ENGINE = ErrorExplanation(
    ErrorCode.ENGINE_UNSUPPORTED,
    "The database runs on Turso's own engine (`database_type: tursodb`), which turso-deploy does not support yet",
    "Deploy to a database of libSQL (`turso db create` without `--tursodb`) or to a file of SQLite.",
)
"""The engine that Turso wrote itself supports another part of SQL."""

READ_ONLY_TOKEN = ErrorExplanation(
    ErrorCode.TOKEN_READ_ONLY,
    "the database token is read-only, and a deployment or a dry run writes",
    "Mint a token with full access (on Turso Cloud `turso db tokens create <database>`).",
)


# Codes of sqld: libsql-server/src/hrana/stmt.rs; of SQLite: https://www.sqlite.org/rescode.html.
_EXPLANATIONS = {
    ("SQLITE_BUSY", "SQLITE_LOCKED", "TRANSACTION_BUSY"): ErrorExplanation(
        ErrorCode.DATABASE_BUSY,
        "another connection held the write lock of the database for too long",
        "Run it again when the other writer has finished; a `concurrency:` group keeps two deployments apart.",
    ),
    # Sent only when another writer waits, by default after 5 s: libsql-server/src/connection/connection_manager.rs.
    ("TRANSACTION_TIMEOUT",): ErrorExplanation(
        ErrorCode.DATABASE_BUSY,
        "the server took the write lock away, because the transaction lasted too long while another writer waited",
        "Nothing is wrong with the deployment: run it again when others write less, or deploy less at once. A libSQL "
        "server grants a transaction 5 seconds while another connection waits to write.",
    ),
    ("SQLITE_FULL",): ErrorExplanation(
        ErrorCode.DATABASE_FULL,
        "the database, or the disk that holds it, is full",
        "Give it more space (the disk, the size limit of the database, the plan's quota) and run it again.",
    ),
    ("BLOCKED",): BLOCKED,
    ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"): ErrorExplanation(
        ErrorCode.ACCESS_BLOCKED,
        "the database file cannot be opened or written: {reason} ({code})",
        "Give the user who deploys the right to read and write the file, and to write to its folder, where SQLite "
        "keeps its journal.",
    ),
    ("SQLITE_NOTADB",): ErrorExplanation(
        ErrorCode.DATABASE_URL_INVALID,
        "the file is not an SQLite database",
        "Name another file in `database-url`; a file that does not exist is created.",
    ),
    ("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOMEM", "SQLITE_INTERNAL"): ErrorExplanation(
        ErrorCode.SERVER_ERROR,
        "the database engine failed: {reason} ({code})",
        "Check the database itself: the file, the disk that holds it (is it full?) and the memory that it may use.",
    ),
}
"""The failures that are not about the statement itself, by the beginnings of their codes.

`{reason}` is the part of the engine's message that is safe to show, `{code}` its code.
"""

_VECTOR_LENGTHS = (
    "The number of values in a vector, and the type of these, must be that of the column's type, as in F32_BLOB(4): "
    "correct the vectors in the rows, seeds or scripts, or the type."
)
_STATEMENT_HINTS = (
    (
        "UNIQUE constraint",
        "Another row has the same key. Look for it in the table, and in the seeds and scripts that insert rows.",
    ),
    ("NOT NULL constraint", "Give the column a value, or a DEFAULT in the schema."),
    (
        "CHECK constraint",
        "A row violates the CHECK. The message names a CHECK that has a name (CONSTRAINT name CHECK …).",
    ),
    ("FOREIGN KEY constraint", "A row refers to a row that does not exist, or a row that others refer to is deleted."),
    (
        "this kind of statement",
        "libSQL servers reject VACUUM, ANALYZE, ATTACH, TEMP objects and most PRAGMAs with a value.",
    ),
    (
        "a text in the database is not valid UTF-8",
        "Another program wrote it in another encoding. If `.schema` in the `sqlite3` shell shows it in a definition, "
        "create that object again with UTF-8 text.",
    ),
    ("vector index(insert): dimensions", _VECTOR_LENGTHS),
    ("vector_distance: ", _VECTOR_LENGTHS),
    (
        "vector: ",
        "A vector is a text of numbers as in '[1, 2.5]', or what vector32() and the other functions make of one.",
    ),
    (
        NO_REASON,
        "SQLite gives no reason. ALTER TABLE evaluates the CHECKs and the new column for each row of the table, and an "
        "expression in them may fail for one.",
    ),
    ("syntax error", "The server's parser does not accept this SQL, although SQLite's own parser may."),
)


def explain(failure: Failure) -> ErrorExplanation:
    """Explain the failure of a statement without repeating SQL text or data."""
    reason = showable(failure.message)
    code = failure.code
    if reason == "database is locked":
        code = "SQLITE_BUSY"
    elif "operations are forbidden" in failure.message:
        code = "BLOCKED"
    for codes, explanation in _EXPLANATIONS.items():
        if code.startswith(codes):
            return explanation._replace(message=explanation.message.format(reason=reason, code=failure.code))
    hint = next(
        (hint for start, hint in _STATEMENT_HINTS if reason.startswith(start)),
        "`turso-deploy plan --sql` prints the transaction as a script: run it on a copy of the database to see the "
        "whole message.",
    )
    return ErrorExplanation(
        ErrorCode.STATEMENT_FAILED, f"the database rejected the statement: {reason} ({failure.code})", hint
    )
