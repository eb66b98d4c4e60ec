"""Values that say where or how something is written, besides what it means, and are compared by the latter alone."""

from __future__ import annotations

from msgspec import Struct


class ComparedByMeaning(Struct, frozen=True, eq=False):
    """A value that equals another of its class when both have the same `meaning`."""

    def meaning(self) -> tuple[object, ...]:
        """What is compared. All of it can be hashed, or the class has a hash of its own."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        """Whether both mean the same."""
        return self is other or (type(other) is type(self) and self.meaning() == other.meaning())

    def __ne__(self, other: object) -> bool:
        """Whether they mean different things: Struct has a `__ne__` of its own, which does not ask `__eq__`."""
        return not self == other

    def __hash__(self) -> int:
        """Equal values have equal meanings."""
        return hash(self.meaning())
