// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What connections remember, and what packets do to it.
 *
 * Any number of CPUs look at an entry at once. What decides, its last word, is changed by
 * compare-and-swap alone; the rest by plain stores and atomic additions, whose races cost at most
 * what docs/design/bpf.md says. Nothing here deletes: the sweeper does (sweep.h).
 */
#pragma once

#include "clock.h"
#include "passage.h"

/* Count packets and octets of connections in their entries: set before the object is loaded. */
const volatile __u32 keeps_tally = 1;

/* The last word of a record. */
#define TIMEOUTS_SHIFT 32
#define STATE_SHIFT 48
#define FLAGS_SHIFT 56
#define STATE_OF(memory) ((__u8)((memory) >> STATE_SHIFT))
#define FLAGS_OF(memory) ((__u8)((memory) >> FLAGS_SHIFT))
#define FLAGS(flags) ((__u64)(flags) << FLAGS_SHIFT)
#define WITH_STATE(memory, state) \
	(((memory) & ~(0xffULL << STATE_SHIFT)) | (__u64)(state) << STATE_SHIFT)

/* Compare-and-swaps of one step. */
#define TRIES 3

#define E2BIG 7
#define ENOMEM 12

static __always_inline __u64 *memory_of(struct entry *entry)
{
	return (__u64 *)&entry->admission;
}

static __always_inline __u64 read_memory(struct entry *entry)
{
	return *(volatile __u64 *)&entry->admission;
}

/* State 0 has ended, TAKEN is being deleted; both stand in the table, and no packet is theirs. */
static __always_inline bool is_used(__u64 memory)
{
	return STATE_OF(memory) != 0 && STATE_OF(memory) != TAKEN;
}

static __always_inline __s64 weight_of(__u64 memory)
{
	if (!is_used(memory))
		return 0;
	return FLAGS_OF(memory) & WEIGHT_TWO ? 2 : 1;
}

static __always_inline __u32 timeout_ms(__u64 memory)
{
	__u32 row = memory >> TIMEOUTS_SHIFT & 0xffff;
	__u32(*those)[STATES] = bpf_map_lookup_elem(&timeouts, &row);

	return those ? (*those)[STATE_OF(memory) & (STATES - 1)] : 0;
}

static __always_inline bool is_alive(const struct entry *entry, __u64 memory, __u64 now_ms)
{
	return is_used(memory) && idle_ms(now_ms, entry->last_ms) < timeout_ms(memory);
}

/* Name the connection of a packet; false where it can be of none. */
static __always_inline bool fill_key(struct key *key, const struct packet *packet, __u32 direction,
				     __u32 owner)
{
	__u32 place = packet->protocol;
	__u16 source = packet->source_port, destination = packet->destination_port;
	bool egress = direction == EGRESS;

	key->inside_hi = inside_hi(packet, direction);
	key->inside_lo = inside_lo(packet, direction);
	key->outside_hi = peer_hi(packet, direction);
	key->outside_lo = peer_lo(packet, direction);
	key->inside_port = egress ? source : destination;
	key->outside_port = egress ? destination : source;
	if (packet->shape & HAS_ICMP) {
		__u32 kind = machine_icmp_kinds[icmp_row(packet->family, packet->icmp_type)];

		if (kind == NOT_TRACKED)
			return false;
		place = ICMP_KIND + (kind ^ direction);
		key->inside_port = packet->identifier;
		key->outside_port = ~packet->identifier;
	}
	key->owner_protocol = (owner & OWNER) | (packet->family == 6 ? IPV6 : 0) | place << 24;
	return true;
}

static __always_inline __u32 event_of(const struct packet *packet)
{
	if (packet->shape & HAS_TCP)
		return machine_events[packet->tcp_flags];
	if (packet->protocol == PROTOCOL_UDP)
		return UDP_EVENT;
	return packet->shape & HAS_ICMP ? ICMP_EVENT : OTHER_EVENT;
}

static __always_inline __u8 state_after(__u32 side, __u32 event, __u8 state)
{
	__u32 at = unknown(((side & 1) * EVENTS + event) * STATES + (state & (STATES - 1)));

	return at < sizeof(machine_transitions) ? machine_transitions[at] : state;
}

/* Does a RST stand exactly where its side of the connection does? In SYN_SENT the other side has
 * no sequence numbers yet: it proves that it saw the SYN by acknowledging it (RFC 9293 3.10.7.3).
 */
static __always_inline bool is_exact(const struct packet *packet, const struct entry *entry,
				     __u64 memory, __u32 side)
{
	if (STATE_OF(memory) == STATE_SYN_SENT && side == 1)
		return (packet->tcp_flags & TCP_ACK) && (FLAGS_OF(memory) & NEXT_ORIGINAL_KNOWN) &&
		       packet->acknowledgement == entry->next[0];
	return (FLAGS_OF(memory) & NEXT_ORIGINAL_KNOWN << side) &&
	       packet->sequence == entry->next[side & 1];
}

static __always_inline __u8 next_state(const struct packet *packet, const struct entry *entry,
				       __u64 memory, __u32 side)
{
	__u32 event = event_of(packet);

	if (event == EVENT_RST && !is_exact(packet, entry, memory, side))
		event = STRAY_EVENT;
	return state_after(side, event, STATE_OF(memory));
}

static __always_inline __u32 sequence_end(const struct packet *packet)
{
	return packet->sequence + packet->payload + !!(packet->tcp_flags & TCP_SYN) +
	       !!(packet->tcp_flags & TCP_FIN);
}

/* Does a segment move the highest sequence end of its side? */
static __always_inline bool moves(const struct packet *packet, const struct entry *entry,
				  __u64 memory, __u32 side)
{
	__u32 ahead = sequence_end(packet) - entry->next[side & 1];

	if (!(packet->shape & HAS_TCP) || packet->tcp_flags & TCP_RST)
		return false;
	if (!(FLAGS_OF(memory) & NEXT_ORIGINAL_KNOWN << side))
		return true;
	if (packet->tcp_flags & TCP_SYN && machine_handshake[STATE_OF(memory) & (STATES - 1)])
		return true;
	return ahead > 0 && ahead < 0x80000000;
}

static __always_inline void tally(struct passage *passage, struct entry *entry, __u32 side)
{
	__u8 flags = passage->packet.tcp_flags;

	if (!keeps_tally)
		return;
	passage->tallied = 1;
	__sync_fetch_and_add(&entry->octets[side & 1], passage->octets);
	__sync_fetch_and_add(&entry->packets[side & 1], passage->segments);
	if (flags & ~entry->tcp_flags[side & 1])
		entry->tcp_flags[side & 1] |= flags;
}

static __always_inline void add_weight(__u32 owner, __s64 weight)
{
	struct owner *row = bpf_map_lookup_elem(&owners, &owner);

	if (row && weight)
		__sync_fetch_and_add(&row->weight, weight);
}

static __always_inline __u32 side_of(__u64 memory, __u32 direction)
{
	return (direction ^ (FLAGS_OF(memory) & OPENED_EGRESS)) & 1;
}

/* Step an entry by a packet that is finally accepted. Other CPUs may step it between: then it is
 * tried again from what they left. Whoever writes state 0 takes its weight from the owner.
 */
static __always_inline bool step(struct passage *passage, struct entry *entry, __u64 memory,
				 __u32 owner, __u32 direction)
{
	const struct packet *packet = &passage->packet;
	__u32 now_ms = passage->now_ms;

	for (int i = 0; i < TRIES; i++) {
		__u32 side = side_of(memory, direction);
		__u8 after = next_state(packet, entry, memory, side);
		__u64 wanted = WITH_STATE(memory, after) & ~FLAGS(MARKED), seen;

		if (after && moves(packet, entry, memory, side)) {
			entry->next[side] = sequence_end(packet);
			wanted |= FLAGS(NEXT_ORIGINAL_KNOWN << side);
		}
		if (after && entry->last_ms != now_ms)
			entry->last_ms = now_ms;
		passage->answer.state_before = STATE_OF(memory);
		passage->answer.state_after = after;
		seen = wanted == memory ?
			       memory :
			       __sync_val_compare_and_swap(memory_of(entry), memory, wanted);
		if (seen == memory) {
			if (!after)
				add_weight(owner, -weight_of(memory));
			tally(passage, entry, side);
			return true;
		}
		memory = seen;
		if (!is_used(memory))
			return true;
	}
	return false;
}

/* Tell what a connection had counted: it is gone, or another one takes its place. */
static __always_inline void tell_ended(const struct key *key, const struct entry *entry,
				       __u64 memory, __u64 now_ms)
{
	__u32 interface = entry->interface, zero = 0, row;
	__u64 *word = bpf_map_lookup_elem(&words, &interface);
	struct policy *policy;
	struct control *lost;
	struct ended *told;

	if (!keeps_tally || !word)
		return;
	row = *word;
	policy = bpf_map_lookup_elem(&policies, &row);
	if (!policy || !policy->logs)
		return;
	told = bpf_ringbuf_reserve(&ended, sizeof(*told), 0);
	if (!told) {
		lost = bpf_map_lookup_elem(&control, &zero);
		if (lost)
			__sync_fetch_and_add(&lost->ended_lost, 1);
		return;
	}
	__builtin_memcpy(told->key, key, sizeof(*key));
	told->entry = *entry;
	*memory_of(&told->entry) = memory;
	told->time_ms = now_ms;
	bpf_ringbuf_submit(told, 0);
}

/* Write the entry that the packet of a passage makes. */
static __always_inline void fill_entry(struct passage *passage, __u16 timeouts, __u8 state,
				       __u32 admission, __u32 weight)
{
	const struct packet *packet = &passage->packet;
	struct entry *fresh = &passage->fresh;

	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->last_ms = passage->now_ms;
	fresh->created_s = passage->now_ms / 1000;
	fresh->admission = admission;
	fresh->timeouts = timeouts;
	fresh->state = state;
	fresh->interface = passage->interface;
	fresh->flags = (passage->direction == EGRESS ? OPENED_EGRESS : 0) |
		       (weight == 2 ? WEIGHT_TWO : 0);
	if (packet->shape & HAS_TCP) {
		fresh->next[0] = sequence_end(packet);
		fresh->flags |= NEXT_ORIGINAL_KNOWN;
	} else if (packet->shape & HAS_ICMP) {
		fresh->next[0] = packet->icmp_code;
	}
	if (keeps_tally) {
		fresh->octets[0] = passage->octets;
		fresh->packets[0] = passage->segments;
		fresh->tcp_flags[0] = packet->tcp_flags;
	}
}

/* Let the fresh entry take the place of one that expired, ended, or is finished. The word goes
 * first: another packet of the connection that comes between it and the rest finds the new state
 * with the old time, and is judged by the rules, never an old state with a new time.
 */
static __always_inline bool remake(struct passage *passage, struct entry *entry, __u64 memory,
				   __u32 owner)
{
	const struct entry *fresh = &passage->fresh;
	__u64 wanted = *(const __u64 *)&fresh->admission;

	if (STATE_OF(memory) == TAKEN ||
	    __sync_val_compare_and_swap(memory_of(entry), memory, wanted) != memory)
		return false;
	add_weight(owner, weight_of(wanted) - weight_of(memory));
	tell_ended(&passage->key, entry, memory, passage->now_ms);
	entry->last_ms = fresh->last_ms;
	entry->created_s = fresh->created_s;
	entry->next[0] = fresh->next[0];
	entry->next[1] = fresh->next[1];
	entry->octets[0] = fresh->octets[0];
	entry->octets[1] = 0;
	entry->packets[0] = fresh->packets[0];
	entry->packets[1] = 0;
	entry->tcp_flags[0] = fresh->tcp_flags[0];
	entry->tcp_flags[1] = 0;
	entry->interface = fresh->interface;
	return true;
}

enum {
	MADE,
	LOST,	/* another CPU was first, or the sweeper is at it */
	FULL,
};

/* Put the fresh entry of a passage into the table, in the place of `entry` if there is one. */
static __always_inline int make(struct passage *passage, struct entry *entry, __u64 memory,
				__u32 owner)
{
	int error;

	if (entry)
		return remake(passage, entry, memory, owner) ? MADE : LOST;
	error = bpf_map_update_elem(&connections, &passage->key, &passage->fresh, BPF_NOEXIST);
	if (error)
		return error == -E2BIG || error == -ENOMEM ? FULL : LOST;
	add_weight(owner, passage->fresh.flags & WEIGHT_TWO ? 2 : 1);
	return MADE;
}
