"""VPC peering connections: their life, two accounts, routes over them."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.worlds import NOW, OTHER_ACCOUNT, Client, new_client, refused


@pytest.fixture
def client() -> Client:
    return new_client()


def vpc_of(client: Client, block: str) -> str:
    made: str = client("CreateVpc", CidrBlock=block)["Vpc"]["VpcId"]
    return made


def ask(client: Client, vpc: str, peer: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = client("CreateVpcPeeringConnection", VpcId=vpc, PeerVpcId=peer, **more)[
        "VpcPeeringConnection"
    ]
    return made


def status(client: Client, peering: dict[str, Any]) -> str:
    asked = [peering["VpcPeeringConnectionId"]]
    (found,) = client("DescribeVpcPeeringConnections", VpcPeeringConnectionIds=asked)[
        "VpcPeeringConnections"
    ]
    code: str = found["Status"]["Code"]
    return code


@pytest.mark.semantics("ec2-route-state", "ec2-peering-life")
def test_connection_across_accounts_waits_for_the_other_side(client: Client) -> None:
    other = client.elsewhere(account_id=OTHER_ACCOUNT)
    own, peer = vpc_of(client, "10.0.0.0/16"), vpc_of(other, "10.1.0.0/16")
    made = ask(client, own, peer, PeerOwnerId=OTHER_ACCOUNT)
    assert made["Status"]["Code"] == "pending-acceptance"
    assert "CidrBlock" not in made["AccepterVpcInfo"]
    assert ask(client, own, peer, PeerOwnerId=OTHER_ACCOUNT) == made
    (table,) = client("DescribeRouteTables", Filters=[{"Name": "vpc-id", "Values": [own]}])[
        "RouteTables"
    ]
    client(
        "CreateRoute",
        RouteTableId=table["RouteTableId"],
        DestinationCidrBlock="10.1.0.0/16",
        VpcPeeringConnectionId=made["VpcPeeringConnectionId"],
    )

    def route() -> str:
        asked = [table["RouteTableId"]]
        (found,) = client("DescribeRouteTables", RouteTableIds=asked)["RouteTables"]
        state: str = found["Routes"][-1]["State"]
        return state

    assert route() == "blackhole"
    asked = {"VpcPeeringConnectionId": made["VpcPeeringConnectionId"]}
    with refused("peering_of_other"):
        client("AcceptVpcPeeringConnection", **asked)
    with refused("peering_of_other"):
        client("RejectVpcPeeringConnection", **asked)
    stranger = client.elsewhere(account_id="777788889999")
    with refused("peering_not_found"):
        stranger("AcceptVpcPeeringConnection", **asked)
    accepted = other("AcceptVpcPeeringConnection", **asked)["VpcPeeringConnection"]
    assert accepted["AccepterVpcInfo"]["CidrBlock"] == "10.1.0.0/16"
    assert route() == "active"
    assert status(client, made) == status(other, made) == "active"
    with refused("peering_exists"):
        ask(client, own, peer, PeerOwnerId=OTHER_ACCOUNT)
    with refused("in_use", noun="vpc"):
        other("DeleteVpc", VpcId=peer)
    other("AssociateVpcCidrBlock", VpcId=peer, CidrBlock="10.2.0.0/16")
    (now,) = client("DescribeVpcPeeringConnections")["VpcPeeringConnections"]
    blocks = [each["CidrBlock"] for each in now["AccepterVpcInfo"]["CidrBlockSet"]]
    assert blocks == ["10.1.0.0/16", "10.2.0.0/16"]
    other("DeleteVpcPeeringConnection", **asked)
    assert route() == "blackhole"
    assert status(client, made) == "deleted"
    with refused("peering_transition", now="deleted"):
        other("AcceptVpcPeeringConnection", **asked)
    other("DeleteVpc", VpcId=peer)


@pytest.mark.semantics("ec2-peering-life")
def test_connection_is_rejected_expires_or_fails(client: Client) -> None:
    one, two = vpc_of(client, "10.0.0.0/16"), vpc_of(client, "10.1.0.0/16")
    overlapping = vpc_of(client, "10.0.128.0/17")
    assert ask(client, one, overlapping)["Status"]["Code"] == "failed"
    assert ask(client, one, "vpc-00000001")["Status"]["Code"] == "failed"
    assert ask(client, one, two, PeerOwnerId=OTHER_ACCOUNT)["Status"]["Code"] == "failed"
    made = ask(client, one, two)
    client("RejectVpcPeeringConnection", VpcPeeringConnectionId=made["VpcPeeringConnectionId"])
    assert status(client, made) == "rejected"
    with refused("peering_transition"):
        client(
            "DeleteVpcPeeringConnection",
            VpcPeeringConnectionId=made["VpcPeeringConnectionId"],
        )
    made = ask(client, one, two)
    client.now = NOW + timedelta(days=8)
    with refused("peering_transition", now="expired"):
        client(
            "AcceptVpcPeeringConnection",
            VpcPeeringConnectionId=made["VpcPeeringConnectionId"],
        )


@pytest.mark.semantics("ec2-peering-options")
def test_options_are_each_side_s_own(client: Client) -> None:
    other = client.elsewhere(region="us-east-1")
    own, peer = vpc_of(client, "10.0.0.0/16"), vpc_of(other, "10.1.0.0/16")
    made = ask(client, own, peer, PeerRegion="us-east-1")
    asked = {"VpcPeeringConnectionId": made["VpcPeeringConnectionId"]}
    on = {"AllowDnsResolutionFromRemoteVpc": True}
    modify = "ModifyVpcPeeringConnectionOptions"
    with refused("peering_transition"):
        client(modify, RequesterPeeringConnectionOptions=on, **asked)
    other("AcceptVpcPeeringConnection", **asked)
    with refused("peering_of_other"):
        client(modify, AccepterPeeringConnectionOptions=on, **asked)
    with refused("missing_parameter"):
        client(modify, **asked)
    client(modify, RequesterPeeringConnectionOptions=on, **asked)
    filters = [{"Name": "requester-vpc-info.vpc-id", "Values": [own]}]
    (found,) = other("DescribeVpcPeeringConnections", Filters=filters)["VpcPeeringConnections"]
    assert found["RequesterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"]
    assert not found["AccepterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"]


@pytest.mark.semantics("ec2-peering-tags")
@pytest.mark.parametrize("place", [{"account_id": OTHER_ACCOUNT}, {"region": "us-east-1"}])
def test_tags_are_each_side_s_own(client: Client, place: dict[str, str]) -> None:
    other = client.elsewhere(**place)
    own, peer = vpc_of(client, "10.0.0.0/16"), vpc_of(other, "10.1.0.0/16")
    asked = {"PeerOwnerId": other.account_id, "PeerRegion": other.region}
    tags = [{"Key": "side", "Value": "requester"}]
    specification = {"ResourceType": "vpc-peering-connection", "Tags": tags}
    peering_id = ask(client, own, peer, TagSpecifications=[specification], **asked)[
        "VpcPeeringConnectionId"
    ]
    accepted = other("AcceptVpcPeeringConnection", VpcPeeringConnectionId=peering_id)
    assert accepted["VpcPeeringConnection"]["Tags"] == []
    theirs = {"Key": "side", "Value": "accepter"}
    other("CreateTags", Resources=[peering_id], Tags=[theirs])
    for each, value, not_here in (
        (client, "requester", "accepter"),
        (other, "accepter", "requester"),
    ):
        (found,) = each("DescribeVpcPeeringConnections")["VpcPeeringConnections"]
        assert found["Tags"] == [{"Key": "side", "Value": value}]
        (tag,) = each("DescribeTags")["Tags"]
        assert (tag["ResourceId"], tag["ResourceType"]) == (peering_id, "vpc-peering-connection")
        assert tag["Value"] == value
        filters = [{"Name": "tag:side", "Values": [not_here]}]
        assert not each("DescribeVpcPeeringConnections", Filters=filters)["VpcPeeringConnections"]
    other("DeleteTags", Resources=[peering_id])
    (found,) = client("DescribeVpcPeeringConnections")["VpcPeeringConnections"]
    assert found["Tags"] == tags
    with refused("peering_not_found"):
        client.elsewhere(account_id="777788889999")(
            "CreateTags", Resources=[peering_id], Tags=[theirs]
        )


@pytest.mark.semantics("ec2-quotas")
def test_connections_of_a_vpc_are_counted() -> None:
    client = new_client(peering_connections_per_vpc=1)
    one, two, three = (vpc_of(client, f"10.{number}.0.0/16") for number in range(3))
    ask(client, one, two)
    with refused("too_many_peerings"):
        ask(client, one, three)


def test_connection_that_waits_for_a_vpc_that_went_is_deleted() -> None:
    client = new_client(peering_connections_per_vpc=9)
    ids = [
        client("CreateVpc", CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"] for number in (1, 2)
    ]
    asked = {"VpcId": ids[0], "PeerVpcId": ids[1]}
    made = client("CreateVpcPeeringConnection", **asked)["VpcPeeringConnection"]
    client("DeleteVpc", VpcId=ids[0])
    (found,) = client("DescribeVpcPeeringConnections")["VpcPeeringConnections"]
    assert found["Status"]["Code"] == "deleted"
    with refused("peering_transition"):
        client("AcceptVpcPeeringConnection", VpcPeeringConnectionId=made["VpcPeeringConnectionId"])


def test_pages_of_connections_hold_while_new_ones_come_of_another_account() -> None:
    client = new_client(vpcs_per_region=30)
    other = client.elsewhere(account_id=OTHER_ACCOUNT)
    theirs = other("CreateVpc", CidrBlock="10.100.0.0/16")["Vpc"]["VpcId"]
    own = client("CreateVpc", CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    for number in range(6):
        peer = client("CreateVpc", CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
        client("CreateVpcPeeringConnection", VpcId=own, PeerVpcId=peer)
    first = client("DescribeVpcPeeringConnections", MaxResults=5)
    asked = {"VpcId": theirs, "PeerVpcId": own, "PeerOwnerId": client.account_id}
    other("CreateVpcPeeringConnection", **asked)
    rest = client("DescribeVpcPeeringConnections", NextToken=first["NextToken"])
    found = [*first["VpcPeeringConnections"], *rest["VpcPeeringConnections"]]
    assert len({each["VpcPeeringConnectionId"] for each in found}) == len(found) == 7
