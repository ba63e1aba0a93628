from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from secgroup.errors import AmbiguousAddressError, InputError
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.replay.firewall import Firewall
from secgroup.replay.who import At, Undecided, Who, interface_named, vpc_named
from secgroup.sources.load import load
from tests.support.captured import (
    COOKED,
    ETHERNET,
    RAW,
    Seen,
    Talk,
    apart,
    build,
    frames,
)
from tests.support.described import described, network, write

IN, OUT = Direction.INGRESS, Direction.EGRESS
QUERY = Talk(client="10.0.1.5", server="10.0.2.5", s=5432)
OFFICE = Talk(client="203.0.113.9", server="10.0.1.5")
STRANGERS = Talk(client="203.0.113.9", server="203.0.113.10")
NOBODY = Talk(client="10.0.9.9", server="203.0.113.9")


def ways(
    firewall: Firewall, *seen: Seen, names: tuple[str, ...] = ("eth0",), link: int = RAW
) -> list[tuple[str, Direction]]:
    """Decide, and return where."""
    placed = firewall.decide(frames(*seen, names=names, link_type=link))
    return [
        (each.interface.interface_id, each.direction)
        for each in placed
        if each.interface is not None and each.direction is not None
    ]


@pytest.mark.semantics("replay-1")
def test_both_ends_known_decides_egress_at_the_sender_before_ingress_at_the_receiver(
    web_and_db: Network,
) -> None:
    found = ways(Firewall(web_and_db), Seen(s=0, packet=QUERY.syn()))
    assert found == [("eni-web", OUT), ("eni-db", IN)]


@pytest.mark.semantics("replay-1")
def test_a_packet_that_its_sender_rejects_does_not_arrive(web_and_db: Network) -> None:
    refused = Talk(client="10.0.2.5", server="10.0.1.5", s=80)
    firewall = Firewall(web_and_db)
    assert ways(firewall, Seen(s=0, packet=refused.syn())) == [("eni-db", OUT)]


@pytest.mark.parametrize(
    ("packet", "expected"),
    [(OFFICE.syn(), [("eni-web", IN)]), (OFFICE.syn_ack(), [("eni-web", OUT)])],
)
@pytest.mark.semantics("replay-1")
def test_one_end_known_decides_there_only(
    web_and_db: Network, packet: object, expected: object
) -> None:
    assert ways(Firewall(web_and_db), Seen(s=0, packet=packet)) == expected  # type: ignore[arg-type]


@pytest.mark.semantics("replay-2")
def test_at_decides_at_that_interface_only(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db, at="eni-db")
    seen = apart(QUERY.syn(), OFFICE.syn(), QUERY.syn_ack())
    assert ways(firewall, *seen) == [("eni-db", IN), ("eni-db", OUT)]
    assert firewall.census.counts == {Undecided.UNPLACED: 1}


@pytest.mark.semantics("replay-2")
@pytest.mark.parametrize(
    "at",
    [
        {"lan": "eni-web", "wan": "eni-db"},
        {"0": "eni-web", "1": "eni-db"},
        {None: "eni-db", "lan": "eni-web"},
    ],
)
def test_each_capture_interface_has_its_own_by_name_or_index(web_and_db: Network, at: At) -> None:
    seen = [Seen(s=0, packet=QUERY.syn()), Seen(s=0.001, packet=QUERY.syn(), interface=1)]
    found = ways(Firewall(web_and_db, at=at), *seen, names=("lan", "wan"))
    assert found == [("eni-web", OUT), ("eni-db", IN)]


@pytest.mark.semantics("replay-2")
def test_a_capture_interface_that_nothing_stands_for_is_unplaced(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db, at={"wan": "eni-db"})
    assert ways(firewall, Seen(s=0, packet=QUERY.syn()), names=("lan", "wan")) == []
    assert firewall.census.counts == {Undecided.UNPLACED: 1}
    assert dict(firewall.census.most_frequent(Undecided.UNPLACED)) == {
        ip_address("10.0.1.5"): 1,
        ip_address("10.0.2.5"): 1,
    }


MAC, PEER = bytes.fromhex("02005e100001"), bytes.fromhex("02005e1000ff")
GROUP = bytes.fromhex("ffffffffffff")


@pytest.mark.semantics("replay-3")
@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        (MAC, PEER, [("eni-nat", OUT)]),
        (PEER, MAC, [("eni-nat", IN)]),
        (PEER, GROUP, [("eni-nat", IN)]),
        (PEER, PEER, []),
    ],
)
def test_foreign_addresses_are_placed_by_mac(
    tmp_path: Path, source: bytes, destination: bytes, expected: object
) -> None:
    routed = network(
        tmp_path,
        {"sg-nat": ["in all 0.0.0.0/0"]},
        {"eni-nat": "10.0.1.7 sg-nat"},
        macs={"eni-nat": "02:00:5e:10:00:01"},
        unchecked=["eni-nat"],
    )
    seen = Seen(s=0, packet=STRANGERS.syn(), link=destination + source + b"\x08\x00")
    firewall = Firewall(routed, at="eni-nat")
    assert ways(firewall, seen, link=ETHERNET) == expected
    assert firewall.census.counts[Undecided.UNPLACED] == (0 if expected else 1)


@pytest.mark.semantics("replay-3")
@pytest.mark.parametrize(("kind", "direction"), [(0, IN), (1, IN), (4, OUT)])
def test_foreign_addresses_are_placed_by_the_packet_type_of_a_cooked_capture(
    web_and_db: Network, kind: int, direction: Direction
) -> None:
    cooked = bytes([0, kind, 0, 1, 0, 6]) + PEER + b"\0\0" + b"\x08\x00"
    seen = Seen(s=0, packet=STRANGERS.syn(), link=cooked)
    assert ways(Firewall(web_and_db, at="eni-db"), seen, link=COOKED) == [("eni-db", direction)]


@pytest.mark.semantics("replay-3")
@pytest.mark.parametrize("direction", list(Direction))
def test_foreign_addresses_are_placed_by_the_flags_of_pcapng(
    web_and_db: Network, direction: Direction
) -> None:
    seen = Seen(s=0, packet=STRANGERS.syn(), direction=direction)
    assert ways(Firewall(web_and_db, at="eni-db"), seen) == [("eni-db", direction)]


@pytest.mark.semantics("replay-3")
def test_addresses_say_more_than_flags(web_and_db: Network) -> None:
    seen = Seen(s=0, packet=QUERY.syn(), direction=OUT)
    assert ways(Firewall(web_and_db, at="eni-db"), seen) == [("eni-db", IN)]


@pytest.mark.semantics("replay-4")
def test_addresses_that_no_interface_has_are_counted_the_most_frequent_first(
    web_and_db: Network,
) -> None:
    firewall = Firewall(web_and_db)
    other = Talk(client="203.0.113.9", server="203.0.113.11")
    seen = apart(STRANGERS.syn(), NOBODY.syn(), NOBODY.data(), other.syn())
    assert ways(firewall, *seen) == []
    assert firewall.census.counts == {Undecided.FOREIGN: 2, Undecided.UNKNOWN_IN_VPC: 2}
    assert firewall.census.most_frequent(Undecided.FOREIGN) == [
        (ip_address("203.0.113.9"), 2),
        (ip_address("203.0.113.10"), 1),
        (ip_address("203.0.113.11"), 1),
    ]
    assert firewall.census.most_frequent(Undecided.UNKNOWN_IN_VPC) == [(ip_address("10.0.9.9"), 2)]


@pytest.mark.semantics("replay-5")
def test_a_public_address_identifies_no_interface(tmp_path: Path) -> None:
    translated = network(
        tmp_path,
        {"sg-a": ["out all 0.0.0.0/0"]},
        {"eni-a": "10.0.1.5 sg-a", "eni-b": "10.0.2.5 sg-a"},
        public={"10.0.2.5": "198.51.100.7"},
    )
    firewall = Firewall(translated)
    near = Talk(client="10.0.1.5", server="198.51.100.7", s=443)
    far = Talk(client="203.0.113.9", server="198.51.100.7", s=443)
    assert ways(firewall, *apart(near.syn(), far.syn())) == [("eni-a", OUT)]
    assert firewall.census.counts == {Undecided.BEYOND_TRANSLATION: 2}
    assert firewall.census.most_frequent(Undecided.BEYOND_TRANSLATION) == [
        (ip_address("198.51.100.7"), 2)
    ]


def two_vpcs(folder: Path, **more: object) -> Network:
    """VPCs that both have 10.0.2.5, each peered with a third one that has 10.9.1.5."""
    return network(
        folder,
        {
            "sg-a": ["out all 0.0.0.0/0"],
            "sg-b": ["in all 0.0.0.0/0"],
            "sg-c": ["out all 0.0.0.0/0", "in all 0.0.0.0/0"],
        },
        {
            "eni-a1": "10.0.1.5 sg-a",
            "eni-a2": "10.0.2.5 sg-a",
            "eni-b2": "vpc-2 10.0.2.5 sg-b",
            "eni-c": "vpc-3 10.9.1.5 sg-c",
        },
        blocks={"vpc-1": "10.0.0.0/16", "vpc-2": "10.0.0.0/16", "vpc-3": "10.9.0.0/16"},
        routes={"vpc-2": ["10.9.0.0/16 pcx-1"], "vpc-3": ["10.0.0.0/16 pcx-1"]},
        VpcPeeringConnections=[
            {
                "VpcPeeringConnectionId": "pcx-1",
                "RequesterVpcInfo": {
                    "VpcId": "vpc-2",
                    "CidrBlock": "10.0.0.0/16",
                    "OwnerId": "123456789010",
                    "Region": "eu-west-1",
                },
                "AccepterVpcInfo": {
                    "VpcId": "vpc-3",
                    "CidrBlock": "10.9.0.0/16",
                    "OwnerId": "123456789010",
                    "Region": "eu-west-1",
                },
                "Status": {"Code": "active"},
            }
        ],
        **more,
    )


LOCAL = Talk(client="10.0.1.5", server="10.0.2.5", s=80)
PEERED = Talk(client="10.9.1.5", server="10.0.2.5", s=80)


@pytest.mark.semantics("replay-6")
def test_an_address_of_two_vpcs_ends_the_run_when_nothing_says_which(tmp_path: Path) -> None:
    with pytest.raises(
        AmbiguousAddressError, match=r"10\.0\.2\.5 .*eni-a2 in vpc-1.*eni-b2 in vpc-2"
    ):
        ways(Firewall(two_vpcs(tmp_path)), Seen(s=0, packet=LOCAL.syn()))


@pytest.mark.semantics("replay-6")
@pytest.mark.parametrize(
    ("vpc", "packet", "expected"),
    [
        ("vpc-1", LOCAL.syn(), [("eni-a1", OUT), ("eni-a2", IN)]),
        ("vpc-3", PEERED.syn(), [("eni-c", OUT), ("eni-b2", IN)]),
        ("vpc-3", PEERED.syn_ack(), [("eni-b2", OUT), ("eni-c", IN)]),
        ("vpc-2", PEERED.syn(), [("eni-c", OUT), ("eni-b2", IN)]),
        ("vpc-1", PEERED.syn(), [("eni-a2", IN)]),
    ],
)
def test_the_far_end_is_where_the_route_table_of_the_known_one_leads(
    tmp_path: Path, vpc: str, packet: object, expected: object
) -> None:
    found = ways(Firewall(two_vpcs(tmp_path), vpc=vpc), Seen(s=0, packet=packet))  # type: ignore[arg-type]
    assert found == expected


@pytest.mark.semantics("replay-6")
def test_an_ambiguous_address_with_neither_end_in_the_vpc_is_unplaced(tmp_path: Path) -> None:
    firewall = Firewall(two_vpcs(tmp_path), vpc="vpc-3")
    outside = Talk(client="203.0.113.9", server="10.0.2.5")
    assert ways(firewall, Seen(s=0, packet=outside.syn())) == []
    assert firewall.census.counts == {Undecided.UNPLACED: 1}


@pytest.mark.semantics("replay-6")
def test_at_says_which_of_two_equal_addresses(tmp_path: Path) -> None:
    firewall = Firewall(two_vpcs(tmp_path), at="eni-b2")
    assert ways(firewall, Seen(s=0, packet=LOCAL.syn())) == [("eni-b2", IN)]


@pytest.mark.semantics("replay-7")
def test_a_malformed_packet_without_addresses_is_decided_at_no_interface(
    web_and_db: Network,
) -> None:
    firewall = Firewall(web_and_db)
    (placed,) = firewall.decide(frames(Seen(s=0, packet=b"\x45\x00\x00\x28")))
    assert (placed.interface, placed.direction, placed.connection) == (None, None, None)
    assert placed.decision.reason.name == "MALFORMED"


@pytest.mark.semantics("replay-7")
def test_a_malformed_packet_with_addresses_is_decided_where_they_are(web_and_db: Network) -> None:
    cut = build(QUERY.syn())[:30]
    firewall = Firewall(web_and_db)
    (placed,) = firewall.decide(frames(Seen(s=0, packet=cut)))
    assert placed.interface is not None
    assert (placed.interface.interface_id, placed.direction) == ("eni-web", OUT)
    assert placed.decision.reason.name == "MALFORMED"


@pytest.mark.semantics("replay-7")
def test_a_malformed_packet_between_strangers_is_not_decided(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db)
    assert not list(firewall.decide(frames(Seen(s=0, packet=build(STRANGERS.syn())[:30]))))
    assert firewall.census.counts == {Undecided.FOREIGN: 1}


@pytest.mark.semantics("replay-8")
def test_frames_that_are_not_ip_are_counted_and_not_decided(web_and_db: Network) -> None:
    arp = Seen(s=0, packet=bytes(28), link=GROUP + PEER + b"\x08\x06")
    cut = Seen(s=0, packet=b"", link=GROUP + PEER[:2])
    firewall = Firewall(web_and_db)
    assert not list(firewall.decide(frames(arp, cut, link_type=ETHERNET)))
    assert firewall.census.counts == {Undecided.NOT_IP: 1, Undecided.CUT_FRAME: 1}


def test_names_of_interfaces_and_vpcs_fit_one_thing_or_are_refused(tmp_path: Path) -> None:
    named = network(
        tmp_path,
        {"sg-a": []},
        {"eni-a": "10.0.1.5 sg-a", "eni-b": "10.0.2.5 sg-a"},
        instances={"eni-a": "i-1", "eni-b": "i-2"},
    )
    assert interface_named(named, "eni-a").interface_id == "eni-a"
    assert interface_named(named, "i-2").interface_id == "eni-b"
    assert vpc_named(named, "vpc-1") == "vpc-1"
    with pytest.raises(InputError, match=r"no network interface is called 'x'.*eni-a, eni-b"):
        interface_named(named, "x")
    with pytest.raises(InputError, match=r"no VPC is called 'x'.*vpc-1"):
        vpc_named(named, "x")
    with pytest.raises(InputError, match="no network interface"):
        Who(named, at={"lan": "x"})


@pytest.mark.semantics("replay-1")
def test_delegated_prefixes_belong_to_their_interface(tmp_path: Path) -> None:
    description = described({"sg-a": ["out all 0.0.0.0/0"]}, {"eni-a": "10.0.1.5 sg-a"})
    description["NetworkInterfaces"][0]["Ipv4Prefixes"] = [{"Ipv4Prefix": "10.0.1.16/28"}]
    delegated = load(write(tmp_path / "network.json", description))
    pod = Talk(client="10.0.1.17", server="203.0.113.9")
    assert ways(Firewall(delegated), Seen(s=0, packet=pod.syn())) == [("eni-a", OUT)]
    nothing = Seen(s=0, packet=b"\x45", direction=IN)
    assert ways(Firewall(delegated, at="eni-a"), nothing) == [("eni-a", IN)]


@pytest.mark.semantics("replay-7")
def test_at_decides_a_malformed_packet_without_addresses_by_the_link(web_and_db: Network) -> None:
    seen = Seen(s=0, packet=b"\x45", direction=IN)
    (placed,) = Firewall(web_and_db, at="eni-db").decide(frames(seen))
    assert placed.interface is not None
    assert (placed.interface.interface_id, placed.direction) == ("eni-db", IN)


def test_both_addresses_of_one_interface_are_placed_by_the_link_or_leave(tmp_path: Path) -> None:
    two = network(tmp_path, {"sg-a": []}, {"eni-a": "10.0.1.5 10.0.1.6 sg-a"})
    own = Talk(client="10.0.1.5", server="10.0.1.6")
    assert ways(Firewall(two), Seen(s=0, packet=own.syn())) == [("eni-a", OUT)]
    firewall = Firewall(two, at="eni-a")
    seen = [Seen(s=0, packet=own.syn()), Seen(s=1, packet=own.syn(), direction=IN)]
    assert ways(firewall, *seen) == [("eni-a", OUT), ("eni-a", IN)]


def test_an_interface_that_a_change_takes_away_has_no_frames(tmp_path: Path) -> None:
    rules = {"sg-a": ["in all 0.0.0.0/0"]}
    both = network(tmp_path, rules, {"eni-a": "10.0.1.5 sg-a", "eni-b": "10.0.2.5 sg-a"})
    one = network(tmp_path, rules, {"eni-b": "10.0.2.5 sg-a"})
    firewall = Firewall(both, at="eni-a")
    assert ways(firewall, Seen(s=0, packet=OFFICE.syn())) == [("eni-a", IN)]
    firewall.change(one)
    assert ways(firewall, Seen(s=1, packet=OFFICE.syn())) == []
    firewall.change(both)
    assert ways(firewall, Seen(s=2, packet=OFFICE.syn())) == [("eni-a", IN)]


def test_connections_of_two_vpcs_with_equal_addresses_are_told_apart(tmp_path: Path) -> None:
    rules = ["in all 0.0.0.0/0"]
    both = network(
        tmp_path,
        {"sg-a": rules, "sg-b": rules},
        {"eni-a": "10.0.1.5 sg-a", "eni-b": "vpc-2 10.0.1.5 sg-b"},
        blocks={"vpc-1": "10.0.0.0/16", "vpc-2": "10.0.0.0/16"},
    )
    firewall = Firewall(both, at={"lan": "eni-a", "wan": "eni-b"})
    seen = [Seen(s=0, packet=OFFICE.syn()), Seen(s=0.1, packet=OFFICE.syn(), interface=1)]
    ways(firewall, *seen, names=("lan", "wan"))
    assert len(firewall.observed) == 2


def test_one_connection_at_both_of_its_ends_is_one(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db, at={"lan": "eni-web", "wan": "eni-db"})
    seen = [Seen(s=0, packet=QUERY.syn()), Seen(s=0.1, packet=QUERY.syn(), interface=1)]
    ways(firewall, *seen, names=("lan", "wan"))
    assert len(firewall.observed) == 1


def test_an_instance_is_its_primary_interface(tmp_path: Path) -> None:
    description = described(
        {"sg-a": []},
        {"eni-a": "10.0.1.5 sg-a", "eni-b": "10.0.2.5 sg-a", "eni-c": "10.0.3.5 sg-a"},
        instances={"eni-a": "i-1", "eni-b": "i-1", "eni-c": "i-2"},
    )
    description["NetworkInterfaces"][0]["Attachment"]["DeviceIndex"] = 1
    description["NetworkInterfaces"][2]["Attachment"]["DeviceIndex"] = 1
    owned = load(write(tmp_path / "network.json", description))
    assert interface_named(owned, "i-1").interface_id == "eni-b"
    assert interface_named(owned, "i-2").interface_id == "eni-c"


def test_a_name_that_fits_several_is_refused(tmp_path: Path) -> None:
    description = described({"sg-a": []}, {"eni-a": "10.0.1.5 sg-a", "eni-b": "10.0.2.5 sg-a"})
    for interface in description["NetworkInterfaces"]:
        interface["TagSet"] = [{"Key": "Name", "Value": "web"}]
    named = load(write(tmp_path / "network.json", description))
    with pytest.raises(InputError, match=r"'web' fits several network interfaces.*eni-a, eni-b"):
        interface_named(named, "web")


def test_a_blackhole_or_an_inactive_peering_leads_nowhere(tmp_path: Path) -> None:
    broken = two_vpcs(tmp_path)
    peering = replace(broken.peerings["pcx-1"], is_active=False)
    firewall = Firewall(replace(broken, peerings={"pcx-1": peering}), vpc="vpc-3")
    assert ways(firewall, Seen(s=0, packet=PEERED.syn())) == [("eni-c", OUT)]
    table = broken.route_tables["rtb-vpc-3"]
    holes = tuple(replace(each, is_blackhole=True) for each in table.routes)
    tables = {**broken.route_tables, table.route_table_id: replace(table, routes=holes)}
    firewall = Firewall(replace(broken, route_tables=tables), vpc="vpc-3")
    assert ways(firewall, Seen(s=0, packet=PEERED.syn())) == [("eni-c", OUT)]


def cooked_2(index: int, kind: int) -> bytes:
    return b"\x08\x00\0\0" + index.to_bytes(4) + b"\0\x01" + bytes([kind, 6]) + PEER + b"\0\0"


@pytest.mark.semantics("replay-2")
def test_linux_cooked_version_2_has_an_interface_for_each_packet(web_and_db: Network) -> None:
    seen = [
        Seen(s=0, packet=QUERY.syn(), link=cooked_2(7, 0)),
        Seen(s=0.001, packet=QUERY.syn(), link=cooked_2(8, 4)),
    ]
    firewall = Firewall(web_and_db, at={"7": "eni-db"})
    assert ways(firewall, *seen, link=276) == [("eni-db", IN)]
    assert firewall.census.counts == {Undecided.UNPLACED: 1}
    firewall = Firewall(web_and_db)
    assert ways(firewall, *seen, link=276) == [("eni-web", OUT), ("eni-db", IN)]
    assert firewall.census.counts == {Undecided.COPY: 1}
