// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The thirteen steps, in the definition's order. Read first: reference/decide.py. */
#pragma once

#include "connections.h"
#include "fragments.h"
#include "frame.h"
#include "related.h"

#define DHCP_SERVER 67
#define DHCP_CLIENT 68
#define DHCP6_CLIENT 546
#define DHCP6_SERVER 547
#define LIMITED_BROADCAST 0xffffffff

static __always_inline void refuse(struct passage *passage, __u8 reason)
{
	passage->answer.accepted = 0;
	passage->answer.reason = reason;
}

static __always_inline void accept(struct passage *passage, __u8 reason)
{
	passage->answer.accepted = 1;
	passage->answer.reason = reason;
}

/* The answer of steps after which no log has a record. */
static __always_inline void unlogged(struct passage *passage)
{
	passage->answer.logged = 0;
}

static __always_inline bool is_link_local(__u64 hi)
{
	return hi >> 54 == 0xfe80 >> 6;
}

/* Does the sender of a neighbour discovery that the interface sends belong to it? */
static __always_inline bool is_own_neighbour(struct __sk_buff *skb, const struct packet *packet,
					     const struct policy *policy)
{
	__u64 hi = packet->source_hi, lo = packet->source_lo;
	__be64 target[2];

	if ((hi | lo) && !is_link_local(hi) && !is_own(policy, 6, hi, lo))
		return false;
	if (packet->icmp_type != 136)
		return true;
	if (packet->transport + ICMP_HEADER + sizeof(target) > packet->end ||
	    bpf_skb_load_bytes(skb, packet->transport + ICMP_HEADER, target, sizeof(target)))
		return false;
	hi = bpf_be64_to_cpu(target[0]);
	lo = bpf_be64_to_cpu(target[1]);
	return is_link_local(hi) || is_own(policy, 6, hi, lo);
}

/* Only a neighbour can send these with hop limit 255 (RFC 4861 section 3.1). */
static __always_inline bool is_neighbour_discovery(const struct packet *packet)
{
	return packet->family == 6 && (packet->shape & HAS_ICMP) && packet->icmp_type >= 133 &&
	       packet->icmp_type <= 136 && packet->hop_limit == 255;
}

/* Is a datagram between a DHCP client inside and the router's server? */
static __always_inline bool is_dhcp(const struct packet *packet, const struct subnet *subnet,
				    __u32 direction)
{
	bool egress = direction == EGRESS;
	__u16 client = egress ? packet->source_port : packet->destination_port;
	__u16 server = egress ? packet->destination_port : packet->source_port;
	__u64 hi = peer_hi(packet, direction), lo = peer_lo(packet, direction);

	if (packet->protocol != PROTOCOL_UDP)
		return false;
	if (packet->family == 6) {
		if (client != DHCP6_CLIENT || server != DHCP6_SERVER)
			return false;
		return is_link_local(hi) ||
		       (egress && hi == 0xff02ULL << 48 && lo == 0x10002);
	}
	if (client != DHCP_CLIENT || server != DHCP_SERVER)
		return false;
	return (egress && (__u32)lo == LIMITED_BROADCAST) || is_router(subnet, packet, direction);
}

static __always_inline bool is_unicast(const struct packet *packet, const struct subnet *subnet)
{
	__u32 to = packet->destination_lo;

	if (packet->family == 6)
		return packet->destination_hi >> 56 != 0xff;
	return to >> 28 != 14 && to != LIMITED_BROADCAST &&
	       !(subnet->broadcast && to == subnet->broadcast);
}

/* Steps 1 to 5; true when the packet is decided. */
static __always_inline bool examine(struct __sk_buff *skb, struct passage *passage,
				    const struct policy *policy, const struct subnet *subnet,
				    __u32 direction)
{
	const struct packet *packet = &passage->packet;
	bool egress = direction == EGRESS;
	int exempt, port = -1;

	/* 1 */
	if (packet->shape & IS_MALFORMED) {
		refuse(passage, REASON_MALFORMED);
		return true;
	}
	if (passage->spoofed && policy->source_dest_check) {
		refuse(passage, REASON_SPOOFED);
		return true;
	}
	/* 2 */
	if (is_neighbour_discovery(packet)) {
		if (egress && !is_own_neighbour(skb, packet, policy)) {
			refuse(passage, REASON_SPOOFED);
			return true;
		}
		accept(passage, REASON_EXEMPT);
		unlogged(passage);
		return true;
	}
	if (is_dhcp(packet, subnet, direction)) {
		accept(passage, REASON_EXEMPT);
		unlogged(passage);
		return true;
	}
	/* 3 */
	if (!is_unicast(packet, subnet)) {
		refuse(passage, REASON_NOT_UNICAST);
		unlogged(passage);
		return true;
	}
	/* 4 */
	if (policy->source_dest_check && !is_own(policy, packet->family, inside_hi(packet, direction),
						 inside_lo(packet, direction))) {
		refuse(passage, egress ? REASON_SPOOFED : REASON_SOURCE_DEST_CHECK);
		return true;
	}
	/* 5 */
	if (!may_be_exempt(subnet, packet, direction))
		return false;
	if (packet->shape & HAS_PORTS)
		port = egress ? packet->destination_port : packet->source_port;
	exempt = exempt_at(subnet, packet, direction, packet->protocol, port);
	if (!exempt)
		return false;
	accept(passage, REASON_EXEMPT);
	if (exempt == 1)
		unlogged(passage);
	return true;
}

/* Step 7, and the question of 13: what the ACL says, 0 where it is not asked. */
static __always_inline void consult_acl(struct passage *passage, const struct policy *policy,
					const struct subnet *subnet, __u32 direction)
{
	const struct packet *packet = &passage->packet;
	__u32 at = section_number(direction, packet->family);

	passage->acl = 0;
	if (is_in_subnet(subnet, packet->family, peer_hi(packet, direction),
			 peer_lo(packet, direction)))
		return;
	passage->acl_section = policy->acl[at];
	passage->acl = policy->acl_always[at];
	if (!passage->acl)
		passage->acl = ask_acl(passage->acl_section, passage);
}

/* The answer carries what the ACL said: on egress it is asked last. */
static __always_inline void note_acl(struct passage *passage)
{
	if (!passage->acl)
		return;
	passage->answer.acl_rule_number = passage->acl < 0 ? -passage->acl : passage->acl;
	passage->answer.acl_section = passage->acl_section;
}

/* Step 13: true when the ACL lets pass what has been accepted so far. */
static __always_inline bool acl_allows(struct passage *passage)
{
	note_acl(passage);
	if (passage->acl >= 0)
		return true;
	refuse(passage, REASON_NETWORK_ACL);
	passage->answer.state_after = passage->answer.state_before;
	return false;
}

static __always_inline void refuse_by_groups(struct passage *passage, __u8 reason)
{
	refuse(passage, reason);
	passage->answer.state_after = passage->answer.state_before;
	if (passage->direction == INGRESS)
		note_acl(passage);
}

/* Step 9, and 13: the packet is of an entry that lives. */
static __always_inline void follow(struct passage *passage, const struct policy *policy,
				   struct entry *entry, __u64 memory, __u32 direction)
{
	accept(passage, REASON_ESTABLISHED);
	passage->answer.state_before = STATE_OF(memory);
	if (acl_allows(passage) && !step(passage, entry, memory, policy->owner, direction))
		passage->raced = 1;
}

/* Step 11: which rules match. */
static __always_inline bool is_admitted(struct passage *passage, const struct policy *policy)
{
	const struct packet *packet = &passage->packet;
	__u32 number = policy->rules[section_number(passage->direction & 1, packet->family)];

	if (ask(number, packet, passage->direction, &passage->asked))
		return false;
	passage->answer.section = number;
	passage->answer.address_class = passage->asked.address_class;
	passage->answer.port_class = passage->asked.port_class;
	return passage->asked.rule >= 0;
}

/* Is there room for one more in the owner's allowance, when an entry of `memory` goes? */
static __always_inline bool is_allowed(__u32 owner, __u64 memory, __u32 weight)
{
	struct owner *row = bpf_map_lookup_elem(&owners, &owner);

	if (!row)
		return false;
	if (row->allowance < 0 || row->weight - weight_of(memory) + weight <= row->allowance)
		return true;
	__sync_fetch_and_add(&row->exceeded, 1);
	return false;
}

/* Step 12d and 13: make the entry of an admitted opener. */
static __always_inline void open(struct passage *passage, const struct policy *policy,
				 struct entry *entry, __u64 memory, __u8 state)
{
	const struct section *section = section_at(passage->answer.section);
	__u32 weight = passage->asked.weight ? passage->asked.weight : 1;
	__u32 admission = section ? number_of(section, passage->asked.rule) : 0;

	if (!is_allowed(policy->owner, entry ? memory : 0, weight)) {
		refuse_by_groups(passage, REASON_ALLOWANCE_EXCEEDED);
		return;
	}
	accept(passage, REASON_NEW);
	passage->answer.state_after = state;
	if (!acl_allows(passage))
		return;
	fill_entry(passage, policy->timeouts, state, admission, weight);
	switch (make(passage, entry, memory, policy->owner)) {
	case MADE:
		passage->tallied = keeps_tally;
		return;
	case LOST:
		entry = bpf_map_lookup_elem(&connections, &passage->key);
		memory = entry ? read_memory(entry) : 0;
		if (entry && is_used(memory)) {
			follow(passage, policy, entry, memory, passage->direction & 1);
			return;
		}
		passage->raced = 1;
		break;
	default:
		passage->full = 1;
	}
	passage->answer.acl_rule_number = -1;
	passage->answer.acl_section = 0;
	refuse_by_groups(passage, REASON_ALLOWANCE_EXCEEDED);
}

/* Steps 10 to 13, for a packet that no living entry accepts. One of its key may have expired, ended
 * or be finished, and had `passage->memory` then; what has become of it since, `make` will see.
 */
__global int judge(struct __sk_buff *skb, struct passage *passage, const struct policy *policy)
{
	struct packet *packet;
	struct entry *entry = 0;
	__u32 direction;
	__u8 state;

	if (!passage || !policy)
		return -1;
	packet = &passage->packet;
	direction = passage->direction & 1;
	/* 10 */
	if (is_icmp_error(packet) && !(packet->shape & IS_FIRST_FRAGMENT) &&
	    is_related(skb, passage, policy)) {
		accept(passage, REASON_RELATED);
		acl_allows(passage);
		return 0;
	}
	/* 11 */
	if (!is_admitted(passage, policy)) {
		refuse_by_groups(passage, REASON_NO_MATCHING_RULE);
		return 0;
	}
	/* 12a */
	if (!passage->has_key || is_untracked(policy, packet, direction, &passage->asked)) {
		accept(passage, REASON_UNTRACKED);
		passage->answer.state_after = passage->answer.state_before;
		acl_allows(passage);
		return 0;
	}
	/* 12b */
	state = state_after(0, packet->tcp_flags & TCP_RST ? STRAY_EVENT : event_of(packet), 0);
	if (packet->protocol == PROTOCOL_TCP && !is_bare_syn(packet)) {
		if (policy->strict_tcp) {
			refuse_by_groups(passage, REASON_INVALID);
			return 0;
		}
		if (!policy->loose_tcp || !state) {
			accept(passage, REASON_MIDSTREAM);
			passage->answer.state_after = passage->answer.state_before;
			acl_allows(passage);
			return 0;
		}
	}
	/* 12c, 12d */
	if (passage->is_stale)
		entry = bpf_map_lookup_elem(&connections, &passage->key);
	open(passage, policy, entry, passage->memory, state);
	return 0;
}

/* Steps 9 to 13. */
static __always_inline void pass_groups(struct __sk_buff *skb, struct passage *passage,
					const struct policy *policy, __u32 direction)
{
	const struct packet *packet = &passage->packet;
	struct entry *entry = 0;
	bool has_key, alive = false;
	__u64 memory = 0;

	has_key = fill_key(&passage->key, packet, direction, policy->owner);
	if (has_key)
		entry = bpf_map_lookup_elem(&connections, &passage->key);
	if (entry) {
		memory = read_memory(entry);
		alive = is_alive(entry, memory, passage->now_ms);
	}
	if (alive && !(STATE_OF(memory) == STATE_TIME_WAIT && is_bare_syn(packet))) {
		follow(passage, policy, entry, memory, direction);
		return;
	}
	passage->has_key = has_key;
	passage->is_stale = !!entry;
	passage->memory = memory;
	passage->answer.state_before = alive ? STATE_OF(memory) : 0;
	judge(skb, passage, policy);
}

/* Decide a packet: write its answer. The direction is the passage's, known when this is compiled. */
static __always_inline void take_steps(struct __sk_buff *skb, struct passage *passage,
				       const struct policy *policy, const struct subnet *subnet,
				       __u32 direction)
{
	const struct packet *packet = &passage->packet;

	if (examine(skb, passage, policy, subnet, direction))
		return;
	/* 6 */
	if (packet->shape & IS_LATER_FRAGMENT) {
		if (recall_first(passage))
			refuse(passage, REASON_FRAGMENT);
		return;
	}
	/* 7 */
	consult_acl(passage, policy, subnet, direction);
	if (passage->acl < 0 && direction == INGRESS) {
		refuse(passage, REASON_NETWORK_ACL);
		note_acl(passage);
		return;
	}
	/* 8 */
	if (!policy->carries_groups) {
		accept(passage, REASON_NO_GROUPS);
		acl_allows(passage);
		return;
	}
	pass_groups(skb, passage, policy, direction);
}
