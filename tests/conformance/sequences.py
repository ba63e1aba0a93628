"""States of a network in a row, and the other rows in which a plane must come to the same.

What a plane enforces must depend on the network that it was given last, never on how it came
there: a sequence is played as it stands and expanded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from secgroup.lessons.scene import scene
from secgroup.lessons.talk import connection, datagram, ping
from secgroup.model.interface import ConnectionTracking
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet

Sequence_ = Sequence[Network]
#: What may differ between two states, in the order in which it is changed one by one: what
#: something refers to before what refers to it.
_NOUNS = ("vpcs", "prefix_lists", "groups", "acls", "subnets", "instances", "interfaces")
NOTHING = Network()


def _state(
    groups: Mapping[str, Sequence[str]], interfaces: Mapping[str, str], **others: Any
) -> Network:
    return scene(groups=groups, interfaces=interfaces, **others)


_WEB = {"web-0": "10.0.1.10 2001:db8:1:1::10 web"}
_BOTH = {**_WEB, "db-0": "10.0.2.20 2001:db8:1:2::20 db"}
_MORE = {**_BOTH, "web-1": "10.0.1.11 2001:db8:1:1::11 web", "job-0": "10.0.2.30 web db"}
_SIMPLE = {"web": ["in tcp/443 203.0.113.0/24"], "db": ["in tcp/5432 web"]}
_WIDE = {
    "web": ["in tcp/443 0.0.0.0/0", "in tcp/443 ::/0", "out all 0.0.0.0/0", "out all ::/0"],
    "db": ["in tcp/5432 web", "in udp/53 pl-office", "in icmp 10.0.0.0/16"],
}
_LIST = {"pl-office": ["203.0.113.0/28", "2001:db8:ffff::/64"]}


def _with(network: Network, name: str, **fields: Any) -> Network:
    changed = replace(network.interfaces[name], **fields)
    return replace(network, interfaces={**network.interfaces, name: changed})


def _grown() -> Sequence_:
    """From one interface to four, with an ACL and a prefix list on the way, and back to two."""
    wide = _state(_WIDE, _MORE, prefix_lists=_LIST)
    acl = {"10.0.2": ["in 100 allow all 10.0.1.0/24", "out 100 allow all 0.0.0.0/0"]}
    return (
        _state(_SIMPLE, _WEB),
        _state(_SIMPLE, _BOTH),
        _state(_WIDE, _BOTH, prefix_lists=_LIST),
        wide,
        _state(_WIDE, _MORE, prefix_lists=_LIST, acls=acl),
        _state(_WIDE, _BOTH, prefix_lists={"pl-office": ["198.51.100.0/24"]}, acls=acl),
    )


def _members() -> Sequence_:
    """Interfaces that come into a group and leave it; its rules stay."""
    rules = {"app": ["in all app", "out all app"], "none": []}
    names = [f"i{number}-0" for number in range(6)]
    states = []
    for members in ((0,), (0, 1), (0, 1, 2, 3), (1, 2, 3), (2, 5), (0, 1, 2, 3, 4, 5)):
        lines = {
            name: f"10.0.1.{10 + number} 2001:db8:1:1::{10 + number} "
            + ("app" if number in members else "none")
            for number, name in enumerate(names)
        }
        states.append(_state(rules, lines))
    return states


def _places() -> Sequence_:
    """An interface changes its instance, its addresses, its check and its timeouts."""
    first = _state(_WIDE, _MORE, prefix_lists=_LIST)
    other = _with(first, "web-1", instance_id=None)
    wider = _with(other, "job-0", ipv4=first.interfaces["job-0"].ipv4 * 1, source_dest_check=False)
    moved = _state(_WIDE, {**_MORE, "db-0": "10.0.2.21 db"}, prefix_lists=_LIST)
    slow = _with(moved, "web-0", tracking=ConnectionTracking(udp_timeout=60))
    return (first, other, wider, moved, slow)


SEQUENCES: Mapping[str, Sequence_] = {"grown": _grown(), "members": _members(), "places": _places()}


def one_by_one(states: Sequence_) -> Iterator[Network]:
    """Yield a state for every single noun that changes."""
    network = states[0]
    yield network
    for after in states[1:]:
        for noun in _NOUNS:
            found, wanted = dict(getattr(network, noun)), getattr(after, noun)
            for key in wanted:
                if found.get(key) != wanted[key]:
                    found[key] = wanted[key]
                    network = replace(network, **{noun: dict(found)})
                    yield network
        for noun in reversed(_NOUNS):
            found, wanted = dict(getattr(network, noun)), getattr(after, noun)
            for key in [key for key in found if key not in wanted]:
                del found[key]
                network = replace(network, **{noun: dict(found)})
                yield network
        network = after
        yield after


def with_empties(states: Sequence_) -> Iterator[Network]:
    """Yield nothing at all between two states."""
    for each in states:
        yield NOTHING
        yield each
    yield NOTHING


EXPANSIONS = {
    "as it is": lambda states: list(states),
    "reversed": lambda states: list(states)[::-1],
    "one by one": lambda states: list(one_by_one(states)),
    "with empties between": lambda states: list(with_empties(states)),
    "squashed": lambda states: [states[0], states[-1]],
    "squashed from nothing": lambda states: [NOTHING, states[-1]],
}


def questions(network: Network) -> Iterator[tuple[str, Direction, Packet]]:
    """Yield openers at every interface, from every kind of peer, each a flow of its own."""
    names = sorted(network.interfaces)
    peers = ["203.0.113.9", "203.0.113.30", "198.51.100.7", "2001:db8:ffff::9"]
    peers += [str(each.addresses[0]) for _, each in sorted(network.interfaces.items())]
    peers += ["10.0.1.99", "10.0.2.99"]
    for name in names:
        own = {each.version: str(each) for each in reversed(network.interfaces[name].addresses)}
        for number, peer in enumerate(peers):
            family = 6 if ":" in peer else 4
            if family not in own or peer == own[family]:
                continue
            for way, (source, destination) in (
                (Direction.INGRESS, (peer, own[family])),
                (Direction.EGRESS, (own[family], peer)),
            ):
                port = 20_000 + number
                for service in (443, 5432):
                    said = connection(source, destination, service, client_port=port)
                    yield name, way, said.client("SYN")
                yield name, way, datagram(source, destination, 53, source_port=port)
                yield name, way, ping(source, destination, identifier=port)
