"""Every wrong definition that a test must notice, and the test that does.

A mutant is a patch of one source file: a step of the definition taken away, two neighbours
swapped, or one of its bounds moved. Grid cells are mutated by `cells`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).resolve().parents[2] / "src" / "secgroup"
DECIDE: Final = "reference/decide.py"
IN_DECIDE: Final = "tests/reference/test_decide.py"
TALKS: Final = "tests/reference/test_conversations.py"

#: What looks like a mutant and is the same definition, with the reason.
EQUIVALENT: Final = {
    "swap 1 and 2": "what cannot be parsed has no fields that step 2 could ask",
    "swap 9 and 10": "an ICMP error belongs to no entry, so at most one of the two applies",
    "A11 reaped at every packet": "as of the second, whose first packet has reaped all of it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A patch and the tests (node ids) of which at least one must fail."""

    name: str
    path: str
    change: Callable[[str], str]
    tests: tuple[str, ...]

    def source(self) -> str:
        """Return the patched file.

        Raises
        ------
        ValueError
            The patch does not fit the source any more.

        """
        before = (SOURCES / self.path).read_text()
        after = self.change(before)
        if after == before:
            raise ValueError(f"{self.name}: nothing changed in {self.path}")
        return after


def text(old: str, new: str) -> Callable[[str], str]:
    """Replace a text that stands in the file exactly once."""

    def change(source: str) -> str:
        if source.count(old) != 1:
            raise ValueError(f"{old!r} stands there {source.count(old)} times")
        return source.replace(old, new)

    return change


def _steps(source: str) -> tuple[list[str], list[str]]:
    """Cut the file at the comments that number the steps: names and what follows each."""
    pieces = re.split(r"^(    # (?:\d+[a-d]?)(?: .*)?\n)", source, flags=re.MULTILINE)
    return pieces, [piece.split()[1].rstrip(":") for piece in pieces[1::2]]


def swap(one: str, two: str) -> Callable[[str], str]:
    """Put step `two` before step `one`, its neighbour."""

    def change(source: str) -> str:
        pieces, names = _steps(source)
        first, second = 1 + 2 * names.index(one), 1 + 2 * names.index(two)
        blocks = pieces[first : first + 2], pieces[second : second + 2]
        pieces[first : first + 2], pieces[second : second + 2] = blocks[1], blocks[0]
        return "".join(pieces)

    return change


def drop(step: str) -> Callable[[str], str]:
    """Take a step away."""

    def change(source: str) -> str:
        pieces, names = _steps(source)
        at = 2 + 2 * names.index(step)
        pieces[at] = "\n"
        return "".join(pieces)

    return change


def _mutant(name: str, change: Callable[[str], str], *tests: str, path: str = DECIDE) -> Mutant:
    home = {
        DECIDE: IN_DECIDE,
        "conntrack/flow.py": "tests/conntrack/test_flow.py",
        "conntrack/table.py": "tests/conntrack/test_table.py",
        "conntrack/timeout.py": "tests/conntrack/test_timeout.py",
        "conntrack/fragment.py": "tests/conntrack/test_fragment.py",
        "conntrack/tcp.py": "tests/conntrack/test_tcp.py",
        "policy/policy.py": IN_DECIDE,
        "policy/permission.py": IN_DECIDE,
        "policy/resolve.py": "tests/policy/test_resolve.py",
        "policy/routes.py": "tests/policy/test_resolve.py",
    }[path]
    return Mutant(
        name=name,
        path=path,
        change=change,
        tests=tuple(test if "::" in test else f"{home}::{test}" for test in tests),
    )


#: Steps taken away, and neighbours swapped.
ORDER: Final = (
    _mutant(
        "drop 1",
        text("return _reject(Reason.MALFORMED)", "return _accept(Reason.EXEMPT)"),
        "test_malformed_is_refused_whatever_the_rules",
    ),
    _mutant("drop 2", drop("2"), "test_neighbour_discovery_is_exempt_and_not_logged"),
    _mutant("drop 3", drop("3"), "test_multicast_and_broadcast_are_refused_and_not_logged"),
    _mutant("drop 4", drop("4"), "test_source_dest_check_refuses_what_is_not_the_interfaces"),
    _mutant("drop 5", drop("5"), "test_service_is_exempt_from_groups_and_acl_both_ways"),
    _mutant("drop 6", drop("6"), "test_later_fragment_gets_what_its_first_got"),
    _mutant(
        "drop 7",
        text(
            "    if not (peer in policy.subnet if",
            "    if direction and not (peer in policy.subnet if",
        ),
        "test_acl_decides_by_the_first_entry_that_matches",
    ),
    _mutant(
        "7 after the groups",
        text("not acl.is_allow and direction is Direction.INGRESS", "False"),
        "test_acl_stands_outside_the_groups",
    ),
    _mutant("drop 8", drop("8"), "test_types_without_groups_pass_everything_but_acls"),
    _mutant(
        "drop 9",
        text("if flow is not None and not (before", "if False and not (before"),
        "test_tracked_answer_passes_whatever_the_other_direction_says",
    ),
    _mutant("drop 10", drop("10"), "test_error_about_a_tracked_flow_is_related_and_steps_nothing"),
    _mutant(
        "drop 11",
        text("if not rule_ids:", "if False:"),
        "test_no_rule_no_traffic_and_all_matching_rules_are_named",
    ),
    _mutant("drop 12a", drop("12a"), "test_flow_is_untracked_when_open_there_and_back"),
    _mutant(
        "drop 12b",
        drop("12b"),
        "test_mid_stream_segment_is_judged_by_the_rules_and_makes_no_entry",
    ),
    _mutant(
        "drop 12c",
        text("if allowance is not None and taken", "if False and taken"),
        "test_full_table_refuses_the_opener_and_keeps_what_it_has",
    ),
    _mutant(
        "drop 12d",
        text('effect="make"', 'effect="none"'),
        "test_tracked_answer_passes_whatever_the_other_direction_says",
    ),
    _mutant(
        "drop 13",
        drop("13"),
        "test_egress_acl_undoes_what_the_groups_did",
    ),
    _mutant(
        "swap 2 and 3",
        swap("2", "3"),
        "test_neighbour_discovery_is_exempt_and_not_logged",
        "test_dhcp_is_exempt_within_its_bounds",
    ),
    _mutant(
        "swap 3 and 4", swap("3", "4"), "test_multicast_comes_before_source_check_and_exemption"
    ),
    _mutant("swap 4 and 5", swap("4", "5"), "test_source_check_comes_before_exemption"),
    _mutant("swap 5 and 6", swap("5", "6"), "test_router_is_exempt_whatever_is_said"),
    _mutant(
        "swap 6 and 7",
        swap("6", "7"),
        "test_source_check_comes_before_fragment_and_fragment_before_acl",
    ),
    _mutant(
        "swap 7 and 8",
        text(
            "    # 7 and 13:",
            "    if not policy.carries_groups:\n"
            "        return _accept(Reason.NO_GROUPS)\n\n    # 7 and 13:",
        ),
        "test_types_without_groups_pass_everything_but_acls",
    ),
    _mutant(
        "swap 8 and 9",
        text(
            "    if not policy.carries_groups:\n",
            "    known = key_of(packet, direction, policy.interface.owner)\n"
            "    if not policy.carries_groups and (\n"
            "        known is None or memory.flows.get(known) is None\n    ):\n",
        ),
        "test_interface_without_groups_asks_no_table",
    ),
    _mutant(
        "swap 10 and 11",
        swap("10", "11"),
        "test_error_about_a_tracked_flow_is_related_and_steps_nothing",
    ),
    _mutant(
        "swap 11 and 12a",
        text(
            "    # 11\n",
            "    if _is_untracked(policy, packet, direction):\n"
            "        return _Passage(answer=_accept(Reason.UNTRACKED))\n\n    # 11\n",
        ),
        "test_icmp_answer_without_a_question_needs_a_rule",
    ),
    _mutant(
        "swap 12a and 12b",
        swap("12a", "12b"),
        "test_answer_of_an_untracked_tcp_flow_is_untracked",
        "test_strict_tcp_leaves_untracked_flows_alone",
    ),
    _mutant(
        "swap 12b and 12c",
        text(
            "    # 12b\n",
            "    limit = switches.allowance_of(policy.interface.owner)\n"
            "    if limit is not None and key is not None and limit <= (\n"
            "        memory.flows.weight_of(policy.interface.owner, without=key)\n    ):\n"
            "        return _Passage(answer=replace(refused, reason=Reason.ALLOWANCE_EXCEEDED))\n\n"
            "    # 12b\n",
        ),
        "test_only_what_would_be_tracked_needs_the_allowance",
    ),
    _mutant(
        "swap 12c and 12d",
        swap("12c", "12d"),
        "test_full_table_refuses_the_opener_and_keeps_what_it_has",
    ),
    _mutant(
        "swap 12 and 13",
        text("not acl.is_allow and direction is Direction.INGRESS", "not acl.is_allow"),
        "test_acl_stands_outside_the_groups",
    ),
    _mutant(
        "13 does not undo",
        text("    # 13\n", "    passed.commit(memory)\n    # 13\n"),
        "test_acl_is_stateless_and_cuts_a_tracked_connection_at_once",
        "test_egress_acl_undoes_what_the_groups_did",
    ),
)

#: Bounds and assumptions moved by one.
BOUNDS: Final = (
    _mutant(
        "neighbour discovery of any hop limit",
        text("and packet.hop_limit == 255", ""),
        "test_what_is_not_neighbour_discovery_is_multicast",
    ),
    _mutant(
        "neighbour discovery with redirects",
        text("range(133, 137)", "range(133, 138)"),
        "test_what_is_not_neighbour_discovery_is_multicast",
    ),
    _mutant(
        "DHCP from anyone",
        text("(67, 68) and packet.source in policy.routers", "(67, 68)"),
        "test_dhcp_is_exempt_within_its_bounds",
    ),
    _mutant(
        "DHCPv6 from anyone",
        text("(547, 546) and packet.source in LINK_LOCAL_IPV6", "(547, 546)"),
        "test_dhcp_is_exempt_within_its_bounds",
    ),
    _mutant(
        "DHCP to anyone",
        text("ports == (68, 67) and to_server", "ports == (68, 67)"),
        "test_dhcp_is_exempt_within_its_bounds",
    ),
    _mutant(
        "the broadcast of the subnet is an address",
        text("        policy.broadcast,\n", ""),
        "test_multicast_and_broadcast_are_refused_and_not_logged",
    ),
    _mutant(
        "what is not unicast is logged",
        text("replace(_reject(Reason.NOT_UNICAST), logged=False)", "_reject(Reason.NOT_UNICAST)"),
        "test_multicast_and_broadcast_are_refused_and_not_logged",
    ),
    _mutant(
        "a service by its port on either side",
        text(
            "packet.destination_port if direction is Direction.EGRESS else packet.source_port",
            "packet.source_port if direction is Direction.EGRESS else packet.destination_port",
        ),
        "test_service_is_exempt_from_groups_and_acl_both_ways",
    ),
    _mutant(
        "no first fragment is remembered",
        text("memory.fragments.remember(first, (packet, answer), now_ms)", "pass"),
        "test_later_fragment_of_a_refused_first_is_refused_alike",
    ),
    _mutant(
        "an ACL within the subnet",
        text("if not (peer in policy.subnet if same_subnet is None else same_subnet):", "if True:"),
        "test_acl_is_not_asked_within_the_subnet",
    ),
    _mutant(
        "the hop is told by addresses only",
        text(
            "peer in policy.subnet if same_subnet is None else same_subnet", "peer in policy.subnet"
        ),
        "test_acl_is_not_asked_within_the_subnet",
    ),
    _mutant(
        "an ACL named by the groups' refusal",
        text(
            "if acl is not None and (answer.accepted or direction is Direction.INGRESS):",
            "if acl is not None:",
        ),
        "test_acl_stands_outside_the_groups",
    ),
    _mutant(
        "TIME_WAIT matches a bare SYN",
        text("not (before is State.TIME_WAIT and is_bare_syn)", "True"),
        "test_bare_syn_in_time_wait_is_judged_by_the_rules_and_replaces",
    ),
    _mutant(
        "any state gives way to a bare SYN",
        text("before is State.TIME_WAIT and is_bare_syn", "is_bare_syn"),
        "test_packet_with_an_entry_is_always_accepted",
    ),
    _mutant(
        "a related error refreshes",
        text(
            "    state = None if flow is None else flow.state\n",
            "    state = None if flow is None else flow.state\n"
            "    if flow is not None:\n"
            "        memory.flows.renew(replace(flow, last_ms=memory.flows.now_ms))\n",
        ),
        "test_error_about_a_tracked_flow_is_related_and_steps_nothing",
    ),
    _mutant(
        "an error about an error",
        text(" or quote.is_icmp_error:", ":"),
        "test_error_about_an_error_is_never_related",
    ),
    _mutant(
        "an error that is a fragment",
        text(" or packet.fragment is not None", ""),
        "test_error_that_is_not_about_a_flow_here_goes_on_to_the_rules",
    ),
    _mutant(
        "an error to somebody else",
        text("if packet.destination != quote.source:", "if False:"),
        "test_error_to_another_than_the_sender_is_not_related",
    ),
    _mutant(
        "an error about a packet of its own direction",
        text("way = direction.opposite", "way = direction"),
        "test_error_about_a_tracked_flow_is_related_and_steps_nothing",
    ),
    _mutant(
        "an error about what the rules refuse",
        text("bool(policy.matching(quote, way, peer)) and ", ""),
        "test_error_about_an_answer_without_an_entry_is_judged_by_the_rules",
    ),
    _mutant(
        "related_icmp off leaves every error",
        text("if not _is_path_mtu(packet):", "if False:"),
        "test_related_off_leaves_path_mtu_of_untracked_and_always_tracked_flows",
    ),
    _mutant(
        "related_icmp off leaves every flow",
        text("if not is_untracked and policy.always_tracked_weight(peer) == 0:", "if False:"),
        "test_related_off_leaves_path_mtu_of_untracked_and_always_tracked_flows",
    ),
    _mutant(
        "ICMP answers are tracked",
        text("return not packet.is_query\n", "return False\n"),
        "test_error_about_an_answer_without_an_entry_is_judged_by_the_rules",
    ),
    _mutant(
        "what is always tracked is not",
        text("if policy.always_tracked_weight(outside_of(packet, direction)) > 0:", "if False:"),
        "test_peers_behind_some_gateways_are_always_tracked",
    ),
    _mutant(
        "A2 only in the packet's own direction",
        text("return not is_tcp_opener and policy.is_open(", "return False and policy.is_open("),
        "test_answer_of_an_untracked_tcp_flow_is_untracked",
    ),
    _mutant(
        "A2 takes a TCP opener for an answer",
        text(
            "is_tcp_opener = packet.protocol == TCP and packet.is_opener", "is_tcp_opener = False"
        ),
        "test_opener_from_an_open_port_is_no_answer",
    ),
    _mutant(
        "A2 takes no datagram for an answer",
        text(
            "is_tcp_opener = packet.protocol == TCP and packet.is_opener",
            "is_tcp_opener = packet.is_opener",
        ),
        "test_datagram_from_an_open_port_is_an_answer",
    ),
    _mutant(
        "A7 strict_tcp does nothing",
        text("if switches.strict_tcp:", "if False:"),
        "test_strict_tcp_refuses_mid_stream",
    ),
    _mutant(
        "A7 loose_tcp does nothing",
        text("if not switches.loose_tcp or", "if True or"),
        "test_loose_tcp_picks_up_what_netfilter_does",
    ),
    _mutant(
        "A14 one entry too many",
        text("taken + made.weight > allowance", "taken + made.weight > allowance + 1"),
        "test_full_table_refuses_the_opener_and_keeps_what_it_has",
    ),
    _mutant(
        "A14 one entry too few",
        text("taken + made.weight > allowance", "taken + made.weight >= allowance"),
        "test_full_table_refuses_the_opener_and_keeps_what_it_has",
    ),
    _mutant(
        "A13 every flow takes one entry",
        text("weight=max(1, policy.always_tracked_weight(key.outside))", "weight=1"),
        "test_dynamodb_takes_two_entries_of_the_allowance",
    ),
    _mutant(
        "A1 a table for each interface",
        text(
            "key = key_of(packet, direction, policy.interface.owner)",
            "key = key_of(packet, direction, policy.interface.interface_id)",
        ),
        "test_timeouts_are_those_of_the_interface_that_made_the_entry",
    ),
    # policy
    _mutant(
        "A2 opens by any block",
        text(
            "self.open_family == family and self.traffic.covers(protocol, port, None, None)",
            "self.traffic.covers(protocol, port, None, None)",
        ),
        "test_flow_is_untracked_when_open_there_and_back",
        path="policy/permission.py",
    ),
    _mutant(
        "A2 needs no rule back",
        text(
            """            permission.opens_all_ports(family, protocol)
""",
            "            True\n",
        ),
        "test_flow_is_untracked_when_open_there_and_back",
        path="policy/policy.py",
    ),
    _mutant(
        "A2 is content with some ports back",
        text("and self.traffic.ports in (None, ALL_PORTS)", ""),
        "test_flow_is_untracked_when_open_there_and_back",
        path="policy/permission.py",
    ),
    _mutant(
        "A15 icmp rules for both families",
        text("return self.traffic.protocol != (ICMPV6 if family == 4 else ICMP)", "return True"),
        "test_rule_matches_protocol_type_and_code",
        path="policy/permission.py",
    ),
    _mutant(
        "an unknown block of a denying entry matches nothing",
        text("applies = not entry.is_allow", "applies = False"),
        "test_acl_unknown_block_is_never_open",
        path="policy/policy.py",
    ),
    _mutant(
        "an unknown block of an allowing entry matches everything",
        text("applies = not entry.is_allow", "applies = True"),
        "test_acl_unknown_block_is_never_open",
        path="policy/policy.py",
    ),
    _mutant(
        "one implicit deny for both families",
        text(
            "IMPLICIT_DENY_IPV4 if peer.version == 4 else IMPLICIT_DENY_IPV6", "IMPLICIT_DENY_IPV4"
        ),
        "test_acl_without_a_matching_entry_denies_by_the_implicit_one",
        path="policy/policy.py",
    ),
    _mutant(
        "A13 the egress-only gateway is no reason",
        text(
            "(TargetKind.NAT_GATEWAY, TargetKind.EGRESS_ONLY_GATEWAY)", "(TargetKind.NAT_GATEWAY,)"
        ),
        "test_peers_behind_some_gateways_are_always_tracked",
        path="policy/policy.py",
    ),
    _mutant(
        "A13 DynamoDB takes one entry",
        text("return 2\n", "return 1\n"),
        "test_dynamodb_takes_two_entries_of_the_allowance",
        path="policy/policy.py",
    ),
    _mutant(
        "A13 service interfaces are no reason",
        text("return int(any(", "return 0 * int(any("),
        "test_interfaces_of_some_services_are_always_tracked",
        path="policy/policy.py",
    ),
    _mutant(
        "a prefix list with everything in it is open",
        text(
            """            if isinstance(rule.peer, Prefix)
            else None,
""",
            """            if isinstance(rule.peer, Prefix)
            else (4 if ALL_IPV4 in prefixes else None),
""",
        ),
        f"{IN_DECIDE}::test_prefix_list_with_everything_in_it_is_not_literal",
        path="policy/resolve.py",
    ),
    _mutant(
        "ACL entries in the order of their source",
        text("sorted(acl.entries, key=lambda entry: entry.rule_number)", "list(acl.entries)"),
        f"{IN_DECIDE}::test_acl_decides_by_the_first_entry_that_matches",
        path="policy/resolve.py",
    ),
    _mutant(
        "A15 references across every peering",
        text("if peering.is_active and peering.is_same_region:", "if True:"),
        "test_reference_reaches_over_active_peering_in_the_region",
        path="policy/resolve.py",
    ),
    _mutant(
        "A15 references without peering",
        text("if member.vpc_id in joined", "if True"),
        "test_reference_reaches_over_active_peering_in_the_region",
        path="policy/resolve.py",
    ),
    _mutant(
        "A15 references of any account",
        text("reference.owner_id != group.owner_id", "False"),
        "test_reference_to_another_accounts_group_matches_only_that_accounts",
        path="policy/resolve.py",
    ),
    _mutant(
        "A15 references without delegated prefixes",
        text("tuple(prefix for member in members for prefix in member.prefixes)", "()"),
        "test_reference_matches_every_private_address_of_every_member",
        path="policy/resolve.py",
    ),
    _mutant(
        "DNS at base + 2 without DNS support",
        text("if not (vpc.enable_dns_support and vpc.ipv4_blocks):", "if not vpc.ipv4_blocks:"),
        f"{IN_DECIDE}::test_base_plus_two_is_dns_only_with_dns_support",
        path="policy/resolve.py",
    ),
    _mutant(
        "the shortest prefix wins",
        text("rank > best", "rank < best"),
        "test_the_longest_prefix_wins_and_local_wins_ties",
        path="policy/routes.py",
    ),
    # conntrack
    _mutant(
        "A8 every reset is exact",
        text("return segment.sequence == flow.next[side]", "return True"),
        "test_reset_ends_only_where_its_side_stands",
        path="conntrack/flow.py",
    ),
    _mutant(
        "A8 a reset of SYN_SENT needs no ACK flag",
        text("return bool(segment.flags & TcpFlag.ACK) and (", "return ("),
        "test_syn_sent_reset_without_the_ack_flag_is_stray",
        path="conntrack/flow.py",
    ),
    _mutant(
        "A8 positions do not wrap",
        text("return 0 < (sequence - of) & 0xFFFFFFFF < 0x80000000", "return sequence > of"),
        "test_is_ahead_wraps_around",
        path="conntrack/flow.py",
    ),
    _mutant(
        "A8 a reset moves where its side stands",
        text(
            "if packet.tcp is not None and not packet.tcp.flags & TcpFlag.RST:",
            "if packet.tcp is not None:",
        ),
        "test_stray_reset_does_not_move_where_a_side_stands",
        path="conntrack/flow.py",
    ),
    _mutant(
        "A8 positions move back",
        text("if known is not None and not begins and not is_ahead(end, known):", "if False:"),
        "test_segment_out_of_order_moves_ahead_and_the_late_one_not_back",
        path="conntrack/flow.py",
    ),
    _mutant(
        "A8 a retried SYN does not begin again",
        text(
            "begins = bool(segment.flags & TcpFlag.SYN) and flow.state in tcp.HANDSHAKE",
            "begins = False",
        ),
        "test_syn_of_a_handshake_sets_where_a_side_begins",
        path="conntrack/flow.py",
    ),
    _mutant(
        "A9 a query of any kind",
        text("query = Query(type=asked, opener=", "query = Query(type=0, opener="),
        "test_query_key_has_identifier_kind_and_asker",
        path="conntrack/flow.py",
    ),
    _mutant(
        "A9 a query of either side",
        text(
            "opener=direction if packet.is_query else direction.opposite",
            "opener=Direction.INGRESS",
        ),
        "test_query_key_has_identifier_kind_and_asker",
        path="conntrack/flow.py",
    ),
    _mutant(
        "a step refreshes nothing",
        text("last_ms=now_ms, next=positions", "next=positions"),
        f"{IN_DECIDE}::test_every_accepted_packet_refreshes",
        path="conntrack/flow.py",
    ),
    _mutant(
        "A10 alive at its timeout",
        text(
            "return flow if flow is not None and self.now_ms < flow.expires_ms",
            "return flow if flow is not None and self.now_ms <= flow.expires_ms",
        ),
        "test_entry_lives_while_idle_less_than_its_timeout",
        path="conntrack/table.py",
    ),
    _mutant(
        "A10 the clock goes back",
        text("self.stepped_back += 1\n            return self.now_ms", "pass"),
        "test_clock_never_goes_back_and_counts_the_steps",
        path="conntrack/table.py",
    ),
    _mutant(
        "A11 never reaped",
        text("            self._reap(second)\n", "            pass\n"),
        "test_expired_entry_counts_until_the_first_whole_second_after",
        path="conntrack/table.py",
    ),
    _mutant(
        "A11 reaped a millisecond late",
        text("if flow.expires_ms <= 1000 * second:", "if flow.expires_ms < 1000 * second:"),
        "test_expired_entry_counts_until_the_first_whole_second_after",
        path="conntrack/table.py",
    ),
    _mutant(
        "A11 reaped by the clock and not by the second",
        text("if flow.expires_ms <= 1000 * second:", "if flow.expires_ms <= self.now_ms:"),
        "test_a_jump_does_not_reap_what_expired_within_its_second",
        path="conntrack/table.py",
    ),
    _mutant(
        "a replaced entry counts twice",
        text(
            "return self._weight[owner] - (0 if replaced is None else replaced.weight)",
            "return self._weight[owner]",
        ),
        "test_weight_is_per_owner_and_without_the_one_replaced",
        path="conntrack/table.py",
    ),
    _mutant(
        "fragments live a millisecond longer",
        text("now_ms - kept[0] < LIFETIME_MS", "now_ms - kept[0] <= LIFETIME_MS"),
        "test_answer_is_kept_for_thirty_seconds",
        path="conntrack/fragment.py",
    ),
    _mutant(
        "fragments of any interface",
        text("interface_id=interface_id,", 'interface_id="",'),
        "test_fragments_of_one_packet_share_a_key_and_no_others",
        path="conntrack/fragment.py",
    ),
    _mutant(
        "SYN with FIN is a SYN",
        text(
            "        return Event.ODD\n    if flags & _SYN:",
            "        return Event.SYN\n    if flags & _SYN:",
        ),
        "test_flags_name_the_event",
        path="conntrack/tcp.py",
    ),
    *(
        _mutant(
            f"the timeout of {name} is {wrong} s",
            text(f"State.{name}: {right},", f"State.{name}: {wrong},"),
            "test_default_timeout",
            path="conntrack/timeout.py",
        )
        for name, right, wrong in (
            ("SYN_SENT", 120, 60),
            ("SYN_SENT2", 120, 60),
            ("SYN_RECV", 60, 120),
            ("FIN_WAIT", 120, 60),
            ("CLOSE_WAIT", 60, 120),
            ("LAST_ACK", 30, 60),
            ("TIME_WAIT", 120, 60),
            ("ICMP_UNREPLIED", 30, 60),
            ("ICMP_REPLIED", 30, 60),
            ("OTHER_UNREPLIED", 600, 30),
            ("OTHER_REPLIED", 600, 30),
        )
    ),
)

MUTANTS: Final = (*ORDER, *BOUNDS)
