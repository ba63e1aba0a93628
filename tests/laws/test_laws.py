"""The laws of the definition, by name, over generated networks and traces.

ARCHITECTURE.md lists the sentences. A counterexample is a seed: `make_trace(seed, PACKETS)`.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from secgroup.conntrack.flow import Flow, inside_of, outside_of
from secgroup.decision import Decision, Reason, Verdict
from secgroup.lessons.scene import scene
from secgroup.lessons.talk import connection
from secgroup.model.external import External
from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroupRule
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.protocol import ICMP_QUERIES, TcpFlag
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import Memory
from tests.laws import mirror
from tests.support.playbook import Playbook, inward, outward
from tests.support.traces import Arrival, Edit, Trace, make_trace, played
from tests.support.traces.networks import random_rule

PACKETS = 150

traces = st.integers(0, 2**32 - 1).map(lambda seed: make_trace(seed, PACKETS))
law = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def edited(trace: Trace, change: Callable[[Network], Network]) -> Trace:
    """The same trace in changed networks."""
    return replace(
        trace,
        network=change(trace.network),
        events=tuple(
            Edit(network=change(each.network)) if isinstance(each, Edit) else each
            for each in trace.events
        ),
    )


_policies: dict[int, tuple[Network, Policy]] = {}


def policy_of(network: Network) -> Policy:
    """The policy of a network, made once while the network is in use."""
    known = _policies.get(id(network))
    if known is None or known[0] is not network:
        if len(_policies) > 64:
            _policies.clear()
        known = _policies[id(network)] = (network, Policy(network))
    return known[1]


def copied(memory: Memory) -> Memory:
    """Copy what changes; the flows themselves are values."""
    return deepcopy(memory, {id(each): each for flow in memory.flows for each in (flow, flow.key)})


class Moment:
    """One packet of a trace, its answer, and the table before and after."""

    def __init__(
        self, trace: Trace, event: Arrival, network: Network, memory: Memory, *, keep: bool
    ) -> None:
        self.trace, self.event, self.network = trace, event, network
        memory.flows.advance(event.time_ms)
        self.before = tuple(memory.flows)
        self.earlier = copied(memory) if keep else Memory()
        self.answer = self.decided(event, network, memory)
        self.after = tuple(memory.flows)
        self.later = memory

    def decided(self, event: Arrival, network: Network, memory: Memory) -> Decision:
        return decide(
            policy_of(network).at(event.interface_id),
            memory,
            event.packet,
            event.direction,
            event.time_ms,
            same_subnet=event.same_subnet,
            switches=self.trace.switches,
        )


def moments(trace: Trace, *, keep: bool = False) -> Iterator[Moment]:
    """Play a trace; `keep` the memory before each packet as well."""
    memory, network = Memory(), trace.network
    for event in trace.events:
        if isinstance(event, Edit):
            network = event.network
        else:
            yield Moment(trace, event, network, memory, keep=keep)


def without_rules(network: Network) -> Network:
    return replace(
        network, groups={name: replace(each, rules=()) for name, each in network.groups.items()}
    )


# Without rules nothing passes but what is exempt and what has no groups.
@law
@given(trace=traces)
def test_default_deny(trace: Trace) -> None:
    for _, answer in played(edited(trace, without_rules)):
        if answer.accepted:
            assert answer.reason in (Reason.EXEMPT, Reason.NO_GROUPS)


def admits(network: Network, rule: SecurityGroupRule, packet: Packet, vpc_id: str, peer) -> bool:
    """The meaning of one rule, written out once more and apart from `policy`."""
    traffic = rule.traffic
    if traffic.protocol == (58 if packet.family == 4 else 1):
        return False
    if traffic.protocol is not None and traffic.protocol != packet.protocol:
        return False
    if traffic.ports is not None:
        port = packet.destination_port
        if port is None or not traffic.ports.first <= port <= traffic.ports.last:
            return False
    if traffic.icmp_type is not None:
        if packet.icmp is None or packet.icmp.type != traffic.icmp_type:
            return False
        if traffic.icmp_code not in (None, packet.icmp.code):
            return False
    if isinstance(rule.peer, External):
        return False
    if isinstance(rule.peer, PrefixListReference):
        found = network.prefix_lists.get(rule.peer.prefix_list_id)
        return found is not None and any(peer in block for block in found.entries or ())
    if isinstance(rule.peer, GroupReference):
        joined = {vpc_id}
        for each in network.peerings.values():
            sides = {each.requester.vpc_id, each.accepter.vpc_id}
            regions = {each.requester.region, each.accepter.region}
            if each.is_active and len(regions) == 1 and vpc_id in sides:
                joined |= sides
        return rule.peer.group_id in network.groups and any(
            each.has_address(peer)
            for each in network.interfaces.values()
            if each.vpc_id in joined and rule.peer.group_id in each.group_ids
        )
    return peer in rule.peer


# What is accepted is exempt, has no groups, belongs to a flow, or is admitted by every rule named.
@law
@given(trace=traces)
def test_allowed_only_by_some_rule(trace: Trace) -> None:
    network = trace.network
    answers = iter(played(trace))
    for event in trace.events:
        if isinstance(event, Edit):
            network = event.network
            continue
        _, answer = next(answers)
        packet = event.packet
        if not isinstance(packet, Packet) or packet.is_later_fragment:
            continue
        interface = network.interfaces[event.interface_id]
        named = {
            rule.rule_id
            for group_id in interface.group_ids
            for rule in network.groups[group_id].rules
            if rule.is_egress == (event.direction is Direction.EGRESS)
            and admits(network, rule, packet, interface.vpc_id, outside_of(packet, event.direction))
        }
        if answer.reason in (Reason.NEW, Reason.UNTRACKED, Reason.MIDSTREAM, Reason.INVALID):
            assert answer.rule_ids
            assert set(answer.rule_ids) == named
        elif answer.reason is Reason.NO_MATCHING_RULE:
            assert not named


def shuffled(network: Network, random: Random) -> Network:
    """The same rules, groups and entries in another order, and every rule twice."""

    def twice(rules: tuple[SecurityGroupRule, ...]) -> tuple[SecurityGroupRule, ...]:
        copies = [replace(rule, rule_id=f"{rule.rule_id}#2") for rule in rules]
        return tuple(random.sample([*rules, *copies], 2 * len(rules)))

    def mixed(entries):
        return tuple(random.sample(entries, len(entries)))

    return replace(
        network,
        groups={
            name: replace(each, rules=twice(each.rules)) for name, each in network.groups.items()
        },
        interfaces={
            name: replace(each, group_ids=(*mixed(each.group_ids), *each.group_ids[:1]))
            for name, each in network.interfaces.items()
        },
        acls={
            name: replace(each, entries=mixed(each.entries)) for name, each in network.acls.items()
        },
    )


# The order of rules, groups and ACL entries, and rules that stand there twice, change nothing.
@law
@given(trace=traces, seed=st.integers(0, 999))
def test_order_and_duplicates_do_not_matter(trace: Trace, seed: int) -> None:
    random = Random(seed)
    other = edited(trace, lambda network: shuffled(network, random))
    for (_, one), (_, two) in zip(played(trace), played(other), strict=True):
        assert {each.partition("#")[0] for each in two.rule_ids} == set(one.rule_ids)
        assert len(two.rule_ids) == 2 * len(one.rule_ids)
        same = {"rule_ids": (), "first_fragment": None}
        assert replace(one, **same) == replace(two, **same)


# A packet that passes still passes, with the same memory, when a rule is added to any group.
@law
@given(trace=traces, seed=st.integers(0, 999))
def test_adding_a_rule_never_removes_access(trace: Trace, seed: int) -> None:
    random = Random(seed)
    for moment in moments(trace, keep=True):
        if moment.answer.accepted and random.random() < 0.3:
            network = moment.network
            interface = network.interfaces[moment.event.interface_id]
            if interface.group_ids:
                group = network.groups[random.choice(interface.group_ids)]
                more = replace(
                    group, rules=(*group.rules, random_rule(random, group.group_id, 1000))
                )
                network = replace(network, groups={**network.groups, group.group_id: more})
            again = moment.decided(moment.event, network, moment.earlier)
            assert again.accepted


# The law above is about one moment: a rule that opens a port to everyone makes its flows
# untracked, and so a later change cuts what an entry would have kept.
def test_an_open_rule_costs_a_connection_its_entry() -> None:
    def town(*rules: str) -> Network:
        return scene(groups={"web": rules}, interfaces={"web": "10.0.1.10 web"})

    narrow, outgoing = "in tcp/22 203.0.113.0/24", "out all 0.0.0.0/0"
    for rules, opened, then in (
        ((narrow, outgoing), Reason.NEW, Reason.ESTABLISHED),
        ((narrow, "in tcp/22 0.0.0.0/0", outgoing), Reason.UNTRACKED, Reason.NO_MATCHING_RULE),
    ):
        ssh = connection("203.0.113.9", "10.0.1.10", 22)
        assert (
            Playbook(town(*rules), "web")
            >> inward(ssh.client("SYN")) << opened
            >> town()
            >> outward(ssh.server("SYN ACK")) << then
        )  # fmt: skip


def answer_to(packet: Packet) -> Packet | None:
    """What the other side says to the first packet of a flow."""
    tcp, icmp = packet.tcp, packet.icmp
    if tcp is not None:
        tcp = replace(
            tcp,
            flags=TcpFlag.SYN | TcpFlag.ACK,
            sequence=99,
            acknowledgement=tcp.sequence_end,
            payload=0,
        )
    if icmp is not None:
        if not packet.is_query:
            return None
        icmp = replace(icmp, type=ICMP_QUERIES[packet.family, icmp.type])
    return replace(
        packet,
        source=packet.destination,
        destination=packet.source,
        source_port=packet.destination_port,
        destination_port=packet.source_port,
        tcp=tcp,
        icmp=icmp,
        fragment=None,
    )


# Whatever the rules of the other direction say, the answer to a new flow passes the groups.
@law
@given(trace=traces)
def test_replies_of_allowed_flows_are_allowed(trace: Trace) -> None:
    for moment in moments(trace):
        event, packet = moment.event, moment.event.packet
        if not isinstance(packet, Packet) or packet.is_later_fragment:
            continue
        if moment.answer.reason not in (Reason.NEW, Reason.UNTRACKED) or not packet.is_opener:
            continue
        back = answer_to(packet)
        assert back is not None
        reply = replace(event, packet=back, direction=event.direction.opposite)
        reply = replace(reply, time_ms=moment.later.flows.now_ms)
        got = moment.decided(reply, moment.network, copied(moment.later))
        if moment.answer.reason is Reason.NEW:
            assert got.reason in (Reason.ESTABLISHED, Reason.NETWORK_ACL)
        else:
            assert got.reason in (Reason.UNTRACKED, Reason.ESTABLISHED, Reason.NETWORK_ACL)


def denied(network: Network) -> Network:
    return replace(
        network, acls={name: replace(each, entries=()) for name, each in network.acls.items()}
    )


# An ACL that denies cuts every packet that leaves or enters the subnet, tracked ones at once.
@law
@given(trace=traces)
def test_acl_deny_cuts_at_once(trace: Trace) -> None:
    for moment in moments(trace, keep=True):
        if moment.answer.network_acl_id is None or moment.answer.first_fragment is not None:
            continue
        got = moment.decided(moment.event, denied(moment.network), moment.earlier)
        assert got.verdict is Verdict.REJECT
        assert got.reason in (Reason.NETWORK_ACL, moment.answer.reason)
        assert tuple(moment.earlier.flows) == moment.before


# Only NEW makes an entry and only ESTABLISHED steps one: an untracked flow leaves none.
@law
@given(trace=traces)
def test_an_untracked_flow_leaves_no_entry(trace: Trace) -> None:
    for moment in moments(trace):
        if moment.answer.reason not in (Reason.NEW, Reason.ESTABLISHED):
            assert moment.after == moment.before
        made = {flow.key for flow in moment.after} - {flow.key for flow in moment.before}
        assert len(made) <= int(moment.answer.reason is Reason.NEW)


# What an owner's entries weigh is never more than its allowance.
@law
@given(trace=traces)
def test_entries_never_exceed_the_allowance(trace: Trace) -> None:
    for moment in moments(trace):
        weights: dict[str, int] = {}
        for flow in moment.after:
            weights[flow.key.owner] = weights.get(flow.key.owner, 0) + flow.weight
        for owner, weight in weights.items():
            allowance = trace.switches.allowance_of(owner)
            assert allowance is None or weight <= allowance


# A packet that is refused leaves every entry as it was, and refreshes none.
@law
@given(trace=traces)
def test_a_refused_packet_changes_nothing(trace: Trace) -> None:
    for moment in moments(trace):
        if not moment.answer.accepted:
            assert moment.after == moment.before
            if moment.answer.first_fragment is None:
                assert moment.answer.state_before is moment.answer.state_after


# A trace that happens whole seconds later is answered alike: no other clock is read.
@law
@given(trace=traces, seconds=st.integers(1, 10**9))
def test_time_only_through_the_argument(trace: Trace, seconds: int) -> None:
    later = replace(
        trace,
        events=tuple(
            each if isinstance(each, Edit) else replace(each, time_ms=each.time_ms + 1000 * seconds)
            for each in trace.events
        ),
    )
    assert [answer for _, answer in played(trace)] == [answer for _, answer in played(later)]


def renamed(value, names: dict[str, str]):
    """A value with every string of `names` replaced, wherever it stands."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(renamed(each, names) for each in value)
    if isinstance(value, dict):
        return {renamed(key, names): renamed(each, names) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value,
            **{each.name: renamed(getattr(value, each.name), names) for each in fields(value)},
        )
    return value


# Ids are names and nothing else: other ones give the same answers under other names.
@law
@given(trace=traces)
def test_renaming_ids_changes_nothing(trace: Trace) -> None:
    network = trace.network
    nouns = ("vpcs", "subnets", "groups", "acls", "interfaces", "instances", "prefix_lists")
    ids = [name for noun in nouns for name in getattr(network, noun)]
    ids += ["nat-1", "igw-1", "vpce-dynamodb", "vpce-s3", "pcx-1", "pcx-2"]
    names = {name: f"{number:x}-{name[::-1]}" for number, name in enumerate(sorted(ids)[::-1])}
    other = replace(
        renamed(trace, names), events=tuple(renamed(each, names) for each in trace.events)
    )
    for (_, one), (_, two) in zip(played(trace), played(other), strict=True):
        assert renamed(replace(one, first_fragment=None), names) == replace(
            two, first_fragment=None
        )


# What is true of IPv4 is true of IPv6: the mirrored network answers mirrored packets alike.
@law
@given(trace=traces)
def test_ipv4_and_ipv6_are_symmetric(trace: Trace) -> None:
    events = tuple(
        Edit(network=mirror.only_ipv4(each.network)) if isinstance(each, Edit) else each
        for each in trace.events
        if isinstance(each, Edit) or mirror.is_common(each)
    )
    four = replace(trace, network=mirror.only_ipv4(trace.network), events=events)
    six = replace(
        four,
        network=mirror.mirrored(four.network),
        events=tuple(
            Edit(network=mirror.mirrored(each.network))
            if isinstance(each, Edit)
            else replace(each, packet=mirror.packet(each.packet))
            for each in events
        ),
    )
    for (event, one), (_, two) in zip(played(four), played(six), strict=True):
        number = 32768 if one.acl_rule_number == 32767 else one.acl_rule_number
        same = {"first_fragment": None}
        assert replace(one, acl_rule_number=number, **same) == replace(two, **same), event


def test_a_flow_says_what_it_must() -> None:
    """Every entry of generated traces was admitted by rules, and its key is the packet's."""
    for seed in range(10):
        memory = Memory()
        for event, answer in played(make_trace(seed, PACKETS), memory):
            if answer.reason is not Reason.NEW or not isinstance(event.packet, Packet):
                continue
            flow = next(
                each
                for each in memory.flows
                if each.last_ms == memory.flows.now_ms == each.created_ms
                and each.key.inside == inside_of(event.packet, event.direction)
                and each.key.outside == outside_of(event.packet, event.direction)
                and each.rule_ids == answer.rule_ids
            )
            assert isinstance(flow, Flow)
            assert flow.opener is event.direction
            assert flow.state is answer.state_after
