// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rules and connections together: what is untracked, and ICMP errors about what passes here. */
#pragma once

#include "connections.h"
#include "policy.h"
#include "quote.h"

/* Tell whether a section opens a place to everyone. */
__global int opens(__u32 number, __u32 place)
{
	const struct section *section = section_at(number);
	__u64 value = section ? port_value(section, place) : NOT_FOUND;

	return value != NOT_FOUND && (__u32)value & OPENED ? 1 : 0;
}

/* Tell whether a packet that the rules admit, as `asked` says, is of an untracked flow. TCP and
 * UDP: its port is open to everyone, there and back; or it answers such a flow. ICMP is always
 * tracked, but a message that is no query has nothing to be tracked by.
 */
static __always_inline bool is_untracked(const struct policy *policy, const struct packet *packet,
					 __u32 direction, const struct asked *asked)
{
	__u32 here = section_number(direction, packet->family);
	__u32 back = section_number(OPPOSITE(direction), packet->family), place;

	/* Of a query its kind is even; what is neither query nor answer is odd too. */
	if (packet->shape & HAS_ICMP)
		return machine_icmp_kinds[icmp_row(packet->family, packet->icmp_type)] & 1;
	if (!(packet->shape & HAS_PORTS) || asked->weight)
		return false;
	if (asked->opened && opens_back(policy->rules[back], packet->protocol))
		return true;
	if (is_bare_syn(packet) || !opens_back(policy->rules[here], packet->protocol))
		return false;
	place = packet->source_port + (packet->protocol == PROTOCOL_UDP ? PLACES_OF_UDP : 0);
	return opens(policy->rules[back], place);
}

/* The errors whose delivery AWS documents: fragmentation needed, packet too big. */
static __always_inline bool is_path_mtu(const struct packet *packet)
{
	if (packet->family == 6)
		return packet->icmp_type == 2;
	return packet->icmp_type == 3 && packet->icmp_code == 4;
}

static __always_inline bool is_icmp_error(const struct packet *packet)
{
	return (packet->shape & HAS_ICMP) &&
	       machine_icmp_errors[icmp_row(packet->family, packet->icmp_type)];
}

/* Tell whether an ICMP error passes because of what it quotes: the error must go to the source of
 * the quoted packet, which, taken the other way through this interface, must have an entry or be
 * untracked. The answer's states are then that entry's. It has the passage's key for itself: an
 * error has none.
 */
__global int is_related(struct __sk_buff *skb, struct passage *passage, const struct policy *policy)
{
	struct packet *packet, *quote;
	struct entry *entry = 0;
	__u64 memory = 0;
	__u32 way, number;
	bool untracked;

	if (!passage || !policy)
		return 0;
	packet = &passage->packet;
	quote = &passage->quote;
	way = OPPOSITE(passage->direction & 1);
	if (parse_quote(skb, packet, quote) || is_icmp_error(quote))
		return 0;
	if (packet->destination_hi != quote->source_hi || packet->destination_lo != quote->source_lo)
		return 0;
	if (fill_key(&passage->key, quote, way, policy->owner))
		entry = bpf_map_lookup_elem(&connections, &passage->key);
	if (entry)
		memory = read_memory(entry);
	if (entry && !is_alive(entry, memory, passage->now_ms))
		entry = 0;
	if (entry && policy->related_icmp)
		goto related;
	number = policy->rules[section_number(way, quote->family)];
	if (ask(number, quote, way, &passage->asked))
		return 0;
	untracked = !entry && passage->asked.rule >= 0 &&
		    is_untracked(policy, quote, way, &passage->asked);
	if (!entry && !untracked)
		return 0;
	if (!policy->related_icmp && (!is_path_mtu(packet) || !(untracked || passage->asked.weight)))
		return 0;
related:
	passage->answer.state_before = passage->answer.state_after = entry ? STATE_OF(memory) : 0;
	return 1;
}
