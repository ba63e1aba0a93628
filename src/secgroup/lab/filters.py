"""The kernel plane of a lab: its policies, and which devices are behind it.

Owns the order in which a plane comes to be: policies first, then the programs that read them, then
the stubs at the devices. Nothing of it is in this process: it stays pinned until `remove`.
"""

import shutil
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from secgroup.dataplane.bpf.pins import Pins
from secgroup.dataplane.bpf.plane import BpfPlane
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

    Raises
    ------
    DataPlaneError
        This kernel cannot be such a plane, or another process changes it.

    """

    def __init__(self, lab: str) -> None:
        self._pins = Pins(pins_of(lab), sizes=_SIZES)
        self._plane = BpfPlane(self._pins.loaded.maps)
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

    def decide(self, network: Network, links: tuple[Link, ...]) -> None:
        """Put a network's policies in force at the links of its interfaces.

        Raises
        ------
        DataPlaneError
            One does not fit; what was in force still is.

        """
        plane = self._plane
        for link in links:
            if link.interface_id is not None:
                self._numbers[link.interface_id] = plane.attach(link.interface_id, link.far.mac)
        plane.prepare({_REGION: _as_it_forwards(network)})
        plane.commit()
        plane.detach_others()
        self._pins.take_over()

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
