"""Networks from the output of `aws ec2 describe-*`.

Owns which keys are read, and what needs more than one noun: the ACL of a subnet, the ids of
rules, the interfaces inside of instances. How one noun is spelled is in `describe_nouns`; what
its properties are worth is in `describe_properties`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from secgroup.model.defaults import default_acl, main_route_table
from secgroup.model.interface import NetworkInterface
from secgroup.model.network_acl import NetworkAcl
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import RouteTable
from secgroup.model.vpc import Vpc
from secgroup.net.address import Prefix, parse_prefix
from secgroup.sources import describe_nouns as nouns
from secgroup.sources import describe_routes as routes
from secgroup.sources.describe_groups import read_groups
from secgroup.sources.describe_properties import PROPERTIES, plain, unmodelled
from secgroup.sources.document import Node
from secgroup.sources.draft import Draft, Noun

#: Keys of a whole answer that say nothing about the network.
_OF_THE_ANSWER: Final = ("NextToken", "ResponseMetadata")
#: The answer of describe-vpc-attribute, and of get-managed-prefix-list-entries.
_DNS_SUPPORT: Final = "EnableDnsSupport"
_ATTRIBUTES: Final = (_DNS_SUPPORT, "EnableDnsHostnames", "EnableNetworkAddressUsageMetrics")
_ENTRIES: Final = "Entries"
#: Answers of describe-vpc-attribute in a list, as `secgroup export` writes them.
_ALL_ATTRIBUTES: Final = "VpcAttributes"

_LIST_ID: Final = re.compile(r"pl-[0-9a-f]{8,17}")


def is_describe(value: Mapping[str, Any]) -> bool:
    """Tell whether a JSON object has a key of describe output that is read."""
    return any(key in value for key in (*PROPERTIES, *_ATTRIBUTES, _ENTRIES))


def is_other_answer(value: Mapping[str, Any]) -> bool:
    """Tell whether a JSON object looks like describe output of nouns that are not read."""
    keys = [key for key in value if key not in _OF_THE_ANSWER]
    return bool(keys) and all(key[:1].isupper() and type(value[key]) is list for key in keys)


class Answers:
    """The nouns of several answers, by the key that they stand under.

    Pages of one call are simply added up: NextToken says nothing about a network.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, list[Node]] = {key: [] for key in PROPERTIES}
        self.present: set[str] = set()
        self.attributes: dict[str, dict[str, bool]] = {}
        self.entries: dict[str, tuple[Node, tuple[Prefix, ...]]] = {}
        self.unread: dict[str, str] = {}

    def add(self, value: dict[str, Any], *, source: str, name: str = "") -> None:
        """Take over one answer.

        Parameters
        ----------
        value : dict
            The JSON object.
        source : str
            The file, for errors.
        name : str
            The file's name; prefix-list entries without an id are told by the one in it.

        Raises
        ------
        InputError
            A key does not hold a list of objects; entries of an unknown list.

        """
        top = Node(value, source)
        for key in value:
            if key in self.nodes:
                self.nodes[key] += top.nodes(key)
                self.present.add(key)
            elif key == _ALL_ATTRIBUTES:
                for node in top.nodes(key):
                    self._add_attribute(node)
            elif key not in (*_OF_THE_ANSWER, *_ATTRIBUTES, _ENTRIES, "VpcId", "PrefixListId"):
                self.unread.setdefault(key, source)
        if any(key in value for key in _ATTRIBUTES):
            self._add_attribute(top)
        if _ENTRIES in value:
            self._add_entries(top, name)

    def _add_attribute(self, top: Node) -> None:
        vpc_id = top.text("VpcId")
        known = self.attributes.setdefault(vpc_id, {})
        for name in _ATTRIBUTES:
            told = top.node(name)
            if told is None:
                continue
            value = told.boolean("Value", default=name == _DNS_SUPPORT)
            if known.setdefault(name, value) is not value:
                raise top.error(f"{vpc_id} has another value in another file", name)

    def _add_entries(self, top: Node, name: str) -> None:
        list_id = top.text_or_none("PrefixListId")
        if list_id is None:
            found = _LIST_ID.search(name)
            if found is None:
                raise top.error(
                    "entries of an unknown prefix list "
                    "(expected PrefixListId beside them, or the list's id in the file's name)",
                    _ENTRIES,
                )
            list_id = found.group()
        entries = tuple(each.parsed("Cidr", parse_prefix) for each in top.nodes(_ENTRIES))
        _, earlier = self.entries.get(list_id, (top, ()))
        self.entries[list_id] = top, tuple(dict.fromkeys((*earlier, *entries)))


def read(answers: Answers, draft: Draft) -> None:
    """Add the nouns of `answers` to `draft`.

    Raises
    ------
    InputError
        Something cannot be used; the draft is of no use then.

    """
    _read_vpcs(answers, draft)
    _read_acls_and_subnets(answers, draft)
    _read_route_tables(answers, draft)
    _read_instances(answers, draft)
    _read_nat_gateways(answers, draft)
    read_groups(
        groups=answers.nodes["SecurityGroups"],
        rules=answers.nodes["SecurityGroupRules"],
        associations=answers.nodes["SecurityGroupVpcAssociations"],
        draft=draft,
    )
    _read_prefix_lists(answers, draft)
    readers: tuple[tuple[str, Callable[[Node], Noun]], ...] = (
        ("InternetGateways", routes.read_internet_gateway),
        ("EgressOnlyInternetGateways", routes.read_egress_only_gateway),
        ("VpcPeeringConnections", routes.read_peering),
        ("VpcEndpoints", routes.read_endpoint),
    )
    for key, reader in readers:
        for node in answers.nodes[key]:
            _add(draft, node, reader(node))
    for node in answers.nodes["Addresses"]:
        # A carrier's or a customer's address is none of the internet's, and is not modelled.
        if node.text_or_none("PublicIp") or not routes.is_of_another_network(node):
            _add(draft, node, routes.read_address(node))
    for kind, kept in answers.nodes.items():
        for line in unmodelled(kind, kept):
            draft.warn(line)
    for key, source in answers.unread.items():
        draft.warn(f"{source}: {plain(key)} is not read")
    _read_place(answers, draft)


def _add(draft: Draft, node: Node, noun: Noun) -> None:
    draft.add(noun, source=node.source, path=node.path)


def _read_vpcs(answers: Answers, draft: Draft) -> None:
    for node in answers.nodes["Vpcs"]:
        attributes = answers.attributes.get(node.text("VpcId"), {})
        support = attributes.get(_DNS_SUPPORT, True)
        _add(draft, node, nouns.read_vpc(node, enable_dns_support=support))


def _associations(parents: Iterable[Node], noun: str, key: str) -> dict[str, str]:
    """Return the `key` of each associated subnet, which is associated with only one."""
    found: dict[str, str] = {}
    for parent in parents:
        own_id = parent.text(key)
        for each in parent.nodes("Associations"):
            subnet_id = each.text_or_none("SubnetId")
            if subnet_id and found.setdefault(subnet_id, own_id) != own_id:
                raise each.error(
                    f"{subnet_id} is associated with {found[subnet_id]} too (expected one {noun})"
                )
    return found


def _read_acls_and_subnets(answers: Answers, draft: Draft) -> None:
    for node in answers.nodes["NetworkAcls"]:
        _add(draft, node, nouns.read_acl(node))
    acl_of = _associations(answers.nodes["NetworkAcls"], "ACL", "NetworkAclId")
    vpcs_with_acl = {acl.vpc_id for acl in draft.of(NetworkAcl).values()}
    assumed: dict[str, str] = {}
    for node in answers.nodes["Subnets"]:
        subnet_id, vpc_id = node.text("SubnetId"), node.text("VpcId")
        acl_id = acl_of.get(subnet_id)
        if acl_id is None and vpc_id in vpcs_with_acl:
            raise node.error(
                f"no ACL is associated with {subnet_id} "
                f"(expected every ACL of {vpc_id} in the output of aws ec2 describe-network-acls)"
            )
        if acl_id is None:
            acl_id = assumed.setdefault(vpc_id, f"{vpc_id}/default-acl")
        _add(draft, node, nouns.read_subnet(node, network_acl_id=acl_id))
    vpcs = draft.of(Vpc)
    for vpc_id in [each for each in assumed if each in vpcs]:
        draft.of(NetworkAcl)[assumed[vpc_id]] = default_acl(
            vpcs[vpc_id], network_acl_id=assumed[vpc_id]
        )
        draft.warn(
            f"{vpc_id}: its ACLs are not in the files; AWS's default ACL is assumed, which allows "
            "everything (bring the output of aws ec2 describe-network-acls)"
        )


def _read_route_tables(answers: Answers, draft: Draft) -> None:
    for node in answers.nodes["RouteTables"]:
        table = routes.read_route_table(node)
        mains = [
            each
            for each in draft.of(RouteTable).values()
            if each.is_main and each.vpc_id == table.vpc_id and each != table
        ]
        if table.is_main and mains:
            raise node.error(
                f"{table.vpc_id} has two main route tables, "
                f"{mains[0].route_table_id} and {table.route_table_id}"
            )
        _add(draft, node, table)
    _associations(answers.nodes["RouteTables"], "route table", "RouteTableId")
    tables = draft.of(RouteTable)
    vpcs_with_main = {table.vpc_id for table in tables.values() if table.is_main}
    vpcs_with_table = {table.vpc_id for table in tables.values()}
    associated = {subnet_id for table in tables.values() for subnet_id in table.subnet_ids}
    for node in answers.nodes["Subnets"]:
        subnet_id, vpc_id = node.text("SubnetId"), node.text("VpcId")
        is_known = subnet_id in associated or vpc_id in vpcs_with_main
        if vpc_id in vpcs_with_table and not is_known:
            raise node.error(
                f"no route table serves {subnet_id} (expected every route table of {vpc_id} "
                "in the output of aws ec2 describe-route-tables)"
            )
    for vpc_id in dict.fromkeys(node.text("VpcId") for node in answers.nodes["Vpcs"]):
        if vpc_id not in vpcs_with_table:
            vpc = draft.of(Vpc)[vpc_id]
            table_id = f"{vpc.vpc_id}/main-route-table"
            tables[table_id] = main_route_table(vpc, route_table_id=table_id)
            draft.warn(
                f"{vpc.vpc_id}: its route tables are not in the files; only its local routes are "
                "assumed (bring the output of aws ec2 describe-route-tables)"
            )


def _read_instances(answers: Answers, draft: Draft) -> None:
    """Read interfaces, then instances; an interface inside of one counts where it stands alone.

    A terminated instance is described for a while, and is none any more.
    """
    for node in answers.nodes["NetworkInterfaces"]:
        _add(draft, node, nouns.read_interface(node))
    alone = frozenset(draft.of(NetworkInterface))
    instances = [
        *(each for node in answers.nodes["Reservations"] for each in node.nodes("Instances")),
        *answers.nodes["Instances"],
    ]
    for node in instances:
        state = node.node("State")
        if state is not None and state.text_or_none("Name") == "terminated":
            continue
        instance = nouns.read_instance(node)
        _add(draft, node, instance)
        for nested in node.nodes("NetworkInterfaces"):
            if nested.text("NetworkInterfaceId") not in alone:
                _add(
                    draft,
                    nested,
                    nouns.read_interface(nested, instance_id=instance.instance_id),
                )


def _read_nat_gateways(answers: Answers, draft: Draft) -> None:
    for node in answers.nodes["NatGateways"]:
        if node.text_or_none("State") in ("deleting", "deleted", "failed"):
            continue
        if node.text_or_none("AvailabilityMode") == "regional":
            draft.warn(
                f"{node.text('NatGatewayId')}: a regional NAT gateway is not modelled; "
                "the way beyond it is unknown"
            )
            continue
        gateway, interfaces = routes.read_nat_gateway(node)
        _add(draft, node, gateway)
        for interface in interfaces:
            if interface.interface_id not in draft.of(NetworkInterface):
                _add(draft, node, interface)


def _read_prefix_lists(answers: Answers, draft: Draft) -> None:
    """Add up what describe-managed-prefix-lists, describe-prefix-lists and entries say."""
    found: dict[str, PrefixList] = {}
    places: dict[str, Node] = {}
    for list_id, (top, entries) in answers.entries.items():
        found[list_id] = PrefixList(prefix_list_id=list_id, entries=entries)
        places[list_id] = top
    for node in (*answers.nodes["ManagedPrefixLists"], *answers.nodes["PrefixLists"]):
        list_id = node.text("PrefixListId")
        known = found.get(list_id, PrefixList(prefix_list_id=list_id))
        entries_here = _entries_inside(node)
        if entries_here is not None:
            if known.entries is not None and set(known.entries) != set(entries_here):
                raise node.error(f"{list_id} has other entries elsewhere in the files")
            known = replace(known, entries=entries_here)
        max_entries = node.integer_or_none("MaxEntries")
        found[list_id] = replace(
            known,
            name=node.free_text("PrefixListName") or known.name,
            names=nouns.names_of(node) or known.names,
            max_entries=known.max_entries if max_entries is None else max_entries,
        )
        places[list_id] = node
    for list_id, prefix_list in found.items():
        if len({entry.version for entry in prefix_list.entries or ()}) > 1:
            raise places[list_id].error(
                f"{list_id} has IPv4 and IPv6 entries (expected one family)"
            )
        _add(draft, places[list_id], prefix_list)


def _entries_inside(node: Node) -> tuple[Prefix, ...] | None:
    """Return the entries that a prefix list itself tells, None when it tells none."""
    if node.value.get("Cidrs") is not None:
        return tuple(
            node.used(text, parse_prefix, f"Cidrs[{index}]")
            for index, text in enumerate(node.texts("Cidrs"))
        )
    if node.value.get(_ENTRIES) is not None:
        return tuple(each.parsed("Cidr", parse_prefix) for each in node.nodes(_ENTRIES))
    return None


_ARN_REGION: Final = re.compile(r"arn:[^:]+:ec2:([a-z0-9-]+):")
_ZONE_REGION: Final = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d+)[a-z]")


def _read_place(answers: Answers, draft: Draft) -> None:
    """Find the region and the account, where the files agree on one."""
    regions: set[str] = set()
    for kind, key, pattern in (
        ("SecurityGroups", "SecurityGroupArn", _ARN_REGION),
        ("Subnets", "SubnetArn", _ARN_REGION),
        ("Subnets", "AvailabilityZone", _ZONE_REGION),
    ):
        for node in answers.nodes[kind]:
            if found := pattern.match(node.text_or_none(key) or ""):
                regions.add(found.group(1))
    owners = {vpc.owner_id for vpc in draft.of(Vpc).values()} - {None}
    if len(regions) == 1:
        draft.region = draft.region or regions.pop()
    if len(owners) == 1:
        draft.account_id = draft.account_id or owners.pop()
