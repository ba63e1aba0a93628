from ipaddress import IPv4Network

import pytest

from secgroup.errors import InputError
from secgroup.model.external import External
from secgroup.model.network import Network
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import TargetKind
from secgroup.sources.draft import Draft
from tests.support.templates import VPC, network_of, with_vpc

GATEWAYS = """
Igw: {Type: AWS::EC2::InternetGateway}
Attach:
  Type: AWS::EC2::VPCGatewayAttachment
  Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw}
Table: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
Use:
  Type: AWS::EC2::SubnetRouteTableAssociation
  Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Table}
"""


def routes_of(network: Network, table_id: str) -> list[tuple[str, TargetKind, str]]:
    return [
        (str(route.destination), route.target.kind, route.target.target_id)
        for route in network.route_tables[table_id].routes
    ]


def route(properties: str) -> str:
    return f"R: {{Type: AWS::EC2::Route, Properties: {{RouteTableId: !Ref Table, {properties}}}}}\n"


LOCAL = ("10.0.0.0/16", TargetKind.LOCAL, "local")


@pytest.mark.semantics("template-11")
def test_a_subnet_without_an_association_has_the_main_table_with_local_routes():
    network = with_vpc("")
    table = network.route_table_of("Subnet")
    assert table is not None
    assert table.is_main
    assert routes_of(network, table.route_table_id) == [LOCAL]


def test_a_route_table_has_its_routes_and_subnets():
    network = with_vpc(GATEWAYS + route("DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Igw"))
    assert network.internet_gateways["Igw"].vpc_id == "Vpc"
    assert network.route_table_of("Subnet") is network.route_tables["Table"]
    assert routes_of(network, "Table") == [
        LOCAL,
        ("0.0.0.0/0", TargetKind.INTERNET_GATEWAY, "Igw"),
    ]
    assert network.warnings == ()


@pytest.mark.parametrize(
    ("properties", "kind", "target_id"),
    [
        ("GatewayId: !Ref Vpn", TargetKind.OTHER, "Vpn"),
        ("GatewayId: vgw-1", TargetKind.OTHER, "vgw-1"),
        ("GatewayId: igw-1", TargetKind.INTERNET_GATEWAY, "igw-1"),
        ("GatewayId: local", TargetKind.LOCAL, "local"),
        ("NatGatewayId: !Ref Nat", TargetKind.NAT_GATEWAY, "Nat"),
        ("InstanceId: !Ref Web", TargetKind.INSTANCE, "Web"),
        ("NetworkInterfaceId: !Ref Eni", TargetKind.INTERFACE, "Eni"),
        ("VpcPeeringConnectionId: !Ref Peer", TargetKind.PEERING, "Peer"),
        ("VpcEndpointId: !Ref Gwlb", TargetKind.OTHER, "Gwlb"),
        ("TransitGatewayId: !Ref Tgw", TargetKind.OTHER, "Tgw"),
        ("CoreNetworkArn: arn:x", TargetKind.OTHER, "arn:x"),
    ],
)
def test_a_route_leads_to_what_its_property_says(properties, kind, target_id):
    network = with_vpc(
        GATEWAYS
        + """
Vpn: {Type: AWS::EC2::VPNGateway, Properties: {Type: ipsec.1}}
Tgw: {Type: AWS::EC2::TransitGateway}
Nat: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref Subnet, ConnectivityType: private}}
Web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet}}
Eni: {Type: AWS::EC2::NetworkInterface, Properties: {SubnetId: !Ref Subnet}}
Peer: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: vpc-9}}
Gwlb:
  Type: AWS::EC2::VPCEndpoint
  Properties:
    VpcId: !Ref Vpc
    VpcEndpointType: GatewayLoadBalancer
    ServiceName: x
    SubnetIds: [!Ref Subnet]
"""
        + route(f"DestinationCidrBlock: 10.99.0.0/16, {properties}")
    )
    assert routes_of(network, "Table")[1:] == [("10.99.0.0/16", kind, target_id)]
    gwlb = network.interfaces["Gwlb/Subnet"]
    assert (gwlb.interface_type, gwlb.group_ids) == ("gateway_load_balancer_endpoint", ())


def test_an_egress_only_gateway_and_a_prefix_list_stand_in_routes():
    network = with_vpc(
        GATEWAYS
        + """
Eigw: {Type: AWS::EC2::EgressOnlyInternetGateway, Properties: {VpcId: !Ref Vpc}}
Offices:
  Type: AWS::EC2::PrefixList
  Properties: {PrefixListName: o, AddressFamily: IPv4, Entries: [{Cidr: 192.0.2.0/24}]}
Six:
  Type: AWS::EC2::Route
  Properties:
    RouteTableId: !Ref Table
    DestinationIpv6CidrBlock: "::/0"
    EgressOnlyInternetGatewayId: !Ref Eigw
"""
        + route("DestinationPrefixListId: !Ref Offices, GatewayId: !Ref Igw")
    )
    assert network.egress_only_gateways["Eigw"].vpc_id == "Vpc"
    assert routes_of(network, "Table")[1:] == [
        ("::/0", TargetKind.EGRESS_ONLY_GATEWAY, "Eigw"),
        ("Offices", TargetKind.INTERNET_GATEWAY, "Igw"),
    ]


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ("DestinationCidrBlock: 0.0.0.0/0", "expected one target of GatewayId"),
        ("GatewayId: !Ref Igw", "expected one of DestinationCidrBlock"),
        (
            "DestinationCidrBlock: 0.0.0.0/0, GatewayId: igw-1, InstanceId: i-1",
            "expected one target",
        ),
        (
            "DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Igw",
            "expected AWS::EC2::NatGateway",
        ),
    ],
)
def test_a_route_that_ec2_refuses_is_refused(properties, says):
    with pytest.raises(InputError) as refused:
        with_vpc(GATEWAYS + route(properties))
    assert says in str(refused.value)


def test_a_subnet_with_two_route_tables_is_refused():
    with pytest.raises(InputError, match="Subnet has two route tables"):
        with_vpc(
            GATEWAYS
            + """
More: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
UseMore:
  Type: AWS::EC2::SubnetRouteTableAssociation
  Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref More}
"""
        )


def test_a_route_to_what_only_a_deployment_knows_keeps_an_external():
    network = with_vpc(
        GATEWAYS
        + "Lookup: {Type: Custom::Lookup}\n"
        + route("DestinationCidrBlock: !GetAtt Lookup.Block, GatewayId: !Ref Igw")
    )
    assert network.route_tables["Table"].routes[1].destination == External("Lookup.Block")


@pytest.mark.semantics("template-9")
def test_a_gateway_endpoint_puts_its_prefix_list_into_route_tables():
    endpoint = """
S3:
  Type: AWS::EC2::VPCEndpoint
  Properties:
    VpcId: !Ref Vpc
    ServiceName: !Sub com.amazonaws.${AWS::Region}.s3
    RouteTableIds: [!Ref Table]
"""
    name = "com.amazonaws.us-east-1.s3"
    network = with_vpc(GATEWAYS + endpoint)
    assert routes_of(network, "Table")[1:] == [(name, TargetKind.GATEWAY_ENDPOINT, "S3")]
    assert network.prefix_lists[name].entries is None
    assert network.endpoints["S3"].interface_ids == ()

    draft = Draft()
    entries = (IPv4Network("52.216.0.0/15"),)
    draft.add(PrefixList(prefix_list_id="pl-1", name=name, entries=entries), source="lists.json")
    text = VPC + "".join(f"  {line}\n" for line in (GATEWAYS + endpoint).splitlines())
    network = network_of(text, draft=draft)
    assert routes_of(network, "Table")[1:] == [("pl-1", TargetKind.GATEWAY_ENDPOINT, "S3")]


@pytest.mark.semantics("template-15")
def test_a_peering_has_both_sides_with_their_blocks():
    network = with_vpc(
        """
        Other: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.9.0.0/16}}
        Near:
          Type: AWS::EC2::VPCPeeringConnection
          Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Other}
        Far:
          Type: AWS::EC2::VPCPeeringConnection
          Properties:
            {VpcId: !Ref Vpc, PeerVpcId: vpc-9, PeerOwnerId: "210987654321", PeerRegion: eu-west-1}
        """
    )
    near, far = network.peerings["Near"], network.peerings["Far"]
    assert near.accepter.blocks == (IPv4Network("10.9.0.0/16"),)
    assert near.is_active
    assert near.is_same_region
    assert (far.accepter.vpc_id, far.accepter.owner_id) == ("vpc-9", "210987654321")
    assert not far.is_same_region


def test_routes_of_a_table_outside_of_the_template_are_left_out_and_named():
    network = with_vpc(
        """
        R:
          Type: AWS::EC2::Route
          Properties: {RouteTableId: rtb-1, DestinationCidrBlock: 0.0.0.0/0, GatewayId: igw-1}
        """
    )
    assert network.warnings == (
        "net.yaml: route table rtb-1 is not in the template; its routes are left out",
    )
