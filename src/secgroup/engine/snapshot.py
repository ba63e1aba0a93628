"""What an engine remembers, as a file and back, also into another revision of the network.

Owns the file's form: a line that names it, a head of JSON with its length and digest, the arrays
end to end, and the digest of everything. Interfaces, owners and timeouts are named, so that they
may have other numbers where the file is read; entry numbers and the hash's key are of one run and
not in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.state import State
from secgroup.engine.compile import Compiled
from secgroup.engine.entry import inside_of
from secgroup.engine.firsts import FirstStore
from secgroup.engine.flows import FlowStore
from secgroup.engine.layout import (
    FIRST_CLASSES,
    FIRST_WORDS,
    NOW_MS,
    OWNER,
    PACKET,
    RECORD,
    STEPPED_BACK,
)
from secgroup.errors import InputError
from secgroup.net.address import parse_address, parse_prefix
from secgroup.net.direction import Direction

_LINE: Final = b"secgroup flows 2\n"
_DIGEST: Final = 32
_LONGEST_HEAD: Final = 1 << 30
#: What reading raises whose values are others.
_NO_SNAPSHOT: Final = (
    *(KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError),
    InputError,
)
#: The first time, in milliseconds, that no clock shows.
_LATEST: Final = 1 << 53
#: The first idle timeout, in milliseconds, that no record has room for.
_LONGEST_MS: Final = 1 << 31
#: Columns of first fragments: what is remembered of them, and the packets themselves.
_FIRST: Final = {
    "words": np.dtype(np.int64),
    **{title: np.dtype(dtype) for title, dtype in PACKET.items()},
}


class Restored(NamedTuple):
    """What a snapshot had, and what of it is gone from the network.

    Parameters
    ----------
    entries, fragments : int
        Flows and first fragments that are remembered.
    gone : int
        Those that are not: their interface is deleted, detached or attached elsewhere, or their
        address was taken from it.

    """

    entries: int
    fragments: int
    gone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot that has been read and is whole.

    Parameters
    ----------
    interfaces : list
        Id, owner, and addresses with delegated prefixes as text; both None when it was gone.
    owners : list of str
    timeouts : list
        Seconds: established TCP, UDP, UDP streams.
    clock : list of int
        The time, how often it stepped back, and the last batch.
    laws : list of str
        Of each first fragment the digest of the rules that it was decided by.
    records : RECORD
        `admission` is the number of the interface; owner and timeouts are numbers too.
    firsts : dict
        Columns of `_FIRST`.

    """

    interfaces: list[tuple[str, str | None, list[str] | None]]
    owners: list[str]
    timeouts: list[list[int]]
    clock: list[int]
    laws: list[str]
    records: NDArray[np.void]
    firsts: Mapping[str, NDArray[Any]]


def write(
    file: IO[bytes],
    flows: FlowStore,
    firsts: FirstStore,
    compiled: Compiled,
    interfaces: NDArray[np.int64],
    decided_by: list[Compiled],
    batch: int,
) -> None:
    """Write a snapshot.

    Parameters
    ----------
    interfaces : int64
        The row of the interface that made each entry in use, in the order of their numbers.
    decided_by : list of Compiled
        The policy that each first fragment was decided by, in their order.

    """
    records = flows.records[flows.used()]
    records["admission"] = interfaces
    columns = firsts.columns()
    memory, network = compiled.memory, compiled.policy.network
    named: list[tuple[str, str | None, list[str] | None]] = []
    for each in memory.interfaces:
        now = network.interfaces.get(each)
        have = None if now is None else [str(one) for one in (*now.addresses, *now.prefixes)]
        named.append((each, None if now is None else now.owner, have))
    head = {
        "interfaces": named,
        "owners": list(memory.owners),
        "timeouts": [list(each) for each in memory.timeouts],
        "clock": [flows.now_ms, flows.stepped_back, batch],
        "laws": [_law(of, columns, row) for row, of in enumerate(decided_by)],
        "records": len(records),
    }
    octets = json.dumps(head).encode()
    whole = sha256()
    parts: list[Any] = [_LINE, len(octets).to_bytes(8, "little"), sha256(octets).digest(), octets]
    parts += [each.view(np.uint8).data for each in (records, *columns.values())]
    for part in parts:
        whole.update(part)
        file.write(part)
    file.write(whole.digest())


def _law(compiled: Compiled, columns: Mapping[str, NDArray[Any]], row: int) -> str:
    """Return a digest of the classes that a first fragment's answer refers to."""
    words = columns["words"].reshape(-1, FIRST_WORDS)
    if words[row, FIRST_CLASSES] == -1:
        return ""
    interface_id = list(compiled.memory.interfaces)[int(columns["interface"][row])]
    if interface_id not in compiled.interfaces:
        return ""
    direction = Direction(int(columns["direction"][row]))
    section = compiled.rule_table(interface_id).section(direction, int(columns["family"][row]))
    digest = sha256(json.dumps(section.rule_ids).encode())
    for part in (section.addresses, section.ports):
        digest.update(part.entries.tobytes())
        digest.update(part.classes.bitmaps.tobytes())
    return digest.hexdigest()


def read(file: IO[bytes]) -> Snapshot:
    """Read a snapshot.

    Raises
    ------
    InputError
        The file is no snapshot, or a damaged one.

    """
    if file.read(len(_LINE)) != _LINE:
        raise InputError(f"this is no snapshot of flows (expected one with {_LINE.strip()!r})")
    whole = sha256(_LINE)

    def take(size: int) -> bytes:
        octets = file.read(size)
        if len(octets) != size:
            raise InputError("this snapshot of flows is cut off")
        whole.update(octets)
        return octets

    size, digest = int.from_bytes(take(8), "little"), take(_DIGEST)
    octets = b"" if size > _LONGEST_HEAD else take(size)
    if sha256(octets).digest() != digest:
        raise InputError("this snapshot of flows is damaged")
    try:
        head = json.loads(octets)
        count, laws = int(head["records"]), list(head["laws"])
        records = np.frombuffer(take(count * RECORD.itemsize), dtype=RECORD).copy()
        columns = {}
        for title, dtype in _FIRST.items():
            width = dtype.itemsize * (FIRST_WORDS if title == "words" else 1)
            columns[title] = np.frombuffer(take(len(laws) * width), dtype=dtype).copy()
        found = Snapshot(
            interfaces=[tuple(each) for each in head["interfaces"]],
            owners=head["owners"],
            timeouts=head["timeouts"],
            clock=head["clock"],
            laws=laws,
            records=records,
            firsts=columns,
        )
        _check_head(found)
    except _NO_SNAPSHOT as error:
        raise InputError(f"this is no snapshot of flows ({error!r})") from None
    ending = file.read(_DIGEST + 1)
    if ending != whole.digest():
        raise InputError("this snapshot of flows is damaged")
    _check(found)
    return found


def _check_head(given: Snapshot) -> None:
    """Refuse what stands for something else, or for nothing: somebody else made the file."""
    clock, longest_s = given.clock, _LONGEST_MS // 1000
    is_right = len(clock) == 3 and all(_is_number(each, _LATEST) for each in clock)
    is_right &= all(_is_text(each) for each in (*given.owners, *given.laws))
    for each in given.timeouts:
        is_right &= len(each) == 3 and all(_is_number(one, longest_s) for one in each)
    for interface_id, owner, addresses in given.interfaces:
        is_right &= _is_text(interface_id) and (owner is None or _is_text(owner))
        is_right &= addresses is None or all(_is_text(one) for one in addresses)
        for one in addresses or ():
            parse_prefix(one) if "/" in one else parse_address(one)
    if not is_right:
        raise ValueError("a value is none of its kind")


def _is_number(value: object, most: int) -> bool:
    return type(value) is int and 0 <= value < most


def _is_text(value: object) -> bool:
    return type(value) is str


def _check(given: Snapshot) -> None:
    """Refuse numbers that nothing stands for: somebody else made the file."""
    records = given.records
    of_firsts = given.firsts["interface"]
    for numbers, count in (
        (records["owner_protocol"] & OWNER, len(given.owners)),
        (records["timeouts"], len(given.timeouts)),
        (records["admission"], len(given.interfaces)),
        (of_firsts, len(given.interfaces)),
    ):
        if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
            raise InputError("this is no snapshot of flows (a number stands for nothing)")
    firsts = given.firsts
    if (firsts["direction"] > 1).any() or not np.isin(firsts["family"], (4, 6)).all():
        raise InputError("this is no snapshot of flows (a fragment is at no side or of no family)")
    if not np.isin(records["state"], np.array(list(State), dtype=np.uint8)).all():
        raise InputError("this is no snapshot of flows (a state is none)")


def restore(given: Snapshot, flows: FlowStore, firsts: FirstStore, compiled: Compiled) -> Restored:
    """Put a snapshot into stores that are empty.

    Preconditions: the flow store knows the owners and timeouts of the policy.
    """
    rows = np.array([_row_of(each, compiled) for each in given.interfaces], dtype=np.int64)
    owners = np.array([compiled.owners.get(each, -1) for each in given.owners], dtype=np.int64)
    timeouts = np.array([compiled.memory.timeouts[tuple(each)] for each in given.timeouts])
    records = given.records
    interfaces = rows[records["admission"]]
    numbers = records["owner_protocol"]
    stays = (interfaces >= 0) & (owners[numbers & OWNER] >= 0) & ~_is_taken(given, compiled)
    records["owner_protocol"] = numbers & ~np.uint32(OWNER) | owners[numbers & OWNER].astype("<u4")
    records["timeouts"] = timeouts[records["timeouts"]]
    records["admission"] = np.maximum(interfaces, 0)
    control = flows.flows.control
    control[NOW_MS], control[STEPPED_BACK] = given.clock[0], given.clock[1]
    flows.enter(records[stays])
    there = _restore_firsts(given, firsts, compiled, rows)
    gone = len(records) - int(stays.sum()) + len(given.laws) - there
    return Restored(entries=int(stays.sum()), fragments=there, gone=gone)


def _row_of(named: tuple[str, str | None, list[str] | None], compiled: Compiled) -> int:
    """Return the row of an interface that is still the same owner's, else -1."""
    interface_id, owner, _ = named
    now = compiled.policy.network.interfaces.get(interface_id)
    return -1 if now is None or now.owner != owner else compiled.interfaces[interface_id]


def _is_taken(given: Snapshot, compiled: Compiled) -> NDArray[np.bool_]:
    """Tell which entries are of an address that their interface had then and has no more."""
    taken = np.zeros(len(given.records), dtype=np.bool_)
    for number, (interface_id, _, then) in enumerate(given.interfaces):
        now = compiled.policy.network.interfaces.get(interface_id)
        if now is None or then is None:
            continue
        if then == [str(each) for each in (*now.addresses, *now.prefixes)]:
            continue
        blocks = [parse_prefix(each) for each in then if "/" in each]
        singles = {parse_address(each) for each in then if "/" not in each}
        for at in np.flatnonzero(given.records["admission"] == number).tolist():
            inside = inside_of(given.records[at])
            had = inside in singles or any(inside in each for each in blocks)
            taken[at] = had and not now.has_address(inside)
    return taken


def _restore_firsts(
    given: Snapshot, firsts: FirstStore, compiled: Compiled, rows: NDArray[np.int64]
) -> int:
    """Put first fragments back; what rules admitted one is known if those are the same."""
    columns = {**given.firsts}
    interfaces = rows[columns["interface"]]
    columns["interface"] = interfaces.astype(np.int32)
    words = columns["words"].reshape(-1, FIRST_WORDS)
    words[:, 5] = words[:, 5] & 0xFFFFFF | interfaces << 24
    there = np.flatnonzero(interfaces >= 0)
    for row in there.tolist():
        if given.laws[row] != _law(compiled, columns, row):
            words[row, FIRST_CLASSES] = -1
    columns["words"] = words
    firsts.enter({title: column[there].reshape(-1) for title, column in columns.items()})
    return len(there)
