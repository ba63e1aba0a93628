/* The sweeper: the only one here that deletes connections.
 *
 * It marks an expired entry in one pass and removes it in a later one, at least a second after:
 * the kernel hands a deleted element out again at once, and no packet may still hold it. What it
 * takes it marks TAKEN first, so that whoever finds it then leaves it alone.
 */
#pragma once

#include "connections.h"

/* What `sweep` is given and gives back. */
struct sweep {
	__u64 now_ms;	/* 0: the clock's */
	__u32 removes;	/* entries that an earlier pass has marked go */
	__u32 marked;
	__u32 removed;
	__u32 padding;
};

static bool is_over(const struct entry *entry, __u64 memory, __u64 now_ms)
{
	return STATE_OF(memory) == 0 || idle_ms(now_ms, entry->last_ms) >= timeout_ms(memory);
}

/* Change the word of an entry; false when somebody else was first. */
static __always_inline bool swap(struct entry *entry, __u64 from, __u64 to)
{
	return __sync_val_compare_and_swap(memory_of(entry), from, to) == from;
}

static long sweep_one(void *map, struct key *key, struct entry *entry, struct sweep *pass)
{
	__u64 memory = read_memory(entry);
	__u32 owner = key->owner_protocol & OWNER;

	if (!is_over(entry, memory, pass->now_ms)) {
		if (FLAGS_OF(memory) & MARKED)
			swap(entry, memory, memory & ~FLAGS(MARKED));
		return 0;
	}
	if (!(FLAGS_OF(memory) & MARKED)) {
		pass->marked += swap(entry, memory, memory | FLAGS(MARKED));
		return 0;
	}
	if (!pass->removes || !swap(entry, memory, WITH_STATE(memory, TAKEN)))
		return 0;
	tell_ended(key, entry, memory, pass->now_ms);
	if (bpf_map_delete_elem(map, key) == 0) {
		add_weight(owner, -weight_of(memory));
		pass->removed++;
	}
	return 0;
}

static __always_inline void pass_over(struct sweep *pass)
{
	__u32 zero = 0;
	struct control *row = bpf_map_lookup_elem(&control, &zero);

	bpf_for_each_map_elem(&connections, sweep_one, pass, 0);
	if (row)
		row->sweeps += 1;
}

/* Sweep once, at the time given: a pass that marks and, if asked to, removes what an earlier one
 * has marked.
 */
SEC("syscall")
int sweep(struct sweep *given)
{
	struct sweep pass = { .now_ms = given->now_ms, .removes = given->removes };

	if (!pass.now_ms)
		pass.now_ms = exact_clock_ms();
	pass_over(&pass);
	given->marked = pass.marked;
	given->removed = pass.removed;
	return 0;
}
