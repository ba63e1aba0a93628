"""Where packets meet the programs: stubs at the devices of interfaces, by tcx or by clsact.

Owns the translation of directions, the stub, and what is attached to which device of which network
namespace. What the kernel has is all it remembers: links are pinned, and a stub is known by its
name and by the map that it jumps through. It knows no policy and no map but `programs`.
"""

import errno
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from secgroup.dataplane.bpf import libbpf
from secgroup.dataplane.bpf.devices import examine, namespaces
from secgroup.dataplane.bpf.libbpf import CallError, Descriptor, Rows
from secgroup.dataplane.bpf.libc import in_namespace
from secgroup.errors import DataPlaneError
from secgroup.net.direction import Direction

#: One filter of ours at a clsact hook: where it stands among others.
HANDLE: Final = 0x5EC6
PRIORITY: Final = 1
#: Names of programs are at most 15 characters long.
MOST_INTERFACES: Final = 10_000
_STUB_NAME: Final = re.compile(r"sg_(ingress|egress)_(\d+)")


class Method(StrEnum):
    """How a stub is attached."""

    TCX = "tcx"
    CLSACT = "clsact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One side of a device, as the host has it."""

    tcx: int
    clsact: int


_HOST_INGRESS: Final = Hook(tcx=libbpf.TCX_INGRESS, clsact=libbpf.CLSACT_INGRESS)
_HOST_EGRESS: Final = Hook(tcx=libbpf.TCX_EGRESS, clsact=libbpf.CLSACT_EGRESS)


def hook_of(direction: Direction) -> Hook:
    """Return where the host's device meets a direction of the interface.

    What the interface sends (EGRESS), the host's device receives; the other way round likewise.
    """
    return _HOST_INGRESS if direction is Direction.EGRESS else _HOST_EGRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An interface in front of a device.

    Parameters
    ----------
    interface : int
        Its number.
    device, ifindex : str, int
        The device and its number, in its network namespace.
    netns : Path, optional
        A file that stands for that namespace; None is the process's own.
    methods : mapping
        How each direction is attached; both are there when all is well.

    """

    interface: int
    device: str
    ifindex: int
    netns: Path | None
    methods: Mapping[Direction, Method]


def stub(interface: int, direction: Direction, programs_fd: int) -> Rows:
    """Return the instructions of a stub: what is attached to the device of one interface.

    ::

        r2 = interface
        skb->cb[0] = r2
        tail_call(skb, programs, direction)
        return TC_ACT_SHOT                     ; only where `programs` has none
    """
    cb_offset = 48
    exit_, call, tail_call, shot = 0x95, 0x85, 12, 2
    return np.array(
        [
            (0xB7, 0x02, 0, interface),  # r2 = interface
            (0x63, 0x21, cb_offset, 0),  # *(u32 *)(r1 + cb_offset) = r2
            (0x18, 0x12, 0, programs_fd),  # r2 = programs, in two slots
            (0x00, 0x00, 0, 0),
            (0xB7, 0x03, 0, int(direction)),  # r3 = direction
            (call, 0x00, 0, tail_call),
            (0xB7, 0x00, 0, shot),  # r0 = TC_ACT_SHOT
            (exit_, 0x00, 0, 0),
        ],
        dtype=libbpf.INSTRUCTION,
    )


class Hooks:
    """The stubs of this host's interfaces that jump through one `programs` map.

    Parameters
    ----------
    folder : Path
        Where links are pinned, in a bpffs; it exists.
    programs_fd : int
        The map.

    """

    def __init__(self, folder: Path, programs_fd: int) -> None:
        self._folder = folder
        self._programs_fd = programs_fd
        self._programs_id = libbpf.map_info(programs_fd).id
        # Held, so that a pin that somebody removes does not open an interface while we live.
        self._links: dict[tuple[int, Direction], Descriptor] = {}
        for path in folder.iterdir():
            word, _, number = path.name.partition("-")
            direction = next((each for each in Direction if str(each) == word), None)
            link = libbpf.pinned(path) if number.isdecimal() else None
            if link is not None and direction is not None:
                self._links[int(number), direction] = link
        self._renew()

    def _renew(self) -> None:
        """Put stubs of ours in links whose stubs jump through a map that is no longer ours."""
        for (interface, direction), link in self._links.items():
            info = libbpf.link_info(link.fileno())
            if info.ifindex != 0 and self._ours(info.program_id) is None:
                with self._stub(interface, direction) as program:
                    libbpf.update_link(link.fileno(), program.fileno())

    def attach(
        self,
        interface: int,
        device: str,
        netns: Path | None = None,
        *,
        live: bool = False,
        method: Method | None = None,
    ) -> Attachment:
        """Put an interface's stubs in front of a device; nothing is done where they are there.

        Parameters
        ----------
        interface : int
            Its number in the maps.
        device, netns : str, Path
            The device, in the namespace that a file stands for.
        live : bool
            Also where the device is up: packets may have passed unfiltered.
        method : Method, optional
            How; tcx, and clsact where the kernel has no tcx, without it.

        Raises
        ------
        DataPlaneError
            There is no such device, it is up, not Ethernet, another interface's; or the interface
            is in front of another one; or the kernel does not let it.

        """
        if not 0 < interface < MOST_INTERFACES:
            raise _error(
                f"interface number {interface}", f"must be from 1 to {MOST_INTERFACES - 1}"
            )
        return in_namespace(
            netns, lambda: self._attach(interface, device, netns, live=live, method=method)
        )

    def _attach(
        self, interface: int, device: str, netns: Path | None, *, live: bool, method: Method | None
    ) -> Attachment:
        ifindex, is_up = examine(device)
        found = {each: self._at(ifindex, each) for each in Direction}
        others = {each[0] for each in found.values() if each is not None} - {interface}
        if others:
            raise _error(f"device {device}", f"is in front of interface {others.pop()} already")
        if is_up and not live and None in found.values():
            raise _error(
                f"device {device}",
                "is up, so that packets have passed it unfiltered: take it down, or use --live",
            )
        methods = {}
        try:
            for direction, present in found.items():
                methods[direction] = (
                    present[1]
                    if present is not None
                    else self._attach_one(interface, direction, ifindex, method)
                )
        except (CallError, DataPlaneError) as error:
            for direction, made in methods.items():
                if found[direction] is None:
                    self._detach_one(interface, direction, ifindex, made)
            if isinstance(error, CallError):
                raise _error(f"device {device}", f"cannot be attached: {error.strerror}") from None
            raise
        return Attachment(
            interface=interface, device=device, ifindex=ifindex, netns=netns, methods=methods
        )

    def _attach_one(
        self, interface: int, direction: Direction, ifindex: int, method: Method | None
    ) -> Method:
        hook = hook_of(direction)
        with self._stub(interface, direction) as program:
            if method is not Method.CLSACT:
                try:
                    link = libbpf.attach_link(program.fileno(), ifindex, hook.tcx)
                except CallError as error:
                    # Kernels before 6.6 do not know the kind of link.
                    if method is Method.TCX or error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                        raise
                else:
                    self._keep(interface, direction, link)
                    return Method.TCX
            libbpf.attach_filter(
                program.fileno(), ifindex, hook.clsact, handle=HANDLE, priority=PRIORITY
            )
            return Method.CLSACT

    def _keep(self, interface: int, direction: Direction, link: Descriptor) -> None:
        """Pin a link; one that stood there and is off its device goes.

        Raises
        ------
        DataPlaneError
            The interface is in front of another device; the new link is off again.

        """
        before = self._links.get((interface, direction))
        if before is not None and libbpf.link_info(before.fileno()).ifindex != 0:
            link.close()
            raise _error(f"interface {interface}", "is in front of another device: detach it first")
        path = self._path(interface, direction)
        path.unlink(missing_ok=True)
        libbpf.pin(link.fileno(), path)
        self._links[interface, direction] = link

    def detach(self, interface: int) -> None:
        """Take an interface's stubs off its device, which is open then."""
        linked = [(interface, each) in self._links for each in Direction]
        for direction in Direction:
            self._forget(interface, direction)
        if not all(linked):
            for each in self.attached():
                if each.interface == interface:
                    in_namespace(each.netns, partial(self._detach, each))

    def detach_all(self) -> None:
        """Take every stub of ours off its device."""
        for interface, direction in list(self._links):
            self._forget(interface, direction)
        for each in self.attached():
            in_namespace(each.netns, partial(self._detach, each))

    def _detach(self, attachment: Attachment) -> None:
        for direction, method in attachment.methods.items():
            self._detach_one(attachment.interface, direction, attachment.ifindex, method)

    def _detach_one(
        self, interface: int, direction: Direction, ifindex: int, method: Method
    ) -> None:
        if method is Method.CLSACT:
            libbpf.detach_filter(
                ifindex, hook_of(direction).clsact, handle=HANDLE, priority=PRIORITY
            )
        else:
            self._forget(interface, direction)

    def _forget(self, interface: int, direction: Direction) -> None:
        link = self._links.pop((interface, direction), None)
        if link is not None:
            libbpf.detach_link(link.fileno())
            link.close()
        self._path(interface, direction).unlink(missing_ok=True)

    def attached(self) -> tuple[Attachment, ...]:
        """Return what of ours is attached to which device, in every namespace that can be found.

        Namespaces are found by their names under /run/netns and by the processes in them.
        """
        found: list[Attachment] = []
        for netns in namespaces():
            try:
                found += in_namespace(netns, partial(self._here, netns))
            except DataPlaneError:
                # It ended with its last process, while we looked.
                continue
        return tuple(sorted(found, key=lambda each: each.interface))

    def lost(self, interfaces: Collection[int]) -> Iterator[tuple[int, str]]:
        """Yield which interfaces that should be attached are not, and why.

        `device`: it is gone; `link`: it has no stub; `pin`: it has, until this process ends.
        """
        filtered: dict[int, Attachment] | None = None
        for interface in sorted(interfaces):
            links = {each: self._links.get((interface, each)) for each in Direction}
            if None in links.values():
                if filtered is None:
                    filtered = {each.interface: each for each in self.attached()}
                if interface not in filtered or len(filtered[interface].methods) < len(links):
                    yield interface, "link"
            for direction, link in links.items():
                if link is None:
                    continue
                if libbpf.link_info(link.fileno()).ifindex == 0:
                    yield interface, "device"
                    break
                if not self._path(interface, direction).exists():
                    yield interface, "pin"
                    break

    def restore(self) -> None:
        """Pin links again that have lost their pin."""
        self._folder.mkdir(exist_ok=True)
        for (interface, direction), link in self._links.items():
            path = self._path(interface, direction)
            if not path.exists() and libbpf.link_info(link.fileno()).ifindex != 0:
                libbpf.pin(link.fileno(), path)

    def _here(self, netns: Path | None) -> list[Attachment]:
        """Return what of ours is attached in the thread's namespace."""
        found = []
        for ifindex, device in socket.if_nameindex():
            at: dict[int, dict[Direction, Method]] = {}
            for direction in Direction:
                present = self._at(ifindex, direction)
                if present is not None:
                    at.setdefault(present[0], {})[direction] = present[1]
            for interface, methods in at.items():
                found.append(
                    Attachment(
                        interface=interface,
                        device=device,
                        ifindex=ifindex,
                        netns=netns,
                        methods=methods,
                    )
                )
        return found

    def _at(self, ifindex: int, direction: Direction) -> tuple[int, Method] | None:
        """Return whose stub a device of the thread's namespace has for a direction, and how."""
        hook = hook_of(direction)
        try:
            programs = libbpf.attached_programs(ifindex, hook.tcx)
        except CallError:
            programs = ()
        for program_id in programs:
            interface = self._ours(program_id)
            if interface is not None:
                return interface, Method.TCX
        filtered = libbpf.filter_program(ifindex, hook.clsact, handle=HANDLE, priority=PRIORITY)
        interface = None if filtered is None else self._ours(filtered)
        return None if interface is None else (interface, Method.CLSACT)

    def _ours(self, program_id: int) -> int | None:
        """Return the interface of a stub that jumps through our map; None is not ours."""
        program = libbpf.program_by_id(program_id)
        if program is None:
            return None
        with program:
            info = libbpf.program_info(program.fileno())
        named = _STUB_NAME.fullmatch(info.name)
        return int(named[2]) if named and self._programs_id in info.map_ids else None

    def _stub(self, interface: int, direction: Direction) -> Descriptor:
        return libbpf.load_program(
            f"sg_{direction}_{interface}", stub(interface, direction, self._programs_fd)
        )

    def _path(self, interface: int, direction: Direction) -> Path:
        return self._folder / f"{direction}-{interface}"

    def close(self) -> None:
        """Close the links; what is pinned stays attached."""
        for link in self._links.values():
            link.close()
        self._links.clear()


def _error(subject: str, cause: str) -> DataPlaneError:
    return DataPlaneError(libbpf.PLANE, subject, cause)
