// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What first fragments were answered, for the later ones. */
#pragma once

#include "passage.h"

static __always_inline void fill_fragment_key(struct fragment_key *key,
					      const struct passage *passage)
{
	const struct packet *packet = &passage->packet;

	__builtin_memset(key, 0, sizeof(*key));
	key->source_hi = packet->source_hi;
	key->source_lo = packet->source_lo;
	key->destination_hi = packet->destination_hi;
	key->destination_lo = packet->destination_lo;
	key->interface = passage->interface;
	key->identification = packet->identification;
	key->protocol = packet->fragment_protocol;
	key->family = packet->family;
	key->direction = passage->direction;
}

/* Keep the answer of a first fragment. */
__global int remember_first(const struct passage *passage)
{
	struct fragment_key key;
	struct first first = {};

	if (!passage)
		return -1;
	fill_fragment_key(&key, passage);
	first.time_ms = passage->now_ms;
	first.answer = passage->answer;
	return bpf_map_update_elem(&fragments, &key, &first, BPF_ANY);
}

/* Give a later fragment what its first one got; it steps nothing. */
__global int recall_first(struct passage *passage)
{
	struct fragment_key key;
	struct first *first;

	if (!passage)
		return -1;
	fill_fragment_key(&key, passage);
	first = bpf_map_lookup_elem(&fragments, &key);
	/* A clock of another CPU may be ahead of this one's: then it is young. */
	if (!first || (__s64)(passage->now_ms - first->time_ms) >= FIRST_LIFETIME_MS)
		return -1;
	passage->answer = first->answer;
	passage->answer.state_before = first->answer.state_after;
	return 0;
}
