"""A plane that stands before devices in memory only, for tests of who asks it to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from secgroup.dataplane.base import Device
from secgroup.errors import DataPlaneError


@dataclass
class Before:
    """A plane that notes before which devices it stands; it cannot have one that is `busy`."""

    held: dict[str, Device] = field(default_factory=dict)
    prepared: Mapping[str, Device | None] = field(default_factory=dict)

    def prepare_devices(self, changes: Mapping[str, Device | None], /) -> None:
        if any(each is not None and each.name == "busy" for each in changes.values()):
            raise DataPlaneError("before", "busy", "is another's")
        self.prepared = dict(changes)

    def commit_devices(self) -> None:
        for interface_id, device in self.prepared.items():
            if device is None:
                del self.held[interface_id]
            else:
                self.held[interface_id] = device
        self.prepared = {}

    def abandon_devices(self) -> None:
        self.prepared = {}

    def device_states(self) -> Mapping[str, str]:
        return dict.fromkeys(self.held, "attached")
