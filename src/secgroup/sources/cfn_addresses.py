"""Which addresses the interfaces of a template have.

A template rarely says them. What it says counts; then what a person says (`--address`); the
rest is derived from a hash of the interface's id, so that adding a resource moves no other
one, unless both hash to the same place. Derived public addresses lie in 198.18.0.0/15, which
is set aside for tests of networks (RFC 2544) and is nobody's.
"""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeVar

from secgroup.errors import InputError
from secgroup.model.vpc import Subnet
from secgroup.net.address import Address, Prefix, parse_address

A = TypeVar("A", IPv4Address, IPv6Address)

PUBLIC: Final = IPv4Network("198.18.0.0/15")

#: AWS keeps the first four addresses and the last one of every subnet (VPC User Guide,
#: "Subnet sizing").
_FIRST: Final = 4
_KEPT: Final = 5


@dataclass(kw_only=True)
class Wanted:
    """The addresses that one interface is to have; None is one that nobody said.

    Parameters
    ----------
    key : str
        The id of the interface: what the hash is made of.
    path : str
        Where it stands in the template.

    """

    key: str
    path: str
    subnet: Subnet
    ipv4: list[IPv4Address | None] = field(default_factory=list)
    ipv6: list[IPv6Address | None] = field(default_factory=list)


def parse_addresses(given: Mapping[str, str]) -> dict[str, list[Address]]:
    """Read the values of `--address ID=ADDRESS[,ADDRESS...]`.

    Raises
    ------
    InputError
        One is not an address.

    """
    found: dict[str, list[Address]] = {}
    for name, text in given.items():
        try:
            found[name] = [parse_address(part) for part in text.split(",")]
        except InputError as error:
            raise InputError(error.problem, source=f"--address {name}={text}") from None
    return found


def take_given(wanted: Wanted, given: Sequence[Address]) -> None:
    """Put what a person said into the places that the template leaves open; more are added.

    Raises
    ------
    InputError
        The template says other addresses, or the subnet does not have one.

    """
    for address in given:
        if not _is_in(wanted.subnet, address):
            source = f"--address {wanted.key}={address}"
            raise InputError(f"is not in {wanted.subnet.subnet_id}", source=source)
    _fill(wanted.ipv4, [each for each in given if isinstance(each, IPv4Address)], wanted.key)
    _fill(wanted.ipv6, [each for each in given if isinstance(each, IPv6Address)], wanted.key)


def _is_in(subnet: Subnet, address: Address) -> bool:
    blocks: tuple[Prefix | None, ...] = (subnet.ipv4_block, *subnet.ipv6_blocks)
    same = [block for block in blocks if block is not None and block.version == address.version]
    return not same or any(address in block for block in same)


def _fill(places: list[A | None], given: list[A], key: str) -> None:
    new = [address for address in given if address not in places]
    if new == given and places and new and None not in places:
        raise InputError(f"the template says {places[0]}", source=f"--address {key}={new[0]}")
    for address in new:
        if None in places:
            places[places.index(None)] = address
        else:
            places.append(address)


def derive(every: Iterable[Wanted], taken: dict[str, set[Address]], *, source: str) -> None:
    """Fill the places that are still open; the subnets must have the blocks for them.

    Parameters
    ----------
    every : iterable of Wanted
        All interfaces of the template, of one subnet or of many.
    taken : dict of str to set of Address
        What other interfaces have, by subnet; it grows.

    Raises
    ------
    InputError
        Two interfaces say one address, it is one that AWS keeps, or a subnet is full.

    """
    for wanted in every:
        mine = taken.setdefault(wanted.subnet.subnet_id, set())
        for address in (*wanted.ipv4, *wanted.ipv6):
            if address is None:
                continue
            if address in mine:
                raise InputError(
                    f"{address} is the address of another interface",
                    source=source,
                    path=wanted.path,
                )
            if not _is_in(wanted.subnet, address) or _is_kept(wanted.subnet, address):
                raise InputError(
                    f"{address} is not one that interfaces in {wanted.subnet.subnet_id} may have",
                    source=source,
                    path=wanted.path,
                )
            mine.add(address)
    for wanted in sorted(every, key=lambda each: each.key):
        mine = taken[wanted.subnet.subnet_id]
        for i, address in enumerate(wanted.ipv4):
            if address is None and wanted.subnet.ipv4_block is not None:
                wanted.ipv4[i] = IPv4Address(
                    _free(_key(wanted, i), wanted.subnet.ipv4_block, mine, source, wanted.path)
                )
        for i, address6 in enumerate(wanted.ipv6):
            if address6 is None and wanted.subnet.ipv6_blocks:
                wanted.ipv6[i] = IPv6Address(
                    _free(_key(wanted, i), wanted.subnet.ipv6_blocks[0], mine, source, wanted.path)
                )


def _key(wanted: Wanted, index: int) -> str:
    return wanted.key if index == 0 else f"{wanted.key}/{index}"


def _is_kept(subnet: Subnet, address: Address) -> bool:
    blocks: tuple[Prefix | None, ...] = (subnet.ipv4_block, *subnet.ipv6_blocks)
    for block in blocks:
        if block is not None and address in block:
            index = int(address) - int(block.network_address)
            return not _FIRST <= index < block.num_addresses - 1
    return False


def _free(key: str, block: Prefix, taken: set[Address], source: str, path: str) -> int:
    """Return the first free address from the one that the key hashes to, and take it."""
    size = block.num_addresses - _KEPT
    start = _hash(key) % size if size > 0 else 0
    for step in range(min(max(size, 0), len(taken) + 1)):
        address = block.network_address + _FIRST + (start + step) % size
        if address not in taken:
            taken.add(address)
            return int(address)
    raise InputError(f"there is no free address in {block}", source=source, path=path)


def derive_public(key: str, taken: Container[Address]) -> IPv4Address:
    """Return a public address for what `key` names, none of `taken`."""
    start = _hash(f"public {key}")
    for step in range(PUBLIC.num_addresses):
        address = PUBLIC.network_address + (start + step) % PUBLIC.num_addresses
        if address not in taken:
            return address
    raise InputError(f"more than {PUBLIC.num_addresses} public addresses")


def derive_ipv6_block(key: str, whole: IPv6Network, taken: Container[Prefix]) -> IPv6Network:
    """Return a /56 of `whole` for what `key` names, none of `taken`.

    It is written with `00::/56` at its end, because that is where templates cut it to write
    the /64 blocks of their subnets.
    """
    bits = 56 - whole.prefixlen
    number = _hash(key) % 2**bits
    while (block := _nth_56(whole, number)) in taken or not str(block).endswith("00::/56"):
        number = (number + 1) % 2**bits
    return block


def _nth_56(whole: IPv6Network, number: int) -> IPv6Network:
    return IPv6Network((int(whole.network_address) + (number << 72), 56))


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
