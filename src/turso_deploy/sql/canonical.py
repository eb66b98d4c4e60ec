"""The canonical form of tokens: two tokens with the same meaning to SQLite have the same form.

Keywords are upper case; names are folded, and quoted only where they must be; comments and spacing are gone. A
canonical text is still SQL, so it can be read and run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from turso_deploy.sql.lexer import Token, TokenKind, Tokens, capitals, fold_case, quote_identifier, tokenize, unquote

# https://www.sqlite.org/lang_keywords.html. A bare RESERVED word is never the same as the quoted name: either it
# cannot be a name, or it is one only where it cannot be the keyword (LEFT, RAISE, CURRENT_DATE), so the two are not
# interchangeable.
RESERVED = frozenset(
    """ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CHECK COLLATE COMMIT CONSTRAINT CREATE CROSS CURRENT_DATE
    CURRENT_TIME CURRENT_TIMESTAMP DEFAULT DEFERRABLE DELETE DISTINCT DROP ELSE ESCAPE EXCEPT EXISTS FALSE FOREIGN
    FROM FULL GROUP HAVING IN INDEX INDEXED INNER INSERT INTERSECT INTO IS ISNULL JOIN LEFT LIMIT NATURAL NOT NOTHING
    NOTNULL NULL ON OR ORDER OUTER PRIMARY RAISE REFERENCES RETURNING RIGHT SELECT SET TABLE THEN TO TRANSACTION TRUE
    UNION UNIQUE UPDATE USING VALUES WHEN WHERE""".split()
)
# SQLite lets these be names without quotes wherever the keyword cannot stand, so quoted or not is no difference.
_FALLBACK = frozenset(
    """ABORT ACTION AFTER ALWAYS ANALYZE ASC ATTACH BEFORE BEGIN BY CASCADE CAST COLUMN CONFLICT CURRENT DATABASE
    DEFERRED DESC DETACH DO EACH END EXCLUDE EXCLUSIVE EXPLAIN FAIL FILTER FIRST FOLLOWING FOR GENERATED GLOB GROUPS
    IF IGNORE IMMEDIATE INITIALLY INSTEAD KEY LAST LIKE MATCH MATERIALIZED NO NULLS OF OFFSET OTHERS OVER PARTITION
    PLAN PRAGMA PRECEDING QUERY RANGE RECURSIVE REGEXP REINDEX RELEASE RENAME REPLACE RESTRICT ROLLBACK ROW ROWS
    SAVEPOINT TEMP TEMPORARY TIES TRIGGER UNBOUNDED VACUUM VIEW VIRTUAL WINDOW WITH WITHIN WITHOUT""".split()
)
# The reserved words that are values.
VALUE_WORDS = frozenset({"NULL", "TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"})
_KEYWORDS = RESERVED | _FALLBACK
_PLAIN_NAME = re.compile(r"[^\x00-^`{-\x7f][^\x00-#%-/:-^`{-\x7f]*")
_SYNONYMS = {"==": "=", "!=": "<>"}


def canonical(token: Token) -> str:
    """Return the form that all spellings of this token share."""
    kind = token.kind
    if kind is TokenKind.WORD:
        return _word(token.text)
    if kind is TokenKind.OPERATOR:
        return _SYNONYMS.get(token.text, token.text)
    if kind is TokenKind.QUOTED:
        return _name(fold_case(unquote(token)))
    if kind is TokenKind.NUMBER or kind is TokenKind.BLOB:
        return token.text.lower()
    return token.text


def canonical_tokens(sql: str | Iterable[Token]) -> Tokens:
    """Return the tokens of a text in canonical form. Raises SqlTextError if the text cannot be tokenized."""
    return tuple(map(canonical, tokenize(sql) if isinstance(sql, str) else sql))


@lru_cache(maxsize=8192)
def _word(text: str) -> str:
    upper = capitals(text)
    return upper if upper in _KEYWORDS else fold_case(text)


@lru_cache(maxsize=8192)
def _name(folded: str) -> str:
    upper = capitals(folded)
    if upper in _FALLBACK:
        return upper
    return folded if _PLAIN_NAME.fullmatch(folded) and upper not in RESERVED else quote_identifier(folded)
