from ipaddress import ip_address, ip_network

import pytest

from secgroup.errors import InputError
from secgroup.net.address import is_multicast, parse_address, parse_mac, parse_prefix


def test_host_bits_of_a_block_are_zeroed() -> None:
    assert parse_prefix("100.68.0.18/18") == ip_network("100.68.0.0/18")


@pytest.mark.parametrize(
    "text", ["10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0/8", "fe80::%eth0/64", "1/" + "9" * 5000]
)
def test_what_is_no_block_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a CIDR block"):
        parse_prefix(text)


@pytest.mark.parametrize("text", ["10.0.0", "10.0.0.256", "1٢.0.0.1", "fe80::1%eth0", "", "1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not an IPv4 or IPv6 address"):
        parse_address(text)


@pytest.mark.parametrize("text", ["02:00:5e:10:00:01", "02-00-5E-10-00-01"])
def test_a_mac_is_six_bytes(text: str) -> None:
    assert parse_mac(text) == bytes.fromhex("02005e100001")


@pytest.mark.parametrize("text", ["02:00:5e:10:00", "02:00:5e:10:00:zz", "", "02005e10000100"])
def test_what_is_no_mac_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a MAC address"):
        parse_mac(text)


@pytest.mark.parametrize(
    ("text", "is_group"),
    [("224.0.0.1", True), ("239.255.255.255", True), ("223.255.255.255", False), ("ff02::1", True)],
)
def test_multicast_by_its_block(text: str, is_group: bool) -> None:
    assert is_multicast(ip_address(text)) is is_group
