"""One interface in the kernel program's maps, its rows written by hand.

10.0.0.5 and 2001:db8::5, MAC 02:00:00:00:00:05, in 10.0.0.0/24; ingress TCP 22 from anywhere,
egress everything. ACLs allow all, by entry 100.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

import numpy as np

from secgroup.conntrack.timeout import Timeouts
from secgroup.dataplane.bpf import layout
from secgroup.dataplane.bpf.loaded import Loaded
from secgroup.engine.machine import timeouts_row
from secgroup.net.direction import Direction

INTERFACE: Final = 7
MAC: Final = bytes.fromhex("020000000005")
OTHER_MAC: Final = bytes.fromhex("020000000006")
OWN: Final = IPv4Address("10.0.0.5")
OWN6: Final = IPv6Address("2001:db8::5")
PEER: Final = IPv4Address("10.0.0.9")
FAR: Final = IPv4Address("198.51.100.1")
RULE: Final = 41
START_MS: Final = 1_000_000
EVERYTHING: Final = 100
SSH: Final = 22

#: Small tables: a test needs few of anything.
SIZES: Final = {
    **dict.fromkeys(("words", "policies", "subnets", "exempts", "sections", "owners"), 64),
    **dict.fromkeys(("boundaries", "bitmaps", "numbers", "timeouts", "names"), 256),
    **dict.fromkeys(("hosts", "prefixes4", "prefixes6"), 256),
    **dict.fromkeys(("fragments", "untallied", "counters"), 64),
    "connections": 1024,
    "events": 1 << 16,
    "ended": 1 << 16,
}


class World:
    """The program with one interface, whose packets it is asked about one by one."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded: Final = loaded
        self.maps: Final = loaded.maps
        self.at_ms(START_MS)
        self.maps.control["followed_until_ms"] = 1 << 62
        self._write_rules()
        self.maps.timeouts[1] = timeouts_row(Timeouts())
        self.maps.owners[1]["allowance"] = -1
        subnet = self.maps.subnets[1:2]
        subnet["block4"], subnet["mask4"] = int(IPv4Address("10.0.0.0")), 0xFFFFFF00
        subnet["has_block4"], subnet["broadcast"] = 1, int(IPv4Address("10.0.0.255"))
        row = self.maps.policies[1:2]
        row["interface"], row["owner"], row["own"], row["subnet"] = INTERFACE, 1, 9, 1
        row["rules"], row["acl_always"] = [1, 1, 2, 2], EVERYTHING
        row["own4"], row["own6_hi"], row["own6_lo"] = int(OWN), int(OWN6) >> 64, 5
        row["timeouts"], row["carries_groups"], row["source_dest_check"] = 1, 1, 1
        row["mac"], row["related_icmp"], row["logs"] = list(MAC), 1, 1
        self.maps.words[INTERFACE] = 1 << 32 | 1

    def _write_rules(self) -> None:
        """Two sections: SSH alone, and everything."""
        maps = self.maps
        maps.boundaries[:3] = [0 << 32 | 0, SSH << 32 | 1, (SSH + 1) << 32 | 0]
        maps.boundaries[3] = 0
        maps.bitmaps[:4] = [1, 0, 1, 1]  # everyone; other ports, SSH; every port
        maps.numbers[0] = RULE
        maps.sections[1:3]["words"] = 1
        maps.sections[1:3]["rules"] = 1
        maps.sections[1:2]["port_bits"] = 1
        maps.sections[1:2]["ports_count"] = 3
        maps.sections[2:3]["ports"] = maps.sections[2:3]["port_bits"] = 3
        maps.sections[2:3]["ports_count"] = 1

    def change(self, **values: Any) -> None:
        """Change fields of the interface's row, at once."""
        for name, value in values.items():
            self.maps.policies[1:2][name] = value

    def at_ms(self, now_ms: int) -> None:
        """Set the clock."""
        self.maps.control["test_now_ms"] = now_ms

    def send(self, direction: Direction, frame: bytes, **context: int) -> np.void:
        """Run the program on a frame; return the event that it told of."""
        run = self.loaded.test_run(direction)
        for name, value in context.items():
            run.context[name] = value
        passed = self.loaded.run(direction, INTERFACE, frame)
        for name in context:
            run.context[name] = 0
        events = self.maps.events.read()
        if len(events) == 0:
            # ARP that passes is no event.
            assert passed
            return np.zeros(1, layout.EVENT)[0]
        (event,) = events
        assert passed == bool(event["answer"]["accepted"])
        return event

    def counted(self, name: str) -> Any:
        """Return one of the interface's counters, of all CPUs together."""
        found = self.maps.counters.get(INTERFACE)
        assert found is not None
        return found[name].sum(axis=0)


@contextmanager
def opened(**variables: int) -> Iterator[World]:
    """Load the program with its clock in the test's hands."""
    with Loaded(sizes=SIZES, variables={"test_clock": 1, **variables}) as loaded:
        yield World(loaded)
