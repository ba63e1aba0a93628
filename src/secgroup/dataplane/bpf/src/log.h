// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is told of a decision: counters, flow logs of packets without an entry, events. */
#pragma once

#include "passage.h"

static __always_inline void count_frame(__u32 interface, __u32 direction, __u32 frame)
{
	struct counters *row = bpf_map_lookup_elem(&counters, &interface);

	if (row)
		row->frames[direction & 1][frame & 7] += 1;
}

static __always_inline void count(struct counters *row, const struct passage *passage,
				  __u32 direction)
{
	__u32 accepted = passage->answer.accepted & 1;

	row->packets[direction][accepted] += passage->segments;
	row->octets[direction][accepted] += passage->octets;
	row->reasons[direction][passage->answer.reason & (REASONS - 1)] += passage->segments;
}

static __always_inline void fill_log_key(struct log_key *key, const struct passage *passage)
{
	const struct packet *packet = &passage->packet;

	key->source_hi = packet->source_hi;
	key->source_lo = packet->source_lo;
	key->destination_hi = packet->destination_hi;
	key->destination_lo = packet->destination_lo;
	key->interface = passage->interface;
	key->source_port = passage->answer.source_port;
	key->destination_port = passage->answer.destination_port;
	key->protocol = passage->answer.protocol;
	key->family = packet->family;
	key->direction = passage->direction;
	key->accepted = passage->answer.accepted;
	key->reason = passage->answer.reason;
	__builtin_memset(key->padding, 0, sizeof(key->padding));
}

/* Count a packet that no entry counts. Other than 0: there is no room. */
__global int log_untallied(const struct passage *passage)
{
	struct log_key key;
	struct log *log;

	if (!passage)
		return -1;
	fill_log_key(&key, passage);
	log = bpf_map_lookup_elem(&untallied, &key);
	if (!log) {
		struct log fresh = {};

		/* Another CPU may be first: its row has one of this CPU too. */
		bpf_map_update_elem(&untallied, &key, &fresh, BPF_NOEXIST);
		log = bpf_map_lookup_elem(&untallied, &key);
		if (!log)
			return -1;
	}
	/* Each CPU's row begins empty. */
	if (!log->packets) {
		log->first_ms = passage->now_ms;
		log->section = passage->answer.section;
		log->address_class = passage->answer.address_class;
		log->port_class = passage->answer.port_class;
	}
	log->packets += passage->segments;
	log->octets += passage->octets;
	log->last_ms = passage->now_ms;
	log->tcp_flags |= passage->packet.tcp_flags;
	return 0;
}

/* Tell those who follow. Other than 0: nobody read in time. */
__global int tell(const struct passage *passage, __u32 frame)
{
	const struct packet *packet;
	struct event *event;

	if (!passage)
		return -1;
	packet = &passage->packet;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return -1;
	event->time_ms = passage->now_ms;
	event->word = passage->word;
	event->source_hi = packet->source_hi;
	event->source_lo = packet->source_lo;
	event->destination_hi = packet->destination_hi;
	event->destination_lo = packet->destination_lo;
	event->interface = passage->interface;
	event->length = passage->octets;
	event->answer = passage->answer;
	event->segments = passage->segments;
	event->family = packet->family;
	event->direction = passage->direction;
	event->tcp_flags = packet->tcp_flags;
	event->frame = frame;
	event->padding[0] = event->padding[1] = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Does anybody want to be told of an answer? Whoever follows says so again and again, so that
 * nothing is told for one that was killed.
 */
static __always_inline bool is_followed(const struct passage *passage)
{
	__u32 zero = 0;
	const struct control *row = bpf_map_lookup_elem(&control, &zero);

	return row && passage->now_ms < row->followed_until_ms &&
	       !(row->rejected_only && passage->answer.accepted);
}

/* Count, log and tell what was decided. */
static __always_inline void conclude(struct passage *passage, const struct policy *policy,
				     __u32 direction)
{
	__u32 interface = passage->interface;
	struct counters *row = bpf_map_lookup_elem(&counters, &interface);

	if (!row)
		return;
	count(row, passage, direction);
	if (passage->raced)
		row->raced[direction] += 1;
	if (passage->full)
		row->full[direction] += 1;
	if (policy->logs && passage->answer.logged && !passage->tallied && log_untallied(passage))
		row->unlogged[direction] += passage->segments;
	if (is_followed(passage) && tell(passage, 0))
		row->unheard[direction] += 1;
}
