from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import secgroup
from secgroup.errors import InputError
from secgroup.reference.endpoint import InterfaceEnd, NobodysEnd, OutsideEnd, find_endpoint
from tests.support.vpcs import Plan, two_subnets


def plan() -> Plan:
    found = two_subnets().internet_gateway("vpc-1")
    found.interface("eni-b", "sub-b", "10.0.2.5 2600:1f00:0:2::5", "sg-b", public="203.0.113.6")
    return found.subnet("sub-n", "vpc-1", "10.0.9.0/24").nat(
        "sub-n", "10.0.9.9", public="203.0.113.9"
    )


@pytest.mark.parametrize(
    ("text", "family", "kind"),
    [
        ("eni-a", 4, InterfaceEnd),
        ("10.0.1.5", 4, InterfaceEnd),
        ("203.0.113.6", 4, InterfaceEnd),
        ("2600:1f00:0:2::5", 6, InterfaceEnd),
        ("nat-1", 4, InterfaceEnd),
        ("10.0.1.77", 4, NobodysEnd),
        ("2600:1f00:0:77::5", 6, NobodysEnd),
        ("10.0.0.2", 4, OutsideEnd),
        ("10.0.1.1", 4, OutsideEnd),
        ("169.254.169.254", 4, OutsideEnd),
        ("192.168.0.1", 4, OutsideEnd),
        ("198.51.100.7", 4, OutsideEnd),
        ("internet:198.51.100.7", 4, OutsideEnd),
        ("internet", 4, OutsideEnd),
        ("internet", 6, OutsideEnd),
    ],
)
def test_text_means_one_kind_of_end(text: str, family: int, kind: type) -> None:
    (end,) = find_endpoint(plan().network(), text, family).ends
    assert type(end) is kind


def test_internet_leaves_out_the_network_and_what_is_not_public() -> None:
    (end,) = find_endpoint(plan().network(), "internet", 4).ends
    assert isinstance(end, OutsideEnd)

    def has(address: str) -> bool:
        number = int(ip_address(address))
        return any(first <= number <= last for first, last in end.spans)

    assert [has(each) for each in ("8.8.8.8", "203.0.113.10", "1.0.0.0", "223.255.255.255")] == [
        True
    ] * 4
    outside = (
        "203.0.113.6",
        "203.0.113.9",
        "10.0.0.1",
        "172.31.0.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
    )
    assert [has(each) for each in outside] == [False] * 8


@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=20),
        st.ip_addresses().map(str),
        st.sampled_from(("eni-a", "sg-a", "internet:")),
    ),
    st.one_of(
        st.text(max_size=12),
        st.builds(
            "{}/{}".format,
            st.sampled_from(("tcp", "udp", "icmp", "icmpv6", "47", "all")),
            st.text("0123456789-/", max_size=9),
        ),
    ),
    st.booleans(),
)
def test_any_text_gets_an_answer_or_one_line(who: str, service: str, ipv6: bool) -> None:
    network = plan().network()
    for source, destination in ((who, "eni-b"), ("eni-b", who)):
        try:
            found = secgroup.explain(
                network, source=source, destination=destination, service=service, ipv6=ipv6
            )
        except InputError as error:
            told = str(error)
        else:
            told = found.title
            assert str(found).startswith(found.answer.value.upper())
        assert len(told.splitlines()) == 1
