"""The look-ups of the kernel's program in its maps, one by one and without haste.

Written from docs/design/bpf.md and the comments of `layout`; nothing else of the plane is
imported. Maps are anything with arrays and hashes by the names of `maps.h`.
"""

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from secgroup.dataplane.bpf import layout
from secgroup.net.address import Address


@dataclass(frozen=True)
class Asked:
    """What a section says of an address and a place."""

    address_class: int
    port_class: int
    weight: int
    opened: bool
    bits: tuple[int, ...]


class NaiveRows:
    def __init__(self, maps: Any) -> None:
        self.maps = maps
        self.hosts = {}
        for key, value in zip(*(each.tolist() for each in maps.hosts.items()), strict=True):
            hi, lo, table, _ = key
            self.hosts[table, hi << 64 | lo] = value
        self.prefixes: dict[int, list[tuple[int, Any, int]]] = {4: [], 6: []}
        for family, elements in ((4, maps.prefixes4), (6, maps.prefixes6)):
            for key, value in zip(*elements.items(), strict=True):
                block = (bytes(key["address"]), int(key["length"]) - 32)
                self.prefixes[family].append((int(key["table"]), ip_network(block), int(value)))

    def policy(self, interface: int) -> Any:
        row = int(self.maps.words[interface]) % 2**32
        return None if row == 0 else self.maps.policies[row]

    def section(self, policy: Any, name: str, direction: int, family: int) -> Any:
        return self.maps.sections[int(policy[name][2 * direction + (family == 6)])]

    def value(self, table: int, kinds: int, address: Address) -> int | None:
        number = int(address) + (0xFFFF << 32 if address.version == 4 else 0)
        if kinds & layout.HAS_HOSTS and (table, number) in self.hosts:
            return int(self.hosts[table, number])
        if not kinds & layout.HAS_PREFIXES:
            return None
        holding = [
            (block.prefixlen, value)
            for own, block, value in self.prefixes[address.version]
            if own == table and address in block
        ]
        return max(holding)[1] if holding else None

    def is_own(self, policy: Any, address: Address) -> bool:
        return self.value(int(policy["own"]), 3, address) is not None

    def _bits(self, first: int, number: int, words: int) -> int:
        own = self.maps.bitmaps[first + number * words : first + (number + 1) * words].tolist()
        assert len(own) == words
        return sum(word << 64 * index for index, word in enumerate(own))

    def ask(self, section: Any, address: Address, place: int) -> Asked:
        value = self.value(int(section["addresses"]), int(section["kinds"]), address)
        if value is None:
            value = int(section["elsewhere"])
        address_class, weight = value % 2**24, value >> 30
        first, count = int(section["ports"]), int(section["ports_count"])
        assert 0 < count <= layout.MOST_BOUNDARIES
        starts = [divmod(each, 2**32) for each in self.maps.boundaries[first:][:count].tolist()]
        assert starts[0][0] == 0
        assert [start for start, _ in starts] == sorted({start for start, _ in starts})
        found = [said for start, said in starts if start <= place][-1]
        port_class, opened = found % 2**31, found >= 2**31
        words = int(section["words"])
        both = self._bits(int(section["address_bits"]), address_class, words)
        both &= self._bits(int(section["port_bits"]), port_class, words)
        bits = tuple(bit for bit in range(64 * words) if both >> bit & 1)
        return Asked(address_class, port_class, weight, opened, bits)

    def numbers(self, section: Any) -> list[int]:
        first, rules = int(section["numbers"]), int(section["rules"])
        found = self.maps.numbers[first : first + rules + int(section["is_acl"])]
        return [int(each) for each in found]

    def acl_answer(self, section: Any, address: Address, place: int) -> int:
        bits = self.ask(section, address, place).bits
        numbers = self.numbers(section)
        return numbers[bits[0]] if bits else numbers[-1]

    def exempt(self, policy: Any, address: Address, protocol: int, port: int | None) -> int:
        subnet = self.maps.subnets[int(policy["subnet"])]
        number = int(address) + (0xFFFF << 32 if address.version == 4 else 0)
        lo = number % 2**64
        chosen = int(subnet["filter4" if address.version == 4 else "filter6"])
        if not chosen >> ((lo ^ lo >> 6 ^ lo >> 16) & 63) & 1:
            return 0
        names = ("exempt4", "exempt6") if address.version == 4 else ("exempt6", "exempt_end")
        for row in self.maps.exempts[int(subnet[names[0]]) : int(subnet[names[1]])]:
            if (
                (int(row["hi"]) << 64 | int(row["lo"])) == number
                and int(row["protocol"]) in (-1, protocol)
                and int(row["port"]) in (-1, port)
            ):
                return int(row["answer"])
        return 0

    def is_in_subnet(self, policy: Any, address: Address) -> bool:
        subnet = self.maps.subnets[int(policy["subnet"])]
        if address.version == 4:
            return bool(subnet["has_block4"]) and (
                int(address) & int(subnet["mask4"]) == int(subnet["block4"])
            )
        for row in subnet["blocks6"][: int(subnet["blocks6_count"])].tolist():
            if int(address) & (row[2] << 64 | row[3]) == row[0] << 64 | row[1]:
                return True
        return False
