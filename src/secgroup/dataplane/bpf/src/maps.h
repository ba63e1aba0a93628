// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every map. What is in them, layout.py says; sizes are defaults, which the loader may raise.
 *
 * A packet reads one word of its interface, and everything else of a policy through the row that
 * the word names. Rows of arrays that a word may name are not changed: new ones are written beside
 * them, then the word. `hosts`, `prefixes4` and `prefixes6` are changed in place, one element at a
 * time. Names are at most 15 characters long, as the kernel keeps them.
 */
#pragma once

#include "layout.h"

#define ARRAY_OF(name_, type_, entries_)                \
	struct {                                        \
		__uint(type, BPF_MAP_TYPE_ARRAY);       \
		__uint(map_flags, BPF_F_MMAPABLE);      \
		__uint(max_entries, entries_);          \
		__type(key, __u32);                     \
		__type(value, type_);                   \
	} name_ SEC(".maps")

/* The policy in force of each interface: generation << 32 | row of `policies`; 0 drops all. */
ARRAY_OF(words, __u64, 4096);
ARRAY_OF(policies, struct policy, 16384);
ARRAY_OF(subnets, struct subnet, 4096);
ARRAY_OF(exempts, struct exempt, 16384);
ARRAY_OF(sections, struct section, 65536);
/* Starts and classes of intervals of ports, ascending in each section. */
ARRAY_OF(boundaries, __u64, 1 << 20);
ARRAY_OF(bitmaps, __u64, 1 << 20);
/* Of each section: the numbers of its rules in the list of names; an ACL's entries, signed. */
ARRAY_OF(numbers, __s64, 1 << 18);
ARRAY_OF(timeouts, __u32[STATES], 1024);
ARRAY_OF(owners, struct owner, 16384);
ARRAY_OF(control, struct control, 1);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct host);
	__type(value, __u32);
} hosts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct prefix4);
	__type(value, __u32);
} prefixes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct prefix6);
	__type(value, __u32);
} prefixes6 SEC(".maps");

/* Tracked connections. Only the sweeper, and the agent when asked to, delete. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 18);
	__type(key, struct key);
	__type(value, struct entry);
} connections SEC(".maps");

/* What first fragments were answered. It may forget: later fragments are refused then. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fragment_key);
	__type(value, struct first);
} fragments SEC(".maps");

/* Flow logs of packets without an entry, until they are drained. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct log_key);
	__type(value, struct log);
} untallied SEC(".maps");

/* Last tallies of entries that are gone. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} ended SEC(".maps");

/* Verdicts as they happen, while somebody follows. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* What numbers mean, for an agent that starts again; programs do not read it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct name);
	__type(value, char[120]);
} names SEC(".maps");

/* What the stub of an interface jumps to, by the interface's direction. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");
