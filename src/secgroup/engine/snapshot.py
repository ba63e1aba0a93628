"""What an engine remembers, as a file and back.

Owns the file's form: NumPy's archive of arrays, without pickles. Entry numbers and the hash's key
are of one run and not in it.
"""

import json
from typing import IO, Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from secgroup.engine.compile import Compiled
from secgroup.engine.firsts import FirstStore
from secgroup.engine.flows import FlowStore
from secgroup.engine.layout import NOW_MS, RECORD, STEPPED_BACK
from secgroup.errors import InputError

VERSION: Final = 2


def numbering(compiled: Compiled) -> bytes:
    """Return what numbers in records stand for: interfaces, owners and sets of timeouts."""
    memory = compiled.memory
    names = [list(memory.interfaces), list(memory.owners), compiled.tables.timeouts.tolist()]
    return json.dumps(names).encode()


def write(
    file: IO[bytes],
    flows: FlowStore,
    firsts: FirstStore,
    compiled: Compiled,
    interfaces: NDArray[np.int64],
    batch: int,
) -> None:
    """Write a snapshot.

    Parameters
    ----------
    interfaces : int64
        The row of the interface that made each entry in use, in the order of their numbers.

    """
    records = flows.records[flows.used()]
    records["admission"] = interfaces
    arrays: dict[str, Any] = {
        "version": np.int64(VERSION),
        "numbering": np.frombuffer(numbering(compiled), dtype=np.uint8),
        "records": records.view(np.uint64),
        "clock": np.array([flows.now_ms, flows.stepped_back, batch], dtype=np.int64),
        **firsts.arrays(),
    }
    np.savez(file, **arrays)


def read(file: IO[bytes], flows: FlowStore, firsts: FirstStore, compiled: Compiled) -> int:
    """Read a snapshot into stores that are empty; return the number of the last batch.

    Raises
    ------
    InputError
        The file is no snapshot, or one of another network or version.

    """
    try:
        with np.load(file, allow_pickle=False) as given:
            arrays = {name: given[name] for name in given.files}
        version, clock = int(arrays["version"]), arrays["clock"]
        records = arrays["records"].view(RECORD)
        names = arrays["numbering"].tobytes()
    except (ValueError, KeyError, OSError, EOFError, TypeError, BadZipFile) as error:
        raise InputError(f"this is no snapshot of flows ({error})") from None
    if version != VERSION:
        raise InputError(f"a snapshot of version {version} (expected {VERSION})")
    if names != numbering(compiled):
        raise InputError("this snapshot is of a network with other interfaces, owners or timeouts")
    control = flows.flows.control
    control[NOW_MS], control[STEPPED_BACK] = int(clock[0]), int(clock[1])
    flows.enter(records)
    firsts.put_arrays(arrays)
    return int(clock[2])
