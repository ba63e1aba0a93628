"""What compiling and changing a policy takes: `python -m benchmarks.changes`.

Times are of the thread, medians. Each change is compiled from the revision before, and then what
all interfaces that it reaches ask is laid down, as if all of them met packets.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
from tests.support.networks import large

from benchmarks import SEED
from benchmarks.workloads import large_network
from secgroup.engine.compile import Compiled, compile  # noqa: A004
from secgroup.model.group import GroupReference, SecurityGroup, SecurityGroupRule
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.net.address import parse_prefix
from secgroup.net.ports import parse_service
from secgroup.policy.resolve import Policy
from secgroup.sources.load import load

RUNS = 15


def milliseconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return 1e3 * (time.thread_time() - start)


def rule(group: SecurityGroup, number: int) -> SecurityGroupRule:
    return SecurityGroupRule(
        rule_id=f"sgr-{group.group_id}-new-{number}",
        group_id=group.group_id,
        is_egress=False,
        traffic=parse_service(f"tcp/{1000 + number}"),
        peer=parse_prefix(f"203.0.113.{number % 256}/32"),
    )


def authorized(network: Network, group_id: str, number: int) -> Network:
    group = network.groups[group_id]
    grown = replace(group, rules=(*group.rules, rule(group, number)))
    return replace(network, groups={**network.groups, group_id: grown})


def joined(network: Network, interface_id: str, number: int) -> Network:
    """A member gets another address."""
    old = network.interfaces[interface_id]
    address = PrivateIpv4(address=IPv4Address(f"10.200.0.{number}"))
    grown = replace(old, ipv4=(*old.ipv4[:1], address))
    return replace(network, interfaces={**network.interfaces, interface_id: grown})


def changes(
    name: str, network: Network, change: Callable[[Network, int], Network]
) -> Iterator[str]:
    compiled = compile(Policy(network))
    compiled.build()
    taken: list[tuple[float, float, float]] = []
    for number in range(RUNS):
        network = change(network, number + 1)
        start = time.thread_time()
        policy = Policy(network, previous=compiled.policy)
        resolved = time.thread_time()
        compiled = compile(policy, previous=compiled)
        changed = time.thread_time()
        compiled.build()
        built = time.thread_time()
        taken.append((resolved - start, changed - resolved, built - changed))
    parts = dict(zip(("policy", "compile", "build"), zip(*taken, strict=True), strict=True))
    total = 1e3 * statistics.median(map(sum, taken))
    each = ", ".join(f"{part} {1e3 * statistics.median(of):.2f}" for part, of in parts.items())
    yield f"{name}: {total:.2f} ms ({each}); made {compiled.rebuilt}"


def members(count: int) -> Network:
    """Two groups that refer to one of so many members."""
    network = around(1)
    reference = GroupReference(group_id="sg-members")
    ports = (22, 80, 443)
    rules = tuple(
        replace(
            rule(network.groups["sg-0"], port),
            traffic=parse_service(f"tcp/{port}"),
            peer=reference,
        )
        for port in ports
    )
    groups = {
        "sg-members": SecurityGroup(group_id="sg-members", vpc_ids=("vpc-00000001",)),
        "sg-0": replace(network.groups["sg-0"], rules=rules),
    }
    one = next(iter(network.interfaces.values()))
    interfaces = {
        f"eni-m{number}": replace(
            one,
            interface_id=f"eni-m{number}",
            instance_id=None,
            group_ids=("sg-members",),
            ipv4=(PrivateIpv4(address=IPv4Address((10 << 24) + 2 * number)),),
        )
        for number in range(count)
    }
    interfaces["eni-0"] = replace(one, interface_id="eni-0", group_ids=("sg-0",))
    return replace(network, groups=groups, interfaces=interfaces)


def around(groups: int, rules: int = 1, interfaces: int = 4) -> Network:
    """A network of so many groups with so many rules, each carried by some interfaces."""
    small = described(groups=1, rules=1, interfaces=1)
    one = next(iter(small.interfaces.values()))
    made = {}
    for number in range(groups):
        group = SecurityGroup(group_id=f"sg-{number}", vpc_ids=("vpc-00000001",))
        own = tuple(
            replace(
                rule(group, 0),
                rule_id=f"sgr-{number}-{each}",
                traffic=parse_service(f"tcp/{each + 1}"),
                peer=parse_prefix(f"10.{each % 256}.{number % 256}.0/24"),
            )
            for each in range(rules)
        )
        made[group.group_id] = replace(group, rules=own)
    held: dict[str, NetworkInterface] = {}
    for number in range(groups * interfaces):
        address = PrivateIpv4(address=IPv4Address((10 << 24) + 256 + number))
        held[f"eni-{number}"] = replace(
            one,
            interface_id=f"eni-{number}",
            instance_id=None,
            ipv4=(address,),
            group_ids=(f"sg-{number // interfaces}",),
        )
    return replace(small, groups=made, interfaces=held)


def described(**sizes: int) -> Network:
    import json

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.json"
        path.write_text(json.dumps(large(seed=SEED, **sizes)))
        return load(path)


def fleet() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        large_network(Path(folder))
        start = time.thread_time()
        network = load(Path(folder) / "large.json")
        yield f"fleet, load: {1e3 * (time.thread_time() - start):.0f} ms"
    made: list[Compiled] = []
    taken = milliseconds(lambda: made.append(compile(Policy(network))))
    yield f"fleet, compile, before the first packet: {taken:.0f} ms"
    for count in (50, 500):
        rows = np.arange(count, dtype=np.int32)
        taken = milliseconds(lambda rows=rows: made[0].build(rows))
        yield f"fleet, {count} interfaces meet packets: {taken:.0f} ms"
    yield f"fleet, all others do: {milliseconds(made[0].build):.0f} ms"
    chosen = sorted(network.groups)
    yield from changes(
        "fleet, a rule more",
        network,
        lambda before, number: authorized(before, chosen[number], number),
    )


def main() -> int:
    for each in fleet():
        print(each, flush=True)
    for each in changes(
        "a rule of 1,000", around(1, 980), lambda before, number: authorized(before, "sg-0", number)
    ):
        print(each, flush=True)
    for each in changes(
        "a rule more, 2,500 groups of 60 rules and 10,000 interfaces",
        around(2500, 60),
        lambda before, number: authorized(before, f"sg-{number * 7}", number),
    ):
        print(each, flush=True)
    for each in changes(
        "a member of 10,000",
        members(10_000),
        lambda before, number: joined(before, f"eni-m{number}", number),
    ):
        print(each, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
