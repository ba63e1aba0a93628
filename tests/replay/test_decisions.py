import json
from pathlib import Path

import pytest

from secgroup.decision import Reason
from secgroup.model.network import Network
from secgroup.replay.decisions import decision_line
from secgroup.replay.firewall import Firewall
from tests.support.captured import START_NS, Seen, Talk, apart, fragments, frames

ROOT = Path(__file__).resolve().parents[2]
QUERY = Talk(client="10.0.1.5", server="10.0.2.5", s=5432)
DNS = Talk(client="10.0.1.5", server="198.51.100.53", s=53)

#: The fields of design 5.1, in its order.
FIELDS = [
    "frame",
    "time_ns",
    "vpc_id",
    "interface_id",
    "direction",
    "protocol",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "icmp_type",
    "icmp_code",
    "length",
    "verdict",
    "reason",
    "rule_ids",
    "network_acl_id",
    "acl_rule_number",
    "state_before",
    "state_after",
    "connection",
]


def lines(network: Network, *seen: Seen) -> list[dict[str, object]]:
    return [json.loads(decision_line(each)) for each in Firewall(network).decide(frames(*seen))]


def test_one_object_a_decision_with_every_field_egress_before_ingress(web_and_db: Network) -> None:
    first, second = lines(web_and_db, Seen(s=0.000000007, packet=QUERY.syn()))
    assert list(first) == FIELDS
    assert list(first.values()) == [
        1,
        START_NS + 7,
        "vpc-1",
        "eni-web",
        "egress",
        6,
        "10.0.1.5",
        "10.0.2.5",
        40000,
        5432,
        None,
        None,
        40,
        "ACCEPT",
        "NEW",
        ["sgr-web-out-0"],
        "acl-default-vpc-1",
        100,
        None,
        "SYN_SENT",
        1,
    ]
    assert (second["interface_id"], second["direction"]) == ("eni-db", "ingress")
    assert second["rule_ids"] == ["sgr-db-in-0"]


def test_states_before_and_after(web_and_db: Network) -> None:
    found = lines(web_and_db, *apart(*QUERY.handshake()))
    assert [
        (each["state_before"], each["state_after"])
        for each in found
        if each["interface_id"] == "eni-web"
    ] == [
        (None, "SYN_SENT"),
        ("SYN_SENT", "SYN_RECV"),
        ("SYN_RECV", "ESTABLISHED"),
    ]


def test_icmp_has_type_and_code_and_no_ports(web_and_db: Network) -> None:
    (found,) = lines(web_and_db, Seen(s=0, packet=QUERY.ping()))
    assert [found[name] for name in ("icmp_type", "icmp_code", "srcport", "dstport")] == [
        8,
        0,
        None,
        None,
    ]
    assert (found["verdict"], found["reason"], found["rule_ids"]) == (
        "REJECT",
        "NO_MATCHING_RULE",
        [],
    )


def test_a_later_fragment_has_no_ports(web_and_db: Network) -> None:
    first, later = lines(web_and_db, *apart(*fragments(DNS.udp(size=40), 16)))
    assert (first["dstport"], later["dstport"], later["connection"]) == (53, None, 1)


@pytest.mark.semantics("replay-7")
def test_what_a_malformed_packet_does_not_say_is_null(web_and_db: Network) -> None:
    (found,) = lines(web_and_db, Seen(s=0, packet=b"\x45"))
    unknown = [name for name, value in found.items() if value is None]
    assert unknown == [
        "vpc_id",
        "interface_id",
        "direction",
        "protocol",
        "srcaddr",
        "dstaddr",
        "srcport",
        "dstport",
        "icmp_type",
        "icmp_code",
        "network_acl_id",
        "acl_rule_number",
        "state_before",
        "state_after",
        "connection",
    ]
    assert (found["length"], found["verdict"], found["reason"]) == (1, "REJECT", "MALFORMED")


def test_every_field_and_reason_is_documented() -> None:
    text = (ROOT / "docs" / "decisions-schema.md").read_text()
    rows = [
        line.split("|")[1].strip().strip("`")
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    reasons = {reason.name for reason in Reason} - {"SPOOFED"}  # of the kernel plane only
    assert rows[: len(FIELDS)] == FIELDS
    assert set(rows[len(FIELDS) :]) == reasons
