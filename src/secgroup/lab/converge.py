"""Making a namespace's addresses, routes, rules and neighbours what they are to be.

What is there is read, compared as values, and only the difference is written; so that nothing is
remembered between two runs, and a second run changes nothing.
"""

import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final, TypeVar

from pyroute2 import NetlinkError

from secgroup.lab.kernel import failed
from secgroup.lab.topology import (
    DeviceAddress,
    KernelRoute,
    Namespace,
    Neighbour,
    RouteKind,
    RoutingRule,
)
from secgroup.net.address import LINK_LOCAL_IPV6, Address, everything

T = TypeVar("T")

#: rtnetlink's numbers (linux/rtnetlink.h, linux/if_addr.h, linux/neighbour.h).
_STATIC: Final = 4
_NODAD, _NO_PREFIX_ROUTE = 0x02, 0x200
_ONLINK: Final = 4
_PERMANENT: Final = 0x80
_KINDS: Final = {
    1: RouteKind.UNICAST,
    2: RouteKind.LOCAL,
    6: RouteKind.BLACKHOLE,
    9: RouteKind.THROW,
}
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_SCOPES: Final = {RouteKind.UNICAST: 253, RouteKind.LOCAL: 254}
#: The metric of an IPv6 route that names none.
_METRIC6: Final = 1024


def converge(ip: Any, namespace: Namespace) -> None:
    """Make what is in a namespace what it is to be; `ip` is its rtnetlink, its links are up."""
    indexes = {each.get_attr("IFLA_IFNAME"): each["index"] for each in ip.get_links()}
    names = {index: name for name, index in indexes.items()}
    _settle(
        namespace.addresses,
        _addresses(ip, names),
        lambda each: _add_address(ip, each, indexes[each.device]),
        lambda each: ip.addr(
            "del",
            index=indexes[each.device],
            address=str(each.address),
            prefixlen=each.prefix_length,
            family=_FAMILIES[each.address.version],
        ),
    )
    _settle(
        namespace.neighbours,
        _neighbours(ip, names),
        lambda each: ip.neigh("replace", **_neighbour(each, indexes)),
        lambda each: ip.neigh("del", **_neighbour(each, indexes)),
    )
    _settle(
        (_as_kernel(each) for each in namespace.routes),
        _routes(ip, names),
        lambda each: ip.route("add", **_route(each, indexes)),
        lambda each: ip.route("del", **_route(each, indexes)),
    )
    _settle(
        namespace.rules,
        _rules(ip),
        lambda each: ip.rule("add", **_rule(each)),
        lambda each: ip.rule("del", **_rule(each)),
    )


def _settle(
    wanted: Iterable[T], there: Iterable[T], add: Callable[[T], None], remove: Callable[[T], None]
) -> None:
    """Remove first: what replaces something may stand in its place."""
    want, have = dict.fromkeys(wanted), dict.fromkeys(there)
    changes = [(remove, each) for each in have if each not in want]
    changes += [(add, each) for each in want if each not in have]
    for change, each in changes:
        try:
            change(each)
        except NetlinkError as error:
            raise failed(str(each), error) from None


# ----------------------------------------------------------------------------- addresses


def _addresses(ip: Any, names: dict[int, str]) -> Iterable[DeviceAddress]:
    """Yield the addresses; not the loopback's, nor what an interface makes of its MAC."""
    for each in ip.get_addr():
        address = ip_address(each.get_attr("IFA_LOCAL") or each.get_attr("IFA_ADDRESS"))
        if not address.is_loopback and not _is_of_mac(address):
            yield DeviceAddress(
                device=names[each["index"]], address=address, prefix_length=each["prefixlen"]
            )


def _is_of_mac(address: Address) -> bool:
    """Tell whether it is a link-local address made of a MAC (RFC 4291, appendix A)."""
    return (
        isinstance(address, IPv6Address)
        and address in LINK_LOCAL_IPV6
        and address.packed[11:13] == b"\xff\xfe"
    )


def _add_address(ip: Any, wanted: DeviceAddress, index: int) -> None:
    # Who is on a link is a route of ours, but for what IPv6 has on every link.
    prefix_route = 0 if wanted.address in LINK_LOCAL_IPV6 else _NO_PREFIX_ROUTE
    ip.addr(
        "add",
        index=index,
        address=str(wanted.address),
        prefixlen=wanted.prefix_length,
        family=_FAMILIES[wanted.address.version],
        flags=_NODAD | prefix_route,
    )


# ---------------------------------------------------------------------------- neighbours


def _neighbours(ip: Any, names: dict[int, str]) -> Iterable[Neighbour]:
    for family in _FAMILIES.values():
        for each in ip.get_neighbours(family=family):
            if each["state"] & _PERMANENT and each["ifindex"] in names:
                yield Neighbour(
                    device=names[each["ifindex"]],
                    address=ip_address(each.get_attr("NDA_DST")),
                    mac=bytes.fromhex(each.get_attr("NDA_LLADDR").replace(":", "")),
                )


def _neighbour(wanted: Neighbour, indexes: dict[str, int]) -> dict[str, Any]:
    return {
        "ifindex": indexes[wanted.device],
        "dst": str(wanted.address),
        "lladdr": wanted.mac.hex(":"),
        "state": _PERMANENT,
        "family": _FAMILIES[wanted.address.version],
    }


# -------------------------------------------------------------------------------- routes


def _as_kernel(route: KernelRoute) -> KernelRoute:
    """Return a route as the kernel tells it."""
    if route.destination.version == 6 and route.metric == 0:
        return replace(route, metric=_METRIC6)
    return route


def _routes(ip: Any, names: dict[int, str]) -> Iterable[KernelRoute]:
    """Yield the routes that we made; the kernel's own have another origin."""
    for family, number in _FAMILIES.items():
        for each in ip.get_routes(family=number):
            if each["proto"] != _STATIC or each["type"] not in _KINDS:
                continue
            kind = _KINDS[each["type"]]
            destination = each.get_attr("RTA_DST")
            nowhere = kind in (RouteKind.BLACKHOLE, RouteKind.THROW)
            yield KernelRoute(
                table=each.get_attr("RTA_TABLE") or each["table"],
                destination=everything(family)
                if destination is None
                else ip_network(f"{destination}/{each['dst_len']}"),
                kind=kind,
                device=None if nowhere else names[each.get_attr("RTA_OIF")],
                via=_gateway(each),
                source=_optional(each.get_attr("RTA_PREFSRC")),
                metric=each.get_attr("RTA_PRIORITY") or 0,
            )


def _optional(text: str | None) -> Address | None:
    return None if text is None else ip_address(text)


def _gateway(message: Any) -> Address | None:
    via = message.get_attr("RTA_VIA")
    return _optional(via["addr"] if via is not None else message.get_attr("RTA_GATEWAY"))


def _route(wanted: KernelRoute, indexes: dict[str, int]) -> dict[str, Any]:
    destination = wanted.destination
    fields: dict[str, Any] = {
        "family": _FAMILIES[destination.version],
        "dst": str(destination),
        "table": wanted.table,
        "type": wanted.kind.value,
        "proto": _STATIC,
    }
    if wanted.metric:
        fields["priority"] = wanted.metric
    if wanted.device is not None:
        fields["oif"] = indexes[wanted.device]
    if wanted.source is not None:
        fields["prefsrc"] = str(wanted.source)
    if wanted.via is not None:
        if wanted.via.version != destination.version:
            fields["via"] = {"family": _FAMILIES[wanted.via.version], "addr": str(wanted.via)}
        else:
            fields["gateway"] = str(wanted.via)
        fields["flags"] = _ONLINK
    elif destination.version == 4:
        fields["scope"] = _SCOPES.get(wanted.kind, 0)
    return fields


# --------------------------------------------------------------------------------- rules


def _rules(ip: Any) -> Iterable[RoutingRule]:
    for family, number in _FAMILIES.items():
        for each in ip.get_rules(family=number):
            if each.get_attr("FRA_PROTOCOL") != _STATIC:
                continue
            source, destination = (
                None if text is None else ip_network(f"{text}/{each[length]}")
                for text, length in (
                    (each.get_attr("FRA_SRC"), "src_len"),
                    (each.get_attr("FRA_DST"), "dst_len"),
                )
            )
            yield RoutingRule(
                family=family,
                priority=each.get_attr("FRA_PRIORITY"),
                table=each.get_attr("FRA_TABLE"),
                incoming=each.get_attr("FRA_IIFNAME"),
                source=source,
                destination=destination,
            )


def _rule(wanted: RoutingRule) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "family": _FAMILIES[wanted.family],
        "priority": wanted.priority,
        "table": wanted.table,
        "protocol": _STATIC,
    }
    if wanted.incoming is not None:
        fields["iifname"] = wanted.incoming
    if wanted.source is not None:
        fields |= {
            "src": str(wanted.source.network_address),
            "src_len": wanted.source.prefixlen,
        }
    if wanted.destination is not None:
        fields |= {
            "dst": str(wanted.destination.network_address),
            "dst_len": wanted.destination.prefixlen,
        }
    return fields
