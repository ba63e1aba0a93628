"""Classes: the addresses, and the protocols and ports, that a list of rules does not tell apart.

Owns the sweep that finds them, the bitmap of rules that each class carries, and the peers that
AWS always tracks, as an attribute of the class of an address. Two look-ups and an AND say which
rules match (the bit-vector method; the classes are the atomic predicates of the rules). Knows
nothing of how the classes are looked up fast.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import xor
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from secgroup.errors import InputError
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.route import Route, RouteTable, TargetKind
from secgroup.net.address import Address, Prefix
from secgroup.net.ports import ALL_PORTS, Traffic
from secgroup.net.protocol import TCP, UDP, icmp_of
from secgroup.policy.routes import destinations

_A = TypeVar("_A", bound=NDArray[Any])

#: As many rules as AWS lets an interface have in one direction and family (Amazon VPC quotas:
#: rules per group times groups per interface); their bitmap is 16 words.
MAX_RULES: Final = 1000

WORD: Final = 64

#: A set of numbers: where it begins and ends by turns, ascending. One that reaches the end of its
#: space has no last edge; no set has two forms.
Edges: TypeAlias = tuple[int, ...]

#: The addresses whose flows AWS always tracks, by one and by two entries of the allowance.
Tracked: TypeAlias = tuple[Edges, Edges]

#: Behind the last address of a family.
END_OF_ADDRESSES: Final = {4: 1 << 32, 6: 1 << 128}

#: Protocols and ports are one space: the ports of TCP, those of UDP, then type * 256 + code of
#: the family's ICMP, that ICMP without a type, and one place for each protocol besides.
PLACES_OF_UDP: Final = 1 << 16
PLACES_OF_ICMP: Final = 2 << 16
UNTYPED_ICMP: Final = 3 << 16
OTHER_PROTOCOLS: Final = UNTYPED_ICMP + 1
END_OF_PORTS: Final = OTHER_PROTOCOLS + 256


def edges_of(spans: Iterable[tuple[int, int]], end: int) -> Edges:
    """Return the set that half-open spans make together in a space that ends before `end`."""
    edges: list[int] = []
    until = -1
    for first, behind in sorted(spans):
        if first > until:
            if edges:
                edges.append(until)
            edges.append(first)
            until = behind
        elif behind > until:
            until = behind
    if edges and until < end:
        edges.append(until)
    return tuple(edges)


def spans_of(edges: Edges, end: int) -> Iterator[tuple[int, int]]:
    """Yield the half-open spans of a set."""
    for index in range(0, len(edges), 2):
        yield edges[index], edges[index + 1] if index + 1 < len(edges) else end


def span_of(prefix: Prefix) -> tuple[int, int]:
    """Return the half-open span of a block's addresses."""
    first = int(prefix.network_address)
    return first, first + (1 << (prefix.max_prefixlen - prefix.prefixlen))


def addresses_of(family: int, prefixes: Iterable[Prefix], addresses: Iterable[Address]) -> Edges:
    """Return the set of a family's addresses that blocks and single addresses make together."""
    spans = [span_of(prefix) for prefix in prefixes if prefix.version == family]
    spans += [(int(each), int(each) + 1) for each in addresses if each.version == family]
    return edges_of(spans, END_OF_ADDRESSES[family])


def ports_of(family: int, traffic: Traffic) -> Edges:
    """Return the protocols and ports that `traffic` covers among packets of a family.

    A packet without an ICMP type is compared by its protocol alone, as `Traffic.covers` does.
    """
    if traffic.protocol is None:
        return (0,)
    first = OTHER_PROTOCOLS + traffic.protocol
    spans = [(first, first + 1)]
    if traffic.ports is not None:
        first = 0 if traffic.protocol == TCP else PLACES_OF_UDP
        spans = [(first + traffic.ports.first, first + traffic.ports.last + 1)]
    elif traffic.protocol == icmp_of(family):
        first, behind = PLACES_OF_ICMP, UNTYPED_ICMP
        if traffic.icmp_type is not None:
            first += traffic.icmp_type << 8
            behind = first + 256
            if traffic.icmp_code is not None:
                first += traffic.icmp_code
                behind = first + 1
        spans = [(first, behind), (UNTYPED_ICMP, UNTYPED_ICMP + 1)]
    return edges_of(spans, END_OF_PORTS)


def sweep(sets: Iterable[tuple[int, Edges]]) -> tuple[list[int], list[int], list[int]]:
    """Cut a space into the classes that sets with their bits make of it.

    Parameters
    ----------
    sets : iterable of (int, Edges)
        The bits that every number of the set carries; no bit stands in two sets.

    Returns
    -------
    starts, class_of, bits : list of int
        Where each interval starts (the first at 0) and its class; neighbours differ. The bits of
        each class, classes numbered as they first appear.

    """
    toggled: defaultdict[int, int] = defaultdict(int)
    for mask, edges in sets:
        for edge in edges:
            toggled[edge] ^= mask
    at_zero = toggled.pop(0, 0)
    starts = sorted(filter(toggled.__getitem__, toggled))
    bits = list(accumulate(map(toggled.__getitem__, starts), xor, initial=at_zero))
    numbers = {each: number for number, each in enumerate(dict.fromkeys(bits))}
    return [0, *starts], [numbers[each] for each in bits], list(numbers)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class RulePorts:
    """A rule's traffic, its places, and whether its peer is literally everyone."""

    traffic: Traffic
    is_open: bool
    edges: Edges

    @classmethod
    def of(cls, family: int, traffic: Traffic, *, is_open: bool = False) -> "RulePorts":
        """Make it of a rule in one family."""
        return cls(traffic, is_open, ports_of(family, traffic))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AddressClasses:
    """The classes of a family's addresses under one list of rules.

    Arrays are read-only.

    Parameters
    ----------
    starts : uint32, shape (intervals,); for family 6 uint64, shape (intervals, 2)
        Where each interval starts, ascending from 0; family 6: the high and the low half.
    class_of : int32, shape (intervals,)
    bitmaps : uint64, shape (classes, words)
        Bit r of a class (word r / 64) says that rule r has its addresses among its peers.
    weights : uint8, shape (classes,)
        The entries that a flow takes which AWS always tracks, else 0
        (`InterfacePolicy.always_tracked_weight`).

    """

    family: int
    rules: int
    starts: NDArray[np.uint32] | NDArray[np.uint64]
    class_of: NDArray[np.int32]
    bitmaps: NDArray[np.uint64]
    weights: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PortClasses:
    """The classes of protocols and ports (ICMP: types and codes) under one list of rules.

    Arrays are read-only.

    Parameters
    ----------
    starts : uint32, shape (intervals,)
        Where each interval starts, ascending from 0, in the space of protocols and ports.
    class_of : int32, shape (intervals,)
    bitmaps : uint64, shape (classes, words)
    opened : uint8, shape (classes,)
        1: a rule opens the class to literally everyone. Only for TCP and UDP.
    all_open : dict
        TCP and UDP: one rule opens every port of the protocol to literally everyone.

    """

    family: int
    rules: int
    starts: NDArray[np.uint32]
    class_of: NDArray[np.int32]
    bitmaps: NDArray[np.uint64]
    opened: NDArray[np.uint8]
    all_open: dict[int, bool]


def address_classes(family: int, peers: Sequence[Edges], tracked: Tracked) -> AddressClasses:
    """Find the classes of addresses under rules with these peers, in their order."""
    weights = [(weight << len(peers), edges) for weight, edges in enumerate(tracked, start=1)]
    starts, class_of, bits = sweep([*_shared(peers, peers), *weights])
    return AddressClasses(
        family=family,
        rules=len(peers),
        starts=_starts(family, starts),
        class_of=_read_only(np.array(class_of, dtype=np.int32)),
        bitmaps=_bitmaps(bits, len(peers)),
        weights=_read_only(np.array([each >> len(peers) for each in bits], dtype=np.uint8)),
    )


def port_classes(family: int, rules: Sequence[RulePorts]) -> PortClasses:
    """Find the classes of protocols and ports under rules, in their order."""
    starts, class_of, bits = sweep(_shared(rules, [each.edges for each in rules]))
    opening = sum(1 << bit for bit, each in enumerate(rules) if each.is_open)
    everywhere = {each.traffic for each in rules if each.is_open}
    return PortClasses(
        family=family,
        rules=len(rules),
        starts=_read_only(np.array(starts, dtype=np.uint32)),
        class_of=_read_only(np.array(class_of, dtype=np.int32)),
        bitmaps=_bitmaps(bits, len(rules)),
        opened=_read_only(np.array([each & opening != 0 for each in bits], dtype=np.uint8)),
        all_open={
            protocol: any(
                each.protocol is None or (each.protocol == protocol and each.ports == ALL_PORTS)
                for each in everywhere
            )
            for protocol in (TCP, UDP)
        },
    )


def _shared(keys: Sequence[object], sets: Sequence[Edges]) -> list[tuple[int, Edges]]:
    """Return the bits of each set; of keys that are one object the edges are walked once."""
    masks: dict[int, tuple[int, Edges]] = {}
    for bit, (key, edges) in enumerate(zip(keys, sets, strict=True)):
        masks[id(key)] = (masks.get(id(key), (0, edges))[0] | 1 << bit, edges)
    return list(masks.values())


def require_few(count: int, what: str) -> None:
    """Refuse more rules than a bitmap holds.

    Raises
    ------
    InputError
        There are more than 1,000.

    """
    if count > MAX_RULES:
        raise InputError(f"{what}: {count} rules, expected at most {MAX_RULES}")


def tracked_addresses(
    family: int,
    network: Network,
    route_table: RouteTable | None,
    interfaces: Iterable[NetworkInterface],
) -> Tracked:
    """Return the addresses that `InterfacePolicy.always_tracked_weight` weighs 1 and 2.

    Parameters
    ----------
    route_table : RouteTable or None
        The subnet's.
    interfaces : iterable of NetworkInterface
        Those of `ALWAYS_TRACKED_TYPES` in the subnet's VPC and in its peers.

    """
    end = END_OF_ADDRESSES[family]
    routed = [] if route_table is None else _weights_of_routes(family, network, route_table)
    once = edges_of((span for weight, span in routed if weight == 1), end)
    twice = edges_of((span for weight, span in routed if weight == 2), end)
    own = [addresses_of(family, each.prefixes, each.addresses) for each in interfaces]
    members = edges_of((span for edges in own for span in spans_of(edges, end)), end)
    starts, class_of, bits = sweep([(1, once), (2, twice), (4, members)])
    ends = [*starts[1:], end]
    is_once = [each & 2 == 0 and each & 5 != 0 for each in bits]
    spans = zip(starts, ends, strict=True)
    return (
        edges_of((span for span, each in zip(spans, class_of, strict=True) if is_once[each]), end),
        twice,
    )


def _weights_of_routes(
    family: int, network: Network, table: RouteTable
) -> list[tuple[int, tuple[int, int]]]:
    """Return the spans in which the most specific route weighs more than nothing, and how much.

    Blocks are disjoint or one in the other, so the innermost one is on top of a stack.
    """
    best = weights_of_routes(family, network, table)
    found: list[tuple[int, tuple[int, int]]] = []
    open_blocks = [(END_OF_ADDRESSES[family], 0)]
    since = 0

    def close(until: int) -> None:
        nonlocal since
        if open_blocks[-1][1] > 0 and since < until:
            found.append((open_blocks[-1][1], (since, until)))
        since = until

    for prefix in sorted(best, key=lambda each: (int(each.network_address), each.prefixlen)):
        first, behind = span_of(prefix)
        while open_blocks[-1][0] <= first:
            close(open_blocks[-1][0])
            open_blocks.pop()
        close(first)
        open_blocks.append((behind, best[prefix]))
    while open_blocks:
        close(open_blocks[-1][0])
        open_blocks.pop()
    return found


def weights_of_routes(family: int, network: Network, table: RouteTable) -> dict[Prefix, int]:
    """Return the entries that a flow takes through the best route of each block, else 0."""
    best: dict[Prefix, tuple[bool, int]] = {}
    for route in table.routes:
        ranked = (route.target.kind is TargetKind.LOCAL, _weight_of_route(network, route))
        for prefix in destinations(network, route):
            if prefix.version == family and (prefix not in best or ranked[0] > best[prefix][0]):
                best[prefix] = ranked
    return {prefix: weight for prefix, (_, weight) in best.items()}


def _weight_of_route(network: Network, route: Route) -> int:
    if route.target.kind in (TargetKind.NAT_GATEWAY, TargetKind.EGRESS_ONLY_GATEWAY):
        return 1
    endpoint = network.endpoints.get(route.target.target_id)
    return 2 if endpoint is not None and endpoint.is_dynamodb else 0


def _starts(family: int, starts: list[int]) -> NDArray[np.uint32] | NDArray[np.uint64]:
    if family == 4:
        return _read_only(np.array(starts, dtype=np.uint32))
    packed = b"".join(start.to_bytes(16, "big") for start in starts)
    halves = np.frombuffer(packed, dtype=">u8").reshape(-1, 2)
    return _read_only(halves.astype(np.uint64))


def _bitmaps(bits: Sequence[int], rules: int) -> NDArray[np.uint64]:
    words = max(1, -(-rules // WORD))
    only = (1 << rules) - 1
    packed = b"".join((each & only).to_bytes(8 * words, "little") for each in bits)
    return _read_only(np.frombuffer(packed, dtype="<u8").reshape(-1, words).astype(np.uint64))


def _read_only(array: _A) -> _A:
    array.flags.writeable = False
    return array
