"""Addresses and prefixes, as values of the standard library.

Owns how text becomes an address; knows nothing of who has which.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from secgroup.errors import InputError

Address: TypeAlias = IPv4Address | IPv6Address
Prefix: TypeAlias = IPv4Network | IPv6Network

ALL_IPV4: Final = IPv4Network("0.0.0.0/0")
ALL_IPV6: Final = IPv6Network("::/0")
LINK_LOCAL_IPV6: Final = IPv6Network("fe80::/10")
#: RFC 5771, RFC 4291. Not `Address.is_multicast`, whose answer for IPv4-mapped addresses depends
#: on the version of Python.
MULTICAST: Final = (IPv4Network("224.0.0.0/4"), IPv6Network("ff00::/8"))


def everything(family: int) -> Prefix:
    """Return 0.0.0.0/0 for family 4 and ::/0 for family 6."""
    return ALL_IPV4 if family == 4 else ALL_IPV6


def is_multicast(address: Address) -> bool:
    """Tell whether `address` is a multicast group."""
    return any(address in block for block in MULTICAST)


@lru_cache(maxsize=65536)
def address_of(packed: bytes) -> Address:
    """Return the address that 4 or 16 bytes in network byte order spell."""
    return ip_address(packed)


def parse_address(text: str) -> Address:
    """Read an IPv4 or IPv6 address.

    Raises
    ------
    InputError
        The text is not an address.

    """
    try:
        if "%" in text:  # a zone, which the standard library takes as part of the address
            raise ValueError
        return ip_address(text.strip())
    except ValueError:
        raise InputError(f"{text!r} is not an IPv4 or IPv6 address") from None


@lru_cache(maxsize=65536)
def parse_prefix(text: str) -> Prefix:
    """Read a CIDR block; host bits are zeroed, as EC2 does (API reference, IpRange.CidrIp).

    Raises
    ------
    InputError
        The text is not a CIDR block with its prefix length.

    """
    try:
        if "/" not in text or "%" in text:
            raise ValueError
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise InputError(
            f"{text!r} is not a CIDR block (expected one like 10.0.0.0/16 or 2001:db8::/56)"
        ) from None


def parse_mac(text: str) -> bytes:
    """Read a MAC address, `02:00:5e:10:00:01` or with dashes, into its 6 bytes.

    Raises
    ------
    InputError
        The text is not a MAC address.

    """
    try:
        mac = bytes.fromhex(text.replace(":", "").replace("-", ""))
    except ValueError:
        mac = b""
    if len(mac) != 6:
        raise InputError(f"{text!r} is not a MAC address (expected one like 02:00:5e:10:00:01)")
    return mac
