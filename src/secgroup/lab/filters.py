"""The kernel plane of a lab: its policies, and which devices are behind it.

Owns the order in which a plane comes to be: policies first, then the programs that read them, then
the stubs at the devices. Nothing of it is in this process: it stays pinned until `remove`.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

from secgroup.dataplane.bpf.departed import end_orphaned
from secgroup.dataplane.bpf.hooks import Hooks
from secgroup.dataplane.bpf.layout import NAMES, row_of
from secgroup.dataplane.bpf.pinned import numbers_of, opened, pinned
from secgroup.dataplane.bpf.pins import Pins
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.errors import DataPlaneError
from secgroup.lab.host import NAT_TYPES
from secgroup.lab.names import NAMESPACES, pins_of
from secgroup.lab.topology import End, Link
from secgroup.model.network import Network

#: A lab is a small place; other maps are as large as on any host.
_SIZES: Final = {"connections": 1 << 16}
_REGION: Final = "lab"


class Filters:
    """A lab's plane, while it is changed.

    Parameters
    ----------
    lab : str
    switches : Switches

    Raises
    ------
    DataPlaneError
        This kernel cannot be such a plane, or another process changes it.

    """

    def __init__(self, lab: str, switches: Switches = AS_DOCUMENTED) -> None:
        self._pins = Pins(pins_of(lab), sizes=_SIZES)
        self._plane = BpfPlane(self._pins.loaded.maps, switches=switches)
        self._numbers: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pins.close()

    def decide(
        self, network: Network, links: tuple[Link, ...], warn: Callable[[str], None]
    ) -> None:
        """Put a network's policies in force at the links of its interfaces.

        Connections that nothing of the network can have made end.

        Raises
        ------
        DataPlaneError
            One does not fit; what was in force still is.

        """
        plane = self._plane
        for link in links:
            if link.interface_id is not None:
                self._numbers[link.interface_id] = plane.attach(link.interface_id, link.far.mac)
        forwarding = _as_it_forwards(network)
        plane.prepare({_REGION: forwarding})
        plane.commit()
        plane.detach_others()
        if not self._pins.take_over():
            warn("this kernel does not sweep by itself (expected 6.10): connections never expire")
        end_orphaned(self._pins.loaded, [forwarding], plane.meanings)

    def is_behind(self, link: Link) -> bool:
        """Tell whether a link that is there is filtered in both directions."""
        number = self._numbers[_interface_of(link)]
        return not any(self._pins.hooks.lost([number]))

    def put(self, link: Link, end: End) -> None:
        """Put an interface's filter before the device at one end of its link, which is down.

        Raises
        ------
        DataPlaneError
            It is up, or the kernel does not let it.

        """
        number = self._numbers[_interface_of(link)]
        self._pins.hooks.attach(number, end.device, NAMESPACES / end.namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """How an interface is filtered now.

    Parameters
    ----------
    missing : tuple of str
        What should be there and is not, as `Pins.lost` has it; all is well when it is empty.
    connections : int
        Live entries that the interface made.

    """

    missing: tuple[str, ...]
    connections: int


def observed(lab: str, interface_ids: Iterable[str], now_ms: int) -> Mapping[str, Filtered]:
    """Return how interfaces of a lab are filtered; `now_ms` is the kernel's clock.

    Raises
    ------
    DataPlaneError
        The lab has no plane, or another version's.

    """
    root = pins_of(lab)
    with opened(root) as descriptors:
        plane = pinned(root, descriptors)
        numbers = numbers_of(plane.maps, NAMES["INTERFACE"])
        hooks = Hooks(root / "links", descriptors.descriptors["programs"].fileno())
        made = Counter(each.interface for each in plane.connections(now_ms))
        found = {}
        for interface_id in interface_ids:
            number = numbers.get(interface_id)
            if number is None:
                found[interface_id] = Filtered(missing=("word",), connections=0)
                continue
            missing = [what for _, what in hooks.lost([number])]
            if row_of(int(plane.maps.words[number])) == 0:
                missing.append("word")
            found[interface_id] = Filtered(missing=tuple(missing), connections=made[number])
        hooks.close()
    return found


def remove(lab: str) -> None:
    """Take a lab's plane away; what it filtered is gone before."""
    try:
        shutil.rmtree(pins_of(lab))
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataPlaneError("lab", str(pins_of(lab)), str(error.strerror)) from None


def _interface_of(link: Link) -> str:
    assert link.interface_id is not None
    return link.interface_id


def _as_it_forwards(network: Network) -> Network:
    """Return the network, with NAT gateways that forward whatever the files say of them."""
    gateways = {
        each.interface_id: replace(each, source_dest_check=False)
        for each in network.interfaces.values()
        if each.interface_type in NAT_TYPES and each.source_dest_check
    }
    if not gateways:
        return network
    return network.revised(interfaces={**network.interfaces, **gateways})
