"""Regions, zones and account attributes."""

import pytest

from tests.support.worlds import new_client, refused


@pytest.mark.semantics("ec2-zones")
def test_zones_of_a_region_have_names_and_ids() -> None:
    found = new_client()("DescribeAvailabilityZones")["AvailabilityZones"]
    assert [(each["ZoneName"], each["ZoneId"]) for each in found] == [
        ("eu-west-1a", "euw1-az1"),
        ("eu-west-1b", "euw1-az2"),
        ("eu-west-1c", "euw1-az3"),
    ]


@pytest.mark.semantics("ec2-zones")
@pytest.mark.parametrize(
    ("region", "zone", "zone_id"),
    [
        ("us-east-1", "us-east-1f", "use1-az6"),
        ("ap-northeast-1", "ap-northeast-1d", "apne1-az3"),
        ("ap-southeast-2", "ap-southeast-2c", "apse2-az3"),
        ("us-gov-west-1", "us-gov-west-1a", "usgw1-az1"),
        ("local", "localc", "local-az3"),
    ],
)
def test_zone_ids_are_short_for_their_region(region: str, zone: str, zone_id: str) -> None:
    client = new_client().elsewhere(region=region)
    found = client("DescribeAvailabilityZones", ZoneNames=[zone])["AvailabilityZones"]
    assert [each["ZoneId"] for each in found] == [zone_id]


@pytest.mark.semantics("ec2-zones")
def test_regions_that_were_not_asked_for_are_shown_only_with_all() -> None:
    client = new_client()
    enabled = client("DescribeRegions")["Regions"]
    everywhere = client("DescribeRegions", AllRegions=True)["Regions"]
    assert len(enabled) == 17
    assert {each["OptInStatus"] for each in enabled} == {"opt-in-not-required"}
    assert len(everywhere) == 34
    only = client(
        "DescribeRegions",
        Filters=[{"Name": "endpoint", "Values": ["ec2.eu-west-?.amazonaws.com"]}],
    )["Regions"]
    assert [each["RegionName"] for each in only] == ["eu-west-1", "eu-west-2", "eu-west-3"]
    elsewhere = client.elsewhere(region="me-south-1")("DescribeRegions")["Regions"]
    assert {"me-south-1"} == {
        each["RegionName"] for each in elsewhere if each["OptInStatus"] == "opted-in"
    }


@pytest.mark.semantics("ec2-account-attributes")
def test_account_attributes_tell_quotas_and_the_default_vpc() -> None:
    client = new_client(security_groups_per_network_interface=7)
    found = {
        each["AttributeName"]: [value["AttributeValue"] for value in each["AttributeValues"]]
        for each in client("DescribeAccountAttributes")["AccountAttributes"]
    }
    vpc = client("DescribeVpcs")["Vpcs"][0]
    assert found["default-vpc"] == [vpc["VpcId"]]
    assert found["vpc-max-security-groups-per-interface"] == ["7"]
    assert found["supported-platforms"] == ["VPC"]


def test_unknown_place_is_refused() -> None:
    client = new_client()
    with refused("zone_unknown"):
        client("DescribeAvailabilityZones", ZoneNames=["eu-west-1z"])
    with refused("region_invalid"):
        client("DescribeRegions", RegionNames=["eu-nowhere-1"])
