"""VPC endpoints: routes of gateway endpoints, interfaces of interface endpoints."""

from typing import Any

import pytest

from tests.support.worlds import Client, new_client, refused

S3 = "com.amazonaws.eu-west-1.s3"
SQS = "com.amazonaws.eu-west-1.sqs"


@pytest.fixture
def client() -> Client:
    return new_client()


def default(client: Client) -> tuple[str, list[str]]:
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    return vpc["VpcId"], [each["SubnetId"] for each in client("DescribeSubnets")["Subnets"]]


@pytest.mark.semantics("ec2-endpoint-gateway")
def test_gateway_endpoint_stands_in_its_route_tables(client: Client) -> None:
    vpc, _ = default(client)
    (main,) = [each["RouteTableId"] for each in client("DescribeRouteTables")["RouteTables"]]
    other = client("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
    asked = {"VpcId": vpc, "ServiceName": S3}
    made = client("CreateVpcEndpoint", RouteTableIds=[main], **asked)["VpcEndpoint"]
    endpoint = {"VpcEndpointId": made["VpcEndpointId"]}

    def tables() -> set[str]:
        by_gateway = [{"Name": "route.gateway-id", "Values": [made["VpcEndpointId"]]}]
        found = client("DescribeRouteTables", Filters=by_gateway)["RouteTables"]
        return {each["RouteTableId"] for each in found}

    assert tables() == {main}
    with refused("route_exists"):
        client("CreateVpcEndpoint", RouteTableIds=[main], **asked)
    client("ModifyVpcEndpoint", AddRouteTableIds=[other], RemoveRouteTableIds=[main], **endpoint)
    assert tables() == {other}
    (table,) = client("DescribeRouteTables", RouteTableIds=[other])["RouteTables"]
    list_id = table["Routes"][-1]["DestinationPrefixListId"]
    for name in ("DeleteRoute", "ReplaceRoute"):
        more = {"GatewayId": "igw-1"} if name == "ReplaceRoute" else {}
        with refused("endpoint_route"):
            client(name, RouteTableId=other, DestinationPrefixListId=list_id, **more)
    with refused("route_table_not_found"):
        client("ModifyVpcEndpoint", RemoveRouteTableIds=[main], **endpoint)
    client("ModifyVpcEndpoint", PolicyDocument="{}", **endpoint)
    (now,) = client("DescribeVpcEndpoints")["VpcEndpoints"]
    assert now["PolicyDocument"] == "{}"
    client("ModifyVpcEndpoint", ResetPolicy=True, **endpoint)
    asked_ids = [made["VpcEndpointId"], "vpce-00000001"]
    answer = client("DeleteVpcEndpoints", VpcEndpointIds=asked_ids)
    assert [each["ResourceId"] for each in answer["Unsuccessful"]] == ["vpce-00000001"]
    assert tables() == set()
    with refused("endpoint_not_found"):
        client("DescribeVpcEndpoints", VpcEndpointIds=[made["VpcEndpointId"]])


@pytest.mark.semantics("ec2-endpoint-interface")
def test_interface_endpoint_has_an_interface_in_each_subnet(client: Client) -> None:
    vpc, subnets = default(client)
    asked = {"VpcId": vpc, "ServiceName": SQS, "VpcEndpointType": "Interface"}
    made = client("CreateVpcEndpoint", SubnetIds=subnets[:2], **asked)["VpcEndpoint"]
    endpoint = {"VpcEndpointId": made["VpcEndpointId"]}

    def interfaces() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client("DescribeNetworkInterfaces")["NetworkInterfaces"]
        return found

    assert [each["SubnetId"] for each in interfaces()] == subnets[:2]
    assert {each["InterfaceType"] for each in interfaces()} == {"vpc_endpoint"}
    group = client("CreateSecurityGroup", GroupName="in", Description="in", VpcId=vpc)["GroupId"]
    (old,) = [each["GroupId"] for each in made["Groups"]]
    change = {"AddSecurityGroupIds": [group], "RemoveSecurityGroupIds": [old]}
    client("ModifyVpcEndpoint", **change, **endpoint)
    assert all(each["Groups"][0]["GroupId"] == group for each in interfaces())
    with refused("missing_parameter"):
        client("ModifyVpcEndpoint", RemoveSecurityGroupIds=[group], **endpoint)
    client("ModifyVpcEndpoint", AddSubnetIds=subnets[2:], RemoveSubnetIds=subnets[:1], **endpoint)
    assert [each["SubnetId"] for each in interfaces()] == subnets[1:]
    with refused("in_use", noun="subnet"):
        client("DeleteSubnet", SubnetId=subnets[1])
    client("DeleteVpcEndpoints", VpcEndpointIds=[made["VpcEndpointId"]])
    assert interfaces() == []


@pytest.mark.semantics("ec2-endpoint-interface")
def test_endpoint_that_cannot_be_is_refused(client: Client) -> None:
    vpc, subnets = default(client)
    same = client(
        "CreateSubnet", VpcId=vpc, CidrBlock="172.31.64.0/24", AvailabilityZone="eu-west-1a"
    )["Subnet"]["SubnetId"]
    interface = {"VpcId": vpc, "ServiceName": SQS, "VpcEndpointType": "Interface"}
    with refused("subnets_in_one_zone"):
        client("CreateVpcEndpoint", SubnetIds=[subnets[0], same], **interface)
    with refused("not_together"):
        client("CreateVpcEndpoint", RouteTableIds=["rtb-1"], **interface)
    with refused("service_not_found"):
        client("CreateVpcEndpoint", VpcId=vpc, ServiceName=SQS)
    with refused("parameter_not_served"):
        client("CreateVpcEndpoint", **{**interface, "VpcEndpointType": "GatewayLoadBalancer"})
    other = client("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    with refused("private_dns_without_attributes"):
        client("CreateVpcEndpoint", **{**interface, "VpcId": other})
    with refused("different_networks"):
        client(
            "CreateVpcEndpoint",
            SubnetIds=subnets[:1],
            PrivateDnsEnabled=False,
            **{**interface, "VpcId": other},
        )


@pytest.mark.semantics("ec2-quotas")
def test_endpoints_are_counted() -> None:
    client = new_client(gateway_endpoints_per_region=1)
    vpc, _ = default(client)
    client("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3)
    with refused("too_many_endpoints"):
        client("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3)


def test_services_are_listed_by_type(client: Client) -> None:
    asked = [{"Name": "service-type", "Values": ["Gateway"]}]
    found = client("DescribeVpcEndpointServices", Filters=asked)
    assert found["ServiceNames"] == [
        "com.amazonaws.eu-west-1.dynamodb",
        "com.amazonaws.eu-west-1.s3",
    ]
    both = client("DescribeVpcEndpointServices", ServiceNames=[S3])["ServiceDetails"]
    assert len(both) == 2
    with refused("service_not_found"):
        client("DescribeVpcEndpointServices", ServiceNames=["com.example"])


def test_endpoint_takes_nothing_of_the_other_type(client: Client) -> None:
    vpc, subnets = default(client)
    (main,) = [each["RouteTableId"] for each in client("DescribeRouteTables")["RouteTables"]]
    gateway = client("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3)["VpcEndpoint"]
    interface = client(
        "CreateVpcEndpoint",
        VpcId=vpc,
        ServiceName=SQS,
        VpcEndpointType="Interface",
        SubnetIds=subnets[:1],
    )["VpcEndpoint"]
    for endpoint, change in (
        (gateway, {"AddSubnetIds": subnets[:1]}),
        (gateway, {"AddSecurityGroupIds": ["sg-00000001"]}),
        (interface, {"AddRouteTableIds": [main]}),
        (interface, {"RemoveRouteTableIds": [main]}),
    ):
        with refused("not_together"):
            client("ModifyVpcEndpoint", VpcEndpointId=endpoint["VpcEndpointId"], **change)
