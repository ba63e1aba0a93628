"""Managed prefix lists (EC2: ManagedPrefixList with its entries)."""

from dataclasses import dataclass

from secgroup.net.address import Prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixList:
    """A named list of CIDR blocks of one family.

    `entries` is None when only the list's name is known, as with AWS-managed lists in a
    template: a rule that refers to it matches nothing.
    """

    prefix_list_id: str
    name: str = ""
    names: tuple[str, ...] = ()
    entries: tuple[Prefix, ...] | None = None
    max_entries: int | None = None
