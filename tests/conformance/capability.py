"""What a subject may or may not be able to do, each with what it means for a user."""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])


class Capability(Enum):
    """One row of docs/supported.md; the value is what stands there."""

    RULES = "rules by direction, protocol, port and peer, IPv4 and IPv6"
    PEERS = "groups, prefix lists and peered VPCs as peers of rules"
    RULE_IDS = "all rules that matched, by their ids"
    TRACKS_TCP = "TCP connections, from SYN to TIME_WAIT"
    TRACKS_UDP = "UDP flows and streams"
    TRACKS_ICMP = "ICMP queries and their answers"
    TRACKS_OTHERS = "flows of other protocols"
    TRACKS_ICMP_ERRORS = "ICMP errors about a flow that passes"
    UNTRACKED = "untracked flows, and what AWS always tracks"
    IDLE_TIMEOUTS = "idle timeouts, and those of an interface's own"
    STATES = "the state of a flow before and after each packet"
    LISTS_CONNECTIONS = "the connections that are tracked now"
    FRAGMENTS = "fragments, by the answer of their first one"
    MALFORMED = "packets that cannot be read are refused"
    NETWORK_ACLS = "network ACLs, which act on tracked flows too"
    EXEMPT = "AWS's own services, DHCP and neighbour discovery"
    SOURCE_DEST_CHECK = "the source/destination check"
    GROUPLESS = "interfaces of types that carry no groups"
    SHARED_OWNERS = "interfaces of one instance share its connections"
    CHANGES = "rules, members and ACLs that change under traffic"
    SWITCHES = "the switches related_icmp, loose_tcp and strict_tcp"
    ALLOWANCES = "how many connections an owner may have"
    HOP_HINT = "a hop that is said to be inside the subnet, or not"
    LINK_ADDRESSES = "a source MAC address that is not the interface's is refused"
    OTHER_FRAMES = "ARP of the interface passes; frames that are not IP are refused"


def requires(*capabilities: Capability) -> Callable[[Test], Test]:
    """Say what a test needs; a subject without one of them is excused."""
    return pytest.mark.requires(*capabilities)
