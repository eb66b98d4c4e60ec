"""Compare the counts and names in the manifest with a schema, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from glob import escape

from turso_deploy.core.errors import Cause, ErrorCode, Place, PlanError
from turso_deploy.core.validation import Key
from turso_deploy.project.bound import Bound
from turso_deploy.project.manifest import Manifest, expected_counts
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import AnyTable, Schema, SchemaObject, View, title

PlaceInManifest = Callable[[Key], Place]


def actual_counts(schema: Schema) -> Mapping[str, int]:
    """Return the number of objects of each kind in a schema."""
    foreign_keys = sum(len(table.definition.foreign_keys) for table in schema.tables.values())
    return {**{kind: len(objects) for kind, objects in schema.by_kind.items()}, "foreign_keys": foreign_keys}


def missing_names(manifest: Manifest, schema: Schema) -> list[tuple[Key, str]]:
    """Return the names in the manifest that the schema lacks: key, and kind with name (`index idx_users_name`)."""
    kinds = ("table", "index", "view", "trigger")
    return [
        (("objects", key, position), f"{kind} {name}")
        for kind, (key, objects) in zip(kinds, schema.by_kind.items(), strict=True)
        for position, name in enumerate(getattr(manifest.objects, key))
        if fold_case(name) not in objects
    ]


def require_expectations(
    manifest: Manifest, schema: Schema, unmanaged: Sequence[SchemaObject], place_of: PlaceInManifest
) -> None:
    """Raise PlanError (`manifest-mismatch`) if the schema after a deployment would not match the manifest.

    `unmanaged` are the counted objects that the schema folder does not define. The error lists them if they may be the
    cause, with the `ignore:` lines that exclude them. `place_of` returns the place of a key in the manifest.
    """
    actual = actual_counts(schema)
    wrong = [
        Cause(f"{kind.replace('_', ' ')}: expected {bound}, would be {actual[kind]}", place_of(("expect", kind)))
        for kind, bound in expected_counts(manifest).items()
        if bound is not None and not bound.holds(actual[kind])
    ]
    wrong += [
        Cause(f"{name}: expected, {_reason(name, manifest)}", place_of(key))
        for key, name in missing_names(manifest, schema)
    ]
    if not wrong:
        return
    message = "The database would not match the manifest: " + "; ".join(cause.message for cause in wrong) + "."
    corrected = corrections(manifest, actual, place_of)
    hint = f"Correct the schema files, or {corrected or 'the manifest.'}"
    if unmanaged and _too_many(manifest, actual):
        names = ", ".join(map(title, unmanaged))
        message += f" The database holds objects that the schema folder does not define: {names}."
        hint = (
            f"To count these objects, {corrected}\n"
            f"To exclude objects of other applications, add to the manifest:\nignore:\n{_ignore_lines(unmanaged)}"
        )
    raise PlanError(ErrorCode.MANIFEST_MISMATCH, message, hint=hint, place=wrong[0].place, causes=wrong)


def _reason(name: str, manifest: Manifest) -> str:
    """Return why an object of the manifest, with its kind before its name, would not count as present."""
    folded = fold_case(name.partition(" ")[2])
    is_ignored = any(fnmatchcase(folded, fold_case(pattern)) for pattern in manifest.ignore)
    return "but a pattern under `ignore:` covers it" if is_ignored else "would be missing"


def corrections(manifest: Manifest, actual: Mapping[str, int], place_of: PlaceInManifest) -> str:
    """Return what to write for the numbers of objects that are out of their bounds, as a clause; "" if none is.

    A kind that the manifest does not count, or that is missing in `actual`, is left as it is.
    """
    bounds = {kind: bound for kind, bound in expected_counts(manifest).items() if bound is not None}
    wrong = [kind for kind, bound in bounds.items() if kind in actual and not bound.holds(actual[kind])]
    if not wrong:
        return ""
    lines = [
        f"  {kind}: {_notation(bound.widened_to(actual[kind]) if kind in wrong else bound)}"
        for kind, bound in bounds.items()
    ]
    return "\n".join([f"replace `expect:` at {place_of(('expect',))} with:", "expect:", *lines])


def _notation(bound: Bound) -> str:
    return bound.text if bound.text.isdigit() else json.dumps(bound.text)


def _too_many(manifest: Manifest, actual: Mapping[str, int]) -> bool:
    bounds = expected_counts(manifest).items()
    return any(bound is not None and bound.high is not None and actual[kind] > bound.high for kind, bound in bounds)


def _ignore_lines(objects: Sequence[SchemaObject]) -> str:
    """Return `ignore:` patterns for objects; the pattern of a table covers its indexes and triggers."""
    tables = {fold_case(item.name) for item in objects if isinstance(item, AnyTable | View)}
    patterns = [
        escape(item.name)
        for item in objects
        if isinstance(item, AnyTable | View) or fold_case(item.table) not in tables  # an index or a trigger
    ]
    return "\n".join(f"  - {json.dumps(pattern, ensure_ascii=False)}" for pattern in patterns)
