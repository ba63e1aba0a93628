from ipaddress import ip_address

import pytest

from secgroup.model.service_addresses import ROUTER_LINK_LOCAL, SERVICES

#: VPC and EC2 User Guides: who is exempt, where, over what; and what flow logs leave out.
PUBLISHED = {
    ("169.254.169.253", 17, 53, False),
    ("169.254.169.253", 6, 53, False),
    ("fd00:ec2::253", 17, 53, False),
    ("fd00:ec2::253", 6, 53, False),
    ("169.254.169.254", 6, 80, False),
    ("fd00:ec2::254", 6, 80, False),
    ("169.254.169.123", 17, 123, False),
    ("fd00:ec2::123", 17, 123, False),
    ("169.254.170.2", 6, 80, True),
    ("169.254.170.23", 6, 80, True),
    ("fd00:ec2::23", 6, 80, True),
    ("169.254.169.250", 6, 1688, False),
    ("169.254.169.251", 6, 1688, False),
}


@pytest.mark.semantics("exempt-1", "exempt-2", "exempt-3", "exempt-4", "exempt-5")
def test_the_table_is_the_published_one():
    table = {
        (str(address), protocol, service.port, service.is_logged)
        for service in SERVICES
        for address in service.addresses
        for protocol in service.protocols
    }
    assert table == PUBLISHED
    assert ip_address("fe80:ec2::1") == ROUTER_LINK_LOCAL
