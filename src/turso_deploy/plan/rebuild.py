"""A table made anew: the statements that carry its rows over into the wanted form.

The steps are those of https://www.sqlite.org/lang_altertable.html#otheralter, in an order that a libSQL server accepts:
foreign keys are off for the whole transaction, and every view and trigger has been set aside, because RENAME refuses to
run while one of them names a table that is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from turso_deploy.plan.table_change import TableChange
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.identifiers import identifiers_in, with_table_name
from turso_deploy.sql.lexer import code_tokens, fold_case, quote_identifier, quote_string
from turso_deploy.sql.schema import AnyTable, VirtualTable

_TEMPORARY = "turso_deploy_new_"


def rebuild(change: TableChange, taken: Collection[str]) -> tuple[str, ...]:
    """The statements that rebuild an ordinary table. `taken` are the folded names that stand in the database."""
    new = _free_name(change.wanted.name, taken)
    return (
        with_table_name(change.wanted.sql, new),
        _carry_over(change, new),
        *_carry_over_counter(change, new),
        f"DROP TABLE {quote_identifier(change.live.name)}",
        f"ALTER TABLE {quote_identifier(new)} RENAME TO {quote_identifier(change.wanted.name)}",
    )


def _carry_over(change: TableChange, new: str) -> str:
    """The copy of the rows. Where no value, order or rowid changes, whole records are copied without being read.

    For that SQLite wants to see a `*`: https://www.sqlite.org/src/file?name=src/insert.c (xferOptimization).
    """
    insert = _insert(change)
    if change.keeps_records:
        return f"{insert} INTO {quote_identifier(new)} SELECT * FROM {quote_identifier(change.live.name)}"
    columns, values = [quote_identifier(name) for name in change.sources], list(change.sources.values())
    if not columns:  # every wanted column is new, and an INSERT has to name one of them
        first = next(column for column in change.new.columns if column.generated is None)
        columns, values = [quote_identifier(first.name)], [f"({' '.join(first.default)})" if first.default else "NULL"]
    if change.rowid:
        columns, values = [change.rowid, *columns], [change.rowid, *values]
    return _copy(new, columns, values, change.live.name, insert)


def _insert(change: TableChange) -> str:
    """Conflict clauses of the table must not quietly leave rows out, or fill them: https://www.sqlite.org/lang_conflict.html."""
    return "INSERT OR ABORT" if "conflict" in identifiers_in(change.wanted.sql) else "INSERT"


def _copy(new: str, columns: Sequence[str], values: Sequence[str], live: str, insert: str = "INSERT") -> str:
    return f"{insert} INTO {quote_identifier(new)} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {quote_identifier(live)}"


def _carry_over_counter(change: TableChange, new: str) -> tuple[str, ...]:
    """AUTOINCREMENT must not hand out a number again whose row was deleted (https://www.sqlite.org/autoinc.html)."""
    if not all(_counts(table) for table in (change.new, change.old)):
        return ()
    counter = f"SELECT seq FROM sqlite_sequence WHERE name = {quote_string(change.live.name)}"
    return (
        f"INSERT INTO sqlite_sequence (name, seq) SELECT {quote_string(new)}, 0 "
        f"WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = {quote_string(new)})",
        f"UPDATE sqlite_sequence SET seq = max(seq, coalesce(({counter}), 0)) WHERE name = {quote_string(new)}",
    )


def _counts(table: TableDefinition) -> bool:
    return table.primary_key is not None and table.primary_key.autoincrement


def rebuild_virtual(
    wanted: VirtualTable, live: VirtualTable, shared: Sequence[str], taken: Collection[str]
) -> tuple[str, ...]:
    """The statements that make a virtual table anew.

    `shared` are the columns that are copied, () for an index that is built from the content of another table.
    """
    new = _free_name(wanted.name, taken)
    return (
        _named(wanted, new),
        *_carry_over_settings(wanted, live, new),
        _carry_over_content(wanted, shared, new),
        f"DROP TABLE {quote_identifier(wanted.name)}",
        f"ALTER TABLE {quote_identifier(new)} RENAME TO {quote_identifier(wanted.name)}",
    )


def _carry_over_settings(wanted: VirtualTable, live: VirtualTable, new: str) -> tuple[str, ...]:
    """What was set in an FTS5 table itself, such as its ranking: https://www.sqlite.org/fts5.html#the_rank_configuration_option."""
    if not (_is_fts5(wanted) and _is_fts5(live)):
        return ()
    settings = quote_identifier(f"{live.name}_config")
    return (
        f"INSERT INTO {quote_identifier(new)} ({quote_identifier(new)}, rank) SELECT k, v FROM {settings} WHERE k <> 'version'",
    )


def _is_fts5(table: VirtualTable) -> bool:
    return table.definition.module == "fts5"


def _carry_over_content(wanted: VirtualTable, shared: Sequence[str], new: str) -> str:
    if not shared:
        return build_index(new)
    rowid = ["rowid"] if wanted.definition.module.startswith("fts") else []
    columns = [*rowid, *map(quote_identifier, shared)]
    return _copy(new, columns, columns, wanted.name)


def made_and_filled(wanted: AnyTable) -> tuple[str, ...]:
    """The statements that make a table; an index of another table's content is built from what that holds.

    https://www.sqlite.org/fts5.html#the_rebuild_command
    """
    if not (isinstance(wanted, VirtualTable) and wanted.definition.has_external_content):
        return (wanted.sql,)
    return (wanted.sql, build_index(wanted.name))


def build_index(name: str) -> str:
    """The statement that builds a full-text index from the content that it reads."""
    return f"INSERT INTO {quote_identifier(name)} ({quote_identifier(name)}) VALUES ('rebuild')"


def _named(wanted: VirtualTable, name: str) -> str:
    """The CREATE VIRTUAL TABLE under another name: what stands before USING is `CREATE VIRTUAL TABLE name`."""
    using = next(token.start for token in code_tokens(wanted.sql) if fold_case(token.text) == "using")
    return f"CREATE VIRTUAL TABLE {quote_identifier(name)} {wanted.sql[using:]}"


def _free_name(name: str, taken: Collection[str]) -> str:
    candidate, number = f"{_TEMPORARY}{name}", 1
    while fold_case(candidate) in taken:
        number += 1
        candidate = f"{_TEMPORARY}{name}_{number}"
    return candidate
