"""Read the manifest of a schema folder, and find the place of a value in it."""

from __future__ import annotations

from turso_deploy.core.documents import Document
from turso_deploy.core.errors import Cause, Place
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.validation import Key
from turso_deploy.core.versions import parse_version
from turso_deploy.project.manifest import MANIFEST_NAME, Manifest

_DOCUMENT = Document(
    MANIFEST_NAME,
    "The manifest",
    "Correct it here. docs/reference/manifest.md of turso-deploy describes every key; `turso-deploy manifest-schema` "
    "prints a JSON Schema with which an editor completes them.",
)


def load_manifest(folder: SchemaFolder) -> Manifest:
    """Read `manifest.yml` of a schema folder; a folder without one has no conditions.

    Raises ProjectError (`manifest-invalid`) with file and line of every error in it.
    """
    if folder.has(MANIFEST_NAME):
        manifest = _DOCUMENT.load(folder, Manifest)
        _require_comparable_versions(manifest, folder)
        return manifest
    _DOCUMENT.require_exact_name(folder)
    return Manifest()


def place_in_manifest(folder: SchemaFolder, path: Key) -> Place:
    """Return the place of the value at a path of keys; reads the file again."""
    return _DOCUMENT.place(folder, path)


def _require_comparable_versions(manifest: Manifest, folder: SchemaFolder) -> None:
    """Raise ProjectError for approvals under a version that can never be compared with that of the folder."""
    own = manifest.schema_version
    if own is None and manifest.approve:
        reason = "`approve` needs `schema_version`, because an approval counts for databases of an earlier version"
        raise _DOCUMENT.error([Cause(reason, place_in_manifest(folder, ("approve",)))])
    if parse_version(own) is None:
        return
    wrong = [
        Cause(
            f"`approve` names the version {version}, which is no semantic version, and cannot be compared with {own}",
            place_in_manifest(folder, ("approve", version)),
        )
        for version in manifest.approve
        if parse_version(version) is None
    ]
    if wrong:
        raise _DOCUMENT.error(wrong)
