"""Bringing a lab up and taking it down.

Owns the order of things: a link that is filtered stays down until its filter is attached.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.lab import kept
from secgroup.lab.converge import converge
from secgroup.lab.filters import Filters, remove
from secgroup.lab.kernel import (
    apply_settings,
    check_root,
    devices,
    is_whole,
    load_ruleset,
    make_link,
    make_namespace,
    mark,
    namespaces,
    netlink,
    remove_namespace,
)
from secgroup.lab.plan import Mtus, plan
from secgroup.lab.topology import Link, Namespace, Topology
from secgroup.model.network import Network


def up(
    network: Network,
    lab: str,
    *,
    mtus: Mtus,
    warn: Callable[[str], None],
    tell: Callable[[int, int], None],
    switches: Switches = AS_DOCUMENTED,
) -> Topology:
    """Make a lab be what a network says, whatever of it is there already.

    Parameters
    ----------
    warn : callable
        Is told what of the network the lab does not have.
    tell : callable
        Is told how many steps of how many are done.
    switches : Switches

    Raises
    ------
    InputError
        Something was asked of the lab that it cannot be.
    DataPlaneError
        We are not root, or the kernel refused; what has no filter has no link then.

    """
    check_root()
    topology = plan(network, lab, mtus)
    for text in topology.warnings:
        warn(text)
    digest = sha256(repr(network).encode()).hexdigest()
    total = 2 * len(topology.namespaces) + len(topology.links)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        tell(done, total)

    with kept.alone(lab):
        kept.keep(topology, network=digest, is_whole=False)
        _namespaces(topology, step)
        _remove_others(topology)
        with Filters(lab, switches) as filters:
            filters.decide(network, topology.links, warn)
            _links(topology, filters, step)
        for namespace in topology.namespaces:
            with netlink(namespace.name) as ip:
                converge(ip, namespace)
            step()
        kept.keep(topology, network=digest, is_whole=True)
    return topology


def down(lab: str) -> int:
    """Take away all of a lab that is there, and return how many namespaces that was.

    Raises
    ------
    DataPlaneError
        We are not root, or the kernel refused.

    """
    check_root()
    with kept.alone(lab):
        found = namespaces(lab)
        for name in found:
            remove_namespace(name)
        remove(lab)
        kept.forget(lab)
    return len(found)


def _namespaces(topology: Topology, step: Callable[[], None]) -> None:
    """Make those that are missing, remove those that are too many, and set all up to forward."""
    wanted = {each.name for each in topology.namespaces}
    there = namespaces(topology.lab)
    for name in there:
        if name not in wanted or not is_whole(name):
            remove_namespace(name)
            there = [each for each in there if each != name]
    for namespace in topology.namespaces:
        if namespace.name in there:
            apply_settings(namespace.name, namespace.settings)
        else:
            make_namespace(namespace.name, namespace.settings)
        if namespace.translation is not None:
            load_ruleset(namespace.name, namespace.translation)
        step()


def _links(topology: Topology, filters: Filters, step: Callable[[], None]) -> None:
    """Make the links that are missing, filter those of interfaces, and then set all of them up."""
    by_near: dict[str, list[Link]] = {}
    for link in topology.links:
        by_near.setdefault(link.near.namespace, []).append(link)
    for name, links in by_near.items():
        with netlink(name) as ip:
            there = devices(ip)
            for link in links:
                if link.near.device not in there:
                    make_link(ip, link)
                elif link.interface_id is not None and not filters.is_behind(link):
                    ip.link("set", index=there[link.near.device][0], state="down")
                if link.interface_id is not None:
                    filters.put(link, link.near)
                step()
    for namespace in topology.namespaces:
        apply_settings(namespace.name, namespace.device_settings)
        _raise(namespace, _ends_in(topology.links, namespace))


def _ends_in(links: Sequence[Link], namespace: Namespace) -> Mapping[str, Link]:
    """Return the devices of a namespace, with the links that they are ends of."""
    return {
        end.device: link for link in links for end in link.ends if end.namespace == namespace.name
    }


def _remove_others(topology: Topology) -> None:
    """Remove devices that are the ends of no link, or of one that has changed; and their peers."""
    for namespace in topology.namespaces:
        wanted = _ends_in(topology.links, namespace)
        with netlink(namespace.name) as ip:
            for device, (index, label, *_) in devices(ip).items():
                if device not in wanted or wanted[device].label != label:
                    ip.link("del", index=index)


def _raise(namespace: Namespace, ends: Mapping[str, Link]) -> None:
    """Give the devices of a namespace their label and MTU, and set them up."""
    with netlink(namespace.name) as ip:
        for device, (index, label, mtu, is_up) in devices(ip).items():
            link = ends[device]
            if mtu != link.mtu:
                ip.link("set", index=index, mtu=link.mtu)
            if label != link.label:
                mark(ip, device, link.label)
            if not is_up:
                ip.link("set", index=index, state="up")
