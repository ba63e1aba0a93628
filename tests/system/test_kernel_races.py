"""The shipped programs on every CPU at once: what is counted is what is there, nothing is mixed."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import numpy as np
import pytest

from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.clock import kernel_ms
from secgroup.dataplane.bpf.connections import KEY
from secgroup.dataplane.bpf.hooks import Hooks
from secgroup.dataplane.bpf.layout import ENTRY, EVENT, TAKEN
from secgroup.dataplane.bpf.loaded import Loaded
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.decision import Reason
from secgroup.engine.layout import OWNER, WEIGHT_TWO
from secgroup.errors import DataPlaneError
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from tests.support.bpf import pin_root
from tests.support.vpcs import Plan
from tests.system.flows import CLIENT, SERVER, SERVICE, TO_CLIENT, TO_SERVER, Flows

pytestmark = pytest.mark.needs("root", "netns", "bpf", "clang")

INGRESS: Final = Direction.INGRESS
REGION: Final = "here"


class Filtered:
    """The plane, and the path of flows that it filters."""

    def __init__(self, loaded: Loaded, hooks: Hooks, flows: Flows) -> None:
        self.loaded, self.maps, self.flows = loaded, loaded.maps, flows
        self.plane = BpfPlane(loaded.maps)
        self._hooks = hooks

    def follow(self, network: Network) -> None:
        """Put a network in force."""
        self.plane.prepare({REGION: network})
        self.plane.commit()

    def put(self, interface_id: str, device: str) -> int:
        """Filter an interface at a device of the router."""
        # What the flows' ends send from is not the network's MAC.
        number = self.plane.attach(interface_id, bytes(6), logs=False)
        self._hooks.attach(number, device, self.flows.router.netns, live=True)
        return number

    def decided(self, number: int) -> Any:
        """Return how many packets each CPU has decided at an interface."""
        found = self.maps.counters.get(np.uint32(number))
        assert found is not None
        return found["packets"].sum(axis=(1, 2))

    def reasons(self, number: int, direction: Direction) -> dict[Reason, int]:
        found = self.maps.counters.get(np.uint32(number))
        assert found is not None
        counts = found["reasons"].sum(axis=0)[direction]
        return {reason: int(counts[reason]) for reason in Reason}


@contextmanager
def filtered(sizes: dict[str, int]) -> Iterator[Filtered]:
    with ExitStack() as ends:
        loaded = ends.enter_context(Loaded(sizes=sizes))
        folder = ends.enter_context(pin_root())
        folder.mkdir()
        flows = ends.enter_context(Flows())
        hooks = Hooks(folder, loaded.maps.programs.fd)
        ends.callback(hooks.close)
        for direction in Direction:
            loaded.maps.programs.put(direction, loaded.object.program_fd(str(direction)))
        yield Filtered(loaded, hooks, flows)


# --------------------------------------------------------------- the table of connections

FLOWS: Final = 20_000
WINDOW: Final = 4_000
#: Every other packet is of so many, so that CPUs meet at them.
HOT: Final = 4
ROOM: Final = 1 << 16
SECONDS: Final = 10
ALLOWANCE: Final = 6_000
IDLE_MS: Final = 300


def two() -> Network:
    """A client that may send to the server, and a server that takes it in; all is tracked."""
    return (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16")
        .subnet("sub-a", "vpc-1", "10.0.1.0/24")
        .subnet("sub-b", "vpc-1", "10.0.2.0/24")
        .group("sg-client", f"out tcp/{SERVICE} sg-server", f"out udp/{SERVICE} sg-server")
        .group("sg-server", f"in tcp/{SERVICE} sg-client", f"in udp/{SERVICE} sg-client")
        .interface("eni-client", "sub-a", str(CLIENT), "sg-client")
        .interface("eni-server", "sub-b", str(SERVER), "sg-server")
        .network()
    )


def weights_of(keys: Any, entries: Any) -> dict[int, int]:
    """Return what each owner's entries weigh."""
    owners = keys["owner_protocol"] & OWNER
    assert not (entries["state"] == TAKEN).any()
    weights = np.where(entries["flags"] & WEIGHT_TWO, 2, 1) * (entries["state"] != 0)
    return {int(owner): int(weights[owners == owner].sum()) for owner in np.unique(owners)}


def test_what_is_counted_is_what_is_there_after_ten_seconds_of_the_same_flows_everywhere() -> None:
    with filtered({"connections": ROOM}) as here:
        here.follow(two())
        numbers = here.put("eni-client", TO_CLIENT), here.put("eni-server", TO_SERVER)
        maps = here.maps
        maps.timeouts[:, 1:] = IDLE_MS
        owners = [
            int(maps.policies[int(maps.words[each]) & 0xFFFFFFFF]["owner"]) for each in numbers
        ]
        maps.owners[owners[1] : owners[1] + 1]["allowance"] = ALLOWANCE
        if not here.loaded.sweeps_itself:
            pytest.skip("no bpf_wq: Linux 6.10")
        here.loaded.start_sweeper()
        courses = here.flows.courses
        courses["flows"], courses["window"], courses["hot"] = FLOWS, WINDOW, HOT
        most = ended = 0
        begin = time.monotonic()
        with here.flows.running(answers=True):
            while (passed := time.monotonic() - begin) < SECONDS:
                # A flow is sent for a second of five, on all CPUs: long enough to be removed.
                courses["first"] = int(passed * WINDOW) % FLOWS
                most = max(most, int(maps.owners["weight"][owners[1]]))
                ended += end_some(here.loaded)
                time.sleep(0.01)
        keys, entries = maps.connections.items()
        weights = weights_of(keys, entries)
        assert {owner: int(maps.owners["weight"][owner]) for owner in owners} == weights
        assert len(np.unique(keys)) == len(keys)
        for number, direction in zip(numbers, (Direction.EGRESS, INGRESS), strict=True):
            # All CPUs have been at it, and made each connection more than once.
            assert (here.decided(number)[here.flows.cpus] > 10_000).all()
            assert here.reasons(number, direction)[Reason.NEW] > len(keys)
        assert int(maps.control["sweeps"][0]) >= 3
        assert ALLOWANCE - WINDOW < most <= ALLOWANCE + len(here.flows.cpus) - 1
        assert int(maps.owners["exceeded"][owners[1]]) > 0
        assert ended > 0
        check_nothing_is_lost(here.loaded)


def end_some(loaded: Loaded) -> int:
    """End a few connections as somebody who watches them may; return how many lived."""
    keys, _ = next(loaded.maps.connections.chunks(), (np.zeros(0, KEY), None))
    return loaded.end(keys[:: 1 + len(keys) // 100])


def check_nothing_is_lost(loaded: Loaded) -> None:
    """Whatever is over goes, and then there is room for as many as ever."""
    maps = loaded.maps
    later_ms = kernel_ms() + 10_000
    until = time.monotonic() + 10
    while loaded.sweep(later_ms)[0]["left"] or len(maps.connections.items()[0]):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not maps.owners["weight"].any()
    keys, entries = np.zeros(ROOM + 1, KEY), np.zeros(ROOM + 1, ENTRY)
    keys["inside_lo"] = np.arange(ROOM + 1)
    entries["state"], entries["last_ms"] = State.ESTABLISHED, kernel_ms() & 0xFFFFFFFF
    maps.connections.update(keys[:ROOM], entries[:ROOM])
    with pytest.raises(DataPlaneError, match="full"):
        maps.connections.update(keys[ROOM:], entries[ROOM:])


# ------------------------------------------------------------------------------- policies

FLIPS: Final = 10_000
REPLACEMENTS: Final = 100
LOW, HIGH = "100.64.0.0/11", "100.96.0.0/11"
#: Which bits of clients' addresses differ: half of them are in LOW.
MASK: Final = 0x3FFFFF
_HIGH_BIT: Final = 1 << 21


def one(policy: str, *, vpcs: int = 1) -> Plan:
    """The server behind one of two policies that have nothing in common; `b` may be elsewhere.

    `a` takes in the first two ports from LOW and its ACL denies the second, `b` takes in the last
    two from HIGH, and its ACL denies the third.
    """
    plan = Plan()
    for number, name in enumerate((policy, "b")[:vpcs]):
        rules, denied = {
            "a": ((f"in udp/{SERVICE} {LOW}", f"in udp/{SERVICE + 1} {LOW}"), SERVICE + 1),
            "b": ((f"in udp/{SERVICE + 2} {HIGH}", f"in udp/{SERVICE + 3} {HIGH}"), SERVICE + 2),
        }[name]
        vpc, subnet, group = f"vpc-{number}", f"sub-{number}", f"sg-{number}"
        plan.vpc(vpc, "10.0.0.0/16").subnet(subnet, vpc, "10.0.2.0/24")
        plan.acl(
            subnet,
            f"in 50 deny udp/{denied} 0.0.0.0/0",
            *("in 100 allow all 0.0.0.0/0", "out 100 allow all 0.0.0.0/0"),
        )
        plan.group(group, *rules, vpc=vpc)
        plan.interface(f"eni-{number}", subnet, str(SERVER), group)
    return plan


def expected(policy: str, ports: Any, addresses: Any) -> Any:
    """Return what a policy makes of datagrams; NEW stands for all that it admits."""
    is_high = (addresses & _HIGH_BIT) != 0
    admitted, denied, from_high = {
        "a": (SERVICE, SERVICE + 1, False),
        "b": (SERVICE + 3, SERVICE + 2, True),
    }[policy]
    found = np.full(len(ports), int(Reason.NO_MATCHING_RULE))
    found[(ports == admitted) & (is_high == from_high)] = int(Reason.NEW)
    found[ports == denied] = int(Reason.NETWORK_ACL)
    return found


class Judge:
    """Compares what happened with the policy whose word each packet carries."""

    def __init__(self, here: Filtered, number: int) -> None:
        self._here, self._number = here, number
        self._heard: list[Any] = [np.zeros(0, EVENT)]
        self.policies: dict[int, str] = {}
        self.judged = dict.fromkeys("ab", 0)
        #: Words that a packet was decided by.
        self.words: set[int] = set()

    def hear(self, policy: str) -> bool:
        """Remember whose the word in force is, and what has been told; False where nothing was."""
        maps = self._here.maps
        self.policies[int(maps.words[self._number])] = policy
        maps.control["followed_until_ms"] = kernel_ms() + 10_000
        events = maps.events.read()
        self._heard.append(events)
        if sum(map(len, self._heard)) > 100_000:
            self.judge()
        return len(events) > 0

    def judge(self) -> None:
        """Compare what has been heard."""
        events = np.concatenate(self._heard)
        self._heard = [events[:0]]
        events = events[(events["interface"] == self._number) & (events["direction"] == INGRESS)]
        for word in np.unique(events["word"]).tolist():
            self.words.add(word)
        self._judge("a", events[self._are_of("a", events)])
        self._judge("b", events[self._are_of("b", events)])

    def _are_of(self, policy: str, events: Any) -> Any:
        found, places = np.unique(events["word"], return_inverse=True)
        return np.array([self.policies[word] == policy for word in found.tolist()], bool)[places]

    def _judge(self, policy: str, events: Any) -> None:
        answers = events["answer"]
        reasons = answers["reason"].astype(int)
        # The table has little room, and remembers what the other policy admitted.
        reasons[reasons == Reason.ALLOWANCE_EXCEEDED] = int(Reason.NEW)
        chosen = (events["family"] == 4) & (reasons != Reason.ESTABLISHED)
        wanted = expected(policy, answers["destination_port"], events["source_lo"])
        wrong = events[chosen & (reasons != wanted)]
        assert len(wrong) == 0, (policy, wrong[0])
        self.judged[policy] += int(chosen.sum())


@contextmanager
def flooded(here: Filtered, number: int) -> Iterator[Judge]:
    """Send datagrams of any port and client from every CPU for the length of a block."""
    courses = here.flows.courses
    courses["flows"], courses["window"] = FLOWS, 1
    courses["client"], courses["client_mask"] = 0x64400000, MASK
    courses["service_mask"] = 3
    judge = Judge(here, number)
    before = here.decided(number)
    with here.flows.running(answers=False):
        yield judge
    assert ((here.decided(number) - before)[here.flows.cpus] > 1000).all()


SMALL: Final = {"connections": 64, "events": 1 << 20}


def test_no_packet_is_decided_by_two_policies_when_their_word_flips() -> None:
    with filtered(SMALL) as here:
        here.follow(one("a", vpcs=2).network())
        number, other = here.put("eni-0", TO_SERVER), here.plane.attach("eni-1", bytes(6))
        words = here.maps.words
        rows = [int(words[each]) & 0xFFFFFFFF for each in (number, other)]
        with flooded(here, number) as judge:
            judge.hear("a")
            for flip in range(1, FLIPS + 1):
                policy = "ab"[flip & 1]
                words[number] = (flip + 1) << 32 | rows[flip & 1]
                judge.policies[int(words[number])] = policy
                if flip % 5 == 0:
                    # Until packets are decided, unless the machine does other things for long.
                    any(judge.hear(policy) for _ in range(20))
        judge.hear(policy)
        judge.judge()
        assert min(judge.judged.values()) > FLIPS // 10, judge.judged
        assert len(judge.words) > FLIPS // 100


def test_no_packet_is_decided_by_two_policies_when_all_of_one_is_replaced() -> None:
    with filtered(SMALL) as here:
        networks = {each: one(each).network() for each in "ab"}
        here.follow(networks["a"])
        number = here.put("eni-0", TO_SERVER)
        with flooded(here, number) as judge:
            judge.hear("a")
            for turn in range(1, REPLACEMENTS + 1):
                policy = "ab"[turn & 1]
                before = int(here.maps.words[number])
                here.plane.prepare({REGION: networks[policy]})
                # Nothing of it is in force before its word is.
                assert int(here.maps.words[number]) == before
                judge.hear("ba"[turn & 1])
                here.plane.commit()
                judge.hear(policy)
        judge.hear(policy)
        judge.judge()
        assert min(judge.judged.values()) > REPLACEMENTS, judge.judged
