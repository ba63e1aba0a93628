"""DHCP options: made, given to VPCs, deleted."""

from typing import Any

import pytest

from tests.support.worlds import Client, new_client, refused


@pytest.fixture
def client() -> Client:
    return new_client()


@pytest.mark.semantics("ec2-dhcp")
def test_options_are_given_to_a_vpc_and_taken_back(client: Client) -> None:
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    given = [{"Key": "domain-name-servers", "Values": ["10.0.0.2", "10.0.0.3"]}]
    made = client("CreateDhcpOptions", DhcpConfigurations=given)["DhcpOptions"]
    assert made["DhcpConfigurations"] == [
        {"Key": "domain-name-servers", "Values": [{"Value": "10.0.0.2"}, {"Value": "10.0.0.3"}]}
    ]
    asked = {"DhcpOptionsId": made["DhcpOptionsId"]}
    client("AssociateDhcpOptions", VpcId=vpc["VpcId"], **asked)
    by_value = [{"Name": "value", "Values": ["10.0.0.3"]}]
    assert client("DescribeDhcpOptions", Filters=by_value)["DhcpOptions"] == [made]
    by_options = [{"Name": "dhcp-options-id", "Values": [made["DhcpOptionsId"]]}]
    assert len(client("DescribeVpcs", Filters=by_options)["Vpcs"]) == 1
    with refused("in_use", noun="dhcpOptions"):
        client("DeleteDhcpOptions", **asked)
    client("AssociateDhcpOptions", VpcId=vpc["VpcId"], DhcpOptionsId="default")
    client("DeleteDhcpOptions", **asked)
    with refused("dhcp_options_not_found"):
        client("DeleteDhcpOptions", **asked)
    with refused("in_use"):
        client("DeleteDhcpOptions", DhcpOptionsId=vpc["DhcpOptionsId"])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([], "missing_parameter"),
        ([{"Key": "colour", "Values": ["red"]}], "dhcp_key_invalid"),
        ([{"Key": "domain-name", "Values": []}], "dhcp_without_values"),
        ([{"Key": "netbios-node-type", "Values": ["3"]}], "dhcp_value_invalid"),
    ],
)
def test_options_that_are_none_are_refused(
    client: Client, given: list[dict[str, Any]], fault: str
) -> None:
    with refused(fault):
        client("CreateDhcpOptions", DhcpConfigurations=given)
