// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The sweeper: the only one here that deletes connections.
 *
 * It marks an expired entry in one pass and removes it in a later one, at least a second after:
 * the kernel hands a deleted element out again at once, and no packet may still hold it. What it
 * takes it marks TAKEN first, so that whoever finds it then leaves it alone.
 */
#pragma once

#include "connections.h"

#define PERIOD_NS 1000000000ULL
/* The pause after a pass is at least so many times as long as the pass: a tenth of a core. */
#define PAUSES 9
#define EBUSY 16
#define MOST_PASSES 2
#define CLOCK_MONOTONIC 1

/* What one pass counts; callbacks are given it on the stack. */
struct pass {
	__u64 now_ms;
	__u32 marked;
	__u32 removed;
	__u32 left;
};

static __always_inline bool is_over(const struct entry *entry, __u64 memory, __u64 now_ms)
{
	return !is_used(memory) || idle_ms(now_ms, entry->last_ms) >= timeout_ms(memory);
}

/* Change the word of an entry; false when somebody else was first. */
static __always_inline bool swap(struct entry *entry, __u64 from, __u64 to)
{
	return __sync_val_compare_and_swap(memory_of(entry), from, to) == from;
}

static long sweep_one(void *map, struct key *key, struct entry *entry, struct pass *pass)
{
	__u64 memory = read_memory(entry);
	__u32 owner = key->owner_protocol & OWNER;

	if (!is_over(entry, memory, pass->now_ms)) {
		pass->left++;
		/* A packet came after all, and another CPU's pass of the step kept the mark. */
		if (FLAGS_OF(memory) & MARKED)
			swap(entry, memory, memory & ~FLAGS(MARKED));
		return 0;
	}
	if (!(FLAGS_OF(memory) & MARKED)) {
		pass->marked += swap(entry, memory, memory | FLAGS(MARKED));
		return 0;
	}
	if (!swap(entry, memory, WITH_STATE(memory, TAKEN)))
		return 0;
	tell_ended(key, entry, memory, pass->now_ms);
	if (bpf_map_delete_elem(map, key)) {
		/* The lock of its bucket could not be had: the next pass will. */
		swap(entry, WITH_STATE(memory, TAKEN), memory);
		return 0;
	}
	add_weight(owner, -weight_of(memory));
	pass->removed++;
	return 0;
}

static __always_inline void pass_over(struct pass *pass)
{
	__u32 zero = 0;
	struct control *row = bpf_map_lookup_elem(&control, &zero);

	bpf_for_each_map_elem(&connections, sweep_one, pass, 0);
	if (row)
		row->sweeps += 1;
}

/* Sweep at the time given: for tests, and for an agent on a kernel without work queues, which calls
 * it no more often than once a second.
 */
SEC("syscall")
int sweep(struct sweep *given)
{
	__u64 now_ms = given->now_ms ? given->now_ms : work_clock_ms();
	__u32 passes = given->passes, marked = 0, removed = 0, left = 0;

	for (__u32 i = 0; i < MOST_PASSES && i < passes; i++) {
		struct pass pass = { .now_ms = now_ms };

		pass_over(&pass);
		marked += pass.marked;
		removed += pass.removed;
		left = pass.left;
	}
	given->marked = marked;
	given->removed = removed;
	given->left = left;
	return 0;
}

/* End one connection, as a RST does; the sweeper removes it. Whoever runs this may be stopped
 * between the look-up and the swap. The worst case: for over a second, while the entry expires, is
 * removed, and its memory becomes another connection's with the same last word; that one ends then.
 */
SEC("syscall")
int end(struct end *given)
{
	__u64 now_ms = work_clock_ms();
	struct entry *entry;
	struct key key;

	__builtin_memcpy(&key, given->key, sizeof(key));
	given->ended = 0;
	entry = bpf_map_lookup_elem(&connections, &key);
	if (!entry)
		return 0;
	for (int i = 0; i < TRIES; i++) {
		__u64 memory = read_memory(entry);

		if (!is_alive(entry, memory, now_ms))
			return 0;
		if (swap(entry, memory, WITH_STATE(memory, 0))) {
			add_weight(key.owner_protocol & OWNER, -weight_of(memory));
			given->ended = 1;
			return 0;
		}
	}
	return 0;
}

/* What lets the sweeper run by itself: a timer, whose callback runs in softirq and therefore only
 * starts the work; the work goes over the table in a thread of the kernel, and sets the timer. The
 * map is pinned: the timer lives as long as its map has a pin or a descriptor.
 */
struct bpf_wq {
	__u64 __opaque[2];
} __attribute__((aligned(8)));

struct sweeper {
	struct bpf_timer timer;
	struct bpf_wq work;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sweeper);
} sweeper SEC(".maps");

/* Of Linux 6.10 on; older kernels leave `start_sweeper` out. */
extern int bpf_wq_init(struct bpf_wq *work, void *map, unsigned int flags) __weak __ksym;
extern int bpf_wq_start(struct bpf_wq *work, unsigned int flags) __weak __ksym;
extern int bpf_wq_set_callback_impl(struct bpf_wq *work,
				    int (*callback)(void *map, int *key, void *value),
				    unsigned int flags, void *program) __weak __ksym;

static int on_timer(void *map, __u32 *key, struct sweeper *row)
{
	(void)map;
	(void)key;
	bpf_wq_start(&row->work, 0);
	return 0;
}

/* The timer starts after the pass, so that marks are a second old when the next one begins. */
static int on_work(void *map, int *key, void *value)
{
	__u64 begin_ns = bpf_ktime_get_ns(), pause_ns;
	struct sweeper *row = value;
	struct pass pass = { .now_ms = work_clock_ms() };

	(void)map;
	(void)key;
	pass_over(&pass);
	pause_ns = PAUSES * (bpf_ktime_get_ns() - begin_ns);
	bpf_timer_start(&row->timer, pause_ns > PERIOD_NS ? pause_ns : PERIOD_NS, 0);
	return 0;
}

/* Start the sweeper, or have this program's one take the place of an earlier program's. Other than
 * 0: it does not run.
 */
SEC("?syscall")
int start_sweeper(void *nothing)
{
	__u32 zero = 0;
	struct sweeper *row = bpf_map_lookup_elem(&sweeper, &zero);
	int error;

	(void)nothing;
	if (!row)
		return -1;
	error = bpf_timer_init(&row->timer, &sweeper, CLOCK_MONOTONIC);
	if (error && error != -EBUSY)
		return error;
	error = bpf_wq_init(&row->work, &sweeper, 0);
	if (error && error != -EBUSY)
		return error;
	error = bpf_wq_set_callback_impl(&row->work, on_work, 0, 0);
	if (!error)
		error = bpf_timer_set_callback(&row->timer, on_timer);
	return error ? error : bpf_timer_start(&row->timer, PERIOD_NS, 0);
}
