"""From a network to the lab that it means: which namespaces, which links, who is where. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from secgroup.errors import InputError
from secgroup.lab.gateways import ruleset
from secgroup.lab.host import (
    NAT_TYPES,
    derived_mac,
    devices_of,
    files_of,
    files_of_internet,
    host,
    mac_of,
    place_of,
)
from secgroup.lab.internet import internet
from secgroup.lab.names import (
    INTERNET,
    device_of,
    host_namespace,
    internet_namespace,
    router_namespace,
)
from secgroup.lab.router import ROUTER_SETTINGS, Router
from secgroup.lab.routes import Routes
from secgroup.lab.topology import End, Link, Namespace, Place, Topology
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network

#: What the internet carries; a VPC's own links may be larger.
INTERNET_MTU: Final = 1500
#: IPv6 wants as much of every link (RFC 8200); the kernel's devices carry no more.
LEAST_MTU, GREATEST_MTU = 1280, 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Mtus:
    """The sizes of links: of all in the VPCs, and of those that somebody named."""

    every: int = 1500
    named: Mapping[str, int] = field(default_factory=dict)


def find(places: Sequence[Place], name: str) -> Place:
    """Return what a person calls `name`.

    Raises
    ------
    InputError
        It is nothing in the lab, or several things.

    """
    found = [place for place in places if name in place.names]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(
            each.interfaces[0].interface_id if each.interfaces else each.namespace for each in found
        )
        raise InputError(f"{name!r} fits several things: {listed} (expected the id of one)")
    known = ", ".join(dict.fromkeys(place.names[0] for place in places))
    raise InputError(f"{name!r} is nothing in this lab (expected one of {known})")


def plan(network: Network, lab: str, mtus: Mtus) -> Topology:
    """Return the lab of a network.

    Raises
    ------
    InputError
        An MTU is asked of something that is not there.

    """
    warnings: dict[str, None] = {}

    def warn(text: str) -> None:
        warnings[text] = None

    owners = _owners(network)
    hosts = [host(network, lab, interfaces) for interfaces in owners]
    places = [place_of(network, lab, interfaces) for interfaces in owners]
    routers = [
        Router(network, vpc, lab)
        for vpc in sorted(network.vpcs.values(), key=lambda each: each.vpc_id)
    ]
    connected = [router for router in routers if router.reaches_internet]
    namespaces: list[Namespace] = [*hosts, *(_routed(router, warn) for router in routers)]
    namespaces.append(internet(connected, lab, warn))
    _warn_of_types(network, warn)
    every = [*places, *(_place_of_router(lab, each) for each in routers), _internet(lab)]
    sizes = _sizes(network, every, mtus)
    return Topology(
        lab=lab,
        namespaces=tuple(namespaces),
        links=(
            *_links_of_interfaces(owners, lab, sizes, mtus.every),
            *_links_of_peerings(network, routers, lab, sizes, mtus.every),
            *_links_to_internet(connected, lab, sizes),
        ),
        places=tuple(every),
        files={
            **{vpc.vpc_id: files_of(places, vpc) for vpc in network.vpcs.values()},
            None: files_of_internet(places),
        },
        warnings=tuple(warnings),
    )


def _owners(network: Network) -> list[list[NetworkInterface]]:
    """Return the interfaces of each owner: what stands in one namespace."""
    ordered = sorted(network.interfaces.values(), key=lambda each: (each.owner, each.interface_id))
    return [list(group) for _, group in groupby(ordered, key=lambda each: each.owner)]


def _routed(router: Router, warn: Callable[[str], None]) -> Namespace:
    routes = Routes(router, warn)
    return Namespace(
        name=router.name,
        settings=ROUTER_SETTINGS,
        device_settings=router.device_settings(),
        addresses=tuple(router.addresses()),
        routes=tuple(routes.routes()),
        rules=tuple(routes.rules()),
        neighbours=tuple(router.neighbours()),
        translation=ruleset(router, routes),
    )


def _place_of_router(lab: str, router: Router) -> Place:
    vpc = router.vpc
    return Place(
        namespace=router_namespace(lab, vpc.vpc_id),
        names=(*vpc.names, vpc.vpc_id),
        vpc_id=vpc.vpc_id,
    )


def _internet(lab: str) -> Place:
    return Place(namespace=internet_namespace(lab), names=(INTERNET,))


def _warn_of_types(network: Network, warn: Callable[[str], None]) -> None:
    for each in sorted(network.interfaces.values(), key=lambda each: each.interface_id):
        if each.interface_type != "interface" and each.interface_type not in NAT_TYPES:
            warn(
                f"{each.interface_id}: is a {each.interface_type}; "
                "it stands in the lab as a host, and what AWS runs behind it does not"
            )
        if each.interface_type in NAT_TYPES and each.ipv6:
            warn(f"{each.interface_id}: translates IPv4 only")


# --------------------------------------------------------------------------------- links


def _sizes(network: Network, places: Sequence[Place], mtus: Mtus) -> dict[str, int]:
    """Return the MTUs that somebody chose, by interface, by peering connection, of the internet."""
    sizes = {INTERNET: min(mtus.every, INTERNET_MTU)}
    for name, mtu in mtus.named.items():
        peerings = [
            each.peering_id
            for each in network.peerings.values()
            if name in (each.peering_id, *each.names)
        ]
        if name == INTERNET or peerings:
            sizes |= dict.fromkeys(peerings or [INTERNET], mtu)
            continue
        place = find(places, name)
        own = [each.interface_id for each in place.interfaces]
        if not own:
            raise InputError(
                f"{name} has no link of its own (expected an interface, an instance, "
                "a peering connection or internet)",
                source="--mtu",
            )
        sizes |= dict.fromkeys([name] if name in own else own, mtu)
    return sizes


def _links_of_interfaces(
    owners: Sequence[Sequence[NetworkInterface]], lab: str, sizes: Mapping[str, int], mtu: int
) -> list[Link]:
    return [
        Link(
            near=End(
                namespace=router_namespace(lab, each.vpc_id),
                device=device_of(each.interface_id),
                mac=derived_mac(f"router {each.interface_id}"),
            ),
            far=End(
                namespace=host_namespace(lab, each.owner),
                device=f"eth{devices_of(interfaces)[each.interface_id]}",
                mac=mac_of(each),
            ),
            mtu=sizes.get(each.interface_id, mtu),
            interface_id=each.interface_id,
        )
        for interfaces in owners
        for each in interfaces
    ]


def _links_of_peerings(
    network: Network, routers: Sequence[Router], lab: str, sizes: Mapping[str, int], mtu: int
) -> list[Link]:
    joined = {each.peering_id for router in routers for each in router.peerings}
    found = []
    for peering_id in sorted(joined):
        peering = network.peerings[peering_id]
        near, far = (
            End(
                namespace=router_namespace(lab, side.vpc_id),
                device=device_of(peering_id),
                mac=derived_mac(f"{peering_id} {side.vpc_id}"),
            )
            for side in (peering.requester, peering.accepter)
        )
        found.append(Link(near=near, far=far, mtu=sizes.get(peering_id, mtu)))
    return found


def _links_to_internet(routers: Sequence[Router], lab: str, sizes: Mapping[str, int]) -> list[Link]:
    return [
        Link(
            near=End(
                namespace=router.name,
                device=INTERNET,
                mac=derived_mac(f"{router.vpc.vpc_id} {INTERNET}"),
            ),
            far=End(
                namespace=internet_namespace(lab),
                device=device_of(router.vpc.vpc_id),
                mac=derived_mac(f"{INTERNET} {router.vpc.vpc_id}"),
            ),
            mtu=sizes[INTERNET],
        )
        for router in routers
    ]
