"""A secret: only who asks for it gets it."""

from __future__ import annotations

from turso_deploy.core.secret import Secret

TEXT = "eyJhbGciOiJFZERTQSJ9.top.secret"


def test_a_secret_gives_its_text_to_who_asks() -> None:
    assert Secret(TEXT).reveal() == TEXT


def test_no_way_of_printing_a_secret_shows_its_text_or_its_length() -> None:
    secret = Secret(TEXT)
    shown = {str(secret), repr(secret), f"{secret}", "%s" % secret, str([secret])[1:-1], str({1: secret})[4:-1]}  # noqa: UP031
    assert shown == {str(Secret("short"))}


def test_an_empty_secret_is_none() -> None:
    assert Secret(TEXT)
    assert not Secret("")


def test_secrets_are_equal_when_their_texts_are() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))
    assert Secret(TEXT) != Secret("another")
    assert Secret(TEXT) != TEXT
