// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Makes a packet, then runs a program on it: the shipped one, or one that it is compared with.
 *
 * A test run repeats `packet` on one skb; each time it writes the next packet of the plan there
 * and tail-calls `jumps[plan.jump]`. What `packet` costs itself is seen with `nothing` there.
 * Connections are numbered, and what they are follows from the number, as in benchmarks/flows.py.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"

#define OWNERS 64
#define SUBNETS 4
/* High half of an IPv4 address in the low half of ::ffff:a.b.c.d. */
#define MAPPED (0xFFFFULL << 32)

/* What packets to make; Python writes it, and reads `made` and `hits`. */
struct plan {
	__u64 state;	   /* of the generator */
	__u64 next;	   /* number of the next connection, where they go in order */
	__u64 connections; /* how many there are to choose of; 0: in order */
	__u64 made;
	__u64 hits; /* of the programs that are compared with: what they found */
	__u32 jump; /* to which of `jumps`; `replies` for packets of egress */
	__u32 replies;
	__u32 way;     /* 0 openers' direction, 1 answers', 2 either */
	__u32 service;	   /* the interfaces' port of TCP */
	__u32 udp_service;
	__u32 tcp_flags;
	__u32 interfaces[OWNERS]; /* the numbers of eni-00 and so on */
	struct key key;		  /* of the packet that was made */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct plan);
} plans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 32);
	__type(key, __u32);
	__type(value, __u32);
} jumps SEC(".maps");

/* A hash of the shape of `connections`, and one of entries without a tally. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 18);
	__type(key, struct key);
	__type(value, struct entry);
} hash96 SEC(".maps");

struct memory {
	__u64 words[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 18);
	__type(key, struct key);
	__type(value, struct memory);
} hash64 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct prefix4);
	__type(value, __u32);
} trie4 SEC(".maps");

/* Records in blocks inside an array, found by a hash of our own: a line of tags, then records. */
#define SLOTS 8
#define BLOCKS_BITS 18
struct block {
	__u32 tags[SLOTS];
	__u32 unused[8];
	struct {
		struct key key;
		struct memory memory;
	} slots[SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << BLOCKS_BITS);
	__type(key, __u32);
	__type(value, struct block);
} blocks SEC(".maps");

static __always_inline struct plan *plan_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&plans, &zero);
}

/* splitmix64 */
static __always_inline __u64 random(struct plan *plan)
{
	__u64 z = plan->state += 0x9E3779B97F4A7C15ULL;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
	return z ^ (z >> 31);
}

/* Ethernet's type, and IP with addresses of both sides. Returns where TCP or UDP begins, 0 if the
 * frame is too short.
 */
static __always_inline __u8 *write_ip(__u8 *data, __u8 *end, const struct key *key, __u32 six,
				      __u32 egress, __u8 protocol)
{
	__u8 *ip = data + ETH_HLEN;

	if (ip + 40 + 20 > end)
		return 0;
	if (six) {
		__be64 *inside = (__be64 *)(ip + (egress ? 8 : 24));
		__be64 *outside = (__be64 *)(ip + (egress ? 24 : 8));

		*(__be16 *)(data + 12) = bpf_htons(ETH_P_IPV6);
		*(__be32 *)ip = bpf_htonl(6U << 28);
		*(__be32 *)(ip + 4) = bpf_htonl(20 << 16 | protocol << 8 | 60);
		inside[0] = bpf_cpu_to_be64(key->inside_hi);
		inside[1] = bpf_cpu_to_be64(key->inside_lo);
		outside[0] = bpf_cpu_to_be64(key->outside_hi);
		outside[1] = bpf_cpu_to_be64(key->outside_lo);
		return ip + 40;
	}
	*(__be16 *)(data + 12) = bpf_htons(ETH_P_IP);
	*(__be32 *)ip = bpf_htonl(0x45U << 24 | 40);
	*(__be32 *)(ip + 4) = 0;
	*(__be32 *)(ip + 8) = bpf_htonl(60U << 24 | protocol << 16);
	*(__be32 *)(ip + (egress ? 12 : 16)) = bpf_htonl(key->inside_lo);
	*(__be32 *)(ip + (egress ? 16 : 12)) = bpf_htonl(key->outside_lo);
	return ip + 20;
}

SEC("tc")
int packet(struct __sk_buff *skb)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end, *ports;
	struct plan *plan = plan_of();
	__u64 chance, number, spread, rest;
	__u32 owner, egress, peer_port, service, six;
	struct key *key;
	__u8 protocol;

	if (!plan)
		return 2;
	chance = random(plan);
	egress = plan->way == 2 ? chance >> 63 : plan->way;
	number = plan->connections ? ((chance & 0xFFFFFFFF) * plan->connections) >> 32 :
				     plan->next++;
	owner = number % OWNERS;
	rest = number / OWNERS;
	protocol = rest % 10 < 7 ? IPPROTO_TCP : IPPROTO_UDP;
	peer_port = 1024 + rest % 60000;
	service = protocol == IPPROTO_TCP ? plan->service : plan->udp_service;
	spread = (number * 0x1E3779B97F4A7C15ULL & 0x7FFFFFFFFFFFFFFFULL) >> 20;
	six = number % 5 == 4;

	key = &plan->key;
	key->inside_port = service;
	key->outside_port = peer_port;
	key->owner_protocol = owner | (six ? IPV6 : 0) | protocol << 24;
	if (six) {
		key->inside_hi = 0x20010DB800000000ULL + owner % SUBNETS;
		key->inside_lo = 16 + owner;
		key->outside_hi = 0x20010DB8FFFF0000ULL;
		key->outside_lo = spread;
	} else {
		key->inside_hi = 0;
		key->inside_lo = MAPPED | (0x0A000010 + owner + owner % SUBNETS * 256);
		key->outside_hi = 0;
		key->outside_lo = MAPPED | (0x64400000 + (spread & 0x3FFFFF));
	}
	ports = write_ip(data, end, key, six, egress, protocol);
	if (!ports || ports + 20 > end)
		return 2;
	*(__be32 *)ports = bpf_htonl(egress ? service << 16 | peer_port : peer_port << 16 | service);
	*(__be32 *)(ports + 4) = 0;
	*(__be32 *)(ports + 8) = 0;
	*(__be32 *)(ports + 12) = bpf_htonl(5U << 28 | plan->tcp_flags << 16);
	plan->made++;
	skb->cb[0] = plan->interfaces[owner];
	bpf_tail_call(skb, &jumps, egress ? plan->replies : plan->jump);
	return 2;
}

SEC("tc")
int nothing(struct __sk_buff *skb)
{
	return -1;
}

SEC("tc")
int find96(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();
	struct entry *entry;

	if (!plan)
		return -1;
	entry = bpf_map_lookup_elem(&hash96, &plan->key);
	if (entry) {
		plan->hits++;
		entry->last_ms = plan->made;
	}
	return -1;
}

SEC("tc")
int find64(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();
	struct memory *memory;

	if (!plan)
		return -1;
	memory = bpf_map_lookup_elem(&hash64, &plan->key);
	if (memory) {
		plan->hits++;
		memory->words[0] = plan->made;
	}
	return -1;
}

SEC("tc")
int make96(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();
	struct entry entry = {};

	if (!plan)
		return -1;
	if (bpf_map_lookup_elem(&hash96, &plan->key))
		return -1;
	plan->hits += !bpf_map_update_elem(&hash96, &plan->key, &entry, BPF_NOEXIST);
	return -1;
}

SEC("tc")
int make64(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();
	struct memory memory = {};

	if (!plan)
		return -1;
	if (bpf_map_lookup_elem(&hash64, &plan->key))
		return -1;
	plan->hits += !bpf_map_update_elem(&hash64, &plan->key, &memory, BPF_NOEXIST);
	return -1;
}

/* Two NH sums of five products, mixed. */
static __always_inline __u64 nh(const struct key *key)
{
	const __u32 *w = (const __u32 *)key;
	static const __u32 s[10] = { 0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F, 0x165667B1,
				     0xD3A2646C, 0xFD7046C5, 0xB55A4F09, 0x7FEB352D, 0x846CA68B };
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 10; i += 2)
		sum += (__u64)(__u32)(w[i] + s[i]) * (__u32)(w[i + 1] + s[i + 1]);
	sum = (sum ^ (sum >> 32)) * 0x9E3779B97F4A7C15ULL;
	return sum ^ (sum >> 29);
}

static __always_inline int same(const struct key *a, const struct key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
}

SEC("tc")
int make_block(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();
	struct block *block;
	__u64 hash;
	__u32 at, tag;

	if (!plan)
		return -1;
	hash = nh(&plan->key);
	at = hash & ((1 << BLOCKS_BITS) - 1);
	tag = hash >> 32 | 1;
	block = bpf_map_lookup_elem(&blocks, &at);
	if (!block)
		return -1;
	for (int i = 0; i < SLOTS; i++)
		if (!block->tags[i]) {
			block->slots[i].key = plan->key;
			block->tags[i] = tag;
			plan->hits++;
			return -1;
		}
	return -1;
}

SEC("tc")
int find_block(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();
	struct block *block;
	__u64 hash;
	__u32 at, tag;

	if (!plan)
		return -1;
	hash = nh(&plan->key);
	at = hash & ((1 << BLOCKS_BITS) - 1);
	tag = hash >> 32 | 1;
	block = bpf_map_lookup_elem(&blocks, &at);
	if (!block)
		return -1;
	for (int i = 0; i < SLOTS; i++)
		if (block->tags[i] == tag && same(&block->slots[i].key, &plan->key)) {
			block->slots[i].memory.words[0] = plan->made;
			plan->hits++;
			return -1;
		}
	return -1;
}

SEC("tc")
int clock(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();

	if (plan)
		plan->hits += bpf_ktime_get_ns() & 1;
	return -1;
}

SEC("tc")
int clock_boot(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();

	if (plan)
		plan->hits += bpf_ktime_get_boot_ns() & 1;
	return -1;
}

SEC("tc")
int clock_coarse(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();

	if (plan)
		plan->hits += bpf_ktime_get_coarse_ns() & 1;
	return -1;
}

SEC("tc")
int clock_ticks(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();

	if (plan)
		plan->hits += bpf_jiffies64() & 1;
	return -1;
}

SEC("tc")
int find_prefix4(struct __sk_buff *skb)
{
	struct plan *plan = plan_of();
	struct prefix4 prefix = { .length = 64 };

	if (!plan)
		return -1;
	if (plan->key.outside_hi)
		return -1;
	*(__be32 *)prefix.address = bpf_htonl(plan->key.outside_lo);
	plan->hits += !!bpf_map_lookup_elem(&trie4, &prefix);
	return -1;
}

char _license[] SEC("license") = "GPL";
