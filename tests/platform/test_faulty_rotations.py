"""Rotations in which one reply, of the platform, the database or GitHub, is lost or odd: what is said holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.platform.github import Github
from tests.platform.server import Answer, Faults
from tests.platform.test_rotation import SECRET, Rotator, rotate, secrets
from tests.platform.turso import Hosted, Turso
from tests.support.counters import LONG, count
from turso_deploy.core.errors import DeployError

__all__ = ["rotate", "secrets"]  # the fixtures

ODD: tuple[Any, ...] = (None, [], {}, 7, "x", [None], {"jwt": 7}, {"database": None}, {"key": "x", "key_id": "1"})
REPLIES = (
    *(Answer(document=document) for document in ODD),
    *(Answer(status, {"error": "x", "message": "x"}) for status in (400, 401, 403, 404, 409, 422, 429, 500, 502, 503)),
    *(Answer(429, {}, {"Retry-After": "9" * count}) for count in (1, 5_000)),
    Answer(302, None, {"Location": "http://127.0.0.1:9/"}),
    Answer(drop=True),
)
PLACES = {"platform": 2, "GitHub": 9, "database": 6}
"""The servers, and how many requests each gets at most."""
FAULTS = [
    (server, at, reply, is_done, revoke)
    for server, requests in PLACES.items()
    for at in range(requests)
    for reply in range(len(REPLIES))
    for is_done in (False, True)
    for revoke in (False, True)
    if is_done or reply >= len(ODD)
]
PARTS = 20 if LONG else 1
ONE_IN = 2 if LONG else 60


@pytest.mark.parametrize("part", range(PARTS))
def test_what_a_faulty_rotation_says_of_the_tokens_holds(
    rotate: Rotator, turso: Turso, quiz: Hosted, github: Github, part: int
) -> None:
    servers: dict[str, Faults] = {"platform": turso.faults, "GitHub": github.faults, "database": quiz.faults}
    wrong = []
    for server, at, reply, is_done, revoke in FAULTS[part :: PARTS * ONE_IN]:
        github.secrets.clear()
        rotate.old = turso.token(quiz)
        servers[server].add(".*", REPLIES[reply], after=is_done, skip=at)
        problems: list[str] = []
        try:
            said, ended = " ".join(rotate(revoke_others=revoke)), "rotated"
        except DeployError as error:
            said, ended = error.message, f"failed: {error.code}"
        except Exception as error:
            said, ended, problems = "", "a crash", [f"{type(error).__name__}: {error}"]
        for faults in servers.values():
            faults.pending.clear()
        if ended == "rotated":
            problems += _after_success(rotate, github, revoked=revoke)
        problems += _contradictions(said, rotate, github)
        count("faulty rotations", ended)
        shown = f"{server}, request {at}, {REPLIES[reply]}, done: {is_done}, revoke: {revoke}"
        wrong += [f"{shown}: {problem}: {said}" for problem in problems]
    assert not wrong, "\n".join(wrong)


def _stored_works(rotate: Rotator, github: Github) -> bool:
    return SECRET in github.secrets and rotate.works(github.opened(SECRET))


def _after_success(rotate: Rotator, github: Github, *, revoked: bool) -> Iterator[str]:
    if not _stored_works(rotate, github):
        yield "success, and the stored token does not work"
    if revoked and rotate.works(rotate.old):
        yield "success, and the old token works"


def _contradictions(said: str, rotate: Rotator, github: Github) -> Iterator[str]:
    """Yield what is said of the tokens and is not so."""
    if "also the one in the secret" in said and _stored_works(rotate, github):
        yield "locked out, and the stored token works"
    if "The secret was not changed" in said and SECRET in github.secrets:
        yield "unchanged, and it is"
    if "old token still works" in said and not rotate.works(rotate.old):
        yield "the old token does not work"
    claims_stored = ("which works. The old token", "works with the new keys", "still accepts the token in the secret")
    if any(claim in said for claim in claims_stored) and not _stored_works(rotate, github):
        yield "the stored token does not work"
