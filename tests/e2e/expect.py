"""Fails a step of a workflow unless an earlier step, or the database, is as it says. Only the standard library.

    expect.py step ID OUTCOME [NAME=VALUE …]   the step's outcome and outputs; `?` is any value, and nothing is none
    expect.py rows VALUE SQL                   the one value that the query gives
    expect.py execute SQL                      expects nothing, and runs the statement

STEPS holds the steps of the job as JSON; serve.py sets E2E_URL, E2E_TOKEN and REQUESTS_CA_BUNDLE for the database.
"""

import json
import os
import ssl
import sys
from http.client import HTTPSConnection
from urllib.parse import urlsplit


def step(name: str, outcome: str, *outputs: str) -> list[str]:
    """What is not as it should be of the step."""
    found = json.loads(os.environ["STEPS"])[name]
    wanted = dict(output.split("=", 1) for output in outputs)
    wrong = [
        f"{name}: the output {key} is {found['outputs'].get(key)!r}, and should be {value!r}"
        for key, value in wanted.items()
        if not matches(found["outputs"].get(key, ""), value)
    ]
    if found["outcome"] != outcome:
        wrong.append(f"{name}: the outcome is {found['outcome']}, and should be {outcome}")
    return wrong


def matches(actual: str, wanted: str) -> bool:
    return bool(actual) if wanted == "?" else actual == wanted


def rows(wanted: str, sql: str) -> list[str]:
    """What is not as it should be in the database."""
    actual = execute(sql)
    return [] if actual == wanted else [f"{sql}: {actual}, and should be {wanted}"]


def execute(sql: str) -> str:
    """The first value that a statement gives, as text; nothing when it gives none."""
    url = urlsplit(os.environ["E2E_URL"])
    trusted = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    connection = HTTPSConnection(url.netloc, context=trusted)
    connection.request(
        "POST",
        "/v2/pipeline",
        json.dumps({"requests": [{"type": "execute", "stmt": {"sql": sql}}, {"type": "close"}]}),
        {"Authorization": f"Bearer {os.environ['E2E_TOKEN']}", "Content-Type": "application/json"},
    )
    result = json.load(connection.getresponse())["results"][0]
    if result["type"] != "ok":
        sys.exit(f"{sql}: {result['error']['message']}")
    found = result["response"]["result"]["rows"]
    return str(found[0][0].get("value", "")) if found else ""


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "execute":
        execute(*arguments)
    else:
        complaints = step(*arguments) if command == "step" else rows(*arguments)
        for complaint in complaints:
            print(f"::error::{complaint}")
        sys.exit(bool(complaints))
