"""`Agent`: the kernel plane of a server that runs: policies, devices, flow logs, what is lost.

Owns which devices are stood before, that they stay filtered, and when the kernel's counts are taken
out. Policies are `plane`'s, stubs and pins `pins`'. One agent has a root at a time; what it leaves
behind goes on deciding. Read first: docs/kernel-plane.md.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from threading import RLock, Thread
from typing import Final

from secgroup.dataplane.base import Device
from secgroup.dataplane.bpf import gauges
from secgroup.dataplane.bpf.departed import end_departed, end_orphaned
from secgroup.dataplane.bpf.pins import Loss, Pins
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.dataplane.bpf.recording import Recording, Records
from secgroup.dataplane.bpf.watch import Watch
from secgroup.decision.switches import Switches
from secgroup.errors import DataPlaneError
from secgroup.model.network import Network

#: How often everything is looked at, whatever the kernel tells; and how often flow logs are fed.
LOOK_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 5.0
#: How long entries that ended may gather; the ring has room for some 35,000.
TAKE_SECONDS: Final = 0.05
#: What one sweep marks, one at least a second later removes.
SWEEP_SECONDS: Final = 1.1
_NAMESPACES: Final = Path("/run/netns")

ATTACHED: Final = "attached"
WAITING: Final = "waiting for its device"
LEFT_BEHIND: Final = "left behind"
STATES: Final = (ATTACHED, WAITING, LEFT_BEHIND)


class Agent:
    """A `DataPlane` that is also `Devices`, for as long as its process lives.

    Parameters
    ----------
    pins : Pins
    devices : mapping of str to Device
        By interface id, as they were attached before.
    switches : Switches
    records : Records or None
        The flow logs; None where none are kept.
    tell : callable
        Told of what goes wrong and of what is put right, a line each; from any thread.

    """

    def __init__(
        self,
        pins: Pins,
        devices: Mapping[str, Device],
        *,
        switches: Switches,
        records: Records | None,
        tell: Callable[[str], None],
    ) -> None:
        self._pins = pins
        self._maps = pins.loaded.maps
        self._records = records
        self._tell = tell
        self._lock = RLock()
        self._plane = BpfPlane(self._maps, switches=switches, before_reuse=self._before_reuse)
        self._recording = (
            None
            if records is None
            else Recording(self._maps, records, lambda: self._plane.meanings, tell)
        )
        self._networks: dict[str, Network] = {}
        self._next: Mapping[str, Network] = {}
        self._devices: dict[str, Device] = {}
        self._numbers: dict[str, int] = {}
        self._states: dict[str, str] = {}
        self._logged: dict[str, bool] = {}
        #: What is prepared: the device and the state that each interface had before.
        self._new: dict[str, tuple[Device | None, str | None]] = {}
        self._gone: list[str] = []
        self._lost: set[Loss] = set()
        self._problem: str | None = None
        #: The kernel does not go over the table by itself.
        self._sweeps = False
        self._sweep_s = 0.0
        self._drain_s = self._look_s = 0.0
        self._ending = False
        #: How often something that should be there was found to be gone.
        self.losses = 0
        for interface_id, device in devices.items():
            self._enforce(interface_id, device)
        self._watch = Watch()
        self._thread = Thread(target=self._run, name="kernel-plane", daemon=True)

    # A data plane. From `prepare` to `commit` or `abandon` nobody else changes the plane.

    def prepare(self, networks: Mapping[str, Network], /) -> None:
        """Make ready to enforce other networks; see `DataPlane`."""
        self._lock.acquire()
        try:
            self._plane.prepare(networks)
        except BaseException:
            self._lock.release()
            raise
        self._next = networks

    def commit(self) -> None:
        """Put in force what was prepared."""
        try:
            self._plane.commit()
            for region, network in self._next.items():
                before = self._networks.get(region)
                self._networks[region] = network
                if before is not None:
                    number_of = self._plane.meanings.number
                    end_departed(self._pins.loaded, before, network, number_of)
            self._next = {}
        finally:
            self._lock.release()

    def abandon(self) -> None:
        """Forget what was prepared."""
        try:
            self._plane.abandon()
            self._next = {}
        finally:
            self._lock.release()

    # Devices

    def prepare_devices(self, changes: Mapping[str, Device | None], /) -> None:
        """Come before new devices; see `Devices`."""
        self._lock.acquire()
        try:
            for interface_id, device in changes.items():
                if device is None:
                    self._gone.append(interface_id)
                else:
                    self._come(interface_id, device)
        except BaseException:
            self.abandon_devices()
            raise

    def _come(self, interface_id: str, device: Device) -> None:
        self._new[interface_id] = (self._devices.get(interface_id), self._states.get(interface_id))
        self._enforce(interface_id, device)
        self._attach(interface_id, device, is_live=device.is_live)
        self._states[interface_id] = ATTACHED

    def commit_devices(self) -> None:
        """Leave the devices that interfaces lost."""
        # What fails here is not done with the next change: that one may come before it again.
        gone, self._new, self._gone = self._gone, {}, []
        try:
            for interface_id in gone:
                self._leave(interface_id)
        finally:
            self._lock.release()
            self._watch.ring()

    def abandon_devices(self) -> None:
        """Leave the devices that were prepared."""
        new, self._new, self._gone = self._new, {}, []
        try:
            for interface_id, (device, state) in new.items():
                if device is not None:
                    self._enforce(interface_id, device)
                elif state == LEFT_BEHIND:
                    # It was closed, and is again: nobody asked to open it.
                    self._plane.detach(interface_id)
                    self._devices.pop(interface_id, None)
                    self._states[interface_id] = state
                else:
                    self._leave(interface_id)
        finally:
            self._lock.release()

    def device_states(self) -> Mapping[str, str]:
        """Return how each interface is with its device."""
        with self._lock:
            return dict(self._states)

    def _enforce(self, interface_id: str, device: Device) -> None:
        """Let the interface's policy be in force, before anything jumps to it."""
        logs = self._is_logged(interface_id)
        self._numbers[interface_id] = self._plane.attach(interface_id, device.mac, logs=logs)
        self._logged[interface_id] = logs
        self._devices[interface_id] = device

    def _attach(self, interface_id: str, device: Device, *, is_live: bool) -> None:
        self._pins.hooks.attach(
            self._numbers[interface_id], device.name, netns_of(device), live=is_live
        )

    def _leave(self, interface_id: str) -> None:
        """Take the stubs away, and then what they asked."""
        number = self._numbers.get(interface_id)
        if number is not None:
            self._pins.hooks.detach(number)
            self._plane.detach(interface_id)
        for each in (self._devices, self._states, self._logged, self._numbers):
            each.pop(interface_id, None)

    # From the start to the end

    def start(self) -> None:
        """Let the programs decide, stand before all devices, and keep watch; after `commit`.

        Raises
        ------
        DataPlaneError
            The programs cannot be put in force.

        """
        with self._lock:
            self._leave_behind()
            self._sweeps = not self._pins.take_over()
            end_orphaned(self._pins.loaded, list(self._networks.values()), self._plane.meanings)
            self._look()
        if self._recording is not None:
            self._watch.also(self._maps.ended.fileno())
        self._thread.start()

    def _leave_behind(self) -> None:
        """Close what is attached and nobody asked for; it is detached only when somebody does."""
        self._plane.detach_others()
        known = set(self._numbers.values())
        for each in self._pins.hooks.attached():
            if each.interface in known:
                continue
            interface_id = self._plane.meanings.interface_id(each.interface)
            name = interface_id or f"interface {each.interface}"
            self._numbers[name] = each.interface
            self._states[name] = LEFT_BEHIND
            self._tell(f"{name} at {each.device} is not in the store: it lets nothing through")

    def _run(self) -> None:
        while not self._ending:
            try:
                with ExitStack() as after:
                    after.callback(self._record)
                    self._watch_on()
                self._problem = None
            except Exception as error:
                # Whatever it is: what else there is to watch over must not suffer.
                self._complain(f"{type(error).__name__}: {error}")
                time.sleep(LOOK_SECONDS)

    def _watch_on(self) -> None:
        """Wait for something to happen, and see to it."""
        with self._lock:
            namespaces = {netns_of(each) for each in self._devices.values()}
        self._watch.follow(namespaces)
        is_device = self._watch.wait(LOOK_SECONDS)
        with self._lock:
            if self._ending:
                return
            is_due = is_device or time.monotonic() >= self._look_s
            if is_due:
                self._look()
                self._look_s = time.monotonic() + LOOK_SECONDS
        if not is_due:
            time.sleep(TAKE_SECONDS)

    def _record(self) -> None:
        if self._recording is not None:
            self._recording.take()
        if time.monotonic() >= self._drain_s:
            self._drain()
            self._drain_s = time.monotonic() + DRAIN_SECONDS

    def _complain(self, problem: str) -> None:
        """Tell of what is tried again, once until something else fails."""
        if problem != self._problem:
            self._problem = problem
            self._tell(problem)

    def _look(self) -> None:
        """Find what is lost, tell of it once, and put it right as far as that goes."""
        numbers = {
            self._numbers[interface_id]: interface_id
            for interface_id, state in self._states.items()
            if state == ATTACHED
        }
        lost = {each for each in self._pins.lost(list(numbers)) if self._matters(each, numbers)}
        for each in sorted(lost - self._lost, key=str):
            self.losses += 1
            self._tell(f"gone: {self._worded(each, numbers)}; putting it right")
        for each in lost:
            if each.interface is not None and each.what in ("device", "link"):
                self._states[numbers[each.interface]] = WAITING
        self._lost = lost
        try:
            if any(each.interface is None or each.what == "pin" for each in lost):
                self._pins.restore()
            if any(each.what == "word" for each in lost):
                self._plane.restore()
        finally:
            # Whatever else cannot be put right: a device that is not filtered is open.
            self._reattach()
        if self._sweeps and time.monotonic() >= self._sweep_s:
            self._pins.loaded.sweep()
            self._sweep_s = time.monotonic() + SWEEP_SECONDS
        self._follow_logs()

    def _matters(self, loss: Loss, numbers: Mapping[int, str]) -> bool:
        """Tell whether a loss is one: without its interface in the network a word is to be 0."""
        if loss.what != "word" or loss.interface is None:
            return True
        interface_id = numbers[loss.interface]
        return any(interface_id in each.interfaces for each in self._networks.values())

    def _worded(self, loss: Loss, numbers: Mapping[int, str]) -> str:
        if loss.interface is None:
            return loss.what
        interface_id = numbers[loss.interface]
        device = self._devices[interface_id]
        if loss.what == "device":
            return f"{device}, the device of {interface_id}"
        return f"the {loss.what} of {interface_id} at {device}"

    def _reattach(self) -> None:
        """Come before every device that is waited for, as soon as it is there."""
        for interface_id, device in self._devices.items():
            if self._states.get(interface_id) == ATTACHED:
                continue
            is_first = interface_id not in self._states
            try:
                self._attach(interface_id, device, is_live=True)
            except DataPlaneError as error:
                self._states[interface_id] = WAITING
                if is_first:
                    self._tell(f"{interface_id} waits for {device}: {error.cause}")
                continue
            self._states[interface_id] = ATTACHED
            if not is_first:
                self._tell(f"{device} is filtered as {interface_id} again")

    def _follow_logs(self) -> None:
        """Let the kernel count for flow logs where there are some, and nowhere else."""
        for interface_id, device in self._devices.items():
            if self._logged[interface_id] != self._is_logged(interface_id):
                self._enforce(interface_id, device)
                # What is counted from now on is recorded, from the next look at the counts on.
                self._drain_s = 0.0

    def _is_logged(self, interface_id: str) -> bool:
        if self._records is None:
            return False
        for region, network in self._networks.items():
            interface = network.interfaces.get(interface_id)
            if interface is not None and self._records.is_logged(region, interface):
                return True
        return False

    def _drain(self) -> None:
        """Feed flow logs; changes of the plane need not wait for it."""
        with self._lock:
            networks, is_logging = dict(self._networks), any(self._logged.values())
        if self._recording is not None:
            self._recording.drain(networks, is_logging=is_logging)

    def _before_reuse(self) -> None:
        if self._recording is not None:
            self._recording.resolve()

    def page(self) -> str:
        """Return what is counted, as metrics."""
        with self._lock:
            states = Counter(self._states.values())
            skipped = 0 if self._recording is None else self._recording.skipped
            lines = [
                *(f'secgroup_devices{{state="{each}"}} {states[each]}' for each in STATES),
                f"secgroup_losses_total {self.losses}",
                f"secgroup_flow_log_skipped_packets_total {skipped}",
            ]
        return gauges.page(self._maps) + "".join(f"{line}\n" for line in lines)

    def close(self) -> None:
        """Leave everything as it is, filtered, to the next agent."""
        with self._lock:
            self._ending = True
        self._watch.ring()
        if self._thread.is_alive():
            self._thread.join()
        with closing(self._watch), closing(self._pins):
            self._drain()


def netns_of(device: Device) -> Path | None:
    """Return the file that stands for a device's namespace."""
    if device.netns is None or device.netns.startswith("/"):
        return None if device.netns is None else Path(device.netns)
    return _NAMESPACES / device.netns
