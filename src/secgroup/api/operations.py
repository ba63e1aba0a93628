"""Which operations are served, and by which function: the dispatch table."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from secgroup.control import (
    default_vpc,
    dhcp_options,
    flow_logs,
    internet_gateways,
    network_acls,
    places,
    route_tables,
    routes,
    security_groups,
    subnets,
    vpcs,
)
from secgroup.control.endpoint import Operation

#: EC2's name of each operation that is served.
OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        **flow_logs.OPERATIONS,
        **security_groups.OPERATIONS,
        **default_vpc.OPERATIONS,
        **dhcp_options.OPERATIONS,
        **internet_gateways.OPERATIONS,
        **network_acls.OPERATIONS,
        **places.OPERATIONS,
        **route_tables.OPERATIONS,
        **routes.OPERATIONS,
        **subnets.OPERATIONS,
        **vpcs.OPERATIONS,
    }
)
