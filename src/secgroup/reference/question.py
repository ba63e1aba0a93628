"""A question about a connection, cut into parts that nothing on the way can tell apart.

Owns who may ask what, and the deciding of each part by one representative; `cut` cuts. Two
packets that every rule, ACL entry and route on their way treats alike get the same answer, so
that the answer of one is the answer of its whole part, exactly.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from secgroup.errors import InputError
from secgroup.model.network import Network
from secgroup.model.route import TargetKind
from secgroup.net.address import Address
from secgroup.net.ports import PortRange, Traffic
from secgroup.net.protocol import ICMP, ICMPV6, TCP, UDP
from secgroup.policy.routes import destinations
from secgroup.reference.box import Box
from secgroup.reference.cut import OnWay, cut
from secgroup.reference.endpoint import (
    End,
    Endpoint,
    InterfaceEnd,
    NobodysEnd,
    OutsideEnd,
    find_endpoint,
    is_public,
    representative,
)
from secgroup.reference.journey import (
    NAT_PORTS,
    Answer,
    AtInterface,
    Conversation,
    Journey,
    OnTheWay,
    Outside,
)
from secgroup.reference.partition import span_of, without
from secgroup.reference.path import converse
from secgroup.reference.ways import Ways

#: The ports that clients of these interface types, and of the internet, speak from (VPC User
#: Guide, ephemeral ports); every other one is taken for Linux.
WIDE_PORTS: Final = PortRange(first=1024, last=65535)
LINUX_PORTS: Final = PortRange(first=32768, last=60999)
WIDE_TYPES: Final = frozenset(
    {
        "natGateway",
        "nat_gateway",
        "lambda",
        "load_balancer",
        "network_load_balancer",
        "gateway_load_balancer",
    }
)

#: Pairs of members that a question may have.
MOST_PAIRS: Final = 100_000

Pair: TypeAlias = tuple[End, End]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who wants to talk to whom, about what; names are found in a network when it is asked.

    `client_ports` is None for the default of whoever opens.
    """

    source: str
    destination: str
    service: Traffic
    family: int
    client_ports: PortRange | None = None

    def endpoints(self, network: Network) -> tuple[Endpoint, Endpoint]:
        """Find both ends.

        Raises
        ------
        InputError
            One of them is nothing or several things; no packet could go between them, or there
            are too many members.

        """
        source = find_endpoint(network, self.source, self.family)
        destination = find_endpoint(network, self.destination, self.family)
        if len(source.ends) * len(destination.ends) > MOST_PAIRS:
            raise InputError(
                f"from {source.label} to {destination.label} are over {MOST_PAIRS} pairs "
                "(ask about one member)"
            )
        source = _without_services(network, source, destination)
        if not pairs_of(source, destination):
            raise InputError(
                f"from {source.label} to {destination.label} no packet passes the network "
                "(expected two different ends, and one of them inside)"
            )
        return source, destination

    def ports_of(self, source: Endpoint) -> PortRange:
        """Return the ports that the opener speaks from, and that answers go to."""
        if self.client_ports is not None:
            return self.client_ports
        wide = any(
            not isinstance(end, InterfaceEnd) or end.interface.interface_type in WIDE_TYPES
            for end in source.ends
        )
        return WIDE_PORTS if wide else LINUX_PORTS


def _without_services(network: Network, source: Endpoint, destination: Endpoint) -> Endpoint:
    """Return `source` without what is behind the gateway endpoints of the destinations' subnets.

    The blocks of such a service are public, but it opens no connections of its own; and an answer
    to it would go to the endpoint.
    """
    tables = [
        network.route_table_of(end.interface.subnet_id)
        for end in destination.ends
        if isinstance(end, InterfaceEnd)
    ]
    taken = {
        block
        for table in tables
        for route in (() if table is None else table.routes)
        if route.target.kind is TargetKind.GATEWAY_ENDPOINT
        for block in destinations(network, route)
    }
    ends = tuple(
        replace(
            end,
            spans=without(
                end.spans, (span_of(block) for block in taken if block.version == end.family)
            ),
        )
        if isinstance(end, OutsideEnd) and not end.is_single
        else end
        for end in source.ends
    )
    return replace(source, ends=ends)


def pairs_of(source: Endpoint, destination: Endpoint) -> tuple[Pair, ...]:
    """Return every pair of ends between which packets pass the network."""
    return tuple(
        (here, there)
        for here in source.ends
        for there in destination.ends
        if not (isinstance(here, OutsideEnd) and isinstance(there, OutsideEnd))
        and not (
            isinstance(here, InterfaceEnd)
            and isinstance(there, InterfaceEnd)
            and here.interface.interface_id == there.interface.interface_id
        )
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A box and what happens to its representative."""

    box: Box
    journey: Journey


def decide_pair(
    ways: Ways, pair: Pair, service: Traffic, clients: PortRange, *, go_on: bool = False
) -> Iterator[Part]:
    """Decide every part of a service between two ends.

    Parameters
    ----------
    go_on : bool
        As `converse` takes it.

    """
    if isinstance(pair[0], NobodysEnd):
        for box in cut(ways, pair, service, clients, OnWay()):
            yield _nobodys(pair, pair[0], box)
        return
    on_way = OnWay()
    while True:
        boxes = list(cut(ways, pair, service, clients, on_way))
        steps = [
            step
            for talk in _explorers(pair, boxes)
            for step in converse(ways, talk, go_on=go_on, explore=True).steps
            if isinstance(step, AtInterface)
        ]
        found = on_way | OnWay(
            interface_ids=frozenset(step.interface_id for step in steps),
            addresses=frozenset(
                address
                for step in steps
                for address in (step.packet.source, step.packet.destination)
            ),
        )
        if found == on_way:
            break
        on_way = found
    for box in boxes:
        yield Part(box, converse(ways, conversation_of(pair, box), go_on=go_on))


def _nobodys(pair: Pair, source: NobodysEnd, box: Box) -> Part:
    """Return a part of a question whose conversation cannot begin."""
    talk = conversation_of(pair, box)
    step = OnTheWay(
        place=source.vpc_id,
        packet=talk.opener,
        answer=Answer.NO,
        text=f"nobody in {source.vpc_id} has {source.address}",
        code="NO_SOURCE_OR_DESTINATION",
    )
    return Part(box, Journey(conversation=talk, steps=(step,)))


def conversation_of(pair: Pair, box: Box) -> Conversation:
    """Return the conversation that stands for a box."""
    source, destination = pair
    is_other = box.protocol == -1
    return Conversation(
        source=source.interface if isinstance(source, InterfaceEnd) else Outside.INTERNET,
        source_address=_address(source, box),
        destination_address=_destination(source, destination, box),
        protocol=box.points[0][0] if is_other else box.protocol,
        point=0 if is_other else _point(box),
        client_port=box.clients[0][0] if box.clients else 1,
        nat_port=box.nats[0][0] if box.nats else NAT_PORTS[0],
        destination_id=(
            destination.interface.interface_id if isinstance(destination, InterfaceEnd) else None
        ),
    )


#: What stands for many ports (https, ssh, ...), and for many ICMP types and codes (echo requests).
_FAMILIAR: Final = {
    TCP: (443, 22, 80, 8080),
    UDP: (443, 53, 123),
    ICMP: (8 * 256,),
    ICMPV6: (128 * 256,),
}


def _point(box: Box) -> int:
    """Return a port, or ICMP type and code, of a box: a familiar one where it has it."""
    for familiar in _FAMILIAR[box.protocol]:
        if any(first <= familiar <= last for first, last in box.points):
            return familiar
    return box.points[0][0]


def _address(end: End, box: Box) -> Address:
    if isinstance(end, OutsideEnd):
        return representative(box.addresses or end.spans, end.family)
    return end.address


def _destination(source: End, destination: End, box: Box) -> Address:
    """Return the address that the opener goes to: from the internet, a public one."""
    if not isinstance(destination, InterfaceEnd):
        return _address(destination, box)
    if destination.public is not None:
        return destination.public
    if isinstance(source, OutsideEnd) and is_public(source.representative):
        for private in destination.interface.ipv4:
            if private.address == destination.address and private.public is not None:
                return private.public
    return destination.address


def _explorers(pair: Pair, boxes: Iterable[Box]) -> Iterator[Conversation]:
    """Yield enough conversations to find every way: ports change none of them."""
    seen = set()
    for box in boxes:
        kind = box.points if box.protocol in (-1, ICMP, ICMPV6) else ()
        key = (box.addresses, box.protocol, kind)
        if key not in seen:
            seen.add(key)
            yield conversation_of(pair, box)
