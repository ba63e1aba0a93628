"""A thing that the files only mention."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class External:
    """A literal reference to something outside of the network's files.

    It matches nothing until its contents are brought; an ACL entry that depends on one and
    denies matches everything, so that what is unknown is never open.
    """

    name: str

    def __str__(self) -> str:
        """Write the reference as it stood."""
        return self.name
