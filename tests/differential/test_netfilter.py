"""The same conversations through Linux's connection tracking and through the definition.

Where the two say different things about a packet, the difference has a name, and the name has
the reason that AWS (or our reading of its silence) gives. A difference without a name fails.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import islice

import pytest

from secgroup.conntrack.state import State
from secgroup.decision import Decision, Reason
from secgroup.lessons.scene import scene
from secgroup.net.address import parse_address
from secgroup.net.packet import Packet
from secgroup.net.protocol import TcpFlag
from secgroup.net.wire import build
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import Memory, Switches
from tests.support.conversations import Step, conversations
from tests.support.kernel_conntrack import KernelConntrack, kernel_conntrack

CONVERSATIONS = 2000

#: What the kernel would have to say for each of our reasons.
SAME = {
    Reason.NEW: "new",
    Reason.ESTABLISHED: "established",
    Reason.RELATED: "related",
    Reason.MIDSTREAM: "invalid",
    Reason.UNTRACKED: "invalid",
}


#: Every difference that may be, with the reason on our side.
REASONS = {
    "new_until_answered": "An entry exists from the opener on and rules are not asked again; "
    "netfilter calls every packet NEW until the other side has answered.",
    "an_entry_accepts_everything": "What belongs to a tracked flow passes: AWS documents no check "
    "of flags or windows. Netfilter calls impossible segments INVALID.",
    "after_a_reset": "An exact RST ends the flow at once and later packets are judged by the rules "
    "(Flow log records: packets after the connection was closed). Netfilter keeps the entry in "
    "CLOSE for ten seconds.",
    "a_stray_reset_ends_nothing": "Only a RST exactly where the connection stands ends it, so that "
    "nobody off the path can; netfilter believes some others while it has seen one side only.",
    "an_error_about_an_untracked_message": "An ICMP error is related also to what passes untracked "
    "(EC2 User Guide, MTU), as an answer that nobody asked for does when a rule admits it.",
    "an_ignored_syn_is_remembered": "Netfilter remembers an ignored SYN and takes the next ACK for "
    "a challenge; here the ACK of the last FIN finishes the connection, and a SYN opens another.",
}


#: Those that a run of this length may miss.
RARE = {"an_ignored_syn_is_remembered", "a_stray_reset_ends_nothing"}


@dataclass(frozen=True)
class Difference:
    """One packet about which the two disagree, and what is needed to name why."""

    packet: Packet
    ours: Decision
    kernel: str
    was_reset: bool
    was_strayed: bool

    @property
    def name(self) -> str:
        """The name of the difference, `unnamed` when there is none."""
        ours = self.ours
        if self.was_reset:
            return "after_a_reset"
        if ours.reason is Reason.ESTABLISHED and self.kernel == "new":
            return "new_until_answered"
        if ours.reason is Reason.ESTABLISHED and self.kernel == "invalid":
            return "an_entry_accepts_everything"
        if ours.reason is Reason.RELATED and ours.state_before is None:
            return "an_error_about_an_untracked_message"
        if ours.reason is Reason.RELATED and self.was_strayed:
            return "a_stray_reset_ends_nothing"
        if (ours.reason, ours.state_before) == (Reason.NEW, State.TIME_WAIT):
            return "an_ignored_syn_is_remembered"
        return "unnamed"


def run(
    kernel: KernelConntrack, steps: list[Step], *, memory: Memory, switches: Switches
) -> list[Difference]:
    policy = Policy(NETWORK).at("eni")
    found, was_reset, was_strayed = [], False, False
    for number, (direction, packet) in enumerate(steps):
        ours = decide(policy, memory, packet, direction, number, switches=switches)
        theirs = kernel.ask(build(packet), direction)
        assert theirs is not None, f"the kernel swallowed {packet}"
        if SAME[ours.reason] != theirs:
            difference = Difference(
                packet=packet,
                ours=ours,
                kernel=theirs,
                was_reset=was_reset,
                was_strayed=was_strayed,
            )
            found.append(difference)
        if ours.reason is Reason.ESTABLISHED:
            was_reset |= ours.state_after is None
            was_strayed |= packet.tcp is not None and bool(packet.tcp.flags & TcpFlag.RST)
    return found


NETWORK = scene(
    groups={
        "group": [
            "in all 203.0.113.0/24",
            "out all 203.0.113.0/24",
            "in all 2001:db8:ffff::/48",
            "out all 2001:db8:ffff::/48",
        ]
    },
    interfaces={"eni": "10.0.1.5 2001:db8:1:1::5 group"},
)


@pytest.mark.needs("root", "nft", "tun")
@pytest.mark.semantics("ct-netfilter")
@pytest.mark.parametrize("loose", [False, True], ids=["strict", "loose"])
@pytest.mark.parametrize("family", [4, 6])
def test_every_difference_from_netfilter_has_a_name(family: int, loose: bool) -> None:
    outside = parse_address("203.0.113.9" if family == 4 else "2001:db8:ffff::9")
    inside = parse_address("10.0.1.5" if family == 4 else "2001:db8:1:1::5")
    counts: Counter[str] = Counter()
    unnamed: list[str] = []
    packets = 0
    memory = Memory()
    with kernel_conntrack(inside_v4="10.0.0.0/16", inside_v6="2001:db8:1::/56") as kernel:
        kernel.set("netfilter/nf_conntrack_tcp_loose", int(loose))
        for steps in islice(
            conversations(7 + family, inside=inside, outside=outside), CONVERSATIONS
        ):
            packets += len(steps)
            for difference in run(kernel, steps, memory=memory, switches=Switches(loose_tcp=loose)):
                counts[difference.name] += 1
                if difference.name == "unnamed":
                    unnamed.append(f"{difference}\n in {steps}")
    print(f"{packets} packets; differences: {dict(counts)}")
    assert not unnamed, unnamed[0]
    assert set(counts) <= set(REASONS)
    assert counts.keys() >= REASONS.keys() - RARE
    assert sum(counts.values()) < packets / 5
