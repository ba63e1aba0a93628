"""The switches for what AWS does not say; each default is a row of docs/semantics.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Other answers to what AWS leaves open; each default is a row of docs/semantics.md.

    Parameters
    ----------
    related_icmp : bool
        ICMP errors about any flow that passes here are accepted. Off: only what AWS documents,
        IPv4 3/4 and IPv6 2 about untracked and automatically tracked flows.
    loose_tcp : bool
        An admitted segment in mid-stream makes an entry, as netfilter's pick-up does.
    strict_tcp : bool
        An admitted segment in mid-stream is refused.
    allowance : int or None
        How many entries each owner may have; None is any number.
    allowances : mapping of str to int
        The same for single owners, by instance or interface id.

    """

    related_icmp: bool = True
    loose_tcp: bool = False
    strict_tcp: bool = False
    allowance: int | None = None
    allowances: Mapping[str, int] = field(default_factory=dict)

    def allowance_of(self, owner: str) -> int | None:
        """Return how many entries `owner` may have; None is any number."""
        return self.allowances.get(owner, self.allowance)


AS_DOCUMENTED = Switches()
