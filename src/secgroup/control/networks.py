"""`Networks`: what the state means, as one `Network` a region, kept up change by change.

Owns which resource is which noun, and which nouns a changed resource touches. How a resource is
read is `sources/describe_nouns`' and `describe_routes`'. Knows no request and no plane.

A region is one network for all of its accounts, because a peering connection may join VPCs of two.
A network that was kept up is equal to one that is made anew: `increment_equals_recompute`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from secgroup.control.state import Changed, Row, State
from secgroup.model.group import SecurityGroup, SecurityGroupRule
from secgroup.model.network import Network
from secgroup.model.prefix_list import PrefixList
from secgroup.model.vpc import Subnet
from secgroup.net.address import parse_prefix
from secgroup.sources import describe_nouns as nouns
from secgroup.sources import describe_routes as routes
from secgroup.sources.document import Node

N = TypeVar("N")

#: A noun that a network holds under an id, by the name of the field and the id.
Place = tuple[str, str]

#: Of instances and NAT gateways: they are described for a while, and do nothing any more.
_OVER: Final = frozenset({"terminated", "deleted", "failed"})


def _node(row: Row) -> Node:
    return Node(row.resource, row.resource_id)


def _plain(read: Callable[[Node], N]) -> Callable[["Networks", Row], N]:
    """Return a reader that needs nothing but the resource."""
    return lambda _, row: read(_node(row))


class Networks:
    """The networks of a state, one for each region.

    Parameters
    ----------
    state : State
        Read when asked; never changed.

    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._rules: dict[str, tuple[Row, SecurityGroupRule]] = {}
        self._networks: dict[str, Network] = {}
        self._networks = self.after(
            [Changed(before=None, after=row) for kind in state.kinds for row in state.rows(kind)]
        )

    def __getitem__(self, region: str) -> Network:
        """Return the network of a region; one without nouns where nothing was made."""
        return self._networks.get(region, Network(region=region))

    def regions(self) -> tuple[str, ...]:
        """Return the regions in which something was made, sorted."""
        return tuple(sorted(self._networks))

    def after(self, changes: Collection[Changed]) -> dict[str, Network]:
        """Return the networks of the regions that changes touch, as the state has them now.

        Raises
        ------
        InputError
            A resource cannot be read: what the endpoint keeps is not what EC2 describes.

        """
        touched: dict[str, dict[Place, None]] = {}
        for each in changes:
            if each.before is not None and each.after is None:
                self._rules.pop(each.before.resource_id, None)
            for row in (each.before, each.after):
                if row is not None and row.kind in _TOUCHES:
                    places = touched.setdefault(row.region, {})
                    places.update(dict.fromkeys(_TOUCHES[row.kind](row)))
        return {region: self._revised(region, places) for region, places in touched.items()}

    def keep(self, networks: Mapping[str, Network]) -> None:
        """Take over what `after` returned, once the changes are made for good."""
        self._networks.update(networks)

    def _revised(self, region: str, places: Collection[Place]) -> Network:
        network = self[region]
        fields: dict[str, dict[str, Any]] = {}
        for field, noun_id in places:
            if field not in fields:
                fields[field] = dict(getattr(network, field))
            noun = self._read(field, noun_id)
            if noun is None:
                fields[field].pop(noun_id, None)
            else:
                fields[field][noun_id] = noun
        return network.revised(**fields)

    def _read(self, field: str, noun_id: str) -> Any:
        """Return the noun that the state has now; None when it has none that counts."""
        source = _SOURCES[field]
        row = self._state.find(source.kind, noun_id)
        if row is None or _status(row) in _OVER:
            return None
        return source.read(self, row)

    def rule(self, row: Row) -> SecurityGroupRule:
        """Return the noun of a rule, read once for as long as the rule stays as it is."""
        known = self._rules.get(row.resource_id)
        if known is None or known[0] is not row:
            known = self._rules[row.resource_id] = (row, nouns.read_rule(_node(row)))
        return known[1]

    def beside(self, row: Row, kind: str, path: str, value: object) -> list[Row]:
        """Return the rows of the same world that have a value at an indexed path."""
        return self._state.table(row.account_id, row.region, kind).where(path, value)

    def find(self, kind: str, resource_id: str) -> Mapping[str, Any] | None:
        """Return a resource of any world."""
        row = self._state.find(kind, resource_id)
        return None if row is None else row.resource


def _status(row: Row) -> object:
    state = row.resource.get("State")
    return state.get("Name") if isinstance(state, Mapping) else state


def _vpc(networks: Networks, row: Row) -> Any:
    attributes = networks.find("DescribeVpcAttributeResult", row.resource_id) or {}
    support = attributes.get("EnableDnsSupport", {}).get("Value", True)
    return nouns.read_vpc(_node(row), enable_dns_support=support)


def _subnet(networks: Networks, row: Row) -> Subnet:
    (acl,) = networks.beside(row, "NetworkAcl", "Associations.SubnetId", row.resource_id)
    return nouns.read_subnet(_node(row), network_acl_id=acl.resource_id)


def _group(networks: Networks, row: Row) -> SecurityGroup:
    node = _node(row)
    associations = networks.beside(row, "SecurityGroupVpcAssociation", "GroupId", row.resource_id)
    associated = [
        each.resource["VpcId"] for each in associations if each.resource["State"] == "associated"
    ]
    rules = networks.beside(row, "SecurityGroupRule", "GroupId", row.resource_id)
    found = [networks.rule(each) for each in rules]
    return SecurityGroup(
        group_id=row.resource_id,
        vpc_ids=tuple(dict.fromkeys((node.text("VpcId"), *associated))),
        name=node.free_text("GroupName"),
        names=nouns.names_of(node),
        owner_id=node.text_or_none("OwnerId"),
        rules=tuple(sorted(found, key=lambda rule: rule.is_egress)),
    )


def _prefix_list(networks: Networks, row: Row) -> PrefixList:
    node = _node(row)
    # Those of AWS have no version, and their entries are not known.
    version = node.integer_or_none("Version")
    entries = networks.find("PrefixListVersion", f"{row.resource_id}/{version}")
    return PrefixList(
        prefix_list_id=row.resource_id,
        name=node.free_text("PrefixListName"),
        names=nouns.names_of(node),
        max_entries=node.integer_or_none("MaxEntries"),
        entries=None
        if entries is None
        else tuple(parse_prefix(each["Cidr"]) for each in entries["Entries"]),
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the nouns of a field come from: the kind of resource, and its reader."""

    kind: str
    read: Callable[[Networks, Row], Any]


#: Each field of Network.
_SOURCES: Final[Mapping[str, _Source]] = {
    "vpcs": _Source("Vpc", _vpc),
    "subnets": _Source("Subnet", _subnet),
    "groups": _Source("SecurityGroup", _group),
    "acls": _Source("NetworkAcl", _plain(nouns.read_acl)),
    "interfaces": _Source("NetworkInterface", _plain(nouns.read_interface)),
    "instances": _Source("Instance", _plain(nouns.read_instance)),
    "prefix_lists": _Source("ManagedPrefixList", _prefix_list),
    "route_tables": _Source("RouteTable", _plain(routes.read_route_table)),
    "internet_gateways": _Source("InternetGateway", _plain(routes.read_internet_gateway)),
    "egress_only_gateways": _Source(
        "EgressOnlyInternetGateway", _plain(routes.read_egress_only_gateway)
    ),
    "nat_gateways": _Source("NatGateway", lambda _, row: routes.read_nat_gateway(_node(row))[0]),
    "peerings": _Source("VpcPeeringConnection", _plain(routes.read_peering)),
    "endpoints": _Source("VpcEndpoint", _plain(routes.read_endpoint)),
    "addresses": _Source("Address", _plain(routes.read_address)),
}


def _itself(field: str) -> Callable[[Row], Iterator[Place]]:
    def touches(row: Row) -> Iterator[Place]:
        yield field, row.resource_id

    return touches


def _under(field: str, key: str) -> Callable[[Row], Iterator[Place]]:
    """Return what tells of a resource that is part of another one's noun."""

    def touches(row: Row) -> Iterator[Place]:
        yield field, row.resource[key]

    return touches


def _acl_touches(row: Row) -> Iterator[Place]:
    yield "acls", row.resource_id
    for each in row.resource.get("Associations", ()):
        yield "subnets", each["SubnetId"]


#: Which nouns a row of each kind is in; a row before and after a change are both asked.
_TOUCHES: Final[Mapping[str, Callable[[Row], Iterator[Place]]]] = {
    **{source.kind: _itself(field) for field, source in _SOURCES.items()},
    "DescribeVpcAttributeResult": _under("vpcs", "VpcId"),
    "SecurityGroupRule": _under("groups", "GroupId"),
    "SecurityGroupVpcAssociation": _under("groups", "GroupId"),
    "PrefixListVersion": _under("prefix_lists", "PrefixListId"),
    "NetworkAcl": _acl_touches,
}
