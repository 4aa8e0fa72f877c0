"""What kopf is to remember of objects: nothing, for it is the event source and no more. Set up by handlers.py.

kopf copies the object of every event several times, to find what a handler of changes would want to know, and there is
none: four tenths of the operator's CPU time at a start with many models. These storages have nothing to copy.
"""

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """Knows no earlier state of an object, and wants to compare nothing of it."""

    def build(self, **_: object) -> kopf.BodyEssence:
        """Return the part of an object whose changes matter: none."""
        return kopf.BodyEssence()

    def fetch(self, **_: object) -> None:
        """Return what was stored: nothing."""

    def store(self, **_: object) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Knows of no handler that was begun."""

    def fetch(self, **_: object) -> None:
        """Return what was stored: nothing."""

    def store(self, **_: object) -> None:
        """Store nothing."""

    def purge(self, **_: object) -> None:
        """Remove nothing."""

    def touch(self, **_: object) -> None:
        """Mark nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Return the essence as it is: nothing of ours is in it."""
        return essence
