"""What AWS gives when nobody asked for anything else; each default in this one place.

Owns the contents of default groups, ACLs, route tables and timeouts. Knows nothing of where
a network comes from: sources ask, and put the answers in.
"""

from collections.abc import Iterable
from typing import Final

from secgroup.model.group import GroupReference, SecurityGroup, SecurityGroupRule
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.route import Route, RouteTable, Target, TargetKind
from secgroup.model.vpc import Vpc
from secgroup.net.address import ALL_IPV4, ALL_IPV6, Prefix
from secgroup.net.ports import ALL_TRAFFIC

#: The name of the group and the description that EC2 reserves for a VPC's own.
DEFAULT_GROUP_NAME: Final = "default"

#: Rule numbers of the entries that end every ACL and cannot be changed: the implicit denies of
#: IPv4 and IPv6 (API reference, NetworkAclEntry; Amazon VPC quotas).
IMPLICIT_DENY_IPV4: Final = 32767
IMPLICIT_DENY_IPV6: Final = 32768

#: Idle timeouts in seconds (EC2 User Guide, connection tracking timeouts; API reference,
#: ConnectionTrackingSpecification).
TCP_ESTABLISHED_TIMEOUT_S: Final = 432_000
TCP_ESTABLISHED_TIMEOUT_NITRO_V6_S: Final = 350
UDP_TIMEOUT_S: Final = 30
UDP_STREAM_TIMEOUT_S: Final = 180

_NITRO_V6: Final = """
    m8a m8azn m8gb m8gn m8i m8i-flex m8ib m8id m8idb m8idn m8in m8ine m9g m9gd
    c8a c8gb c8gn c8i c8i-flex c8ib c8id c8in c8ine
    r8a r8gb r8gn r8i r8i-flex r8ib r8id r8idb r8idn r8in
    x8aedz x8i
    i8ge
    g7e p6-b200 p6-b300
    hpc8a
"""

#: The instance families that run on Nitro v6 (Amazon EC2 Instance Types guide, "Instance family
#: summary" of the general purpose, compute, memory, storage, accelerated and HPC pages, as
#: published in 2026). P6e-GB200 is not among them: it runs on Nitro v5 and keeps five days.
NITRO_V6_FAMILIES: Final = frozenset(_NITRO_V6.split())


def tracking_defaults(instance_type: str | None) -> tuple[int, int, int]:
    """Return the idle timeouts of an interface that sets none, in seconds.

    Parameters
    ----------
    instance_type : str or None
        `m8i.large`; None for an interface without an instance, or of an unknown one.

    Returns
    -------
    tuple of int
        Established TCP, UDP in one direction or with one answer, UDP streams.

    """
    family = "" if instance_type is None else instance_type.lower().partition(".")[0]
    tcp_s = (
        TCP_ESTABLISHED_TIMEOUT_NITRO_V6_S
        if family in NITRO_V6_FAMILIES
        else TCP_ESTABLISHED_TIMEOUT_S
    )
    return tcp_s, UDP_TIMEOUT_S, UDP_STREAM_TIMEOUT_S


def egress_of_new_group(group_id: str, *, has_ipv6: bool) -> tuple[SecurityGroupRule, ...]:
    """Return the rules of a new group: everything out, over IPv6 only where the VPC has it.

    Parameters
    ----------
    group_id : str
        The new group.
    has_ipv6 : bool
        The VPC has an IPv6 block (VPC User Guide, default security groups).

    """
    blocks: tuple[Prefix, ...] = (ALL_IPV4, ALL_IPV6) if has_ipv6 else (ALL_IPV4,)
    return tuple(
        SecurityGroupRule(
            rule_id=f"{group_id}/egress/{index}",
            group_id=group_id,
            is_egress=True,
            traffic=ALL_TRAFFIC,
            peer=block,
        )
        for index, block in enumerate(blocks)
    )


def default_group(vpc: Vpc, *, group_id: str) -> SecurityGroup:
    """Return the VPC's default group: everything in from itself, everything out."""
    from_itself = SecurityGroupRule(
        rule_id=f"{group_id}/ingress/0",
        group_id=group_id,
        is_egress=False,
        traffic=ALL_TRAFFIC,
        peer=GroupReference(group_id=group_id),
    )
    egress = egress_of_new_group(group_id, has_ipv6=bool(vpc.ipv6_blocks))
    return SecurityGroup(
        group_id=group_id,
        vpc_ids=(vpc.vpc_id,),
        name=DEFAULT_GROUP_NAME,
        owner_id=vpc.owner_id,
        rules=(from_itself, *egress),
    )


def default_acl_entries(*, has_ipv6: bool) -> tuple[NetworkAclEntry, ...]:
    """Return entries 100 and, over IPv6, 101 of a default ACL: everything, both ways."""
    numbered: list[tuple[int, Prefix]] = [(100, ALL_IPV4)]
    if has_ipv6:
        numbered.append((101, ALL_IPV6))
    return tuple(
        NetworkAclEntry(
            rule_number=number, is_egress=is_egress, is_allow=True, traffic=ALL_TRAFFIC, cidr=block
        )
        for is_egress in (False, True)
        for number, block in numbered
    )


def default_acl(vpc: Vpc, *, network_acl_id: str) -> NetworkAcl:
    """Return the ACL of the VPC's subnets that are associated with no other."""
    return NetworkAcl(
        network_acl_id=network_acl_id,
        vpc_id=vpc.vpc_id,
        is_default=True,
        entries=default_acl_entries(has_ipv6=bool(vpc.ipv6_blocks)),
    )


def local_routes(vpc: Vpc) -> tuple[Route, ...]:
    """Return the routes that every route table of the VPC has: one for each of its blocks."""
    blocks: Iterable[Prefix] = (*vpc.ipv4_blocks, *vpc.ipv6_blocks)
    local = Target(kind=TargetKind.LOCAL, target_id="local")
    return tuple(Route(destination=block, target=local) for block in blocks)


def main_route_table(vpc: Vpc, *, route_table_id: str) -> RouteTable:
    """Return the main route table as the VPC gets it: local routes and nothing else."""
    return RouteTable(
        route_table_id=route_table_id,
        vpc_id=vpc.vpc_id,
        is_main=True,
        routes=local_routes(vpc),
    )
