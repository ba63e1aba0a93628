"""Entries of the flow table as values of `conntrack`. Read first: `layout.RECORD`."""

from collections.abc import Sequence

import numpy as np

from secgroup.conntrack.flow import Flow, FlowKey, Query
from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.engine.batch import address
from secgroup.engine.births import Birth
from secgroup.engine.compile import Compiled
from secgroup.engine.layout import (
    IPV6,
    NEXT_ORIGINAL_KNOWN,
    NEXT_REPLY_KNOWN,
    OPENED_EGRESS,
    OWNER,
    WEIGHT_TWO,
    query_of,
)
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Icmp, Packet
from secgroup.net.protocol import TCP, UDP, icmp_of


def flow_of(
    record: np.void, compiled: Compiled, row: int, now_ms: int, birth: Birth | None = None
) -> Flow:
    """Return an entry as a value.

    Parameters
    ----------
    compiled : Compiled
        The policy that its opener was admitted by.
    row : int
        Of the interface where that was.
    birth : Birth, optional
        Else the rules are asked again, and of the time only the second is known.

    """
    flags, state = int(record["flags"]), State(int(record["state"]))
    key = _key(record, compiled.memory.owner_ids)
    opener = Direction(flags & OPENED_EGRESS)
    known = (flags & NEXT_ORIGINAL_KNOWN, flags & NEXT_REPLY_KNOWN)
    positions = [
        int(position) if is_known else None
        for position, is_known in zip(record["next"], known, strict=True)
    ]
    established, udp, stream = compiled.tables.timeouts[int(record["timeouts"])].tolist()
    interface_id = compiled.memory.interface_ids[row]
    created_ms = 1000 * int(record["created_s"])
    if birth is None:
        rule_ids = compiled.policy.at(interface_id).matching(
            _opener(key, opener, int(record["next"][0])), opener, key.outside
        )
    else:
        created_ms, table = birth.made_ms, int(compiled.rows["table"][row])
        rule_ids = compiled.rule_ids(table, opener, key.inside.version, *birth[1:])
    return Flow(
        key=key,
        opener=opener,
        state=state,
        created_ms=created_ms,
        last_ms=now_ms - ((now_ms - int(record["last_ms"])) & 0xFFFFFFFF),
        timeouts=Timeouts(tcp_established=established, udp=udp, udp_stream=stream),
        interface_id=interface_id,
        next=(positions[0], positions[1]),
        rule_ids=rule_ids,
        weight=2 if flags & WEIGHT_TWO else 1,
    )


def inside_of(record: np.void) -> Address:
    """Return the address on the owner's side of an entry."""
    family = 6 if int(record["owner_protocol"]) & IPV6 else 4
    return address(family, int(record["inside_hi"]), int(record["inside_lo"]))


def _key(record: np.void, owners: Sequence[str]) -> FlowKey:
    word = int(record["owner_protocol"])
    family, protocol = 6 if word & IPV6 else 4, word >> 24
    inside_port, outside_port = int(record["inside_port"]), int(record["outside_port"])
    query = None
    if inside_port == outside_port ^ 0xFFFF and protocol not in (TCP, UDP):
        # Nothing but ICMP has a complement in its ports; all others but TCP and UDP have 0.
        kind, opener = query_of(protocol)
        query = Query(type=kind, opener=Direction(opener))
        protocol, outside_port = icmp_of(family), inside_port
    return FlowKey(
        owner=owners[word & OWNER],
        protocol=protocol,
        inside=inside_of(record),
        inside_port=inside_port,
        outside=address(family, int(record["outside_hi"]), int(record["outside_lo"])),
        outside_port=outside_port,
        query=query,
    )


def _opener(key: FlowKey, direction: Direction, code: int) -> Packet:
    """Return a packet that the rules do not tell from the one which made a flow's entry."""
    outward = direction is Direction.EGRESS
    inside, outside = (key.inside, key.inside_port), (key.outside, key.outside_port)
    source, destination = (inside, outside) if outward else (outside, inside)
    has_ports = key.protocol in (TCP, UDP)
    return Packet(
        source=source[0],
        destination=destination[0],
        protocol=key.protocol,
        length=0,
        source_port=source[1] if has_ports else None,
        destination_port=destination[1] if has_ports else None,
        icmp=None if key.query is None else Icmp(type=key.query.type, code=code),
    )
