"""How many of each thing AWS lets an account have, by default; a file may say otherwise.

Source: Amazon VPC User Guide, "Amazon VPC quotas", read 2026-11-20.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: name -> default.
QUOTAS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "security-groups-per-region": 2500,
        # Counted for each direction and family apart.
        "rules-per-security-group": 60,
        "security-groups-per-network-interface": 5,
        "network-acls-per-vpc": 200,
        # Counted for each direction apart.
        "rules-per-network-acl": 20,
        "prefix-lists-per-region": 100,
        "entries-per-prefix-list": 1000,
        "versions-per-prefix-list": 1000,
        # Of a customer's own list, by rules and by routes apart.
        "references-to-a-prefix-list": 10000,
        "network-interfaces-per-region": 5000,
        # Of a family, prefixes included: what the largest instance types have.
        "addresses-per-network-interface": 50,
        "routes-per-route-table": 500,
        "vpcs-per-region": 5,
        "subnets-per-vpc": 200,
        "ipv4-blocks-per-vpc": 5,
        "ipv6-blocks-per-vpc": 5,
        "route-tables-per-vpc": 200,
        "peering-connections-per-vpc": 50,
        "gateway-endpoints-per-region": 20,
        "interface-endpoints-per-vpc": 50,
        "nat-gateways-per-zone": 5,
        "internet-gateways-per-region": 5,
        "elastic-addresses-per-region": 5,
        "tags-per-resource": 50,
        "flow-logs-per-resource": 250,
    }
)
