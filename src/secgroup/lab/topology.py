"""What a lab consists of, as values: namespaces, links between them, and where names lead.

Owns the words that planning and the kernel share. Knows nothing of VPCs and nothing of netlink.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256

from secgroup.net.address import Address, Prefix

#: What the kernel keeps of a label (IFALIASZ).
_LABEL_LENGTH = 255
#: The kernel's numbers of the tables that are always there.
MAIN_TABLE = 254
LOCAL_TABLE = 255


class RouteKind(Enum):
    """What happens to a packet that a route is for; the values are rtnetlink's words."""

    UNICAST = "unicast"
    LOCAL = "local"  # it has arrived
    BLACKHOLE = "blackhole"  # dropped, and nobody is told
    THROW = "throw"  # the next rule is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAddress:
    """An address of a device; routes to its neighbours are written apart."""

    device: str
    address: Address
    prefix_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRoute:
    """One route of one table. `via` is on the link of `device`, whatever its addresses are."""

    table: int
    destination: Prefix
    kind: RouteKind = RouteKind.UNICAST
    device: str | None = None
    via: Address | None = None
    source: Address | None = None
    metric: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRule:
    """Which table is asked: the smallest priority first."""

    family: int
    priority: int
    table: int
    incoming: str | None = None
    source: Prefix | None = None
    destination: Prefix | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Who has an address on a device's link, known without asking."""

    device: str
    address: Address
    mac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """One namespace and all that is in it but its links.

    Parameters
    ----------
    settings : mapping of str to str
        Below /proc/sys/net, written before any device comes.
    device_settings : mapping of str to str
        Likewise, written when all are there.
    translation : str, optional
        The whole of its nftables ruleset; None: it never has one.

    """

    name: str
    settings: Mapping[str, str]
    device_settings: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[DeviceAddress, ...] = ()
    routes: tuple[KernelRoute, ...] = ()
    rules: tuple[RoutingRule, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    translation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a link."""

    namespace: str
    device: str
    mac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A veth. `interface_id`: it is filtered, as this interface, at the end `near`."""

    near: End
    far: End
    mtu: int
    interface_id: str | None = None

    @property
    def label(self) -> str:
        """What both devices are marked with: a link of another label is another link."""
        ends = "=".join(f"{end.namespace}/{end.device}/{end.mac.hex()}" for end in self.ends)
        digest = sha256(ends.encode()).hexdigest()[:16]
        return f"secgroup {digest} {self.interface_id or ''}".strip()[:_LABEL_LENGTH]

    @property
    def ends(self) -> tuple[End, End]:
        """Both of them."""
        return (self.near, self.far)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a person may name: a namespace, and its files that stand for those in /etc.

    `names` are all that it is called by; `interfaces` stand in it (none: a router, the internet).
    """

    namespace: str
    names: tuple[str, ...]
    vpc_id: str | None = None
    interfaces: tuple["Standing", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An interface where it stands in the lab."""

    interface_id: str
    label: str
    interface_type: str
    vpc_id: str
    subnet_id: str
    router: str
    router_device: str
    device: str
    mac: str
    addresses: tuple[str, ...]
    public: tuple[str, ...]
    group_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A whole lab.

    Parameters
    ----------
    files : mapping
        What stands for /etc/hosts and /etc/resolv.conf, by VPC; None is the internet.

    """

    lab: str
    namespaces: tuple[Namespace, ...]
    links: tuple[Link, ...]
    places: tuple[Place, ...]
    files: Mapping[str | None, Mapping[str, str]]
    warnings: tuple[str, ...] = ()
