"""Network ACLs: stateless, numbered, first match wins (EC2: NetworkAcl, NetworkAclEntry)."""

from dataclasses import dataclass

from secgroup.model.external import External
from secgroup.net.address import Prefix
from secgroup.net.ports import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAclEntry:
    """One numbered entry of one direction; the implicit denies are not entries here.

    `cidr` is the peer's block (the source on ingress, the destination on egress). With an
    External a denying entry matches everything, an allowing one nothing.
    """

    rule_number: int
    is_egress: bool
    is_allow: bool
    traffic: Traffic
    cidr: Prefix | External


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAcl:
    """A network ACL; `entries` ascend by direction and number."""

    network_acl_id: str
    vpc_id: str
    is_default: bool = False
    names: tuple[str, ...] = ()
    entries: tuple[NetworkAclEntry, ...] = ()
