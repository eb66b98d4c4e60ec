"""A stand-in of GitHub's API: secrets, with a real key pair (the test opens what was sealed), comments and issues.

Comments, issues and pull requests answer as https://docs.github.com/en/rest/issues and
https://docs.github.com/en/rest/commits/commits describe it: pages of at most 100, the author by the token, 403 without
the permission.
"""

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
WORKFLOW = "ghs_workflow"
USERS = {WRITER: "octocat", READER: "hubot", WORKFLOW: "github-actions[bot]"}
"""The user as whom each token writes. `READER` may read only."""
REPOSITORY = "/repos/acme/quiz"
PLACES = ("/repos/acme/quiz/actions/secrets", "/repos/acme/quiz/environments/*/secrets", "/orgs/acme/actions/secrets")


@dataclass
class Github:
    """The secrets of acme: of its repository quiz, of environments of that, and its own. `WRITER` may write them."""

    url: str = ""
    key: PrivateKey = field(default_factory=PrivateKey.generate)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: set[str] = field(default_factory=lambda: {"production"})
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """The comments of each pull request, the oldest first."""
    issues: list[dict[str, Any]] = field(default_factory=list)
    """The issues of the repository, the oldest first."""
    pull_requests: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The pull requests of each commit."""
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
        if request.bearer not in USERS:
            return Answer(401, {"message": "Bad credentials"})
        if match := re.fullmatch(
            f"{REPOSITORY}/issues/(?:(?P<number>[0-9]+)/)?comments(?:/(?P<id>[0-9]+))?", request.path
        ):
            return self._comment(request, match["number"], match["id"])
        if match := re.fullmatch(f"{REPOSITORY}/issues(?:/(?P<number>[0-9]+))?", request.path):
            return self._issue(request, match["number"])
        if match := re.fullmatch(f"{REPOSITORY}/commits/(.+)/pulls", request.path):
            found = self.pull_requests.get(match[1])
            return Answer(422, {"message": "No commit found for SHA"}) if found is None else Answer(document=found)
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

    def comment(self, number: int, user: str, body: str) -> dict[str, Any]:
        """Write a comment on a pull request as a user."""
        identifier = sum(map(len, self.comments.values())) + 1
        written = {
            "id": identifier,
            "html_url": f"https://github.com/acme/quiz/pull/{number}#issuecomment-{identifier}",
            "body": body,
            "user": {"login": user, "type": "Bot" if user.endswith("[bot]") else "User"},
        }
        self.comments.setdefault(number, []).append(written)
        return written

    def issue(self, user: str, title: str, body: str, labels: list[str]) -> dict[str, Any]:
        """Open an issue as a user."""
        number = 100 + len(self.issues)
        opened = {
            "number": number,
            "html_url": f"https://github.com/acme/quiz/issues/{number}",
            "state": "open",
            "title": title,
            "body": body,
            "labels": [{"name": label} for label in labels],
            "user": {"login": user, "type": "Bot" if user.endswith("[bot]") else "User"},
        }
        self.issues.append(opened)
        return opened

    def pull_request(self, number: int, head: str, merged: str | None = None) -> None:
        """Let a pull request have its head at a commit, and be merged by another one."""
        document = {
            "number": number,
            "state": "closed" if merged else "open",
            "merge_commit_sha": merged,
            "head": {"sha": head},
            "base": {"ref": "main", "repo": {"full_name": "acme/quiz"}},
        }
        for commit in filter(None, (head, merged)):
            self.pull_requests.setdefault(commit, []).append(document)

    def _comment(self, request: Request, number: str | None, identifier: str | None) -> Answer:
        if request.method == "GET":
            comments = self.comments.get(int(number or 0), [])
            size, page = min(int(request.query.get("per_page", "30")), 100), int(request.query.get("page", "1"))
            return Answer(document=comments[size * (page - 1) : size * page])
        if request.bearer == READER:
            return Answer(403, {"message": "Resource not accessible by integration"})
        if request.method == "DELETE":
            for comments in self.comments.values():
                comments[:] = [one for one in comments if str(one["id"]) != identifier]
            return Answer(204)
        if len(request.body["body"]) > 65_536:
            return Answer(422, {"message": "Validation Failed"})
        if request.method == "POST":
            return Answer(201, self.comment(int(number or 0), USERS[request.bearer], request.body["body"]))
        written = next((one for all_ in self.comments.values() for one in all_ if str(one["id"]) == identifier), None)
        if written is None:
            return Answer(404, {"message": "Not Found"})
        if written["user"]["login"] != USERS[request.bearer] and request.bearer != WRITER:
            return Answer(403, {"message": "Resource not accessible by integration"})
        written["body"] = request.body["body"]
        return Answer(document=written)

    def _issue(self, request: Request, number: str | None) -> Answer:
        if request.method == "GET":
            wanted = set(filter(None, request.query.get("labels", "").split(",")))
            found = [
                issue
                for issue in reversed(self.issues)
                if issue["state"] == request.query.get("state", "open")
                and wanted <= {label["name"] for label in issue["labels"]}
            ]
            size, page = min(int(request.query.get("per_page", "30")), 100), int(request.query.get("page", "1"))
            return Answer(document=found[size * (page - 1) : size * page])
        if request.bearer == READER:
            return Answer(403, {"message": "Resource not accessible by integration"})
        if len(request.body["body"]) > 65_536 or len(request.body["title"]) > 256:
            return Answer(422, {"message": "Validation Failed"})
        if request.method == "POST":
            return Answer(201, self.issue(USERS[request.bearer], **request.body))
        written = next((issue for issue in self.issues if str(issue["number"]) == number), None)
        if written is None:
            return Answer(404, {"message": "Not Found"})
        written.update(request.body)
        return Answer(document=written)

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
