"""Which addresses of a subnet an interface gets: the lowest that are free, or those asked for.

The first four addresses of a subnet and its last one are AWS's. A prefix is /28 or /80.
Source: Amazon VPC User Guide, "Subnet sizing"; EC2 User Guide, "Prefix delegation".
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import islice
from typing import Any, Final

from secgroup.control.places import dns_suffix
from secgroup.control.state import Resource, World
from secgroup.errors import Ec2Error

_HEAD: Final = 4
_IPV4_PREFIX: Final = 28
_IPV6_PREFIX: Final = 80

#: Member of an interface, and member of what stands in it, by kind of address.
IPV4: Final = ("PrivateIpAddresses", "PrivateIpAddress")
IPV6: Final = ("Ipv6Addresses", "Ipv6Address")
IPV4_PREFIX: Final = ("Ipv4Prefixes", "Ipv4Prefix")
IPV6_PREFIX: Final = ("Ipv6Prefixes", "Ipv6Prefix")
_PREFIX_OF: Final = {IPV4: IPV4_PREFIX, IPV6: IPV6_PREFIX}
_ADDRESS_OF: Final = {IPV4_PREFIX: IPV4, IPV6_PREFIX: IPV6}


def block_of(subnet: Resource, kind: tuple[str, str]) -> IPv4Network | IPv6Network:
    """Return the block of a subnet that a kind of address is from.

    Raises
    ------
    Ec2Error
        It has none.

    """
    if kind in (IPV4, IPV4_PREFIX):
        if "CidrBlock" not in subnet:
            raise Ec2Error("subnet_without_ipv4", resource_id=subnet["SubnetId"])
        return IPv4Network(subnet["CidrBlock"])
    for each in subnet["Ipv6CidrBlockAssociationSet"]:
        return IPv6Network(each["Ipv6CidrBlock"])
    raise Ec2Error("subnet_without_ipv6", resource_id=subnet["SubnetId"])


def _holder(world: World, subnet: Resource, kind: tuple[str, str], text: str) -> str | None:
    """Return the interface of a subnet that has an address or a prefix, None when none has."""
    table = world.state.table(world.account_id, world.region, "NetworkInterface")
    for interface_id in table.indexes[".".join(kind)].get(text, ()):
        if table.rows[interface_id].resource["SubnetId"] == subnet["SubnetId"]:
            return interface_id
    return None


def _prefix_around(address: IPv4Address | IPv6Address) -> str:
    length = _IPV4_PREFIX if address.version == 4 else _IPV6_PREFIX
    family = IPv4Network if isinstance(address, IPv4Address) else IPv6Network
    return str(family(f"{address}/{length}", strict=False))


def _is_free(
    world: World, subnet: Resource, kind: tuple[str, str], address: IPv4Address | IPv6Address
) -> bool:
    return (
        _holder(world, subnet, kind, str(address)) is None
        and _holder(world, subnet, _PREFIX_OF[kind], _prefix_around(address)) is None
    )


def _free(
    world: World, subnet: Resource, kind: tuple[str, str], but: Sequence[str]
) -> Iterator[str]:
    """Yield the free addresses of a subnet, the lowest first."""
    block = block_of(subnet, kind)
    first = int(block.network_address)
    address = type(block.network_address)
    # Most addresses that are tried are taken: whether anything has one is asked first.
    indexes = world.state.table(world.account_id, world.region, "NetworkInterface").indexes
    taken, has_prefixes = indexes[".".join(kind)], bool(indexes[".".join(_PREFIX_OF[kind])])
    for number in range(first + _HEAD, first + block.num_addresses - 1):
        found = address(number)
        text = str(found)
        if text in taken and _holder(world, subnet, kind, text) is not None:
            continue
        if has_prefixes and not _is_free(world, subnet, kind, found):
            continue
        if text not in but:
            yield text


def _free_prefixes(
    world: World, subnet: Resource, kind: tuple[str, str], but: Sequence[str]
) -> Iterator[str]:
    """Yield the free prefixes of a subnet; those with an address of AWS's are none."""
    block = block_of(subnet, kind)
    length = _IPV4_PREFIX if block.version == 4 else _IPV6_PREFIX
    taken = set(but)
    for interface in world.where("NetworkInterface", "SubnetId", subnet["SubnetId"]):
        members, member = _ADDRESS_OF[kind]
        for each in interface.get(members) or ():
            taken.add(_prefix_around(_address(each[member])))
        taken |= {each[kind[1]] for each in interface.get(kind[0]) or ()}
    edges = {_prefix_around(block.network_address), _prefix_around(block.broadcast_address)}
    for prefix in block.subnets(new_prefix=max(length, block.prefixlen)):
        if str(prefix) not in taken | edges:
            yield str(prefix)


def _address(text: str) -> IPv4Address | IPv6Address:
    return IPv6Address(text) if ":" in text else IPv4Address(text)


def chosen(
    world: World,
    subnet: Resource,
    kind: tuple[str, str],
    count: int,
    but: Sequence[str] = (),
) -> list[str]:
    """Return the lowest addresses or prefixes of a subnet that are free.

    Raises
    ------
    Ec2Error
        There are not as many, or they are more than an interface may have.

    """
    if count <= 0:
        return []
    if count > world.quota("addresses-per-network-interface"):
        raise Ec2Error("too_many_addresses_of_interface")
    of_kind = _free_prefixes if kind in _ADDRESS_OF else _free
    found = list(islice(of_kind(world, subnet, kind, but), count))
    if len(found) < count:
        raise Ec2Error("no_free_addresses", resource_id=subnet["SubnetId"])
    return found


def checked(
    world: World, subnet: Resource, kind: tuple[str, str], texts: Iterable[str]
) -> list[str]:
    """Return addresses that were asked for in their canonical form.

    Raises
    ------
    Ec2Error
        One is none, is not in the subnet, is AWS's, or is in use.

    """
    block = block_of(subnet, kind)
    found: list[str] = []
    for text in texts:
        try:
            address = _address(text)
        except ValueError:
            raise Ec2Error("address_malformed", value=text) from None
        if address.version != block.version or address not in block:
            raise Ec2Error("address_outside_subnet", address=text)
        number = int(address) - int(block.network_address)
        if not _HEAD <= number < block.num_addresses - 1:
            raise Ec2Error("address_reserved", address=text)
        if str(address) in found or not _is_free(world, subnet, kind, address):
            raise Ec2Error("address_in_use", address=text)
        found.append(str(address))
    return found


def checked_prefixes(
    world: World, subnet: Resource, kind: tuple[str, str], texts: Iterable[str]
) -> list[str]:
    """Return prefixes that were asked for.

    Raises
    ------
    Ec2Error
        One is none, is not free or not in the subnet.

    """
    wanted = list(texts)
    if not wanted:
        return []
    free = set(_free_prefixes(world, subnet, kind, ()))
    for text in wanted:
        if text not in free:
            raise Ec2Error("prefix_not_free", value=text)
    return wanted


# Members of an interface --------------------------------------------------------------------------


def private_dns_name(world: World, address: str) -> str:
    """Return the host name of a private address."""
    return f"ip-{address.replace('.', '-')}.{dns_suffix(world.region)}"


def members(world: World, addresses: Sequence[str]) -> list[dict[str, Any]]:
    """Return `PrivateIpAddresses` of which the first is the primary one."""
    return [
        {
            "PrivateIpAddress": address,
            "PrivateDnsName": private_dns_name(world, address),
            "Primary": index == 0,
        }
        for index, address in enumerate(addresses)
    ]


def assigned(interface: Resource, kind: tuple[str, str]) -> list[str]:
    """Return the addresses or prefixes of a kind that an interface has."""
    return [each[kind[1]] for each in interface.get(kind[0]) or ()]


def put(world: World, interface: Resource) -> None:
    """Keep an interface that got addresses; too many of a family are an `Ec2Error`."""
    limit = world.quota("addresses-per-network-interface")
    for address, prefix in _PREFIX_OF.items():
        if len(assigned(interface, address)) + len(assigned(interface, prefix)) > limit:
            raise Ec2Error("too_many_addresses_of_interface")
    world.put("NetworkInterface", interface)


# Operations ---------------------------------------------------------------------------------------


def _changeable(world: World, request: Resource) -> tuple[Resource, Resource]:
    interface = world.need("NetworkInterface", request["NetworkInterfaceId"])
    if interface["RequesterManaged"]:
        raise Ec2Error("interface_managed", resource_id=interface["NetworkInterfaceId"])
    return interface, world.need("Subnet", interface["SubnetId"])


def _exclusive(request: Resource, *names: str) -> None:
    found = [name for name in names if request.get(name)]
    if not found:
        raise Ec2Error("missing_one_of", names=", ".join(names))
    if len(found) > 1:
        raise Ec2Error("not_together", first=found[0], second=found[1])


def _move(world: World, interface: Resource, address: str) -> dict[str, Any]:
    """Take a secondary address from who has it in the subnet; return its `Association`, if any.

    Source: API reference, AssignPrivateIpAddresses: an Elastic IP address comes along.
    """
    interface_id = interface["NetworkInterfaceId"]
    subnet = {"SubnetId": interface["SubnetId"]}
    holder_id = _holder(world, subnet, IPV4, address)
    if holder_id is None or holder_id == interface_id:
        return {}
    holder = world.need("NetworkInterface", holder_id)
    if holder["PrivateIpAddress"] == address or holder["RequesterManaged"]:
        raise Ec2Error("address_in_use", address=address)
    kept = [each for each in holder["PrivateIpAddresses"] if each["PrivateIpAddress"] != address]
    world.put("NetworkInterface", {**holder, "PrivateIpAddresses": kept})
    (moved,) = (each for each in holder["PrivateIpAddresses"] if each not in kept)
    if "Association" not in moved:
        return {}
    elastic = world.need("Address", moved["Association"]["AllocationId"])
    world.put("Address", {**elastic, "NetworkInterfaceId": interface_id})
    return {"Association": moved["Association"]}


def assign_private_ip_addresses(world: World, request: Resource) -> dict[str, Any]:
    """AssignPrivateIpAddresses: secondary addresses, or prefixes."""
    counts = ("SecondaryPrivateIpAddressCount", "Ipv4PrefixCount")
    _exclusive(request, "PrivateIpAddresses", "Ipv4Prefixes", *counts)
    interface, subnet = _changeable(world, request)
    texts = request.get("PrivateIpAddresses") or ()
    moved: dict[str, dict[str, Any]] = {}
    if request.get("AllowReassignment"):
        moved = {text: _move(world, interface, text) for text in texts}
    addresses = checked(world, subnet, IPV4, texts) if texts else []
    addresses += chosen(world, subnet, IPV4, request.get(counts[0]) or 0)
    prefixes = checked_prefixes(world, subnet, IPV4_PREFIX, request.get("Ipv4Prefixes") or ())
    prefixes += chosen(world, subnet, IPV4_PREFIX, request.get(counts[1]) or 0)
    new = {
        **interface,
        "PrivateIpAddresses": [
            *interface["PrivateIpAddresses"],
            *(
                {**each, "Primary": False, **moved.get(each["PrivateIpAddress"], {})}
                for each in members(world, addresses)
            ),
        ],
    }
    if prefixes:
        new["Ipv4Prefixes"] = [
            *(interface.get("Ipv4Prefixes") or ()),
            *({"Ipv4Prefix": each} for each in prefixes),
        ]
    put(world, new)
    return {
        "NetworkInterfaceId": interface["NetworkInterfaceId"],
        "AssignedPrivateIpAddresses": [{"PrivateIpAddress": each} for each in addresses],
        "AssignedIpv4Prefixes": [{"Ipv4Prefix": each} for each in prefixes],
    }


def _take(
    interface: Resource, kind: tuple[str, str], gone: Sequence[str], fault: str
) -> list[Resource]:
    """Return what an interface keeps; all that goes must be there."""
    missing = [each for each in gone if each not in assigned(interface, kind)]
    if missing:
        raise Ec2Error(fault, address=missing[0], resource_id=interface["NetworkInterfaceId"])
    return [each for each in interface.get(kind[0]) or () if each[kind[1]] not in gone]


def unassign_private_ip_addresses(world: World, request: Resource) -> dict[str, Any]:
    """UnassignPrivateIpAddresses: not the primary one."""
    interface, _ = _changeable(world, request)
    _exclusive(request, "PrivateIpAddresses", "Ipv4Prefixes")
    gone = request.get("PrivateIpAddresses") or []
    if interface.get("PrivateIpAddress") in gone:
        raise Ec2Error("address_primary", address=interface["PrivateIpAddress"])
    kept = _take(interface, IPV4, gone, "address_not_assigned")
    for each in interface["PrivateIpAddresses"]:
        allocation_id = (each.get("Association") or {}).get("AllocationId")
        if each not in kept and allocation_id is not None:
            address = world.need("Address", allocation_id)
            world.put("Address", {k: v for k, v in address.items() if k not in OF_ASSOCIATION})
    new = {**interface, "PrivateIpAddresses": kept}
    if request.get("Ipv4Prefixes"):
        prefixes = request["Ipv4Prefixes"]
        new["Ipv4Prefixes"] = _take(interface, IPV4_PREFIX, prefixes, "address_not_assigned")
    world.put("NetworkInterface", new)
    return {}


#: The members of an Address that an association gives it.
OF_ASSOCIATION: Final = (
    "AssociationId",
    "NetworkInterfaceId",
    "NetworkInterfaceOwnerId",
    "PrivateIpAddress",
)


def assign_ipv6_addresses(world: World, request: Resource) -> dict[str, Any]:
    """AssignIpv6Addresses: addresses, or prefixes."""
    counts = ("Ipv6AddressCount", "Ipv6PrefixCount")
    _exclusive(request, "Ipv6Addresses", "Ipv6Prefixes", *counts)
    interface, subnet = _changeable(world, request)
    texts = request.get("Ipv6Addresses") or ()
    addresses = checked(world, subnet, IPV6, texts) if texts else []
    addresses += chosen(world, subnet, IPV6, request.get(counts[0]) or 0)
    prefixes = checked_prefixes(world, subnet, IPV6_PREFIX, request.get("Ipv6Prefixes") or ())
    prefixes += chosen(world, subnet, IPV6_PREFIX, request.get(counts[1]) or 0)
    new = {
        **interface,
        "Ipv6Addresses": [
            *interface["Ipv6Addresses"],
            *({"Ipv6Address": each, "IsPrimaryIpv6": False} for each in addresses),
        ],
    }
    if prefixes:
        new["Ipv6Prefixes"] = [
            *(interface.get("Ipv6Prefixes") or ()),
            *({"Ipv6Prefix": each} for each in prefixes),
        ]
    put(world, new)
    return {
        "NetworkInterfaceId": interface["NetworkInterfaceId"],
        "AssignedIpv6Addresses": addresses,
        "AssignedIpv6Prefixes": prefixes,
    }


def unassign_ipv6_addresses(world: World, request: Resource) -> dict[str, Any]:
    """UnassignIpv6Addresses."""
    interface, _ = _changeable(world, request)
    _exclusive(request, "Ipv6Addresses", "Ipv6Prefixes")
    addresses = [str(_ipv6(each)) for each in request.get("Ipv6Addresses") or ()]
    prefixes = list(request.get("Ipv6Prefixes") or ())
    new = {**interface, "Ipv6Addresses": _take(interface, IPV6, addresses, "address_not_assigned")}
    if prefixes:
        new["Ipv6Prefixes"] = _take(interface, IPV6_PREFIX, prefixes, "address_not_assigned")
    world.put("NetworkInterface", new)
    return {
        "NetworkInterfaceId": interface["NetworkInterfaceId"],
        "UnassignedIpv6Addresses": addresses,
        "UnassignedIpv6Prefixes": prefixes,
    }


def _ipv6(text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except ValueError:
        raise Ec2Error("address_malformed", value=text) from None


OPERATIONS: Final = {
    "AssignPrivateIpAddresses": assign_private_ip_addresses,
    "UnassignPrivateIpAddresses": unassign_private_ip_addresses,
    "AssignIpv6Addresses": assign_ipv6_addresses,
    "UnassignIpv6Addresses": unassign_ipv6_addresses,
}
