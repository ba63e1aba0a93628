"""The example's README, held to what the definition decides."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from secgroup.decision import Reason
from secgroup.net.capture import read_capture
from secgroup.net.direction import Direction
from secgroup.replay.connections import Connection, Outcome
from secgroup.replay.firewall import Firewall
from secgroup.sources.load import load

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "three-tier"

#: Where a refusal falls: interface, direction, reason, entry of the network ACL.
Refusal = tuple[str, Direction, Reason, int | None]

AT_PUBLIC_ACL: Refusal = ("LoadBalancer", Direction.EGRESS, Reason.NETWORK_ACL, 32768)
AT_WEB_GROUP: Refusal = ("Web1", Direction.EGRESS, Reason.NO_MATCHING_RULE, None)
AT_DATABASE_ACL: Refusal = ("DatabaseInterface", Direction.INGRESS, Reason.NETWORK_ACL, 32768)

#: What was said: source, destination and its port -> what became of each connection in order.
EXPECTED: dict[tuple[str, str, int | None], list[tuple[Outcome, Refusal | None]]] = {
    ("198.51.100.77", "10.20.0.10", 80): [(Outcome.ALLOWED, None)] * 4,
    ("10.20.0.10", "10.20.10.11", 8080): [(Outcome.ALLOWED, None)] * 4,
    ("10.20.0.10", "10.20.11.12", 8080): [(Outcome.ALLOWED, None)] * 3,
    ("2001:db8:ffff::77", "2001:db8:20::10", 80): [(Outcome.CUT, AT_PUBLIC_ACL)] * 2,
    ("192.0.2.66", "10.20.0.10", 80): [
        (Outcome.REFUSED, ("LoadBalancer", Direction.INGRESS, Reason.NETWORK_ACL, 10))
    ],
    ("198.51.100.77", "10.20.0.10", 443): [
        (Outcome.REFUSED, ("LoadBalancer", Direction.INGRESS, Reason.NETWORK_ACL, 32767))
    ],
    ("198.51.100.77", "10.20.0.10", None): [(Outcome.ALLOWED, None)] * 2,
    ("2001:db8:ffff::77", "2001:db8:20::10", None): [(Outcome.ALLOWED, None)] * 2,
    ("198.51.100.5", "10.20.0.30", 22): [
        (Outcome.OPEN_BEFORE, None),
        *[(Outcome.ALLOWED, None)] * 3,
    ],
    ("10.20.0.30", "10.20.10.11", 22): [(Outcome.ALLOWED, None)],
    ("10.20.0.30", "10.20.0.10", 22): [(Outcome.ALLOWED, None)],
    ("10.20.0.30", "10.20.20.5", 5432): [
        (Outcome.REFUSED, ("Bastion", Direction.EGRESS, Reason.NO_MATCHING_RULE, None))
    ],
    ("10.20.10.11", "10.20.20.5", 5432): [
        (Outcome.CUT, ("DatabaseInterface", Direction.EGRESS, Reason.NO_MATCHING_RULE, None)),
        (Outcome.ALLOWED, None),
    ],
    ("2001:db8:20:11::12", "2001:db8:20:20::5", 5432): [(Outcome.ALLOWED, None)] * 2,
    ("10.20.10.11", "10.20.0.2", 53): [(Outcome.ALLOWED, None)],
    ("10.20.11.12", "10.20.0.2", 53): [(Outcome.ALLOWED, None)],
    ("10.20.10.11", "198.51.100.53", 53): [
        (Outcome.CUT, ("Web1", Direction.INGRESS, Reason.NO_MATCHING_RULE, 140)),
        (Outcome.ALLOWED, None),
    ],
    ("10.20.10.11", "198.51.100.80", 53): [(Outcome.ALLOWED, None)],
    ("198.51.100.80", "10.20.10.11", None): [(Outcome.ALLOWED, None)],
    ("10.20.10.11", "198.51.100.80", 80): [(Outcome.ALLOWED, None)] * 2,
    ("203.0.113.254", "10.20.10.11", None): [(Outcome.ALLOWED, None)],
    ("10.20.0.20", "198.51.100.80", 80): [(Outcome.ALLOWED, None)] * 2,
    ("2001:db8:20:11::12", "2001:db8:ffff::80", 80): [(Outcome.ALLOWED, None)] * 2,
    ("2001:db8:fffe::1", "2001:db8:20:11::12", None): [(Outcome.ALLOWED, None)],
    ("2001:db8:ffff::99", "2001:db8:20:20::5", 22): [(Outcome.REFUSED, AT_DATABASE_ACL)],
    ("2001:db8:ffff::99", "2001:db8:20:20::5", 5432): [(Outcome.REFUSED, AT_DATABASE_ACL)],
    ("10.20.10.11", "10.20.0.30", 22): [(Outcome.REFUSED, AT_WEB_GROUP)],
    ("10.20.10.11", "10.20.20.5", None): [(Outcome.REFUSED, AT_WEB_GROUP)],
}


@cache
def replayed() -> tuple[Firewall, frozenset[Reason]]:
    """Return the firewall after the capture, and the reasons of all its decisions."""
    firewall = Firewall(load(EXAMPLE / "network.yaml"))
    frames = read_capture(EXAMPLE / "traffic.pcapng.gz")
    return firewall, frozenset(placed.decision.reason for placed in firewall.decide(frames))


def name_of(connection: Connection) -> tuple[str, str, int | None]:
    opener = connection.opener
    return (str(opener.source), str(opener.destination), opener.destination_port)


def fate_of(connection: Connection) -> tuple[Outcome, Refusal | None]:
    refused = connection.refusal
    if refused is None:
        return connection.outcome, None
    assert refused.interface is not None
    assert refused.direction is not None
    where = refused.interface.interface_id
    decision = refused.decision
    return connection.outcome, (
        where,
        refused.direction,
        decision.reason,
        decision.acl_rule_number,
    )


@pytest.mark.parametrize("name", EXPECTED, ids=lambda name: "{}-{}-{}".format(*name))
def test_conversation_ends_as_the_readme_says(name: tuple[str, str, int | None]) -> None:
    firewall, _ = replayed()
    fates = [fate_of(each) for each in firewall.observed if name_of(each) == name]
    assert fates == EXPECTED[name]


def test_every_port_of_the_scan_is_refused() -> None:
    firewall, _ = replayed()
    scan = [each for each in firewall.observed if str(each.first.source) == "198.51.100.99"]
    assert len(scan) == 30
    assert {each.outcome for each in scan} == {Outcome.REFUSED}
    assert {name for name, *_ in (fate_of(each)[1] or ("",) for each in scan)} == {"Bastion"}


def test_traffic_meets_most_reasons() -> None:
    _, reasons = replayed()
    assert reasons == {
        Reason.EXEMPT,
        Reason.NETWORK_ACL,
        Reason.NO_GROUPS,
        Reason.ESTABLISHED,
        Reason.RELATED,
        Reason.NO_MATCHING_RULE,
        Reason.UNTRACKED,
        Reason.MIDSTREAM,
        Reason.NEW,
    }


def test_decided_where_it_was_captured_everything_ends_the_same_way() -> None:
    at = {
        "lb": "LoadBalancer",
        "nat": "NatGateway",
        "bastion": "Bastion",
        "web-1": "Web1",
        "web-2": "Web2",
        "db": "DatabaseInterface",
    }
    whole, _ = replayed()
    there = Firewall(whole.network, at=at)
    for _ in there.decide(read_capture(EXAMPLE / "traffic.pcapng.gz")):
        pass
    assert Counter((name_of(each), fate_of(each)) for each in there.observed) == Counter(
        (name_of(each), fate_of(each)) for each in whole.observed
    )


PUBLIC_OUT_EPHEMERAL_IPV6 = """
  PublicOutEphemeralTcpIpv6:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref PublicAcl
      Egress: true
      RuleNumber: 135
      Protocol: 6
      RuleAction: allow
      Ipv6CidrBlock: ::/0
      PortRange: { From: 1024, To: 65535 }
"""

BACKUP = """
  BastionToDatabase:
    Type: AWS::EC2::SecurityGroupEgress
    Properties:
      GroupId: !GetAtt BastionGroup.GroupId
      IpProtocol: tcp
      FromPort: 5432
      ToPort: 5432
      DestinationSecurityGroupId: !GetAtt DatabaseGroup.GroupId

  DatabaseFromBastion:
    Type: AWS::EC2::SecurityGroupIngress
    Properties:
      GroupId: !GetAtt DatabaseGroup.GroupId
      IpProtocol: tcp
      FromPort: 5432
      ToPort: 5432
      SourceSecurityGroupId: !GetAtt BastionGroup.GroupId

  PrivateInBackup:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref PrivateAcl
      RuleNumber: 127
      Protocol: 6
      RuleAction: allow
      CidrBlock: 10.20.0.30/32
      PortRange: { From: 5432, To: 5432 }
"""


@pytest.mark.parametrize(
    ("mistake", "mended", "name"),
    [
        (
            "TcpEstablishedTimeout: 60",
            "TcpEstablishedTimeout: 350",
            ("10.20.10.11", "10.20.20.5", 5432),
        ),
        (
            "\nOutputs:",
            PUBLIC_OUT_EPHEMERAL_IPV6 + "\nOutputs:",
            ("2001:db8:ffff::77", "2001:db8:20::10", 80),
        ),
        ("\nOutputs:", BACKUP + "\nOutputs:", ("10.20.0.30", "10.20.20.5", 5432)),
    ],
    ids=["idle timeout", "ACL without IPv6", "backup"],
)
def test_mending_a_mistake_allows_its_connections_and_changes_no_other(
    mistake: str, mended: str, name: tuple[str, str, int], tmp_path: Path
) -> None:
    template = (EXAMPLE / "network.yaml").read_text()
    assert template.count(mistake) == 1
    path = tmp_path / "network.yaml"
    path.write_text(template.replace(mistake, mended))
    firewall = Firewall(load(path))
    for _ in firewall.decide(read_capture(EXAMPLE / "traffic.pcapng.gz")):
        pass
    before, _ = replayed()
    changed = {
        name_of(now)
        for now, then in zip(firewall.observed, before.observed, strict=True)
        if fate_of(now) != fate_of(then)
    }
    assert changed == {name}
    mended_fates = [fate_of(each) for each in firewall.observed if name_of(each) == name]
    assert {outcome for outcome, _ in mended_fates} == {Outcome.ALLOWED}
