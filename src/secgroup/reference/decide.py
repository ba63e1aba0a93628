"""The decision for one packet at one network interface. This file is the definition.

`decide` is a list of thirteen steps; the first refusal ends it. Rules come from `policy`, which
has no memory; flows from `conntrack`, which knows no rules; here they meet. Rules are matched one
by one, on the nouns: nothing is compiled, nothing cached.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

from secgroup.conntrack.flow import (
    Flow,
    FlowKey,
    first_positions,
    inside_of,
    key_of,
    opening_state,
    outside_of,
    step,
)
from secgroup.conntrack.fragment import fragment_key
from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.decision import Decision, Reason, Verdict
from secgroup.net.address import LINK_LOCAL_IPV6, is_multicast
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram, Malformed, Packet
from secgroup.net.protocol import ICMPV6, TCP, UDP
from secgroup.policy.policy import InterfacePolicy
from secgroup.reference.memory import AS_DOCUMENTED, Memory, Switches

#: Router and neighbour solicitations and advertisements (RFC 4861).
NEIGHBOUR_DISCOVERY: Final = range(133, 137)
LIMITED_BROADCAST: Final = IPv4Address("255.255.255.255")
ALL_DHCP_SERVERS: Final = IPv6Address("ff02::1:2")


def decide(
    policy: InterfacePolicy,
    memory: Memory,
    packet: Datagram,
    direction: Direction,
    time_ms: int,
    *,
    same_subnet: bool | None = None,
    switches: Switches = AS_DOCUMENTED,
) -> Decision:
    """Decide `packet` at one interface, and remember what follows from it.

    Parameters
    ----------
    policy : InterfacePolicy
        What the network means for the interface.
    memory : Memory
        Of all interfaces together; changed in place. A packet that is refused moves the clock
        and, if it is a first fragment, leaves its answer for the later ones; nothing else.
    direction : Direction
        The interface's: EGRESS is away from it.
    time_ms : int
        When the packet is there; a time before the latest one is judged at the latest one.
    same_subnet : bool or None
        The other end of this hop is in the interface's subnet, where ACLs are not asked. None:
        it is when the packet's peer address is.

    Returns
    -------
    Decision
        Always; a packet never raises.

    """
    now_ms = memory.flows.advance(time_ms)

    # 1
    if isinstance(packet, Malformed):
        return _reject(Reason.MALFORMED)

    answer = _decide(
        policy,
        memory,
        packet,
        direction,
        now_ms,
        same_subnet=same_subnet,
        switches=switches,
    )
    first = fragment_key(packet, policy.interface.interface_id, direction)
    if first is not None and not packet.is_later_fragment:
        memory.fragments.remember(first, (packet, answer), now_ms)
    return answer


def _decide(
    policy: InterfacePolicy,
    memory: Memory,
    packet: Packet,
    direction: Direction,
    now_ms: int,
    *,
    same_subnet: bool | None,
    switches: Switches,
) -> Decision:
    """Take steps 2 to 13."""
    peer = outside_of(packet, direction)

    # 2
    if _is_neighbour_discovery(packet) or _is_dhcp(policy, packet, direction):
        return Decision(verdict=Verdict.ACCEPT, reason=Reason.EXEMPT, logged=False)

    # 3
    if is_multicast(packet.destination) or packet.destination in (
        LIMITED_BROADCAST,
        policy.broadcast,
    ):
        return replace(_reject(Reason.NOT_UNICAST), logged=False)

    # 4
    if policy.interface.source_dest_check and not policy.interface.has_address(
        inside_of(packet, direction)
    ):
        return _reject(Reason.SOURCE_DEST_CHECK)

    # 5
    if peer in policy.routers:
        return Decision(verdict=Verdict.ACCEPT, reason=Reason.EXEMPT, logged=False)
    service_port = packet.destination_port if direction is Direction.EGRESS else packet.source_port
    service = policy.service_of(peer, packet.protocol, service_port)
    if service is not None:
        return Decision(verdict=Verdict.ACCEPT, reason=Reason.EXEMPT, logged=service.is_logged)

    # 6
    if packet.is_later_fragment:
        return _answer_of_first(policy, memory, packet, direction, now_ms)

    # 7 and 13: the ACL stands on the far side of the groups, so on egress it is asked last.
    acl = None
    if not (peer in policy.subnet if same_subnet is None else same_subnet):
        acl = policy.acl_answer(packet, direction, peer)
    if acl is not None and not acl.is_allow and direction is Direction.INGRESS:
        return replace(
            _reject(Reason.NETWORK_ACL),
            network_acl_id=policy.acl.network_acl_id,
            acl_rule_number=acl.rule_number,
        )

    # 8 to 12
    passed = _pass_groups(policy, memory, packet, direction, now_ms, switches)
    answer = passed.answer
    if acl is not None and (answer.accepted or direction is Direction.INGRESS):
        answer = replace(
            answer, network_acl_id=policy.acl.network_acl_id, acl_rule_number=acl.rule_number
        )
    if not answer.accepted:
        return answer

    # 13
    if acl is not None and not acl.is_allow:
        return replace(
            answer,
            verdict=Verdict.REJECT,
            reason=Reason.NETWORK_ACL,
            state_after=answer.state_before,
        )
    passed.commit(memory)
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passage:
    """What steps 8 to 12 say, and what they would do to the table."""

    answer: Decision
    effect: Literal["none", "make", "step", "end"] = "none"
    flow: Flow | None = None

    def commit(self, memory: Memory) -> None:
        """Do it: the packet has finally been accepted."""
        if self.flow is None:
            return
        if self.effect == "make":
            memory.flows.put(self.flow)
        elif self.effect == "step":
            memory.flows.renew(self.flow)
        else:
            memory.flows.remove(self.flow.key)


def _pass_groups(
    policy: InterfacePolicy,
    memory: Memory,
    packet: Packet,
    direction: Direction,
    now_ms: int,
    switches: Switches,
) -> _Passage:
    """Take steps 8 to 12: flows that are known, and rules."""
    # 8
    if not policy.carries_groups:
        return _Passage(answer=_accept(Reason.NO_GROUPS))

    # 9
    key = key_of(packet, direction, policy.interface.owner)
    flow = None if key is None else memory.flows.get(key)
    before = None if flow is None else flow.state
    is_bare_syn = packet.tcp is not None and packet.tcp.is_bare_syn
    if flow is not None and not (before is State.TIME_WAIT and is_bare_syn):
        stepped = step(flow, packet, direction, now_ms)
        answer = _accept(Reason.ESTABLISHED, before, None if stepped is None else stepped.state)
        if stepped is None:
            return _Passage(answer=answer, effect="end", flow=flow)
        return _Passage(answer=answer, effect="step", flow=stepped)

    # 10
    if packet.is_icmp_error:
        about = _related(policy, memory, packet, direction, switches)
        if about is not None:
            return _Passage(answer=about)

    # 11
    peer = outside_of(packet, direction)
    rule_ids = policy.matching(packet, direction, peer)
    refused = replace(_reject(Reason.NO_MATCHING_RULE), state_before=before, state_after=before)
    if not rule_ids:
        return _Passage(answer=refused)
    refused = replace(refused, rule_ids=rule_ids)
    admitted = replace(refused, verdict=Verdict.ACCEPT)

    # 12a
    if _is_untracked(policy, packet, direction):
        return _Passage(answer=replace(admitted, reason=Reason.UNTRACKED))

    # 12b
    if packet.protocol == TCP and not is_bare_syn:
        if switches.strict_tcp:
            return _Passage(answer=replace(refused, reason=Reason.INVALID))
        if not switches.loose_tcp or opening_state(packet) is None:
            return _Passage(answer=replace(admitted, reason=Reason.MIDSTREAM))

    # 12c
    made = None if key is None else _entry(policy, packet, direction, key, now_ms, rule_ids)
    if made is None:
        return _Passage(answer=replace(admitted, reason=Reason.UNTRACKED))
    allowance = switches.allowance_of(policy.interface.owner)
    taken = memory.flows.weight_of(policy.interface.owner, without=made.key)
    if allowance is not None and taken + made.weight > allowance:
        return _Passage(answer=replace(refused, reason=Reason.ALLOWANCE_EXCEEDED))

    # 12d
    return _Passage(
        answer=replace(admitted, reason=Reason.NEW, state_after=made.state),
        effect="make",
        flow=made,
    )


def _answer_of_first(
    policy: InterfacePolicy, memory: Memory, packet: Packet, direction: Direction, now_ms: int
) -> Decision:
    """Give a later fragment what its first one got; it steps nothing."""
    key = fragment_key(packet, policy.interface.interface_id, direction)
    kept = None if key is None else memory.fragments.recall(key, now_ms)
    if kept is None:
        return _reject(Reason.FRAGMENT)
    first, answer = kept
    return replace(answer, state_before=answer.state_after, first_fragment=first)


def _is_untracked(policy: InterfacePolicy, packet: Packet, direction: Direction) -> bool:
    """Tell whether a packet that the rules admit is of an untracked flow.

    TCP and UDP: its port is open to everyone, there and back; or it answers such a flow. ICMP is
    always tracked, but a message that is no query has nothing to be tracked by.
    """
    if packet.icmp is not None:
        return not packet.is_query
    ports = (packet.source_port, packet.destination_port)
    if packet.protocol not in (TCP, UDP) or ports[0] is None or ports[1] is None:
        return False
    if policy.always_tracked_weight(outside_of(packet, direction)) > 0:
        return False
    if policy.is_open(direction, packet.family, packet.protocol, ports[1]):
        return True
    is_tcp_opener = packet.protocol == TCP and packet.is_opener
    return not is_tcp_opener and policy.is_open(
        direction.opposite, packet.family, packet.protocol, ports[0]
    )


def _related(
    policy: InterfacePolicy,
    memory: Memory,
    packet: Packet,
    direction: Direction,
    switches: Switches,
) -> Decision | None:
    """Accept an ICMP error about a flow that passes here; None when it is about no such flow.

    The error must go to the source of the packet that it quotes, and that packet, taken the
    other way through this interface, must have an entry or be untracked.
    """
    quote = packet.icmp.quote if packet.icmp is not None else None
    if quote is None or packet.fragment is not None or quote.is_icmp_error:
        return None
    if packet.destination != quote.source:
        return None
    way = direction.opposite
    peer = outside_of(quote, way)
    key = key_of(quote, way, policy.interface.owner)
    flow = None if key is None else memory.flows.get(key)
    is_untracked = flow is None and (
        bool(policy.matching(quote, way, peer)) and _is_untracked(policy, quote, way)
    )
    if flow is None and not is_untracked:
        return None
    if not switches.related_icmp:
        if not _is_path_mtu(packet):
            return None
        if not is_untracked and policy.always_tracked_weight(peer) == 0:
            return None
    state = None if flow is None else flow.state
    return _accept(Reason.RELATED, state, state)


def _is_path_mtu(packet: Packet) -> bool:
    """Fragmentation needed, packet too big: the errors whose delivery AWS documents."""
    if packet.family == 4:
        return (packet.icmp_type, packet.icmp_code) == (3, 4)
    return packet.icmp_type == 2


def _entry(
    policy: InterfacePolicy,
    packet: Packet,
    direction: Direction,
    key: FlowKey,
    now_ms: int,
    rule_ids: tuple[str, ...],
) -> Flow | None:
    """Return the entry that an admitted packet makes."""
    state = opening_state(packet)
    if state is None:
        return None
    return Flow(
        key=key,
        opener=direction,
        state=state,
        created_ms=now_ms,
        last_ms=now_ms,
        timeouts=Timeouts(
            tcp_established=policy.timeouts.tcp_established_s,
            udp=policy.timeouts.udp_s,
            udp_stream=policy.timeouts.udp_stream_s,
        ),
        interface_id=policy.interface.interface_id,
        next=first_positions(packet),
        rule_ids=rule_ids,
        weight=max(1, policy.always_tracked_weight(key.outside)),
    )


def _is_neighbour_discovery(packet: Packet) -> bool:
    """Only a neighbour can send these with hop limit 255 (RFC 4861 section 3.1)."""
    return (
        packet.protocol == ICMPV6
        and packet.icmp_type in NEIGHBOUR_DISCOVERY
        and packet.hop_limit == 255
    )


def _is_dhcp(policy: InterfacePolicy, packet: Packet, direction: Direction) -> bool:
    """Tell whether a datagram is between a DHCP client inside and the router's server."""
    if packet.protocol != UDP:
        return False
    ports = (packet.source_port, packet.destination_port)
    if direction is Direction.EGRESS:
        server = packet.destination
        if packet.family == 4:
            to_server = server == LIMITED_BROADCAST or server in policy.routers
            return ports == (68, 67) and to_server
        return ports == (546, 547) and (server == ALL_DHCP_SERVERS or server in LINK_LOCAL_IPV6)
    if packet.family == 4:
        return ports == (67, 68) and packet.source in policy.routers
    return ports == (547, 546) and packet.source in LINK_LOCAL_IPV6


def _accept(reason: Reason, before: State | None = None, after: State | None = None) -> Decision:
    return Decision(verdict=Verdict.ACCEPT, reason=reason, state_before=before, state_after=after)


def _reject(reason: Reason) -> Decision:
    return Decision(verdict=Verdict.REJECT, reason=reason)
