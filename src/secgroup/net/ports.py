"""Which protocol, ports, and ICMP types and codes: the part of a rule that is not an address.

The same value stands in a security-group rule, a network-ACL entry and a question such as
`tcp/443`. Absent is None: no protocol, port or type number means "all".
"""

from dataclasses import dataclass

from secgroup.errors import InputError
from secgroup.net.protocol import (
    ICMP,
    ICMPV6,
    PROTOCOL_NUMBERS,
    TCP,
    UDP,
    protocol_name,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRange:
    """Ports from `first` to `last`, both included, 0 <= first <= last <= 65535."""

    first: int
    last: int

    def __post_init__(self) -> None:
        """Refuse a range that cannot be."""
        if not 0 <= self.first <= self.last <= 65535:
            raise InputError(
                f"ports {self.first}-{self.last} are not a range within 0-65535, lowest first"
            )

    def __contains__(self, port: int) -> bool:
        """Tell whether `port` is one of these."""
        return self.first <= port <= self.last

    def __str__(self) -> str:
        """Write `443` or `8000-8080`."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


ALL_PORTS = PortRange(first=0, last=65535)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A set of packets by protocol and, where it has them, destination port or ICMP type and code.

    Parameters
    ----------
    protocol : int or None
        IANA number; None is every protocol.
    ports : PortRange or None
        Only with TCP and UDP, and always with them.
    icmp_type, icmp_code : int or None
        Only with ICMP and ICMPv6; None is every one, and a code needs a type.

    Raises
    ------
    InputError
        The parts do not fit together.

    """

    protocol: int | None
    ports: PortRange | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together."""
        name = protocol_name(self.protocol)
        if self.protocol is not None and not 0 <= self.protocol <= 255:
            raise InputError(f"protocol {self.protocol} is not a number within 0-255")
        if (self.ports is not None) != (self.protocol in (TCP, UDP)):
            raise InputError(f"ports belong to tcp and udp, and only to them, not to {name}")
        for field, value in (("type", self.icmp_type), ("code", self.icmp_code)):
            if value is None:
                continue
            if self.protocol not in (ICMP, ICMPV6):
                raise InputError(f"an ICMP {field} belongs to icmp and icmpv6, not to {name}")
            if not 0 <= value <= 255:
                raise InputError(f"ICMP {field} {value} is not within 0-255")
        if self.icmp_type is None and self.icmp_code is not None:
            raise InputError("an ICMP code needs an ICMP type")

    def covers(
        self, protocol: int, port: int | None, icmp_type: int | None, icmp_code: int | None
    ) -> bool:
        """Tell whether a packet with this protocol, destination port, type and code is meant.

        A packet without a type (protocol 1 inside IPv6, 58 inside IPv4) is compared by its
        protocol alone (API reference, CreateNetworkAclEntry, Protocol).
        """
        if self.protocol is None:
            return True
        if self.protocol != protocol:
            return False
        if self.ports is not None:
            return port is not None and port in self.ports
        if self.icmp_type is None or icmp_type is None:
            return True
        return self.icmp_type == icmp_type and self.icmp_code in (None, icmp_code)

    def __str__(self) -> str:
        """Write `tcp/443`, `icmp/3/4`, `icmpv6`, `47` or `all`."""
        parts = [protocol_name(self.protocol)]
        if self.ports is not None and self.ports != ALL_PORTS:
            parts.append(str(self.ports))
        if self.icmp_type is not None:
            parts.append(str(self.icmp_type))
        if self.icmp_code is not None:
            parts.append(str(self.icmp_code))
        return "/".join(parts)


ALL_TRAFFIC = Traffic(protocol=None)


def parse_protocol(text: str) -> int | None:
    """Read a protocol as EC2 writes it: a name of any case, a number, or `-1` for all.

    Raises
    ------
    InputError
        It is none of these; the word `all` is not one, as in EC2.

    """
    lowered = text.strip().lower()
    if lowered == "-1":
        return None
    if lowered in PROTOCOL_NUMBERS:
        return PROTOCOL_NUMBERS[lowered]
    # At most three digits: int() itself refuses thousands of them, with an error of its own.
    if lowered.isascii() and lowered.isdigit() and len(lowered) <= 3 and int(lowered) <= 255:
        return int(lowered)
    raise InputError(
        f"{text!r} is not a protocol "
        "(expected tcp, udp, icmp, icmpv6, a number within 0-255, or -1 for all)"
    )


def traffic_of(protocol: int | None, first: int | None, last: int | None) -> Traffic:
    """Make a Traffic of a rule's protocol, FromPort and ToPort by EC2's conventions.

    -1 in an ICMP type or code means all of them; protocols without ports ignore both
    (API reference, IpPermission; aws: "traffic on all ports is allowed, regardless").

    Raises
    ------
    InputError
        TCP or UDP without both ports, a range upside down, a code without a type.

    """
    if protocol in (TCP, UDP):
        if first is None or last is None:
            raise InputError(f"{protocol_name(protocol)} needs both FromPort and ToPort")
        return Traffic(protocol=protocol, ports=PortRange(first=first, last=last))
    if protocol in (ICMP, ICMPV6):
        icmp_type = None if first in (None, -1) else first
        icmp_code = None if last in (None, -1) else last
        return Traffic(protocol=protocol, icmp_type=icmp_type, icmp_code=icmp_code)
    return Traffic(protocol=protocol)


def every_port_of(protocol: int | None) -> Traffic:
    """Make a Traffic of all ports, or all types and codes, of a protocol."""
    return Traffic(protocol=protocol, ports=ALL_PORTS if protocol in (TCP, UDP) else None)


def parse_service(text: str) -> Traffic:
    """Read a question's traffic: `tcp/443`, `tcp/8000-8080`, `icmp/3/4`, `47`, `all`.

    Raises
    ------
    InputError
        It is none of these.

    """
    name, *rest = text.strip().lower().split("/")
    try:
        protocol = None if name == "all" else parse_protocol(name)
        numbers = [_number(part) for each in rest for part in each.split("-")]
    except (ValueError, InputError):
        raise _no_service(text) from None
    if protocol in (TCP, UDP) and len(rest) <= 1 and len(numbers) <= 2:
        first, last = (numbers[0], numbers[-1]) if numbers else (0, 65535)
        return traffic_of(protocol, first, last)
    if protocol in (ICMP, ICMPV6) and len(rest) == len(numbers) <= 2:
        return traffic_of(protocol, *numbers, *[None] * (2 - len(numbers)))
    if not rest:
        return Traffic(protocol=protocol)
    raise _no_service(text)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _no_service(text: str) -> InputError:
    return InputError(
        f"{text!r} is not a service (expected tcp/443, udp/53, tcp/8000-8080, icmp/8, icmp/3/4, "
        "icmpv6/128, a protocol number, or all)"
    )
