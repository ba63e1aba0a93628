"""Which operations are served, and by which function: the dispatch table."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from secgroup.control import (
    addresses,
    associations,
    default_vpc,
    dhcp_options,
    endpoints,
    flow_logs,
    images,
    instance_types,
    instances,
    instances_shown,
    interface_addresses,
    interface_attachments,
    internet_gateways,
    nat_gateways,
    network_acls,
    network_interfaces,
    peering,
    places,
    prefix_list_changes,
    prefix_lists,
    references,
    route_tables,
    routes,
    security_group_rules,
    security_groups,
    subnets,
    tagging,
    vpcs,
)
from secgroup.control.endpoint import Operation

#: EC2's name of each operation that is served.
OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        **associations.OPERATIONS,
        **default_vpc.OPERATIONS,
        **dhcp_options.OPERATIONS,
        **flow_logs.OPERATIONS,
        **internet_gateways.OPERATIONS,
        **network_acls.OPERATIONS,
        **places.OPERATIONS,
        **prefix_list_changes.OPERATIONS,
        **prefix_lists.OPERATIONS,
        **references.OPERATIONS,
        **route_tables.OPERATIONS,
        **routes.OPERATIONS,
        **security_group_rules.OPERATIONS,
        **security_groups.OPERATIONS,
        **subnets.OPERATIONS,
        **tagging.OPERATIONS,
        **vpcs.OPERATIONS,
        **peering.OPERATIONS,
        **nat_gateways.OPERATIONS,
        **endpoints.OPERATIONS,
        **addresses.OPERATIONS,
        **images.OPERATIONS,
        **instance_types.OPERATIONS,
        **instances.OPERATIONS,
        **instances_shown.OPERATIONS,
        **interface_addresses.OPERATIONS,
        **interface_attachments.OPERATIONS,
        **network_interfaces.OPERATIONS,
    }
)
