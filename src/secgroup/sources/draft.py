"""A network that is being put together: what every source does in the same way.

Owns the collecting of nouns (each id once, two that differ refused), what is only mentioned,
the warnings, and the last check of what refers to what. Does not know where the nouns come
from.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar

from secgroup.errors import InputError
from secgroup.model.external import External
from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroup
from secgroup.model.interface import Instance, NetworkInterface
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAcl
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import (
    EgressOnlyInternetGateway,
    ElasticAddress,
    InternetGateway,
    NatGateway,
    PeeringConnection,
    RouteTable,
    TargetKind,
    VpcEndpoint,
)
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import Address

Noun: TypeAlias = (
    Vpc
    | Subnet
    | SecurityGroup
    | NetworkAcl
    | NetworkInterface
    | Instance
    | PrefixList
    | RouteTable
    | InternetGateway
    | EgressOnlyInternetGateway
    | NatGateway
    | PeeringConnection
    | VpcEndpoint
    | ElasticAddress
)
N = TypeVar("N", bound=Noun)


def _address_key(address: ElasticAddress) -> str:
    return address.allocation_id or str(address.public_ip)


#: Each noun: its field of Network, how its id is found, and EC2's word for it.
_KINDS: Final[Mapping[type, tuple[str, Callable[[Any], str], str]]] = {
    Vpc: ("vpcs", attrgetter("vpc_id"), "VPC"),
    Subnet: ("subnets", attrgetter("subnet_id"), "subnet"),
    SecurityGroup: ("groups", attrgetter("group_id"), "security group"),
    NetworkAcl: ("acls", attrgetter("network_acl_id"), "network ACL"),
    NetworkInterface: ("interfaces", attrgetter("interface_id"), "network interface"),
    Instance: ("instances", attrgetter("instance_id"), "instance"),
    PrefixList: ("prefix_lists", attrgetter("prefix_list_id"), "prefix list"),
    RouteTable: ("route_tables", attrgetter("route_table_id"), "route table"),
    InternetGateway: ("internet_gateways", attrgetter("gateway_id"), "internet gateway"),
    EgressOnlyInternetGateway: (
        "egress_only_gateways",
        attrgetter("gateway_id"),
        "egress-only internet gateway",
    ),
    NatGateway: ("nat_gateways", attrgetter("gateway_id"), "NAT gateway"),
    PeeringConnection: ("peerings", attrgetter("peering_id"), "peering connection"),
    VpcEndpoint: ("endpoints", attrgetter("endpoint_id"), "VPC endpoint"),
    ElasticAddress: ("addresses", _address_key, "elastic address"),
}

#: What a warning lists by name; the rest it counts.
_NAMED: Final = 5


def listed(names: Iterable[str]) -> str:
    """Write the first few of the names, and how many more there are."""
    every = list(dict.fromkeys(names))
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")


class Draft:
    """Nouns by kind and id, growing; `network` checks and freezes them.

    Attributes
    ----------
    region, account_id : str or None
        As `Network` has them.
    warnings : dict of str to None
        In the order of their first appearance.

    """

    def __init__(self) -> None:
        self._nouns: dict[type, dict[str, Any]] = {kind: {} for kind in _KINDS}
        self._mentioned: dict[type, dict[str, Any]] = {kind: {} for kind in _KINDS}
        self._places: dict[tuple[type, str], tuple[str, str | None]] = {}
        self.region: str | None = None
        self.account_id: str | None = None
        self.warnings: dict[str, None] = {}

    def of(self, kind: type[N]) -> dict[str, N]:
        """Return the nouns of a kind by id."""
        return self._nouns[kind]

    def warn(self, text: str) -> None:
        """Keep a warning, once."""
        self.warnings[text] = None

    def add(self, noun: Noun, *, source: str, path: str | None = None) -> None:
        """Take a noun over; one that is equal is taken once.

        Parameters
        ----------
        noun : Noun
            Any of the nouns of a network.
        source, path : str
            Where it was read, for errors.

        Raises
        ------
        InputError
            Its id is taken by a noun with different contents.

        """
        kind = type(noun)
        _, identify, word = _KINDS[kind]
        key = identify(noun)
        nouns = self._nouns[kind]
        if key not in nouns:
            nouns[key] = noun
            self._places[kind, key] = (source, path)
        elif nouns[key] != noun:
            earlier = ": ".join(part for part in self._places[kind, key] if part is not None)
            raise InputError(
                f"{word} {key} differs from the one in {earlier} "
                "(expected each once, or the same contents)",
                source=source,
                path=path,
            )

    def mention(self, noun: Noun) -> None:
        """Let `noun` stand in for something outside of the files, until a source adds it."""
        self._mentioned[type(noun)].setdefault(_KINDS[type(noun)][1](noun), noun)

    def error(self, noun: Noun, problem: str) -> InputError:
        """Return an error about a noun, with the place where it was read."""
        kind = type(noun)
        source, path = self._places.get((kind, _KINDS[kind][1](noun)), (None, None))
        return InputError(problem, source=source, path=path)

    def network(self) -> Network:
        """Check what refers to what, name what stays outside, and freeze.

        Raises
        ------
        InputError
            An interface stands in a VPC or subnet that is nowhere, a subnet's ACL is nowhere,
            or two interfaces of a VPC have the same address.

        """
        for kind, mentioned in self._mentioned.items():
            nouns = self._nouns[kind]
            missing = {key: noun for key, noun in mentioned.items() if key not in nouns}
            nouns.update(missing)
            if missing:
                word = _KINDS[kind][2]
                self.warn(f"{word} {listed(missing)}: mentioned, but not in the files")
        _refuse_lost_interfaces(self)
        _leave_out_other_vpcs(self)
        _refuse_lost_subnets(self)
        _refuse_shared_addresses(self)
        for word, names in _externals(self).items():
            if names:
                self.warn(f"{word} {listed(names)}: {_OUTSIDE[word]}")
        nouns_by_field: dict[str, Any] = {
            field: self._nouns[kind] for kind, (field, _, _) in _KINDS.items()
        }
        return Network(
            **nouns_by_field,
            region=self.region,
            account_id=self.account_id,
            warnings=tuple(self.warnings),
        )


def _refuse_lost_interfaces(draft: Draft) -> None:
    """Refuse an interface whose VPC or subnet is nowhere: nothing could be decided at it."""
    vpcs, subnets = draft.of(Vpc), draft.of(Subnet)
    for interface in draft.of(NetworkInterface).values():
        if interface.vpc_id not in vpcs:
            raise draft.error(
                interface,
                f"stands in {interface.vpc_id}, which is not in the files "
                "(expected it in the output of aws ec2 describe-vpcs)",
            )
        subnet = subnets.get(interface.subnet_id)
        if subnet is None:
            raise draft.error(
                interface,
                f"stands in {interface.subnet_id}, which is not in the files "
                "(expected it in the output of aws ec2 describe-subnets)",
            )
        if subnet.vpc_id != interface.vpc_id:
            raise draft.error(
                interface,
                f"stands in {interface.subnet_id} of {subnet.vpc_id}, not of {interface.vpc_id}",
            )


def _refuse_lost_subnets(draft: Draft) -> None:
    """Refuse a subnet whose ACL is nowhere, or another VPC's: it may deny what is asked."""
    acls = draft.of(NetworkAcl)
    for subnet in draft.of(Subnet).values():
        acl = acls.get(subnet.network_acl_id)
        if acl is None or acl.vpc_id != subnet.vpc_id:
            raise draft.error(
                subnet,
                f"{subnet.subnet_id} has {subnet.network_acl_id}, which is no ACL of its VPC "
                f"{subnet.vpc_id} in the files",
            )


def _refuse_shared_addresses(draft: Draft) -> None:
    """Refuse two interfaces with one address in one VPC: nobody could tell whose packet it is."""
    holders: dict[tuple[str, Address], NetworkInterface] = {}
    for interface in draft.of(NetworkInterface).values():
        for address in interface.addresses:
            other = holders.setdefault((interface.vpc_id, address), interface)
            if other is not interface:
                raise draft.error(
                    interface,
                    f"{interface.interface_id} has {address}, which {other.interface_id} "
                    f"of the same VPC has too",
                )


def _leave_out_other_vpcs(draft: Draft) -> None:
    """Leave out what belongs to VPCs that are not in the files: no packet there is decided."""
    vpcs = draft.of(Vpc)
    for kind, (_, _, word) in _KINDS.items():
        if kind in (Vpc, NetworkInterface):
            continue
        nouns = draft._nouns[kind]
        lost = {
            key: noun
            for key, noun in nouns.items()
            if (vpc_id := getattr(noun, "vpc_id", None)) is not None and vpc_id not in vpcs
        }
        for key in lost:
            del nouns[key]
        if lost:
            where = listed(noun.vpc_id for noun in lost.values())
            draft.warn(f"{word} {listed(lost)}: left out, because {where} is not in the files")


#: Where the targets of routes are found; the other kinds leave the model anyhow.
_TARGETS: Final[Mapping[TargetKind, type]] = {
    TargetKind.INTERNET_GATEWAY: InternetGateway,
    TargetKind.EGRESS_ONLY_GATEWAY: EgressOnlyInternetGateway,
    TargetKind.NAT_GATEWAY: NatGateway,
    TargetKind.PEERING: PeeringConnection,
    TargetKind.INTERFACE: NetworkInterface,
    TargetKind.INSTANCE: Instance,
    TargetKind.GATEWAY_ENDPOINT: VpcEndpoint,
}


_UNRESOLVED: Final = "cannot be resolved (a template may have it from --parameter NAME=VALUE)"
_NOT_HERE: Final = "mentioned, but not in the files"
_OUTSIDE: Final[Mapping[str, str]] = {
    "security group": f"{_NOT_HERE}; matches nothing (bring it with --with)",
    "prefix list": f"{_NOT_HERE}; matches nothing (bring its entries with --with)",
    "route target": f"{_NOT_HERE}; the way beyond it is unknown (bring it with --with)",
    "literal": f"{_UNRESOLVED}; matches nothing",
    "block of an ACL entry": f"{_UNRESOLVED}; an allow matches nothing, a deny everything",
}


def _externals(draft: Draft) -> Mapping[str, Iterable[str]]:
    """Return the names of what is referred to and is not in the files, by EC2's word."""
    groups, lists = draft.of(SecurityGroup), draft.of(PrefixList)
    peers = [rule.peer for group in groups.values() for rule in group.rules]
    routes = [route for table in draft.of(RouteTable).values() for route in table.routes]
    destinations = [route.destination for route in routes]
    blocks = [entry.cidr for acl in draft.of(NetworkAcl).values() for entry in acl.entries]
    group_ids = [
        *(each for noun in draft.of(NetworkInterface).values() for each in noun.group_ids),
        *(peer.group_id for peer in peers if type(peer) is GroupReference),
    ]
    list_ids = [
        each.prefix_list_id for each in (*peers, *destinations) if type(each) is PrefixListReference
    ]
    return {
        "security group": [each for each in dict.fromkeys(group_ids) if each not in groups],
        "prefix list": [
            each
            for each in dict.fromkeys(list_ids)
            if each not in lists or lists[each].entries is None
        ],
        "route target": [
            str(route.target)
            for route in routes
            if (kind := _TARGETS.get(route.target.kind)) is not None
            and not route.is_blackhole
            and route.target.target_id not in draft._nouns[kind]
        ],
        "literal": [each.name for each in (*peers, *destinations) if type(each) is External],
        "block of an ACL entry": [each.name for each in blocks if type(each) is External],
    }
