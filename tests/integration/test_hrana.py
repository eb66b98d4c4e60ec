"""The remote database against a real sqld."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.databases import quick_retries
from tests.support.recording_proxy import RecordingProxy
from tests.support.sqld import Sqld, free_port, running_sqld, send, sign
from turso_deploy.core.errors import DatabaseError, ErrorCode, LostReplyError
from turso_deploy.core.transaction import Failure, Purpose, Query, Rows, Transaction, TransactionStep, Value
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.hrana import HranaDatabase

TABLE = "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"


def change(sql: str, *arguments: Value, purpose: Purpose = Purpose.CHANGE) -> TransactionStep:
    return TransactionStep(Query(sql, arguments), purpose, sql)


def figures(sql: str) -> TransactionStep:
    return change(sql, purpose=Purpose.FIGURES)


def objects(database: HranaDatabase) -> list[str]:
    [answer] = database.query([Query("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name")])
    assert isinstance(answer, Rows)
    return [str(name) for (name,) in answer.rows]


@contextmanager
def connected(url: str, token: str, timeout: float = 30) -> Iterator[HranaDatabase]:
    database = HranaDatabase(url, token, timeout, retry_budget=quick_retries(timeout))
    try:
        yield database
    finally:
        database.close()


@pytest.mark.parametrize(
    "value", [None, 0, -(2**63), 2**63 - 1, 2**53 + 1, 1.5, "", "né 'x'\0😀", b"", b"\x00\xff", b"abcd"]
)
def test_a_value_comes_back_as_it_was_sent(remote: HranaDatabase, value: Value) -> None:
    [answer] = remote.query([Query("SELECT ?1 AS value", (value,))])
    assert answer == Rows(("value",), ((value,),), 0)
    assert isinstance(answer, Rows)
    assert type(answer.rows[0][0]) is type(value)


def test_a_query_that_fails_does_not_stop_the_rest(remote: HranaDatabase) -> None:
    first, second, third = remote.query([Query("SELECT 1"), Query("SELECT 'é', missing"), Query("SELECT 3")])
    assert isinstance(first, Rows)
    assert isinstance(third, Rows)
    assert (first.rows, third.rows) == (((1,),), ((3,),))
    assert isinstance(second, Failure)
    assert second.offset == len("SELECT 'é', ")


def test_a_query_is_one_request_and_keeps_no_stream_open(sqld: Sqld, proxy: RecordingProxy) -> None:
    with connected(proxy.url, sqld.token()) as database:
        database.query([Query("SELECT 1"), Query("SELECT 2")])
        assert database.requests == proxy.requests == 1
    assert proxy.bodies[0]["requests"][-1] == {"type": "close"}


def test_a_query_that_does_not_parse_is_an_error(remote: HranaDatabase) -> None:
    with pytest.raises(DatabaseError) as caught:
        remote.query([Query("SELEC 'secret'")])
    assert caught.value.code is ErrorCode.STATEMENT_FAILED
    assert "secret" not in caught.value.message


def test_a_transaction_commits_in_one_request(sqld: Sqld, proxy: RecordingProxy) -> None:
    with connected(proxy.url, sqld.token()) as database:
        outcome = database.apply(
            Transaction(
                (
                    change(TABLE),
                    change(
                        "INSERT INTO parents (name) SELECT value FROM json_each(?1)", '["a", "b"]', purpose=Purpose.SEED
                    ),
                    figures("SELECT name FROM parents ORDER BY name"),
                    change("SELECT iif((SELECT count(*) FROM parents) = 2, 1, json('wrong'))", purpose=Purpose.CHECK),
                )
            )
        )
        assert outcome.committed
        assert outcome.failed is None
        assert outcome.results[1] is not None
        assert outcome.results[1].affected == 2
        assert outcome.results[2] == Rows(("name",), (("a",), ("b",)), 0)
        assert proxy.requests == database.requests == 1
        assert objects(database) == ["parents"]


def test_a_failed_step_leaves_nothing_and_the_figures_before_it_come_back(remote: HranaDatabase) -> None:
    outcome = remote.apply(
        Transaction(
            (
                change(TABLE),
                change("INSERT INTO parents (name) VALUES ('a')"),
                figures("SELECT count(*) AS rows FROM parents"),
                change("SELECT iif((SELECT count(*) FROM parents) = 2, 1, json('wrong'))", purpose=Purpose.CHECK),
                change("CREATE TABLE never (a)"),
            )
        )
    )
    assert not outcome.committed
    assert outcome.failed is not None
    assert outcome.failed.position == 3
    assert outcome.results[2] == Rows(("rows",), ((1,),), 0)
    assert outcome.results[3:] == (None, None)
    assert objects(remote) == []


def test_a_dry_run_holds_and_leaves_nothing(remote: HranaDatabase) -> None:
    outcome = remote.apply(Transaction((change(TABLE), figures("SELECT count(*) FROM parents")), commit=False))
    assert (outcome.committed, outcome.failed) == (False, None)
    assert outcome.results[1] is not None
    assert outcome.results[1].rows == ((0,),)
    assert objects(remote) == []


def test_a_dry_run_that_fails_says_where(remote: HranaDatabase) -> None:
    outcome = remote.apply(Transaction((change(TABLE), change("INSERT INTO nowhere VALUES (1)")), commit=False))
    assert outcome.failed is not None
    assert outcome.failed.position == 1


@pytest.mark.parametrize(("foreign_keys", "children"), [(True, 0), (False, 1)])
def test_foreign_keys_are_as_the_transaction_asks(remote: HranaDatabase, foreign_keys: bool, children: int) -> None:
    remote.apply(
        Transaction(
            (
                change(TABLE),
                change("CREATE TABLE children (parent REFERENCES parents (id) ON DELETE CASCADE)"),
                change("INSERT INTO parents VALUES (1, 'a')"),
                change("INSERT INTO children VALUES (1)"),
            )
        )
    )
    outcome = remote.apply(
        Transaction(
            (change("DELETE FROM parents"), figures("SELECT count(*) FROM children")), foreign_keys=foreign_keys
        )
    )
    assert outcome.committed
    assert outcome.results[1] is not None
    assert outcome.results[1].rows == ((children,),)


def test_a_deferred_foreign_key_fails_the_commit_and_no_step(remote: HranaDatabase) -> None:
    outcome = remote.apply(
        Transaction(
            (
                change(TABLE),
                change("CREATE TABLE children (parent REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)"),
                change("INSERT INTO children VALUES (7)"),
            )
        )
    )
    assert not outcome.committed
    assert outcome.failed is not None
    assert outcome.failed.position is None
    assert explain(outcome.failed.failure).message.endswith("FOREIGN KEY constraint failed (SQLITE_CONSTRAINT)")
    assert objects(remote) == []


@pytest.mark.parametrize(
    "refused", ["VACUUM", "SELECT 'a' FRM b WHERE", "CREATE TEMP TABLE t (a)", "", "SELECT 1; SELECT 2"]
)
def test_a_statement_that_the_server_does_not_parse_is_found(sqld: Sqld, proxy: RecordingProxy, refused: str) -> None:
    with connected(proxy.url, sqld.token()) as database:
        steps = (change(TABLE), change("INSERT INTO parents VALUES (1, 'é')"), change(refused), change("ANALYZE"))
        outcome = database.apply(Transaction(steps))
        assert not outcome.committed
        assert outcome.failed is not None
        assert outcome.failed.position == 2
        assert proxy.requests == database.requests == 2
        assert objects(database) == []


def test_the_place_of_a_syntax_error_counts_into_the_statement(remote: HranaDatabase) -> None:
    sql = "CREATE VIEW v AS\n SELECT 'é' AS a,\n 'é' AS b c"
    outcome = remote.apply(Transaction((change(sql),)))
    assert outcome.failed is not None
    assert outcome.failed.failure.offset == len(sql) - 1


def test_an_error_that_rolls_back_by_itself_runs_nothing_after_it(remote: HranaDatabase) -> None:
    remote.apply(Transaction((change(TABLE), change("INSERT INTO parents VALUES (1, 'a')"))))
    steps = (
        change("CREATE TABLE before (a)"),
        change("INSERT OR ROLLBACK INTO parents VALUES (1, 'b')"),
        change("CREATE TABLE after (a)"),
    )
    outcome = remote.apply(Transaction(steps))
    assert not outcome.committed
    assert outcome.failed is not None
    assert outcome.failed.position == 1
    assert objects(remote) == ["parents"]


def test_a_step_that_ends_the_transaction_runs_nothing_after_it_and_proves_no_outcome(
    remote: HranaDatabase,
) -> None:
    outcome = remote.apply(Transaction((change(TABLE), change("COMMIT"), change("CREATE TABLE after (a)"))))
    assert (outcome.committed, outcome.failed) == (False, None)
    assert outcome.contradiction == "a step did not run, although no step failed before it"
    assert objects(remote) == ["parents"]


def test_a_reply_that_is_lost_leaves_the_outcome_open(sqld: Sqld, proxy: RecordingProxy, remote: HranaDatabase) -> None:
    proxy.lose_replies = True
    with connected(proxy.url, sqld.token()) as database, pytest.raises(LostReplyError) as caught:
        database.apply(Transaction((change(TABLE),)))
    assert caught.value.committed is None
    assert proxy.requests == 1
    assert objects(remote) == ["parents"]


def test_a_read_whose_reply_is_lost_changed_nothing(sqld: Sqld, proxy: RecordingProxy) -> None:
    proxy.lose_replies = True
    with connected(proxy.url, sqld.token()) as database, pytest.raises(DatabaseError) as caught:
        database.query([Query("SELECT 1")])
    assert not isinstance(caught.value, LostReplyError)
    assert caught.value.committed is False


def test_a_server_that_answers_too_late_leaves_the_outcome_open(sqld: Sqld) -> None:
    with (
        holding_the_lock(sqld),
        connected(sqld.url, sqld.token(), timeout=0.5) as database,
        pytest.raises(LostReplyError) as caught,
    ):
        database.apply(Transaction((change(TABLE),)))
    assert caught.value.code is ErrorCode.TIMEOUT
    assert "0.5 s" in caught.value.message


@contextmanager
def holding_the_lock(sqld: Sqld) -> Iterator[None]:
    """Another writer that is inside a transaction."""
    begin = {"type": "execute", "stmt": {"sql": "BEGIN IMMEDIATE"}}
    headers = {"Authorization": f"Bearer {sqld.token()}"}
    answer = send("POST", f"{sqld.url}/v3/pipeline", {"requests": [begin]}, headers)
    yield
    send("POST", f"{sqld.url}/v3/pipeline", {"baton": answer["baton"], "requests": [{"type": "close"}]}, headers)


def test_a_blocked_database_is_told(sqld: Sqld, remote: HranaDatabase) -> None:
    sqld.configure(block_writes=True, block_reason="secret")
    outcome = remote.apply(Transaction((change(TABLE),)))
    assert outcome.failed is not None
    assert outcome.failed.position is None
    explanation = explain(outcome.failed.failure)
    assert explanation.code is ErrorCode.ACCESS_BLOCKED
    assert "secret" not in explanation.message


def test_a_read_only_token_reads_and_does_not_write(sqld: Sqld, remote: HranaDatabase) -> None:
    with connected(sqld.url, sqld.token("ro")) as database:
        assert objects(database) == []
        with pytest.raises(DatabaseError) as caught:
            database.apply(Transaction((change(TABLE),)))
    assert (caught.value.code, caught.value.committed) == (ErrorCode.TOKEN_READ_ONLY, False)
    assert objects(remote) == []


def test_an_expired_token_is_told(sqld: Sqld) -> None:
    with connected(sqld.url, sqld.expired_token()) as database, pytest.raises(DatabaseError) as caught:
        database.query([Query("SELECT 1")])
    assert caught.value.code is ErrorCode.TOKEN_EXPIRED


def test_a_token_of_another_key_is_refused_and_not_repeated(sqld: Sqld) -> None:
    token = sign(Ed25519PrivateKey.generate(), {"a": "rw"})
    with connected(sqld.url, token) as database, pytest.raises(DatabaseError) as caught:
        database.apply(Transaction((change(TABLE),)))
    assert (caught.value.code, caught.value.committed) == (ErrorCode.TOKEN_REJECTED, False)
    assert not any(part in f"{caught.value.message} {caught.value.hint}" for part in token.split("."))


def test_no_token_is_told(sqld: Sqld) -> None:
    with connected(sqld.url, "") as database, pytest.raises(DatabaseError) as caught:
        database.query([Query("SELECT 1")])
    assert caught.value.code is ErrorCode.TOKEN_REJECTED
    assert caught.value.hint is not None
    assert "TURSO_AUTH_TOKEN" in caught.value.hint


def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        running_sqld(tmp_path, namespaces=True) as server,
        connected(server.url, server.token()) as database,
        pytest.raises(DatabaseError) as caught,
    ):
        database.apply(Transaction((change(TABLE),)))
    assert (caught.value.code, caught.value.committed) == (ErrorCode.DATABASE_NOT_FOUND, False)


def test_a_server_that_is_down_is_told_and_nothing_was_sent() -> None:
    with connected(f"http://127.0.0.1:{free_port()}", "token") as database, pytest.raises(DatabaseError) as caught:
        database.apply(Transaction((change(TABLE),)))
    assert not isinstance(caught.value, LostReplyError)
    assert (caught.value.code, caught.value.committed) == (ErrorCode.UNREACHABLE, False)


def test_https_to_a_server_without_tls_is_told_and_nothing_was_sent(sqld: Sqld) -> None:
    url = sqld.url.replace("http:", "https:")
    with connected(url, sqld.token()) as database, pytest.raises(DatabaseError) as caught:
        database.apply(Transaction((change(TABLE),)))
    assert not isinstance(caught.value, LostReplyError)
    assert caught.value.code is ErrorCode.UNREACHABLE


def test_a_netrc_entry_does_not_replace_the_token(
    sqld: Sqld, proxy: RecordingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    token = sqld.token()
    with connected(proxy.url, token) as database:
        database.query([Query("SELECT 1")])
    assert proxy.headers[0]["Authorization"] == f"Bearer {token}"
    assert proxy.headers[0]["User-Agent"].startswith("turso-deploy/")
