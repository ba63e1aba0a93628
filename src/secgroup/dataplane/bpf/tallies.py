"""What connections and other packets add up to since the last look, as flows of a flow log.

Owns the differences between two looks at the table of connections, and which entry is the same in
both. An entry that is gone comes with its last tally. Knows no map and no flow log; times are the
kernel's, milliseconds since the machine started, until `flows_of` adds what makes them UTC.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.grid import Side
from secgroup.dataplane.bpf.connections import KEY, address_of, idle_of
from secgroup.dataplane.bpf.layout import ENDED, ENTRY
from secgroup.decision import Reason, Verdict
from secgroup.engine.layout import ICMP_KIND, IPV6, OPENED_EGRESS
from secgroup.flowlog.record import Flow, Ports
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.protocol import ICMP, ICMPV6, TCP, UDP

Rows = NDArray[Any]
#: Returns the ids of rules by a number of the list of rules, or by a section and its classes.
RuleOf = Callable[[int], str | None]
RulesOf = Callable[[int, int, int], tuple[str, ...]]

#: What an entry had counted when it was looked at; `name` stands for its key and its beginning.
_SEEN: Final = np.dtype(
    [("name", "<u8"), ("packets", "<u4", (2,)), ("octets", "<u8", (2,)), ("tcp_flags", "u1", (2,))]
)
#: An entry with what it has counted since then.
GROWN: Final = np.dtype(
    [
        ("key", KEY),
        ("entry", ENTRY),
        ("packets", "<u4", (2,)),
        ("octets", "<u8", (2,)),
        ("tcp_flags", "u1", (2,)),
        ("is_new", "?"),
    ]
)


class Tallies:
    """Remembers what entries had counted, and returns what they count.

    The table is to be read before the ring of entries that ended: what is in both is taken from
    the ring, and is not there the next time.
    """

    def __init__(self) -> None:
        self._secret = np.array([secrets.randbits(64) | 1 for _ in range(12)], dtype="<u8")
        self._seen: Rows = np.zeros(0, _SEEN)

    def begin(self, keys: Rows, entries: Rows) -> None:
        """Take what entries have counted so far as counted."""
        self._see(self._names(keys, entries), entries)

    def _see(self, names: Rows, entries: Rows) -> None:
        order = np.argsort(names)
        seen = np.zeros(len(names), _SEEN)
        seen["name"] = names[order]
        for member in ("packets", "octets", "tcp_flags"):
            seen[member] = entries[member][order]
        self._seen = seen

    def grown(self, keys: Rows, entries: Rows, ended: Rows) -> Rows:
        """Return the entries that have counted packets since the last time, as rows of GROWN.

        Parameters
        ----------
        keys, entries : rows of KEY and ENTRY
            The table.
        ended : rows of ENDED
            What came out of the ring, after the table was read.

        """
        assert ended.dtype == ENDED
        gone_keys = np.ascontiguousarray(ended["key"]).view(KEY).reshape(-1)
        gone_entries = np.ascontiguousarray(ended["entry"])
        gone_names, names = self._names(gone_keys, gone_entries), self._names(keys, entries)
        found = [self._since(gone_names, gone_keys, gone_entries)]
        if len(gone_names):
            there = ~np.isin(names, gone_names)
            names, keys, entries = names[there], keys[there], entries[there]
        found.append(self._since(names, keys, entries))
        self._see(names, entries)
        return np.concatenate(found)

    def _names(self, keys: Rows, entries: Rows) -> Rows:
        """Return a number for each entry: a universal hash of its key and of when it began."""
        words = np.ascontiguousarray(keys).view("<u8").reshape(-1, KEY.itemsize // 8)
        parts = [*(words[:, at] for at in range(words.shape[1])), entries["created_s"]]
        found = np.zeros(len(keys), dtype="<u8")
        with np.errstate(over="ignore"):
            for at, part in enumerate(parts):
                whole = part.astype("<u8")
                low = (whole & np.uint64(0xFFFFFFFF)) + self._secret[2 * at]
                high = (whole >> np.uint64(32)) + self._secret[2 * at + 1]
                found += low * high
            found ^= found >> np.uint64(29)
        return found

    def _since(self, names: Rows, keys: Rows, entries: Rows) -> Rows:
        """Return the entries that count more than they were seen to, with what they do."""
        at = np.searchsorted(self._seen["name"], names)
        at[at == len(self._seen)] = 0
        known = np.zeros(len(names), dtype=bool)
        if len(self._seen):
            known = self._seen["name"][at] == names
            # One that counts less began anew in the same second.
            known &= (entries["octets"] >= self._seen["octets"][at]).all(axis=1)
        packets = entries["packets"].copy()
        # Counted modulo 2**32.
        packets[known] -= self._seen["packets"][at[known]]
        more = np.flatnonzero(packets.any(axis=1))
        found = np.zeros(len(more), GROWN)
        found["key"], found["entry"], found["packets"] = keys[more], entries[more], packets[more]
        found["is_new"] = ~known[more]
        for member in ("octets", "tcp_flags"):
            found[member] = entries[member][more]
        old = known[more]
        seen = self._seen[at[more[old]]]
        found["octets"][old] -= seen["octets"]
        found["tcp_flags"][old] &= ~seen["tcp_flags"]
        return found


def flows_of(
    grown: Rows, now_ms: int, since_ms: int, utc_ms: int, rule_of: RuleOf
) -> Iterator[tuple[int, Flow]]:
    """Yield the number of the interface and the flow of each entry and direction.

    Parameters
    ----------
    grown : rows of GROWN
    now_ms, since_ms : int
        When the table was read, and the time before; the kernel's.
    utc_ms : int
        What makes the kernel's time UTC, since 1970.
    rule_of : callable
        The id of a rule by its number.

    """
    idle_ms = idle_of(grown["entry"], now_ms)
    for row, idle in zip(grown, idle_ms.tolist(), strict=True):
        entry, key = row["entry"], row["key"]
        last_ms = now_ms - idle
        opener = Direction.EGRESS if entry["flags"] & OPENED_EGRESS else Direction.INGRESS
        is_new = bool(row["is_new"])
        first_ms = max(since_ms, int(entry["created_s"]) * 1000)
        inside, outside, ports, protocol = _ends(key)
        for side in Side:
            if row["packets"][side] == 0:
                continue
            direction = opener if side is Side.ORIGINAL else opener.opposite
            outward = direction is Direction.EGRESS
            begins = is_new and side is Side.ORIGINAL
            rule_id = rule_of(int(entry["admission"])) if begins else None
            yield (
                int(entry["interface"]),
                Flow(
                    source=inside if outward else outside,
                    destination=outside if outward else inside,
                    ports=ports if outward else ports[::-1],
                    protocol=protocol,
                    direction=direction,
                    verdict=Verdict.ACCEPT,
                    reason=Reason.NEW if begins else Reason.ESTABLISHED,
                    first_ms=min(first_ms, last_ms) + utc_ms,
                    last_ms=last_ms + utc_ms,
                    packets=int(row["packets"][side]),
                    octets=int(row["octets"][side]),
                    flags=int(row["tcp_flags"][side]),
                    rules=[] if rule_id is None else [(rule_id,)],
                ),
            )


def _ends(key: Any) -> tuple[Address, Address, Ports, int]:
    """Return the address inside and outside, the ports of both, and the protocol, of a key."""
    owner_protocol = int(key["owner_protocol"])
    number, is_ipv6 = owner_protocol >> 24, bool(owner_protocol & IPV6)
    inside = address_of(int(key["inside_hi"]), int(key["inside_lo"]), is_ipv6=is_ipv6)
    outside = address_of(int(key["outside_hi"]), int(key["outside_lo"]), is_ipv6=is_ipv6)
    if number >= ICMP_KIND:
        return inside, outside, (0, 0), ICMPV6 if is_ipv6 else ICMP
    return inside, outside, (int(key["inside_port"]), int(key["outside_port"])), number


def untallied_flows(
    keys: Rows, logs: Rows, utc_ms: int, rules_of: RulesOf
) -> Iterator[tuple[int, Flow]]:
    """Yield the number of the interface and the flow of packets that no entry has counted.

    Parameters
    ----------
    keys : rows of LOG_KEY
    logs : rows of LOG, shape (n, processors)
    utc_ms : int
        What makes the kernel's time UTC, since 1970.
    rules_of : callable
        The ids of the rules that matched, by the section that was asked and the classes.

    """
    packets, octets = logs["packets"].sum(axis=1), logs["octets"].sum(axis=1)
    never = np.iinfo(np.uint64).max
    first_ms = np.where(logs["packets"] > 0, logs["first_ms"], never).min(axis=1)
    last_ms = logs["last_ms"].max(axis=1)
    flags = np.bitwise_or.reduce(logs["tcp_flags"], axis=1)
    # Each processor has the classes of its own first packet: the same but for a change of rules.
    asked = np.take_along_axis(logs, logs["packets"].argmax(axis=1)[:, None], axis=1)[:, 0]
    for at in np.flatnonzero(packets > 0).tolist():
        key, row = keys[at], asked[at]
        is_ipv6 = int(key["family"]) == 6
        protocol, reason = int(key["protocol"]), Reason(int(key["reason"]))
        has_ports = protocol in (TCP, UDP)
        ports: Ports = (0, 0)
        if has_ports:
            ports = (int(key["source_port"]), int(key["destination_port"]))
            if reason is Reason.MALFORMED:
                ports = (None, None)
        section = int(row["section"])
        rules = (
            rules_of(section, int(row["address_class"]), int(row["port_class"])) if section else ()
        )
        yield (
            int(key["interface"]),
            Flow(
                source=address_of(int(key["source_hi"]), int(key["source_lo"]), is_ipv6=is_ipv6),
                destination=address_of(
                    int(key["destination_hi"]), int(key["destination_lo"]), is_ipv6=is_ipv6
                ),
                ports=ports,
                protocol=protocol,
                direction=Direction(int(key["direction"])),
                verdict=Verdict.ACCEPT if key["accepted"] else Verdict.REJECT,
                reason=reason,
                first_ms=int(first_ms[at]) + utc_ms,
                last_ms=int(last_ms[at]) + utc_ms,
                packets=int(packets[at]),
                octets=int(octets[at]),
                flags=int(flags[at]),
                rules=[rules] if rules else [],
            ),
        )
