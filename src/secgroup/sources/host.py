"""`--host NAME=ADDRESS,sg-...[,subnet-...]`: an interface that the files do not have."""

from ipaddress import IPv4Address, IPv6Address

from secgroup.errors import InputError
from secgroup.model.group import SecurityGroup
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.vpc import Subnet
from secgroup.net.address import Address, parse_address
from secgroup.sources.draft import Draft, listed


def add_host(draft: Draft, text: str) -> None:
    """Add the interface that `text` describes; its subnet is found by its address.

    Raises
    ------
    InputError
        It has not that form, its name or address is taken, or no single subnet fits.

    """
    source = f"--host {text}"
    name, equals, rest = text.partition("=")
    first, *others = [part.strip() for part in rest.split(",")]
    if not name.strip() or not equals or not others or not all(others):
        raise InputError("expected NAME=ADDRESS,sg-...[,subnet-...]", source=source)
    name = name.strip()
    try:
        address = parse_address(first)
    except InputError as error:
        raise InputError(error.problem, source=source) from None
    subnets = [each for each in others if _is_subnet(draft, each)]
    group_ids = tuple(_group(draft, each, source) for each in others if each not in subnets)
    if not group_ids:
        raise InputError("no security group (expected at least one)", source=source)
    if name in draft.of(NetworkInterface):
        raise InputError(f"{name} is an interface of the network already", source=source)
    subnet = _subnet(draft, address, subnets, source)
    for other in draft.of(NetworkInterface).values():
        if other.vpc_id == subnet.vpc_id and address in other.addresses:
            raise InputError(f"{address} belongs to {other.interface_id}", source=source)
    draft.add(
        NetworkInterface(
            interface_id=name,
            vpc_id=subnet.vpc_id,
            subnet_id=subnet.subnet_id,
            ipv4=(PrivateIpv4(address=address),) if isinstance(address, IPv4Address) else (),
            ipv6=(address,) if isinstance(address, IPv6Address) else (),
            group_ids=group_ids,
        ),
        source=source,
    )


def _is_subnet(draft: Draft, text: str) -> bool:
    return text in draft.of(Subnet) or text.startswith("subnet-")


def _group(draft: Draft, text: str, source: str) -> str:
    """Return the id of a group that is given by id or by any of its names."""
    groups = draft.of(SecurityGroup)
    if text in groups or text.startswith("sg-"):
        return text
    named = [each.group_id for each in groups.values() if text in (each.name, *each.names)]
    if len(named) != 1:
        found = f"is the name of {listed(named)}" if named else "is no security group"
        raise InputError(f"{text} {found} (expected one, or its id)", source=source)
    return named[0]


def _subnet(draft: Draft, address: Address, given: list[str], source: str) -> Subnet:
    subnets = draft.of(Subnet)
    if len(given) > 1:
        raise InputError("two subnets (expected one)", source=source)
    if given and given[0] not in subnets:
        raise InputError(f"{given[0]} is not in the network", source=source)
    fitting = [each for each in subnets.values() if address in each]
    if given:
        fitting = [each for each in fitting if each.subnet_id == given[0]]
    if not fitting:
        where = given[0] if given else "any subnet of the network"
        raise InputError(f"{address} is not in {where}", source=source)
    if len(fitting) > 1:
        raise InputError(
            f"{address} is in {listed(each.subnet_id for each in fitting)} "
            "(expected the subnet as well)",
            source=source,
        )
    return fitting[0]
