"""A stand-in of the Turso Platform API before a real sqld: databases are namespaces, branches are forks.

Tokens are signed with the key that sqld checks for the namespace, and rotation replaces that key: an old token is then
really refused. All databases answer at one port; the `Hostname` of each is an address of loopback of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.platform.server import Answer, Faults, Request, Site, serving, serving_sites
from tests.support.sqld import Sqld, exchange, send, sign

SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60}
EVERYTHING = (
    *("read", "db:create", "db:delete", "db:configure", "db:mint-token", "db:rotate-creds"),
    "group:mint-token",
)
PAGE = 2


@dataclass
class Hosted:
    """A database that the platform hosts. `faults` are for its own host, where SQL is served."""

    name: str
    id: str
    hostname: str
    key: Ed25519PrivateKey
    group: str = "default"
    parent: Hosted | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    @property
    def url(self) -> str:
        """Where its SQL is served."""
        return f"http://{self.hostname}"


@dataclass
class Turso:
    """The platform: one organization, its databases, and the API token that opens it."""

    sqld: Sqld
    stack: ExitStack
    organization: str = "acme"
    url: str = ""
    databases: dict[str, Hosted] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    minted: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    starting: int = 0
    """How many times a new branch answers 404 before it is up."""
    expires: int = -1
    """What the API says of its tokens' end."""
    page: int = PAGE
    """The largest page of the list."""
    groups: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    """The groups besides `default`, each with the key that signs its tokens."""
    port: int = 0
    """The port where all databases serve SQL."""
    hosts: dict[str, Site] = field(default_factory=dict)

    def api_token(self, *permissions: str, **claims: Any) -> str:
        """A token for the API with these permissions; with all of them when none is named."""
        content = {"organization": self.organization, "scopes": list(permissions or EVERYTHING), **claims}
        return jwt.encode(content, "k" * 32, algorithm="HS256")

    def create(self, name: str, group: str = "default", **settings: Any) -> Hosted:
        """A new, empty database."""
        hosted = self._host(name, self.key_of(group), None, settings)
        hosted.group = group
        self._admin("POST", f"{hosted.id}/create", {} if group == "default" else {"jwt_key": _public(hosted.key)})
        return hosted

    def key_of(self, group: str) -> Ed25519PrivateKey:
        """The key that signs the tokens of a group, which is made with its first database."""
        return self.sqld.key if group == "default" else self.groups.setdefault(group, Ed25519PrivateKey.generate())

    def configure(self, hosted: Hosted, **settings: Any) -> None:
        """Change what sqld enforces for a database: block_reads, block_writes, jwt_key."""
        current = self._admin("GET", f"{hosted.id}/config")
        self._admin("POST", f"{hosted.id}/config", {**current, **settings})
        hosted.settings |= {key: value for key, value in settings.items() if key.startswith("block")}

    def delete_all(self) -> None:
        """Delete the databases that are left, so that the server does not keep them open. Some were listed only."""
        for hosted in self.databases.values():
            status, content = exchange("DELETE", f"{self.sqld.admin_url}/v1/namespaces/{hosted.id}")
            assert status in (200, 404), f"HTTP {status}: {content.decode()}"

    def token(self, hosted: Hosted, access: str = "rw", **claims: Any) -> str:
        """A token for a database, without an end unless `exp` says one."""
        return sign(hosted.key, {"a": access, "id": hosted.id, "iat": datetime.now(UTC), **claims})

    def calls(self) -> list[str]:
        """What was asked of the API, in short: `POST databases/quiz/auth/tokens`."""
        start = f"/v1/organizations/{self.organization}/"
        return [f"{request.method} {request.path.removeprefix(start)}" for request in self.asked]

    def answer(self, request: Request) -> Answer:
        """The API itself."""
        try:
            claims = jwt.decode(request.bearer, "k" * 32, algorithms=["HS256"], options={"verify_iat": False})
        except jwt.InvalidTokenError:
            return refused(401, "unauthorized")
        if request.path == "/v1/auth/validate":
            return Answer(document={"exp": self.expires})
        databases = f"/v1/organizations/{self.organization}/databases"
        groups = f"/v1/organizations/{self.organization}/groups/"
        if request.path.startswith(groups):
            return self._of_group(request, claims["scopes"], *request.path.removeprefix(groups).split("/", 1))
        if not request.path.startswith(databases):
            return refused(403, "you are not a member of this organization")
        name, _, action = request.path.removeprefix(databases).strip("/").partition("/")
        permission, work = {
            ("GET", False, ""): ("read", self._list),
            ("POST", False, ""): ("db:create", self._branch),
            ("GET", True, ""): ("read", self._show),
            ("DELETE", True, ""): ("db:delete", self._delete),
            ("POST", True, "auth/tokens"): ("db:mint-token", self._mint),
            ("POST", True, "auth/rotate"): ("db:rotate-creds", self._rotate),
            ("POST", True, "wakeup"): ("db:configure", self._wake),
        }[request.method, bool(name), action]
        if permission not in claims["scopes"]:
            return refused(403, f"the token lacks {permission}")
        if name and name not in self.databases:
            return refused(404, f"could not find database with name {name}")
        return work(request, name)

    def _of_group(self, request: Request, scopes: list[str], name: str, action: str = "") -> Answer:
        permission = "group:mint-token" if action else "read"
        if permission not in scopes:
            return refused(403, f"the token lacks {permission}")
        if name != "default" and name not in self.groups:
            return refused(404, f"group {name} not found")
        if (request.method, action) == ("GET", ""):
            return Answer(document={"group": {"name": name, "uuid": name, "archived": False}})
        if (request.method, action) == ("POST", "auth/tokens"):
            return self._minted(request, self.key_of(name), {})
        return refused(404, "not found")

    def _list(self, request: Request, _name: str) -> Answer:
        parent, group = request.query.get("parent"), request.query.get("group")
        found = [
            hosted
            for hosted in self.databases.values()
            if (not parent or (hosted.parent and hosted.parent.id == parent)) and (not group or hosted.group == group)
        ]
        start, size = int(request.query.get("cursor", "0")), min(int(request.query.get("limit", "100")), self.page)
        following = str(start + size) if start + size < len(found) else None
        page = [_shown(hosted) for hosted in found[start : start + size]]
        return Answer(document={"databases": page, "pagination": {"next": following}})

    def _show(self, _request: Request, name: str) -> Answer:
        return Answer(document={"database": _shown(self.databases[name])})

    def _branch(self, request: Request, _name: str) -> Answer:
        name, seed = request.body["name"], request.body["seed"]
        if not re.fullmatch("[a-z0-9-]{1,64}", name):
            return refused(400, "invalid database name")
        if name in self.databases:
            return refused(409, f"database with name {name} already exists")
        origin = self.databases[seed["name"]]
        branch = self._host(name, origin.key, origin, {})
        branch.faults.add(".*", refused(404, "not found"), times=self.starting)
        self._admin("POST", f"{origin.id}/fork/{branch.id}")
        return Answer(document={"database": {"DbId": branch.id, "Hostname": branch.hostname, "Name": name}})

    def _delete(self, _request: Request, name: str) -> Answer:
        hosted = self.databases[name]
        if hosted.settings.get("delete_protection"):
            return refused(400, "database has delete protection enabled")
        self._admin("DELETE", hosted.id)
        del self.databases[name]
        return Answer(document={"database": name})

    def _mint(self, request: Request, name: str) -> Answer:
        hosted = self.databases[name]
        return self._minted(request, hosted.key, {"id": hosted.id})

    def _minted(self, request: Request, key: Ed25519PrivateKey, claims: dict[str, Any]) -> Answer:
        if request.body is not None:
            return refused(400, "Permissions are not supported for db-api controlled databases")
        parts = re.findall(r"(\d+)([wdhm])", request.query["expiration"])
        lifetime = timedelta(seconds=sum(int(number) * SECONDS[unit] for number, unit in parts))
        access = {"full-access": "rw", "read-only": "ro"}[request.query["authorization"]]
        now = datetime.now(UTC)
        self.minted.append(sign(key, {"a": access, "iat": now, "exp": now + lifetime, **claims}))
        return Answer(document={"jwt": self.minted[-1]})

    def _rotate(self, _request: Request, name: str) -> Answer:
        hosted = self.databases[name]
        hosted.key = Ed25519PrivateKey.generate()
        self.configure(hosted, jwt_key=_public(hosted.key))
        return Answer()

    def _wake(self, _request: Request, name: str) -> Answer:
        self.databases[name].settings |= {"sleeping": False, "archived": False}
        return Answer()

    def _host(self, name: str, key: Ed25519PrivateKey, parent: Hosted | None, settings: dict[str, Any]) -> Hosted:
        hosted = Hosted(name, str(uuid4()), "", key, parent=parent, settings=settings)

        def to_sqld(request: Request) -> Answer:
            headers = {"Host": f"{hosted.id}.db", "Authorization": f"Bearer {request.bearer}"}
            return Answer(*exchange(request.method, self.sqld.url + request.path, request.body, headers))

        number = len(self.hosts) + 2
        hosted.hostname = f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}:{self.port}"
        self.hosts[hosted.hostname] = Site(to_sqld, hosted.asked, hosted.faults)
        self.databases[name] = hosted
        return hosted

    def _admin(self, method: str, path: str, body: Any = None) -> Any:
        return send(method, f"{self.sqld.admin_url}/v1/namespaces/{path}", body)


def refused(status: int, text: str, **headers: str) -> Answer:
    """A refusal in the API's own shape."""
    return Answer(status, {"error": text}, headers)


@contextmanager
def running_turso(sqld: Sqld) -> Iterator[Turso]:
    """The platform before this server, which has namespaces."""
    with ExitStack() as stack:
        turso = Turso(sqld, stack)
        databases = stack.enter_context(serving_sites(turso.hosts.get, all_loopback=True))
        turso.port = int(databases.rpartition(":")[2])
        turso.url = stack.enter_context(serving(turso.answer, turso.asked, turso.faults))
        yield turso


def _public(key: Ed25519PrivateKey) -> str:
    """The public part of a key, as sqld reads it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _shown(hosted: Hosted) -> dict[str, Any]:
    """A database as the API shows it, in its own mixture of cases."""
    parent = hosted.parent
    return {
        "Name": hosted.name,
        "DbId": hosted.id,
        "Hostname": hosted.hostname,
        "group": hosted.group,
        "block_reads": False,
        "block_writes": False,
        "sleeping": False,
        "parent": {"id": parent.id, "name": parent.name} if parent else None,
        **hosted.settings,
    }
