"""What a person means by one end of a question: an interface, an address, a group, the internet.

Owns how a name is found in a network. Knows nothing of packets and rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Final, TypeAlias

from secgroup.errors import InputError
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.net.address import Address, Prefix
from secgroup.policy.resolve import routers_of, services_of
from secgroup.reference.partition import Span, address_in, span_of, without

INTERNET: Final = "internet"
#: Names that are offered for one that is nothing.
_MOST_HINTS: Final = 5

#: IPv4 blocks that no packet of the internet comes from (IANA, special-purpose registry). The
#: documentation blocks are not here: they stand for public addresses in examples.
NOT_PUBLIC: Final[tuple[Prefix, ...]] = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
    )
)
#: The IPv6 addresses of the internet (RFC 4291, global unicast as assigned).
PUBLIC_IPV6: Final = IPv6Network("2000::/3")
#: Who stands for the internet where a question is about all of it (RFC 5737, RFC 3849).
REPRESENTATIVES: Final = {
    4: tuple(map(ip_address, ("203.0.113.10", "198.51.100.10", "192.0.2.10"))),
    6: tuple(map(ip_address, ("2001:db8:ffff::10", "3fff::10"))),
}


def is_public(address: Address) -> bool:
    """Tell whether a packet of the internet may have this address."""
    if address.version == 4:
        return not any(address in block for block in NOT_PUBLIC)
    return address in PUBLIC_IPV6


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceEnd:
    """An interface of the network, with the address of it that is meant.

    `public`: the question gave the public address that translates to `address`.
    """

    label: str
    interface: NetworkInterface
    address: Address
    public: IPv4Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideEnd:
    """Addresses that no interface of the network has, as numbers of one family."""

    label: str
    family: int
    spans: tuple[Span, ...]

    @property
    def is_single(self) -> bool:
        """One address, not the whole internet."""
        return len(self.spans) == 1 and self.spans[0][0] == self.spans[0][1]

    @property
    def representative(self) -> Address:
        """One address of it: a documentation one where that is among them."""
        return representative(self.spans, self.family)


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodysEnd:
    """An address inside a VPC of the network that none of its interfaces has."""

    label: str
    address: Address
    vpc_id: str


End: TypeAlias = InterfaceEnd | OutsideEnd | NobodysEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One end of a question; a group has an end for each member.

    `left_out` are the members that have no address of the family.
    """

    label: str
    ends: tuple[End, ...]
    group_id: str | None = None
    left_out: tuple[str, ...] = ()


def representative(spans: tuple[Span, ...], family: int) -> Address:
    """Return one address of `spans`: a documentation one where there is one."""
    for address in REPRESENTATIVES[family]:
        if any(first <= int(address) <= last for first, last in spans):
            return address
    return address_in(spans[0][0], family)


def parse_literal(text: str) -> Address | None:
    """Return the address that an endpoint spells, None when it is a name."""
    text = text.strip().removeprefix(f"{INTERNET}:").strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        # A zone (fe80::1%eth0) is for the host that it is on alone.
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def find_endpoint(network: Network, text: str, family: int) -> Endpoint:
    """Find what `text` means in `network`.

    Parameters
    ----------
    text : str
        An interface, instance, name, logical id, address, group, `internet` or
        `internet:ADDRESS`.
    family : int
        4 or 6: which addresses of it.

    Raises
    ------
    InputError
        It means nothing, several things, or something without an address of the family.

    """
    text = text.strip()
    if text == INTERNET:
        spans = _public_outside(network, family)
        return Endpoint(
            label=INTERNET, ends=(OutsideEnd(label=INTERNET, family=family, spans=spans),)
        )
    literal = parse_literal(text)
    if literal is not None:
        if literal.version != family:
            raise InputError(f"{text} is not an IPv{family} address")
        outside = text.startswith(f"{INTERNET}:")
        end = _internet_address(network, literal) if outside else _of_address(network, literal)
        return Endpoint(label=end.label, ends=(end,))
    if text.startswith(f"{INTERNET}:"):
        raise InputError(f"{text!r}: what follows internet: is not an address")
    return _of_name(network, text, family)


def _of_name(network: Network, text: str, family: int) -> Endpoint:
    interface_ids = dict.fromkeys(_interface_ids_of(network, text))
    group_ids = [
        group.group_id
        for group in network.groups.values()
        if text in (group.group_id, group.name, *group.names)
    ]
    found = [*interface_ids, *group_ids]
    if len(found) > 1:
        raise InputError(
            f"{text!r} fits several things: {', '.join(found)} (expected the id of one)"
        )
    if not found:
        raise InputError(f"{text!r} is nothing in this network ({_hint(network, text)})")
    if interface_ids:
        interface = network.interfaces[found[0]]
        return Endpoint(
            label=label_of(network, interface), ends=(_end_of(network, interface, family),)
        )
    return _of_group(network, found[0], family)


def _hint(network: Network, text: str) -> str:
    """Return the names that may have been meant, else what may be written."""
    names = {INTERNET: None}
    for interface in network.interfaces.values():
        names |= dict.fromkeys(interface.names)
    for instance in network.instances.values():
        names |= dict.fromkeys(instance.names)
    for gateway in network.nat_gateways.values():
        names |= dict.fromkeys(gateway.names)
    for group in network.groups.values():
        names |= dict.fromkeys((*filter(None, [group.name]), *group.names))
    word = text.casefold()
    near = [each for each in names if word and word in each.casefold()]
    near += [each for each in get_close_matches(text, names) if each not in near]
    if near:
        return f"did you mean {', '.join(near[:_MOST_HINTS])}?"
    return "expected an interface, instance, group, their name, an address, or internet"


def _of_group(network: Network, group_id: str, family: int) -> Endpoint:
    members = network.members.get(group_id, ())
    ends = tuple(_end_of(network, member, family) for member in members if _address(member, family))
    if not ends:
        raise InputError(f"no interface with an IPv{family} address carries the group {group_id}")
    left_out = tuple(
        label_of(network, member) for member in members if not _address(member, family)
    )
    label = f"group {group_text(network, group_id)}"
    return Endpoint(label=label, ends=ends, group_id=group_id, left_out=left_out)


def _interface_ids_of(network: Network, text: str) -> Iterator[str]:
    """Yield the ids of the interfaces that a name may mean; an instance is its primary one."""
    for interface in network.interfaces.values():
        if text == interface.interface_id or text in interface.names:
            yield interface.interface_id
    for gateway in network.nat_gateways.values():
        if text == gateway.gateway_id or text in gateway.names:
            yield from gateway.interface_ids[:1]
    for instance in network.instances.values():
        if text == instance.instance_id or text in instance.names:
            primary = primary_of(network, instance.instance_id)
            if primary is None:
                raise InputError(f"the instance {text!r} has no interface in this network")
            yield primary.interface_id
    if text not in network.instances:
        primary = primary_of(network, text)
        if primary is not None:
            yield primary.interface_id


def primary_of(network: Network, instance_id: str) -> NetworkInterface | None:
    """Return the primary interface of an instance: device 0, else the first one."""
    own = [each for each in network.interfaces.values() if each.instance_id == instance_id]
    return min(
        own,
        key=lambda each: (each.device_index is None, each.device_index or 0, each.interface_id),
        default=None,
    )


def label_of(network: Network, interface: NetworkInterface) -> str:
    """Return what people call an interface: a name of its or of its instance, and its id."""
    instance = network.instances.get(interface.instance_id or "")
    names = [*([] if instance is None else instance.names), *interface.names]
    # A Name tag comes before a logical id that only repeats the id.
    name = next((each for each in names if each != interface.interface_id), None)
    return interface.interface_id if name is None else f"{name} ({interface.interface_id})"


def group_text(network: Network, group_id: str) -> str:
    """Write a group: its name and id."""
    group = network.groups.get(group_id)
    names = () if group is None else (group.name, *group.names)
    name = next((each for each in names if each and each != group_id), None)
    return group_id if name is None else f"{name} ({group_id})"


def _address(interface: NetworkInterface, family: int) -> Address | None:
    return next((each for each in interface.addresses if each.version == family), None)


def _end_of(network: Network, interface: NetworkInterface, family: int) -> InterfaceEnd:
    address = _address(interface, family)
    label = label_of(network, interface)
    if address is None:
        hint = "-6" if family == 4 else "without -6"
        raise InputError(f"{label} has no IPv{family} address (ask {hint})")
    return InterfaceEnd(label=label, interface=interface, address=address)


def _public_owner(network: Network, address: Address) -> InterfaceEnd | None:
    for interface in network.interfaces.values():
        for private in interface.ipv4:
            if private.public is not None and private.public == address:
                return InterfaceEnd(
                    label=f"{label_of(network, interface)} at {address}",
                    interface=interface,
                    address=private.address,
                    public=private.public,
                )
    return None


def _of_address(network: Network, address: Address) -> End:
    holders = network.interfaces_with(address)
    if len(holders) > 1:
        names = ", ".join(each.interface_id for each in holders)
        raise InputError(f"{address} is the address of {names} (expected the id of one)")
    if holders:
        return InterfaceEnd(
            label=label_of(network, holders[0]), interface=holders[0], address=address
        )
    owner = _public_owner(network, address)
    if owner is not None:
        return owner
    vpc = next((each for each in network.vpcs.values() if address in each), None)
    if vpc is not None and not _is_of_aws(network, address):
        return NobodysEnd(label=str(address), address=address, vpc_id=vpc.vpc_id)
    return OutsideEnd(
        label=str(address), family=address.version, spans=((int(address), int(address)),)
    )


def _is_of_aws(network: Network, address: Address) -> bool:
    """Tell whether the VPC itself answers at this address: its resolver, a subnet's router."""
    return any(
        address in service.addresses
        for vpc in network.vpcs.values()
        for service in services_of(vpc)
    ) or any(address in routers_of(subnet) for subnet in network.subnets.values())


def _internet_address(network: Network, address: Address) -> OutsideEnd:
    label = f"{INTERNET}:{address}"
    if not is_public(address):
        raise InputError(f"{address} is not a public address", source=label)
    end = _of_address(network, address)
    if not isinstance(end, OutsideEnd):
        raise InputError(f"{address} is inside the network: {end.label}", source=label)
    return OutsideEnd(label=label, family=end.family, spans=end.spans)


def _public_outside(network: Network, family: int) -> tuple[Span, ...]:
    """Return every public address that is not of the network."""
    own: list[Span] = [
        span_of(block)
        for vpc in network.vpcs.values()
        for block in (vpc.ipv4_blocks if family == 4 else vpc.ipv6_blocks)
    ]
    if family == 6:
        return without([span_of(PUBLIC_IPV6)], own)
    own.extend(
        (int(private.public), int(private.public))
        for interface in network.interfaces.values()
        for private in interface.ipv4
        if private.public is not None
    )
    own.extend(span_of(block) for block in NOT_PUBLIC)
    return without([(0, 2**32 - 1)], own)
