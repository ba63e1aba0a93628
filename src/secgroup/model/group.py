"""Security groups and their rules (EC2: SecurityGroup, SecurityGroupRule)."""

from dataclasses import dataclass, field
from typing import TypeAlias

from secgroup.model.external import External
from secgroup.net.address import Prefix
from secgroup.net.ports import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReference:
    """The peer of a rule, given as a security group (EC2: ReferencedSecurityGroup).

    `owner_id`, `vpc_id` and `peering_id` are what the rule says about the other side, if it does.
    """

    group_id: str
    owner_id: str | None = None
    vpc_id: str | None = None
    peering_id: str | None = None

    def __str__(self) -> str:
        """Write the group's id."""
        return self.group_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixListReference:
    """The peer of a rule or the destination of a route, given as a prefix list."""

    prefix_list_id: str

    def __str__(self) -> str:
        """Write the prefix list's id."""
        return self.prefix_list_id


#: Exactly one of these is the peer of a rule: the source on ingress, the destination on egress.
Peer: TypeAlias = Prefix | PrefixListReference | GroupReference | External


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupRule:
    """One rule, for one peer; there are only rules that allow.

    `rule_id` is `sgr-...` where known, else `Group/ingress/0`: the index in its source.
    """

    rule_id: str
    group_id: str
    is_egress: bool
    traffic: Traffic
    peer: Peer
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """A security group; `vpc_ids` are its own VPC and then the associated ones.

    `names` are what else a person may call it: logical id, group name, Name tag.
    """

    group_id: str
    vpc_ids: tuple[str, ...]
    name: str = ""
    names: tuple[str, ...] = ()
    owner_id: str | None = None
    rules: tuple[SecurityGroupRule, ...] = field(default=())

    @property
    def vpc_id(self) -> str:
        """The VPC that the group belongs to."""
        return self.vpc_ids[0]
