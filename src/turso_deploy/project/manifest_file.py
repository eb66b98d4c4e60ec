"""Read the manifest of a schema folder, and find the place of a value in it."""

from __future__ import annotations

from turso_deploy.core.documents import Document
from turso_deploy.core.errors import Place
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.validation import Key
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
        return _DOCUMENT.load(folder, Manifest)
    _DOCUMENT.require_exact_name(folder)
    return Manifest()


def place_in_manifest(folder: SchemaFolder, path: Key) -> Place:
    """Return the place of the value at a path of keys; reads the file again."""
    return _DOCUMENT.place(folder, path)
