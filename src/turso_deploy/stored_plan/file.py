"""Read and write the file of a stored plan. Each file that is no whole plan of this format has an error of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from turso_deploy.core.errors import ErrorCode, InputError, Place
from turso_deploy.core.files import (
    NO_FOLDER,
    SpecialFileError,
    TooLargeError,
    read_file,
    reason_against_writing,
    write_file,
)
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.stored_plan.content import FORM
from turso_deploy.stored_plan.document import KIND, StoredPlan, checksum_of

MAX_SIZE = 64 * 1024 * 1024
"""The largest plan file in bytes: a plan of ten thousand tables has about ten million."""
_PLAN_AGAIN = "Make a new plan with `turso-deploy plan --save`, and deploy that."


def read_plan(path: Path) -> StoredPlan:
    """Read a stored plan. Raises InputError (`plan-file-invalid`), which says what is wrong with the file."""
    try:
        text = read_file(path, MAX_SIZE)
    except FileNotFoundError:
        raise plan_file_error(
            path, "it does not exist", f"Check its name, relative to the working directory. {_PLAN_AGAIN}"
        ) from None
    except SpecialFileError as error:
        hint = (
            "Give the name of the file itself, which `turso-deploy plan --save` wrote: what a link leads to may change."
        )
        raise plan_file_error(path, error.strerror or "", hint) from None
    except TooLargeError:
        raise plan_file_error(path, f"it has more than {MAX_SIZE:,} bytes, so it is no plan", _PLAN_AGAIN) from None
    except OSError as error:
        raise plan_file_error(path, f"it cannot be read: {error.strerror}", "Check its permissions.") from None
    return _parse(path, text)


def require_writable(path: Path) -> None:
    """Raise InputError (`plan-file-invalid`) if a plan cannot be saved in a file: a link, a folder, no plan file."""
    if reason := reason_against_writing(path, MAX_SIZE, lambda content: has_kind(content, KIND), "a plan"):
        is_missing = reason == NO_FOLDER
        hint = "Create the folder first, or name another file." if is_missing else "Name another file with --save."
        raise plan_file_error(path, reason, hint)


def write_plan(path: Path, plan: StoredPlan) -> None:
    """Save a plan. Raises InputError (`plan-file-invalid`) if the file cannot be written."""
    require_writable(path)
    try:
        write_file(path, plan.as_json().encode())
    except OSError as error:
        raise plan_file_error(
            path, f"it cannot be written: {error.strerror}", "Name another file with --save."
        ) from None


def _parse(path: Path, text: bytes) -> StoredPlan:
    try:
        document = _decoded(text)
    except ValueError:
        raise plan_file_error(
            path, "it is cut, or it is no JSON document", f"Copy the whole file again. {_PLAN_AGAIN}"
        ) from None
    if not (isinstance(document, dict) and document.get("kind") == KIND):
        hint = "Name a file that `turso-deploy plan --save` wrote; the JSON report is another document."
        raise plan_file_error(path, "it is a JSON document, but no plan of turso-deploy", hint)
    form = document.get("format")
    if isinstance(form, int) and form > FORM:
        tool = document.get("tool_version")
        made_by = f", made by turso-deploy {tool}" if isinstance(tool, str) and tool.isprintable() else ""
        hint = "Deploy it with the version that made it, or a later one, or make a new plan with this version."
        raise plan_file_error(path, f"it has the format {form}{made_by}, and this version reads format {FORM}", hint)
    if form != FORM:
        raise plan_file_error(path, f"it has another format than {FORM}, which this version reads", _PLAN_AGAIN)
    if document.get("checksum") != checksum_of(document):
        raise plan_file_error(path, "it was edited, or damaged: its checksum is not that of its content", _PLAN_AGAIN)
    try:
        plan = validate(document, StoredPlan)
    except ValidationError as error:
        raise plan_file_error(path, f"it was edited: {error.issues[0].message}", _PLAN_AGAIN) from None
    if plan.content.fingerprint != plan.fingerprint:
        raise plan_file_error(path, "it was edited: its fingerprint is not that of its content", _PLAN_AGAIN)
    return plan


def _decoded(text: bytes) -> Any:
    """Return the JSON document. Raises ValueError for anything else."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def has_kind(content: bytes, kind: str) -> bool:
    """Return True for the content of a file that is a JSON document of a kind."""
    try:
        document = _decoded(content)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("kind") == kind


def plan_file_error(path: Path, reason: str, hint: str) -> InputError:
    """Return the error (`plan-file-invalid`) for a plan file. `reason` is a clause about it."""
    return InputError(
        ErrorCode.PLAN_FILE_INVALID,
        f"The plan file {path} cannot be used: {reason}.",
        hint=hint,
        place=Place(str(path)),
    )
