"""A fleet: namespaces of a real server, each told by its Host header, and a list of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.sqld import Sqld, running_sqld, send
from turso_deploy.cli.run import run
from turso_deploy.core.transaction import Query, Rows
from turso_deploy.database.hrana import HranaDatabase


class NamespaceFleet(NamedTuple):
    """A server with namespaces, and the list of them as a file. `token` is good for all."""

    server: Sqld
    names: Sequence[str]
    list_file: Path
    token: str

    def database(self, name: str) -> HranaDatabase:
        """Open one of the databases."""
        return HranaDatabase(self.server.url, self.token, 30, host=host_of(name))

    def execute(self, name: str, *statements: str) -> list[Any]:
        """Run statements on one of the databases, and return the rows of the last one."""
        with self.database(name) as database:
            answers = database.query([Query(sql) for sql in statements])
        assert all(isinstance(answer, Rows) for answer in answers), answers
        return list(answers[-1].rows) if isinstance(answers[-1], Rows) else []

    def deployments(self, name: str) -> int:
        """Return the number of deployments in the history of a database."""
        with self.database(name) as database:
            (answer,) = database.query([Query("SELECT count(*) FROM schema_deployments")])
        return answer.number() if isinstance(answer, Rows) else 0

    def configure(self, name: str, **settings: Any) -> None:
        """Change the configuration of one of the databases: block_reads, block_writes."""
        url = f"{self.server.admin_url}/v1/namespaces/{name}/config"
        send("POST", url, {**send("GET", url), **settings})

    def write_list(self, names: Sequence[str]) -> None:
        """Write the list with these databases only."""
        lines = (json.dumps({"name": name, "url": self.server.url, "host": host_of(name)}) for name in names)
        self.list_file.write_text("".join(f"{line}\n" for line in lines))


def host_of(name: str) -> str:
    """Return the Host header that names a namespace."""
    return f"{name}.fleet"


@contextmanager
def running_fleet(folder: Path, names: Sequence[str], *extra: str) -> Iterator[NamespaceFleet]:
    """A server with these namespaces, all of them empty."""
    options = extra or ("--max-active-namespaces", str(2 * len(names) + 10))
    with running_sqld(folder, *options, namespaces=True) as server:
        create = f"{server.admin_url}/v1/namespaces/{{}}/create"
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: send("POST", create.format(name), {}), names))
        fleet = NamespaceFleet(server, names, folder / "fleet.jsonl", server.token())
        fleet.write_list(names)
        yield fleet


def run_fleet(fleet: NamespaceFleet, schema: Path, command: str = "deploy", **flags: Any) -> tuple[int, dict[str, Any]]:
    """Run a command for a fleet, and return the exit status and the JSON report."""
    output = io.StringIO()
    given = {"command": command, "fleet": str(fleet.list_file), "json_output": True, "schema_path": str(schema)}
    environment = {"TURSO_AUTH_TOKEN": fleet.token}
    code = run({**given, **flags}, environment, output, io.StringIO())
    return code, json.loads(output.getvalue())
