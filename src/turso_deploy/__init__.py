"""Bring a Turso (libSQL) database to the schema, seeds and manifest of a repository, and verify it before committing.

The names in `__all__` are the public API; docs/reference/python-api.md describes it. A module is imported when one of
its names is first used.
"""

import sys
from types import ModuleType

TYPE_CHECKING = False  # true for a type checker; `typing` itself would take longer to load than all of this module
if TYPE_CHECKING:
    from turso_deploy.core.errors import DeployError, ErrorCode, InputError, ProjectError
    from turso_deploy.database.interface import Database
    from turso_deploy.database.open import open_database
    from turso_deploy.deploy.deploy import deploy
    from turso_deploy.deploy.preview import plan
    from turso_deploy.deploy.verify import verify
    from turso_deploy.history.entries import Provenance
    from turso_deploy.project.loader import load_project
    from turso_deploy.project.project import Project
    from turso_deploy.report.document import Report, Status
    from turso_deploy.stored_plan.expected_plan import ExpectedPlan, expected_plan

__version__ = "0.1.0"

__all__ = [
    "Database",
    "DeployError",
    "ErrorCode",
    "ExpectedPlan",
    "InputError",
    "Project",
    "ProjectError",
    "Provenance",
    "Report",
    "Status",
    "__version__",
    "deploy",
    "expected_plan",
    "load_project",
    "open_database",
    "plan",
    "verify",
]

_NAMES = {
    "core.errors": ("DeployError", "ErrorCode", "InputError", "ProjectError"),
    "database.interface": ("Database",),
    "database.open": ("open_database",),
    "deploy.deploy": ("deploy",),
    "deploy.preview": ("plan",),
    "deploy.verify": ("verify",),
    "project.loader": ("load_project",),
    "project.project": ("Project",),
    "report.document": ("Report", "Status"),
    "stored_plan.expected_plan": ("ExpectedPlan", "expected_plan"),
    "history.entries": ("Provenance",),
}
_MODULES = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}


class _LazyPackage(ModuleType):
    """This package. `turso_deploy.deploy` and `turso_deploy.plan` are the functions, not the subpackages of that name.

    https://docs.python.org/3/reference/datamodel.html#customizing-module-attribute-access
    """

    def __getattr__(self, name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=self)
        from importlib import import_module

        return getattr(import_module(_MODULES[name]), name)

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _MODULES and isinstance(value, ModuleType)):  # Python sets each subpackage that it imports
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _LazyPackage
