"""The namespace that is the internet: it has every public address that the network has not.

Whatever runs there answers at all of them, and may call from any of them.
"""

from collections.abc import Callable, Sequence

from secgroup.lab.host import FORWARDING, SETTINGS
from secgroup.lab.names import device_of, internet_namespace
from secgroup.lab.router import FAR, LINK_LENGTH, NEAR, Router
from secgroup.lab.topology import (
    LOCAL_TABLE,
    DeviceAddress,
    KernelRoute,
    Namespace,
    RouteKind,
)
from secgroup.net.address import Address, Prefix, everything
from secgroup.reference.endpoint import NOT_PUBLIC, PUBLIC_IPV6, REPRESENTATIVES

_SETTINGS = {
    **SETTINGS,
    **FORWARDING,
    "ipv6/conf/default/addr_gen_mode": "1",
    # An IPv4 address is local by its route; for IPv6 the kernel wants to be told.
    "ipv6/ip_nonlocal_bind": "1",
}
#: A block of `NOT_PUBLIC` that the kernel already has.
_LOOPBACK = 127


def internet(routers: Sequence[Router], lab: str, warn: Callable[[str], None]) -> Namespace:
    """Return the internet's namespace, linked with the VPCs that have a gateway."""
    behind: dict[Prefix, Router] = {}
    for router in routers:
        single = [type(everything(4))(f"{each}/32") for each in router.public.values()]
        for prefix in (*single, *router.vpc.ipv6_blocks):
            first = behind.setdefault(prefix, router)
            if first is not router:
                warn(
                    f"{prefix}: is of {first.vpc.vpc_id} and of {router.vpc.vpc_id}; "
                    f"the internet reaches {first.vpc.vpc_id}"
                )
    own = {family: _own(family, behind) for family in (4, 6)}
    to_networks = (
        KernelRoute(
            table=LOCAL_TABLE,
            destination=prefix,
            device=device_of(router.vpc.vpc_id),
            # IPv4 is on the link, where programs that make their own frames look for it too.
            via=NEAR if prefix.version == 6 else None,
            source=own[prefix.version],
        )
        for prefix, router in behind.items()
    )
    nowhere = (
        KernelRoute(table=LOCAL_TABLE, destination=block, kind=RouteKind.BLACKHOLE)
        for block in NOT_PUBLIC
        if block.network_address.packed[0] != _LOOPBACK
    )
    here = (
        KernelRoute(table=LOCAL_TABLE, destination=block, kind=RouteKind.LOCAL, device="lo")
        for block in (everything(4), PUBLIC_IPV6)
    )
    links = (
        DeviceAddress(device=device_of(router.vpc.vpc_id), address=FAR, prefix_length=LINK_LENGTH)
        for router in routers
    )
    named = (
        DeviceAddress(device="lo", address=address, prefix_length=address.max_prefixlen)
        for address in own.values()
    )
    return Namespace(
        name=internet_namespace(lab),
        settings=_SETTINGS,
        addresses=(*named, *links),
        routes=(*to_networks, *nowhere, *here),
    )


def _own(family: int, behind: dict[Prefix, Router]) -> Address:
    """Return the address that the internet calls from when nobody chooses one."""
    addresses = REPRESENTATIVES[family]
    free = (
        each
        for each in addresses
        if not any(each.version == prefix.version and each in prefix for prefix in behind)
    )
    return next(free, addresses[0])
