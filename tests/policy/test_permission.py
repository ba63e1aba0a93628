from ipaddress import IPv4Network

import pytest

from secgroup.net.ports import parse_service
from secgroup.policy.permission import Permission


def permission(service, open_family=None):
    prefixes = (IPv4Network("203.0.113.0/24"),)
    return Permission(
        rule_id="r",
        group_id="g",
        traffic=parse_service(service),
        prefixes=prefixes,
        open_family=open_family,
    )


@pytest.mark.semantics("ct-9")
@pytest.mark.parametrize(
    ("service", "port", "everything"),
    [
        ("all", True, True),
        ("tcp/0-65535", True, True),
        ("tcp/80", True, False),
        ("tcp/79-81", True, False),
        ("tcp/81", False, False),
        ("tcp/0-65534", True, False),
        ("udp/0-65535", False, False),
        ("icmp", False, False),
        ("6", True, True),
        ("47", False, False),
    ],
)
def test_what_a_rule_opens_to_everyone(service, port, everything):
    rule = permission(service, open_family=4)
    assert rule.opens_port(4, 6, 80) is port
    assert rule.opens_all_ports(4, 6) is everything
    assert not rule.opens_port(6, 6, 80)
    assert not rule.opens_all_ports(6, 6)
    assert not permission(service).opens_port(4, 6, 80)
    assert not permission(service).opens_all_ports(4, 6)
