"""Whatever the text is, it is read or refused with SqlTextError, and never in another way."""

import contextlib

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.counters import LONG, count
from turso_deploy.sql.comments import column_comments
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.identifiers import identifiers_in, with_table_name
from turso_deploy.sql.lexer import SqlTextError
from turso_deploy.sql.parser import parse
from turso_deploy.sql.statement_kinds import describe

STARTS = [
    "TABLE t(a",
    "INDEX i ON t(a",
    "TRIGGER g AFTER INSERT ON t",
    "VIEW v",
    "VIRTUAL TABLE v USING m",
    "TABLE",
    "",
]
WORDS = [
    *"""CREATE TABLE TEMP IF NOT EXISTS t a b INTEGER ( ) , . ; + - 1 'x' "q" PRIMARY KEY AUTOINCREMENT UNIQUE CHECK
    DESC REFERENCES FOREIGN ON DELETE SET NULL CONFLICT DEFERRABLE INITIALLY DEFERRED MATCH DEFAULT COLLATE AS GENERATED
    ALWAYS CONSTRAINT WITHOUT ROWID STRICT WHERE BEGIN END WHEN OF UPDATE FOR EACH ROW SELECT USING PRAGMA =""".split(),
    "--\n",
    "/**/",
]


@given(st.sampled_from(STARTS), st.lists(st.sampled_from(WORDS), max_size=12))
@example("TABLE t(a", ["PRIMARY", "KEY", ")", ";"])
@example("TABLE t(a", [",", "PRIMARY", "KEY", "(", "b", ")", ")"])
@example("TABLE t(a", ["DEFAULT", "-"])
@settings(deadline=None, max_examples=10_000 if LONG else 500)
def test_nonsense_is_read_or_refused(start: str, words: list[str]) -> None:
    count("inputs fuzzed", "DDL reader")
    sql = " ".join(["CREATE", start, *words])
    for read in (parse, describe, identifiers_in, lambda text: with_table_name(text, "x")):
        with contextlib.suppress(SqlTextError):
            read(sql)
    with contextlib.suppress(SqlTextError):
        definition = parse(sql)
        if isinstance(definition, TableDefinition):
            column_comments(sql, definition)
