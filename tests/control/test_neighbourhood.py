"""Everything that can be made around groups is one network that can be read again."""

import json
from pathlib import Path
from typing import Any

from secgroup.api.operations import OPERATIONS
from secgroup.control.aws_prefix_lists import aws_list_id
from secgroup.control.export import export
from secgroup.control.networks import Networks
from secgroup.sources.load import load
from tests.support.worlds import OTHER_ACCOUNT, REGION, Client, new_client

#: What describes a world: the call, and the member of its answer.
CALLS = {
    "DescribeVpcs": "Vpcs",
    "DescribeSubnets": "Subnets",
    "DescribeSecurityGroups": "SecurityGroups",
    "DescribeSecurityGroupRules": "SecurityGroupRules",
    "DescribeNetworkAcls": "NetworkAcls",
    "DescribeNetworkInterfaces": "NetworkInterfaces",
    "DescribeManagedPrefixLists": "PrefixLists",
    "DescribeRouteTables": "RouteTables",
    "DescribeInternetGateways": "InternetGateways",
    "DescribeEgressOnlyInternetGateways": "EgressOnlyInternetGateways",
    "DescribeNatGateways": "NatGateways",
    "DescribeAddresses": "Addresses",
    "DescribeVpcPeeringConnections": "VpcPeeringConnections",
    "DescribeVpcEndpoints": "VpcEndpoints",
    "DescribeInstances": "Reservations",
}


def populate(client: Client) -> None:
    """Make one of everything."""
    vpc = client("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    vpc_id = vpc["VpcId"]
    client("AssociateVpcCidrBlock", VpcId=vpc_id, CidrBlock="10.1.0.0/16")
    block = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
    subnet = client("CreateSubnet", VpcId=vpc_id, CidrBlock="10.0.0.0/24", Ipv6CidrBlock=block)[
        "Subnet"
    ]["SubnetId"]
    native = block.replace("00::/64", "01::/64")
    client("CreateSubnet", VpcId=vpc_id, Ipv6Native=True, Ipv6CidrBlock=native)
    gateway = client("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    client("AttachInternetGateway", VpcId=vpc_id, InternetGatewayId=gateway)
    egress = client("CreateEgressOnlyInternetGateway", VpcId=vpc_id)["EgressOnlyInternetGateway"]
    allocation = client("AllocateAddress")["AllocationId"]
    nat = client("CreateNatGateway", SubnetId=subnet, AllocationId=allocation)["NatGateway"]
    table = client("CreateRouteTable", VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    client("AssociateRouteTable", RouteTableId=table, SubnetId=subnet)
    acl = client("CreateNetworkAcl", VpcId=vpc_id)["NetworkAcl"]["NetworkAclId"]
    client(
        "CreateNetworkAclEntry",
        NetworkAclId=acl,
        RuleNumber=100,
        Protocol="1",
        RuleAction="allow",
        Egress=False,
        CidrBlock="0.0.0.0/0",
        IcmpTypeCode={"Type": 8, "Code": -1},
    )
    instance = client(
        "RunInstances",
        ImageId="ami-00000001",
        InstanceType="m8i.large",
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[
            {
                "DeviceIndex": 0,
                "SubnetId": subnet,
                "AssociatePublicIpAddress": True,
                "Ipv6AddressCount": 1,
                "SecondaryPrivateIpAddressCount": 1,
                "ConnectionTrackingSpecification": {"UdpTimeout": 45},
            }
        ],
    )["Instances"][0]
    extra = client("CreateNetworkInterface", SubnetId=subnet, Ipv4PrefixCount=1, Ipv6PrefixCount=1)[
        "NetworkInterface"
    ]["NetworkInterfaceId"]
    other = client.elsewhere(account_id=OTHER_ACCOUNT)
    peer = other("CreateVpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    peering = client(
        "CreateVpcPeeringConnection", VpcId=vpc_id, PeerVpcId=peer, PeerOwnerId=OTHER_ACCOUNT
    )["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    other("AcceptVpcPeeringConnection", VpcPeeringConnectionId=peering)
    routes: tuple[dict[str, Any], ...] = (
        {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway},
        {"DestinationCidrBlock": "192.0.2.0/24", "NatGatewayId": nat["NatGatewayId"]},
        {"DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": peering},
        {"DestinationCidrBlock": "198.51.100.0/24", "InstanceId": instance["InstanceId"]},
        {"DestinationCidrBlock": "203.0.113.0/24", "NetworkInterfaceId": extra},
        {
            "DestinationIpv6CidrBlock": "::/0",
            "EgressOnlyInternetGatewayId": egress["EgressOnlyInternetGatewayId"],
        },
    )
    for route in routes:
        client("CreateRoute", RouteTableId=table, **route)
    for kind, name in (("Gateway", "s3"), ("Interface", "sqs")):
        more = {"RouteTableIds": [table]} if kind == "Gateway" else {"SubnetIds": [subnet]}
        client(
            "CreateVpcEndpoint",
            VpcId=vpc_id,
            VpcEndpointType=kind,
            ServiceName=f"com.amazonaws.{REGION}.{name}",
            PrivateDnsEnabled=False,
            **more,
        )


def test_world_with_one_of_everything_is_read_as_the_network_that_it_is(tmp_path: Path) -> None:
    client = new_client()
    populate(client)
    described = export(client.world, OPERATIONS)
    path = tmp_path / "network.json"
    path.write_text(json.dumps(described))
    network = load(path)
    # The blocks of AWS's own lists are published nowhere, and the endpoint does not invent them.
    (line,) = network.warnings
    assert line.startswith(f"prefix list {aws_list_id(REGION, 's3')}: mentioned")
    kept = Networks(client.endpoint.state)[REGION]
    own = {vpc["VpcId"] for vpc in described["Vpcs"]}
    for field in ("subnets", "acls", "route_tables", "interfaces", "nat_gateways"):
        found = getattr(network, field)
        assert found, field
        wanted = {k: v for k, v in getattr(kept, field).items() if v.vpc_id in own}
        assert found == wanted, field
    for field in ("instances", "addresses", "peerings", "endpoints", "egress_only_gateways"):
        assert getattr(network, field) == getattr(kept, field), field


def test_what_was_made_can_be_taken_away_again_in_order() -> None:
    client = new_client()
    before = {name: client(name)[key] for name, key in CALLS.items()}
    populate(client)
    (vpc,) = [each["VpcId"] for each in client("DescribeVpcs")["Vpcs"] if not each["IsDefault"]]
    own = [{"Name": "vpc-id", "Values": [vpc]}]
    for each in client("DescribeInstances", Filters=own)["Reservations"]:
        client("TerminateInstances", InstanceIds=[i["InstanceId"] for i in each["Instances"]])
    endpoints = client("DescribeVpcEndpoints")["VpcEndpoints"]
    client("DeleteVpcEndpoints", VpcEndpointIds=[each["VpcEndpointId"] for each in endpoints])
    for each in client("DescribeNatGateways")["NatGateways"]:
        client("DeleteNatGateway", NatGatewayId=each["NatGatewayId"])
    for each in client("DescribeAddresses")["Addresses"]:
        client("ReleaseAddress", AllocationId=each["AllocationId"])
    for each in client("DescribeNetworkInterfaces")["NetworkInterfaces"]:
        client("DeleteNetworkInterface", NetworkInterfaceId=each["NetworkInterfaceId"])
    for each in client("DescribeVpcPeeringConnections")["VpcPeeringConnections"]:
        peering_id = each["VpcPeeringConnectionId"]
        client("DeleteVpcPeeringConnection", VpcPeeringConnectionId=peering_id)
    for each in client("DescribeEgressOnlyInternetGateways")["EgressOnlyInternetGateways"]:
        gateway_id = each["EgressOnlyInternetGatewayId"]
        client("DeleteEgressOnlyInternetGateway", EgressOnlyInternetGatewayId=gateway_id)
    asked = [{"Name": "attachment.vpc-id", "Values": [vpc]}]
    for each in client("DescribeInternetGateways", Filters=asked)["InternetGateways"]:
        gateway_id = each["InternetGatewayId"]
        client("DetachInternetGateway", VpcId=vpc, InternetGatewayId=gateway_id)
        client("DeleteInternetGateway", InternetGatewayId=gateway_id)
    for each in client("DescribeSubnets", Filters=own)["Subnets"]:
        client("DeleteSubnet", SubnetId=each["SubnetId"])
    for each in client("DescribeRouteTables", Filters=own)["RouteTables"]:
        if not each["Associations"]:
            client("DeleteRouteTable", RouteTableId=each["RouteTableId"])
    for each in client("DescribeNetworkAcls", Filters=own)["NetworkAcls"]:
        if not each["IsDefault"]:
            client("DeleteNetworkAcl", NetworkAclId=each["NetworkAclId"])
    client("DeleteVpc", VpcId=vpc)
    remembered = ("DescribeInstances", "DescribeVpcPeeringConnections")
    for name, key in CALLS.items():
        if name not in remembered:
            assert client(name)[key] == before[name], name
