"""A stand-in of GitHub's API: secrets, with a real key pair (the test opens what was sealed), and comments."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from nacl.public import PrivateKey, SealedBox

from tests.platform.server import Answer, Faults, Request, serving

WRITER = "github_pat_writer"
READER = "github_pat_reader"
COMMENTS = "/repos/acme/quiz/issues/7/comments"
PLACES = ("/repos/acme/quiz/actions/secrets", "/repos/acme/quiz/environments/*/secrets", "/orgs/acme/actions/secrets")


@dataclass
class Github:
    """The secrets of acme: of its repository quiz, of environments of that, and its own. `WRITER` may write them."""

    url: str = ""
    key: PrivateKey = field(default_factory=PrivateKey.generate)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: set[str] = field(default_factory=lambda: {"production"})
    comments: list[str] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    clock: Callable[[int], str] = lambda written: f"2026-05-01T00:00:{written:02}Z"
    """The time of a write, by its number."""
    frozen: bool = False
    """Whether a write is accepted and does not show."""

    def opened(self, path: str) -> str:
        """The value of the secret at this path."""
        sealed = base64.b64decode(self.secrets[path]["encrypted_value"])
        return SealedBox(self.key).decrypt(sealed).decode()

    def answer(self, request: Request) -> Answer:
        """The API itself."""
        if request.bearer not in (WRITER, READER):
            return Answer(401, {"message": "Bad credentials"})
        if request.path == COMMENTS:
            return self._comment(request)
        collection, _, name = request.path.removesuffix("/repositories").rpartition("/")
        if not self._is_there(collection):
            return Answer(404, {"message": "Not Found"})
        if name == "public-key":
            key = base64.b64encode(bytes(self.key.public_key)).decode()
            return Answer(document={"key_id": "568250167242549743", "key": key})
        if request.method == "PUT":
            return self._put(request)
        if request.path not in self.secrets and not request.path.endswith("/repositories"):
            return Answer(404, {"message": "Not Found"})
        if request.path.endswith("/repositories"):
            chosen = self.secrets[f"{collection}/{name}"]["selected_repository_ids"]
            return Answer(document={"total_count": len(chosen), "repositories": [{"id": one} for one in chosen]})
        shown = {key: value for key, value in self.secrets[request.path].items() if key != "encrypted_value"}
        return Answer(document=shown)

    def _comment(self, request: Request) -> Answer:
        if request.method == "GET":
            return Answer(document=[])
        self.comments.append(request.body["body"])
        return Answer(201, {"id": len(self.comments)})

    def _put(self, request: Request) -> Answer:
        if request.bearer != WRITER:
            return Answer(403, {"message": "Resource not accessible by personal access token"})
        if request.body["key_id"] != "568250167242549743":
            return Answer(422, {"message": "Validation Failed"})
        existed = request.path in self.secrets
        if not self.frozen or not existed:
            written = len([one for one in self.asked if one.method == "PUT"])
            self.secrets[request.path] = {**request.body, "updated_at": self.clock(written)}
        return Answer(204 if existed else 201, None if existed else {})

    def _is_there(self, collection: str) -> bool:
        environment = re.fullmatch("/repos/acme/quiz/environments/([^/]+)/secrets", collection)
        if environment:
            return unquote(environment[1]) in self.environments
        return collection in PLACES


@contextmanager
def running_github() -> Iterator[Github]:
    """The API on loopback."""
    github = Github()
    with serving(github.answer, github.asked, github.faults) as url:
        github.url = url
        yield github
