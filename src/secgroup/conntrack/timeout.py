"""How long a flow may be idle in each state."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from secgroup.conntrack.state import State

#: The states whose timeout AWS does not let anyone choose, in seconds. TCP: netfilter's defaults
#: (net/netfilter/nf_conntrack_proto_tcp.c), ICMP likewise; other protocols: EC2 User Guide,
#: Security group connection tracking.
FIXED_S: Final[Mapping[State, int]] = MappingProxyType(
    {
        State.SYN_SENT: 120,
        State.SYN_SENT2: 120,
        State.SYN_RECV: 60,
        State.FIN_WAIT: 120,
        State.CLOSE_WAIT: 60,
        State.LAST_ACK: 30,
        State.TIME_WAIT: 120,
        State.ICMP_UNREPLIED: 30,
        State.ICMP_REPLIED: 30,
        State.OTHER_UNREPLIED: 600,
        State.OTHER_REPLIED: 600,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """The idle timeouts of one interface, in seconds.

    Source: EC2 User Guide, Security group connection tracking, Idle connection tracking timeout.
    """

    tcp_established: int = 432000
    udp: int = 30
    udp_stream: int = 180

    def of_ms(self, state: State) -> int:
        """Return the idle timeout in `state`, in milliseconds."""
        if state is State.ESTABLISHED:
            return 1000 * self.tcp_established
        if state is State.UDP_STREAM:
            return 1000 * self.udp_stream
        return 1000 * FIXED_S.get(state, self.udp)
