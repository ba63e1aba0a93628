from ipaddress import IPv4Network, ip_address

import pytest

from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.fields import format_of
from secgroup.flowlog.metadata import Metadata
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import (
    NatGateway,
    PeeringConnection,
    PeeringSide,
    Route,
    RouteTable,
    Target,
    TargetKind,
)
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import parse_prefix
from tests.flowlog.scenes import IN, OUT, Passing, a_network, an_interface, named, records_of, tcp

VPC, FAR_VPC = "vpc-1", "vpc-2"


def eni(interface_id, address, subnet_id="subnet-1", vpc_id=VPC, **others):
    return an_interface(interface_id, address, vpc_id=vpc_id, subnet_id=subnet_id, **others)


WEB = eni("eni-web", "10.0.0.5", instance_id="i-web", device_index=0)
DATABASE = eni("eni-db", "10.0.1.5", subnet_id="subnet-2")
GATEWAY = eni("eni-nat", "10.0.2.5", subnet_id="subnet-3", interface_type="natGateway")
ROUTER = eni("eni-router", "10.0.3.5", instance_id="i-router", device_index=0)
SECOND = eni("eni-second", "10.0.3.6", instance_id="i-router", device_index=1)
FAR = eni("eni-far", "10.9.0.5", subnet_id="subnet-9", vpc_id=FAR_VPC)
FURTHER = eni("eni-further", "10.8.0.5", subnet_id="subnet-8", vpc_id="vpc-3")


def peering(peering_id, other, region, *, is_active=True):
    return PeeringConnection(
        peering_id=peering_id,
        requester=PeeringSide(vpc_id=VPC, region="eu-west-1"),
        accepter=PeeringSide(vpc_id=other, region=region),
        is_active=is_active,
    )


#: destination -> (where its route leads, traffic-path, interface of the next hop).
ROUTES = {
    "10.0.0.0/16": (TargetKind.LOCAL, "local", 1, None),
    "10.9.0.0/16": (TargetKind.PEERING, "pcx-near", 4, "eni-far"),
    "10.8.0.0/16": (TargetKind.PEERING, "pcx-far", 5, "eni-further"),
    "10.7.0.0/16": (TargetKind.PEERING, "pcx-dead", None, None),
    "10.6.0.0/16": (TargetKind.PEERING, "pcx-unheard-of", None, None),
    "192.0.2.0/24": (TargetKind.NAT_GATEWAY, "nat-1", 1, "eni-nat"),
    "198.51.100.0/25": (TargetKind.INTERFACE, "eni-router", 1, "eni-router"),
    "198.51.100.128/25": (TargetKind.INSTANCE, "i-router", 1, "eni-router"),
    "172.16.0.0/16": (TargetKind.OTHER, "vgw-1", 3, None),
    "172.17.0.0/16": (TargetKind.OTHER, "lgw-1", 1, None),
    "172.18.0.0/16": (TargetKind.OTHER, "cagw-1", 6, None),
    "172.19.0.0/16": (TargetKind.OTHER, "tgw-1", None, None),
    "52.0.0.0/16": (TargetKind.GATEWAY_ENDPOINT, "vpce-1", 7, None),
    "0.0.0.0/0": (TargetKind.INTERNET_GATEWAY, "igw-1", 8, None),
    "::/0": (TargetKind.EGRESS_ONLY_GATEWAY, "eigw-1", None, None),
}


def a_world(**others):
    parts = {
        "route_tables": {
            "rtb-1": RouteTable(
                route_table_id="rtb-1", vpc_id=VPC, is_main=True,
                routes=(
                    *(
                        Route(destination=parse_prefix(block),
                              target=Target(kind=kind, target_id=target_id))
                        for block, (kind, target_id, _, _) in ROUTES.items()
                    ),
                    Route(destination=parse_prefix("203.0.113.0/24"), is_blackhole=True,
                          target=Target(kind=TargetKind.NAT_GATEWAY, target_id="nat-gone")),
                ),
            )
        },
        "nat_gateways": {
            "nat-1": NatGateway(gateway_id="nat-1", vpc_id=VPC, subnet_id="subnet-3",
                                interface_ids=("eni-nat",))
        },
        "peerings": {
            "pcx-near": peering("pcx-near", FAR_VPC, "eu-west-1"),
            "pcx-far": peering("pcx-far", "vpc-3", "us-east-1"),
            "pcx-dead": peering("pcx-dead", FAR_VPC, "eu-west-1", is_active=False),
        },
    }  # fmt: skip
    return a_network(WEB, DATABASE, GATEWAY, ROUTER, SECOND, FAR, FURTHER, **parts | others)


def said(fields, packet, direction=OUT, interface=WEB, **others):
    chosen = format_of(fields.split())
    passing = Passing(at_ms=0, interface=interface, direction=direction, packet=packet)
    (record,) = records_of(Aggregator(a_world(**others), chosen), [passing])
    return tuple(named(chosen, record).values())


@pytest.mark.parametrize("block", ROUTES)
@pytest.mark.semantics("flowlog-10", "flowlog-20")
def test_path_and_next_hop_are_where_the_route_leads(block):
    _, _, path, hop = ROUTES[block]
    peer = str(parse_prefix(block).network_address + 5)
    here = "2001:db8::1" if ":" in peer else "10.0.0.5"
    expected_hop = "eni-web" if block == "10.0.0.0/16" else hop
    fields = "traffic-path next-hop-interface-id"
    assert said(fields, tcp(here, 1, peer, 2)) == (path, expected_hop)
    assert said(fields, tcp(peer, 2, here, 1), IN) == (None, expected_hop)


@pytest.mark.semantics("flowlog-10")
def test_path_of_a_blackhole_and_of_no_route_is_not_known():
    packet = tcp("10.0.0.5", 1, "203.0.113.1", 2)
    fields = "traffic-path next-hop-interface-id"
    assert said(fields, packet) == (None, None)
    assert said(fields, packet, route_tables={}) == (None, None)


@pytest.mark.semantics("flowlog-20")
def test_next_hop_says_where_and_what_the_other_interface_is():
    fields = (
        "interface-type next-hop-interface-id next-hop-subnet-id next-hop-vpc-id "
        "next-hop-interface-type"
    )
    out = tcp("10.0.0.5", 1, "192.0.2.9", 2)
    assert said(fields, out) == (None, "eni-nat", "subnet-3", VPC, "nat_gateway")
    far = tcp("10.0.0.5", 1, "10.9.0.5", 2)
    assert said(fields, far) == (None, "eni-far", "subnet-9", FAR_VPC, None)
    at_gateway = tcp("10.0.0.5", 1, "192.0.2.9", 2)
    assert said(fields, at_gateway, IN, GATEWAY)[:2] == ("nat_gateway", "eni-web")


@pytest.mark.parametrize(
    ("zone", "zone_id", "expected"),
    [
        ("ap-southeast-2c", "apse2-az3", ("ap-southeast-2", "apse2-az3", None, None)),
        ("us-gov-east-1a", "usge1-az1", ("us-gov-east-1", "usge1-az1", None, None)),
        ("us-west-2-lax-1a", "usw2-lax1-az1", ("us-west-2", None, "localzone", "usw2-lax1-az1")),
        (
            "us-east-1-wl1-bos-wlz-1", "use1-wl1-bos-wlz1",
            ("us-east-1", None, "wavelength", "use1-wl1-bos-wlz1"),
        ),
        (None, None, ("eu-west-1", None, None, None)),
        ("somewhere", "x", ("eu-west-1", "x", None, None)),
    ],
)  # fmt: skip
@pytest.mark.semantics("flowlog-16")
def test_region_and_zone_are_those_of_the_subnet(zone, zone_id, expected):
    subnet = Subnet(subnet_id="subnet-1", vpc_id=VPC, network_acl_id="acl-1",
                    availability_zone=zone, availability_zone_id=zone_id)  # fmt: skip
    fields = "region az-id sublocation-type sublocation-id"
    packet = tcp("10.0.0.5", 1, "10.0.1.5", 2)
    assert said(fields, packet, subnets={"subnet-1": subnet}, region="eu-west-1") == expected


@pytest.mark.semantics("flowlog-11")
def test_account_is_the_interfaces_else_the_vpcs_else_the_networks():
    packet = tcp("10.0.0.5", 1, "10.0.1.5", 2)
    vpcs = {VPC: Vpc(vpc_id=VPC, owner_id="222222222222")}
    owned = eni("eni-web", "10.0.0.5", owner_id="111111111111")
    assert said("account-id", packet) == ("123456789010",)
    assert said("account-id", packet, vpcs=vpcs) == ("222222222222",)
    assert said("account-id", packet, vpcs=vpcs, interface=owned) == ("111111111111",)
    assert said("account-id", packet, account_id=None) == (None,)


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("com.amazonaws.eu-west-1.s3", "S3"),
        ("com.amazonaws.eu-west-1.dynamodb", "DYNAMODB"),
        ("com.amazonaws.global.cloudfront.origin-facing", "CLOUDFRONT_ORIGIN_FACING"),
        ("com.amazonaws.eu-west-1.ec2-instance-connect", "EC2_INSTANCE_CONNECT"),
        ("com.amazonaws.eu-west-1.route53-healthchecks", "ROUTE53_HEALTHCHECKS"),
        ("com.amazonaws.eu-west-1.groundstation", None),
        ("our own s3", None),
        ("mine.s3", None),
    ],
)
@pytest.mark.semantics("flowlog-17")
def test_service_is_known_from_aws_prefix_lists_with_entries(name, service):
    lists = {
        "pl-0": PrefixList(prefix_list_id="pl-0", name="com.amazonaws.eu-west-1.s3express"),
        "pl-1": PrefixList(prefix_list_id="pl-1", name=name,
                           entries=(IPv4Network("203.0.113.0/24"),)),
    }  # fmt: skip
    fields = "pkt-src-aws-service pkt-dst-aws-service"
    packet = tcp("10.0.0.5", 1, "203.0.113.1", 2)
    assert said(fields, packet, prefix_lists=lists) == (None, service)


@pytest.mark.semantics("flowlog-21")
def test_names_that_would_break_a_line_are_percent_encoded():
    odd = eni("My ENI,\t50% é", "10.0.0.5")
    assert said("interface-id", tcp("10.0.0.5", 1, "10.0.1.5", 2), interface=odd) == (
        "My%20ENI%2C%0950%25%20%C3%A9",
    )


def test_address_of_two_vpcs_is_the_next_hop_in_the_routes_vpc():
    twin = eni("eni-twin", "10.0.1.5", subnet_id="subnet-9", vpc_id=FAR_VPC)
    interfaces = {"eni-twin": twin, "eni-db": DATABASE}
    hop = Metadata(a_world(interfaces=interfaces)).next_hop(WEB, ip_address("10.0.1.5"))
    assert hop is DATABASE
