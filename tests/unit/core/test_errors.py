from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from importlib import import_module
from pkgutil import walk_packages

import pytest

import turso_deploy
from turso_deploy.core.errors import Cause, DeployError, ErrorCode, Place
from turso_deploy.core.schema_folder import SchemaFileError

for module in walk_packages(turso_deploy.__path__, "turso_deploy."):
    if not module.name.endswith("__main__"):
        import_module(module.name)


def kinds(kind: type[DeployError] = DeployError) -> list[type[DeployError]]:
    return [kind, *(each for subclass in kind.__subclasses__() for each in kinds(subclass))]


def pickled(error: DeployError) -> DeployError:
    read: DeployError = pickle.loads(pickle.dumps(error))  # noqa: S301
    return read


@pytest.mark.parametrize("copied", [pickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", kinds())
def test_error_of_every_kind_survives_pickling(
    kind: type[DeployError], copied: Callable[[DeployError], DeployError]
) -> None:
    place = Place("schema/a.sql", 3, 7)
    if issubclass(kind, SchemaFileError):
        error: DeployError = kind("it is a folder", place, "Remove it.")
    else:
        causes = [Cause("one", place), Cause("two")]
        error = kind(ErrorCode.INTERNAL, "it broke", hint="Look.", place=place, committed=None, causes=causes)
    read = copied(error)
    assert (type(read), str(read), vars(read)) == (kind, str(error), vars(error))
    assert read.message.endswith(".")
