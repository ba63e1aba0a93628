"""Which connections a change of the network takes with it: `Firewall.change`, said of the kernel.

Entries of an interface that is deleted, detached or attached elsewhere go, and those of an
address that is taken from its interface; all others stay. Knows networks and rows of the table.
An agent that starts does not know what the network was: it asks what no entry could be of.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secgroup.dataplane.bpf.layout import NAMES
from secgroup.dataplane.bpf.loaded import Loaded
from secgroup.dataplane.bpf.meanings import Meanings
from secgroup.engine.batch import address
from secgroup.engine.layout import IPV6, OWNER
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.net.address import Address

#: (kind of `layout.NAMES`, name) -> its number, None where it was never given.
NumberOf = Callable[[int, str], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """What an interface is no more.

    Parameters
    ----------
    then : NetworkInterface
        As it was.
    now : NetworkInterface or None
        As it is; None: it is not there.

    """

    then: NetworkInterface
    now: NetworkInterface | None


def departures(before: Network, network: Network) -> Iterator[Departure]:
    """Yield each interface that has another owner than before, fewer addresses, or is gone."""
    for interface_id, then in before.interfaces.items():
        now = network.interfaces.get(interface_id)
        if now is then:
            continue
        if (
            now is None
            or now.owner != then.owner
            or not set(then.addresses) <= set(now.addresses)
            or not set(then.prefixes) <= set(now.prefixes)
        ):
            yield Departure(then=then, now=now)


def departed(
    found: Sequence[Departure], keys: NDArray[Any], entries: NDArray[Any], number_of: NumberOf
) -> NDArray[np.bool_]:
    """Tell of each entry of the table whether it goes.

    Parameters
    ----------
    found : sequence of Departure
    keys, entries : rows
        As the map `connections` has them.
    number_of : NumberOf

    """
    goes = np.zeros(len(keys), dtype=bool)
    for each in found:
        interface = number_of(NAMES["INTERFACE"], each.then.interface_id)
        if interface is None:
            continue
        mine = np.flatnonzero(entries["interface"] == interface)
        if each.now is None:
            goes[mine] = True
            continue
        owner = number_of(NAMES["OWNER"], each.now.owner)
        owners = keys["owner_protocol"][mine] & OWNER
        goes[mine[owners != (-1 if owner is None else owner)]] = True
        goes[mine] |= _taken(each.then, each.now, keys[mine])
    return goes


def end_departed(loaded: Loaded, before: Network, network: Network, number_of: NumberOf) -> int:
    """End the connections that a change takes; return how many.

    Preconditions: the change is in force, and no packet is decided by what was before any more;
    else one could make an entry that stays.
    """
    found = list(departures(before, network))
    if not found:
        return 0
    ended = 0
    for keys, entries in loaded.maps.connections.chunks():
        ended += loaded.end(keys[departed(found, keys, entries, number_of)])
    return ended


def orphaned(
    networks: Sequence[Network],
    keys: NDArray[Any],
    entries: NDArray[Any],
    interface_id_of: Callable[[int], str | None],
    owner_id_of: Callable[[int], str | None],
) -> NDArray[np.bool_]:
    """Tell of each entry of the table whether no interface of these networks can have made it.

    With its source/destination check off, an interface may have made entries of any address.
    """
    goes = np.zeros(len(keys), dtype=bool)
    for number in np.unique(entries["interface"]).tolist():
        mine = np.flatnonzero(entries["interface"] == number)
        now = _found(networks, interface_id_of(number))
        if now is None:
            goes[mine] = True
            continue
        owners = keys["owner_protocol"][mine] & OWNER
        theirs = [each for each in np.unique(owners).tolist() if owner_id_of(each) != now.owner]
        goes[mine[np.isin(owners, theirs)]] = True
        if now.source_dest_check:
            goes[mine] |= ~_at(keys[mine], now.has_address)
    return goes


def _found(networks: Sequence[Network], interface_id: str | None) -> NetworkInterface | None:
    for each in networks:
        if interface_id is not None and interface_id in each.interfaces:
            return each.interfaces[interface_id]
    return None


def end_orphaned(loaded: Loaded, networks: Sequence[Network], meanings: Meanings) -> int:
    """End the connections that nothing of the networks in force can have made; return how many."""
    ended = 0
    for keys, entries in loaded.maps.connections.chunks():
        goes = orphaned(networks, keys, entries, meanings.interface_id, meanings.owner_id)
        ended += loaded.end(keys[goes])
    return ended


def _taken(then: NetworkInterface, now: NetworkInterface, keys: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell of keys whether their inside address was the interface's and is not any more."""
    return _at(keys, lambda inside: then.has_address(inside) and not now.has_address(inside))


def _at(keys: NDArray[Any], holds: Callable[[Address], bool]) -> NDArray[np.bool_]:
    """Tell of keys what is said of their inside address, asked once of each."""
    found = np.zeros(len(keys), dtype=bool)
    names = np.stack((keys["inside_hi"], keys["inside_lo"]), axis=-1)
    places, inverse = np.unique(names, axis=0, return_index=True, return_inverse=True)[1:]
    for number, place in enumerate(places.tolist()):
        family = 6 if keys["owner_protocol"][place] & IPV6 else 4
        found[inverse.ravel() == number] = holds(address(family, *names[place].tolist()))
    return found
