"""What the firewall answers for one packet at one interface: verdict, reason, rules."""

from dataclasses import dataclass
from enum import Enum, IntEnum, unique

from secgroup.conntrack.state import State
from secgroup.net.packet import Packet


class Verdict(Enum):
    """EC2's words, as flow logs print them."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"


@unique
class Reason(IntEnum):
    """Why: one numbered list for every plane, log and page. Numbers are never reused."""

    MALFORMED = 1
    EXEMPT = 2
    NOT_UNICAST = 3
    SOURCE_DEST_CHECK = 4
    FRAGMENT = 5
    NETWORK_ACL = 6
    NO_GROUPS = 7
    ESTABLISHED = 8
    RELATED = 9
    NO_MATCHING_RULE = 10
    UNTRACKED = 11
    MIDSTREAM = 12
    ALLOWANCE_EXCEEDED = 13
    NEW = 14
    SPOOFED = 15
    INVALID = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer for one packet at one interface.

    Parameters
    ----------
    rule_ids : tuple of str
        Every rule that matched, in the order of the interface's groups and their rules; empty
        when no rule was asked or none matched.
    network_acl_id, acl_rule_number
        The ACL that was asked and the entry that decided, the allowing one too; None when
        none was asked. The implicit denies are 32767 (IPv4) and 32768 (IPv6).
    state_before, state_after : State or None
        Of the flow's entry; None where there is no entry.
    logged : bool
        Flow logs record this packet.
    first_fragment : Packet or None
        For a later fragment: the first one, whose answer this is.

    """

    verdict: Verdict
    reason: Reason
    rule_ids: tuple[str, ...] = ()
    network_acl_id: str | None = None
    acl_rule_number: int | None = None
    state_before: State | None = None
    state_after: State | None = None
    logged: bool = True
    first_fragment: Packet | None = None

    @property
    def accepted(self) -> bool:
        """The verdict is ACCEPT."""
        return self.verdict is Verdict.ACCEPT
