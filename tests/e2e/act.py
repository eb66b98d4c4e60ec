"""Runs workflows with act, a runner for one machine, and reads what each step told it."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.engine import MINUTES, ROOT
from tests.support.sqld import PROGRAM

ACT = Path(sys.executable).with_name("act")
IMAGES_OF_ACT = ("act-dockeraction", "act-owner-turso-deploy-v1-dockeraction")
"""Where act looks for the image of the Action as `./` and as OWNER/turso-deploy@v1 before it builds one."""

_ANNOTATION = re.compile(r"^\s*\S+\s+::(error|warning|notice)(?: ([^:]*))?::(.*)$", re.DOTALL)
_SUMMARY = re.compile(r"^\s*\S+\s+Summary - (.*)$", re.DOTALL)


@dataclass
class Step:
    """What a step told the runner: its annotations as (level, properties, message), and its summary."""

    annotations: list[tuple[str, str, str]] = field(default_factory=list)
    summary: str = ""


@dataclass
class Run:
    """A run of a workflow: `jobs` has the result of each job, `steps` what the steps with an id told, by job and id."""

    log: str
    jobs: dict[str, str] = field(default_factory=dict)
    steps: dict[tuple[str, str], Step] = field(default_factory=dict)


def base_image() -> str:
    """The image that the Dockerfile starts from. It has all that the steps of our workflows need."""
    match = re.search(r"^FROM ([^@\s]+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert match
    return match[1]


def run_workflow(
    workflow: Path,
    event: str,
    folder: Path,
    *options: str,
    payload: dict[str, Any] | None = None,
    variables: dict[str, str] | None = None,
    secrets: dict[str, str] | None = None,
    root: Path = ROOT,
) -> Run:
    """Run a workflow on an event, in this repository or another one. `folder` is for act's own files."""
    files = {"event.json": json.dumps(payload or {}), "vars": _lines(variables), "secrets": _lines(secrets), "env": ""}
    for name, text in files.items():
        (folder / name).write_text(text)
    command = [
        *(str(ACT), event, "--json", "--rm", "--rebuild=false"),
        *("--workflows", str(workflow)),
        *("--platform", f"ubuntu-latest={base_image()}", "--pull=false"),
        *("--container-daemon-socket", "-", "--no-cache-server"),
        *("--container-options", f"--volume {PROGRAM}:/usr/local/bin/sqld:ro"),
        *("--eventpath", str(folder / "event.json"), "--env-file", str(folder / "env")),
        *("--var-file", str(folder / "vars"), "--secret-file", str(folder / "secrets")),
        *options,
    ]
    own_home = os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    done = subprocess.run(command, cwd=root, env=own_home, capture_output=True, text=True, timeout=15 * MINUTES)
    assert "docker build" not in done.stdout, "act did not find the image that was built for it"
    return _read(done.stdout, done.stderr)


def _lines(values: dict[str, str] | None) -> str:
    return "".join(f"{name}={value}\n" for name, value in (values or {}).items())


def _read(log: str, errors: str) -> Run:
    entries = [json.loads(line) for line in log.splitlines()]
    shown = [f"[{entry.get('jobID')} {entry.get('step')}] {entry['msg'].rstrip()}" for entry in entries]
    run = Run("\n".join([*shown, errors]))
    for entry in entries:
        job = " ".join([entry.get("jobID", ""), *map(str, entry.get("matrix", {}).values())])
        if result := entry.get("jobResult"):
            run.jobs[job] = result
        if not entry.get("stepID") or entry.get("raw_output"):
            continue
        step = run.steps.setdefault((job, entry["stepID"][0]), Step())
        if match := _ANNOTATION.match(entry["msg"].rstrip("\n")):
            step.annotations.append((match[1], match[2] or "", match[3]))
        if match := _SUMMARY.match(entry["msg"]):
            step.summary = match[1]
    return run
