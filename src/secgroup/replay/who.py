"""Which interfaces a captured packet passes, and which way.

Owns the placing of frames; knows no rules and remembers no flow. With `at`, a frame belongs to
the interface that its capture interface stands for. Without, the interface that owns the source
address sends it, and the one that owns the destination receives it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum, unique
from functools import cached_property, lru_cache
from typing import Final, NamedTuple, TypeAlias

from secgroup.errors import AmbiguousAddressError, InputError
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.route import TargetKind
from secgroup.net.address import Address
from secgroup.net.capture import Frame
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.policy.routes import most_specific

#: Addresses and pairs of addresses that are remembered at once; a capture may hold any number.
_REMEMBERED: Final = 65_536

#: What `at` may be: the interface of every frame; or of each capture interface, by its name or
#: index, with None for the others.
At: TypeAlias = str | Mapping[str | None, str] | None


@unique
class Undecided(Enum):
    """Why a frame, or one side of a packet, was not decided."""

    NOT_IP = "not_ip"
    CUT_FRAME = "cut_frame"
    COPY = "copy"
    UNPLACED = "unplaced"
    UNKNOWN_IN_VPC = "unknown_in_vpc"
    FOREIGN = "foreign"
    BEYOND_TRANSLATION = "beyond_translation"


class Place(NamedTuple):
    """Where a packet is decided: leaving `sender`, arriving at `receiver`; either may be None.

    `undecided` says what is not, with the `addresses` to blame; `scope` is the VPC where the
    addresses alone do not tell one connection from another.
    """

    sender: NetworkInterface | None = None
    receiver: NetworkInterface | None = None
    undecided: Undecided | None = None
    addresses: tuple[Address, ...] = ()
    scope: str | None = None


class Census:
    """Counts what was not decided, and the addresses that it was about, in bounded memory."""

    def __init__(self) -> None:
        self.counts: Counter[Undecided] = Counter()
        self._addresses: dict[Undecided, Counter[Address]] = {}

    def add(self, cause: Undecided, addresses: Iterable[Address] = (), *, frames: int = 1) -> None:
        """Count a frame, or so many that are alike."""
        self.counts[cause] += frames
        for address in addresses:
            seen = self._addresses.setdefault(cause, Counter())
            if address in seen or len(seen) < _REMEMBERED:
                seen[address] += frames

    def most_frequent(
        self, cause: Undecided, limit: int | None = None
    ) -> list[tuple[Address, int]]:
        """Return addresses with their number of packets, the most frequent first."""
        seen = self._addresses.get(cause, Counter())
        ranked = sorted(seen.items(), key=lambda item: (-item[1], item[0].version, item[0]))
        return ranked[:limit]


def interface_named(network: Network, name: str) -> NetworkInterface:
    """Return the interface with this id, or name, or whose instance it names.

    Raises
    ------
    InputError
        There is none, or there are several.

    """
    if name in network.interfaces:
        return network.interfaces[name]
    found = [each for each in network.interfaces.values() if name in each.names]
    if not found:
        instances = {name} | {
            each.instance_id for each in network.instances.values() if name in each.names
        }
        owned = [each for each in network.interfaces.values() if each.instance_id in instances]
        found = [each for each in owned if each.device_index in (0, None)] or owned
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(each.interface_id for each in found))
        raise InputError(f"{name!r} fits several network interfaces (expected one of {ids})")
    raise InputError(
        f"no network interface is called {name!r} "
        f"(expected one of {_some(sorted(network.interfaces))})"
    )


def vpc_named(network: Network, name: str) -> str:
    """Return the id of the VPC with this id or name.

    Raises
    ------
    InputError
        There is none, or there are several.

    """
    found = [vpc.vpc_id for vpc in network.vpcs.values() if name in (vpc.vpc_id, *vpc.names)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{name!r} fits several VPCs (expected one of {', '.join(sorted(found))})")
    raise InputError(f"no VPC is called {name!r} (expected one of {_some(sorted(network.vpcs))})")


def _some(names: list[str]) -> str:
    if not names:
        return "none: the network has none"
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


class Who:
    """Places the frames of one capture in one network.

    Parameters
    ----------
    network : Network
    at : str or mapping, optional
        See `At`; interfaces by id or name.
    vpc : str, optional
        Where to start when two VPCs have the same address; by id or name.

    Raises
    ------
    InputError
        A name that fits nothing, or several things.

    """

    def __init__(self, network: Network, *, at: At = None, vpc: str | None = None) -> None:
        self._network = network
        chosen = {None: at} if isinstance(at, str) else dict(at or {})
        self._at = {key: interface_named(network, name) for key, name in chosen.items()}
        self._vpc_id = None if vpc is None else vpc_named(network, vpc)
        self._between = lru_cache(maxsize=_REMEMBERED)(self._ends)

    @property
    def is_at(self) -> bool:
        """Frames are placed by where they were captured."""
        return bool(self._at)

    def moved_to(self, network: Network) -> "Who":
        """Return the same in another network; an interface that it lacks has no frames."""
        other = Who(network)
        other._at = {
            key: network.interfaces.get(each.interface_id, each) for key, each in self._at.items()
        }
        other._vpc_id = self._vpc_id
        return other

    def place(self, frame: Frame) -> Place:
        """Say where a frame is decided.

        Raises
        ------
        AmbiguousAddressError
            Two VPCs have an address of the packet, and nothing says which is meant.

        """
        packet = frame.datagram
        if packet is None:
            cut = frame.link.problem is not None
            return Place(undecided=Undecided.CUT_FRAME if cut else Undecided.NOT_IP)
        if self._at:
            return self._place_at(frame, packet.source, packet.destination)
        return self._between(packet.source, packet.destination)

    def ends(self, source: Address | None, destination: Address | None) -> Place:
        """Say who has the addresses of a packet that was captured nowhere.

        Raises
        ------
        AmbiguousAddressError
            As `place`.

        """
        return self._between(source, destination)

    def _place_at(self, frame: Frame, source: Address | None, destination: Address | None) -> Place:
        interface = self._captured_at(frame)
        addresses = tuple(each for each in (source, destination) if each is not None)
        if interface is None or interface.interface_id not in self._network.interfaces:
            return Place(undecided=Undecided.UNPLACED, addresses=addresses)
        direction = _direction(interface, frame, source, destination)
        if direction is None:
            if not addresses:
                return Place()
            return Place(undecided=Undecided.UNPLACED, addresses=addresses)
        scope = (
            interface.vpc_id if self._is_shared(source) or self._is_shared(destination) else None
        )
        if direction is Direction.EGRESS:
            return Place(sender=interface, scope=scope)
        return Place(receiver=interface, scope=scope)

    def every_end(self, place: Place, packet: Packet) -> Place:
        """Return `place` with the other captured interface that the packet's connection passes.

        Where several interfaces were captured, a frame is decided at one of them only; the same
        connection may be decided at the one that has the packet's other address.
        """
        known = place.sender or place.receiver
        if known is None or len(self._at) < 2:
            return place
        if place.sender is None:
            return place._replace(sender=self._captured_with(packet.source, known))
        if place.receiver is None:
            return place._replace(receiver=self._captured_with(packet.destination, known))
        return place

    def _captured_with(self, address: Address, known: NetworkInterface) -> NetworkInterface | None:
        """Return the captured interface with an address; of the VPC of `known` if several have."""
        for each in self._at.values():
            is_there = each.interface_id in self._network.interfaces and each.has_address(address)
            if is_there and (each.vpc_id == known.vpc_id or not self._is_shared(address)):
                return each
        return None

    def _captured_at(self, frame: Frame) -> NetworkInterface | None:
        found = self._at.get(str(frame.interface))
        if found is None and frame.interface_name is not None:
            found = self._at.get(frame.interface_name)
        return self._at.get(None) if found is None else found

    def _is_shared(self, address: Address | None) -> bool:
        return address is not None and len(self._network.interfaces_with(address)) > 1

    def _ends(self, source: Address | None, destination: Address | None) -> Place:
        """Find the owners of both addresses."""
        senders = () if source is None else self._network.interfaces_with(source)
        receivers = () if destination is None else self._network.interfaces_with(destination)
        if len(senders) > 1 or len(receivers) > 1:
            sender, receiver = self._disambiguate(source, senders, destination, receivers)
        else:
            sender = senders[0] if senders else None
            receiver = receivers[0] if receivers else None
        addresses = tuple(each for each in (source, destination) if each is not None)
        public = tuple(each for each in addresses if each in self.publics)
        if sender is not None or receiver is not None:
            far = Undecided.BEYOND_TRANSLATION if public else None
            return Place(sender=sender, receiver=receiver, undecided=far, addresses=public)
        if not addresses:
            return Place()
        if senders or receivers:
            return Place(undecided=Undecided.UNPLACED, addresses=addresses)
        if public:
            return Place(undecided=Undecided.BEYOND_TRANSLATION, addresses=public)
        local = tuple(
            each for each in addresses if any(each in vpc for vpc in self._network.vpcs.values())
        )
        if local:
            return Place(undecided=Undecided.UNKNOWN_IN_VPC, addresses=local)
        return Place(undecided=Undecided.FOREIGN, addresses=addresses)

    @cached_property
    def publics(self) -> frozenset[Address]:
        """The public addresses of the network: no packet at an interface carries them."""
        of_interfaces = (
            private.public for each in self._network.interfaces.values() for private in each.ipv4
        )
        elastic = (each.public_ip for each in self._network.addresses.values())
        return frozenset(each for each in (*of_interfaces, *elastic) if each is not None)

    def _disambiguate(
        self,
        source: Address | None,
        senders: tuple[NetworkInterface, ...],
        destination: Address | None,
        receivers: tuple[NetworkInterface, ...],
    ) -> tuple[NetworkInterface | None, NetworkInterface | None]:
        """Start at the end that stands in the chosen VPC, and find the other by its routes."""
        for address, candidates in ((source, senders), (destination, receivers)):
            in_one_vpc = len({each.vpc_id for each in candidates}) < len(candidates)
            if len(candidates) > 1 and (self._vpc_id is None or in_one_vpc):
                several = ", ".join(
                    f"{each.interface_id} in {each.vpc_id}"
                    for each in sorted(candidates, key=lambda each: each.interface_id)
                )
                way = "--at says which" if in_one_vpc else "--vpc says which"
                raise AmbiguousAddressError(f"{address} is the address of {several} ({way})")
        near = next((each for each in senders if each.vpc_id == self._vpc_id), None)
        if near is not None:
            return near, self._far_end(near, destination, receivers)
        near = next((each for each in receivers if each.vpc_id == self._vpc_id), None)
        if near is not None:
            return self._far_end(near, source, senders), near
        return None, None

    def _far_end(
        self,
        near: NetworkInterface,
        address: Address | None,
        candidates: Iterable[NetworkInterface],
    ) -> NetworkInterface | None:
        """Return the candidate in the VPC that the route table of `near` leads to."""
        if address is None:
            return None
        table = self._network.route_table_of(near.subnet_id)
        route = None if table is None else most_specific(self._network, table, address)
        vpc_id: str | None = near.vpc_id
        if table is not None and route is None:
            vpc_id = None
        elif route is not None and route.target.kind is not TargetKind.LOCAL:
            peering = self._network.peerings.get(route.target.target_id)
            side = None if peering is None else peering.other_side(near.vpc_id)
            is_up = side is not None and peering is not None and peering.is_active
            vpc_id = side.vpc_id if is_up and side is not None and not route.is_blackhole else None
        return next((each for each in candidates if each.vpc_id == vpc_id), None)


def _direction(
    interface: NetworkInterface,
    frame: Frame,
    source: Address | None,
    destination: Address | None,
) -> Direction | None:
    """Tell the direction of a frame captured at `interface`: by addresses, else by the link."""
    leaves = source is not None and interface.has_address(source)
    arrives = destination is not None and interface.has_address(destination)
    if leaves != arrives:
        return Direction.EGRESS if leaves else Direction.INGRESS
    by_link = _direction_by_link(interface, frame)
    return Direction.EGRESS if by_link is None and leaves else by_link


def _direction_by_link(interface: NetworkInterface, frame: Frame) -> Direction | None:
    link = frame.link
    if interface.mac is not None:
        if link.source_mac == interface.mac:
            return Direction.EGRESS
        if link.destination_mac is not None and (
            link.destination_mac == interface.mac or link.destination_mac[0] & 1
        ):
            return Direction.INGRESS
    return frame.direction
