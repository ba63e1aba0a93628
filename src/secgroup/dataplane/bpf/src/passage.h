// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is known of a packet on its way through the steps.
 *
 * It stands in a map, not on the stack of 512 bytes. Each CPU has one: tc runs programs with bottom
 * halves off, and none of them makes another one run before it ends.
 */
#pragma once

#include "maps.h"

#define INGRESS 0
#define EGRESS 1
#define OPPOSITE(direction) ((direction) ^ 1)

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMPV6 58

/* High half of an IPv4 address in the low half of ::ffff:a.b.c.d. */
#define MAPPED (0xffffULL << 32)

#define __global __attribute__((noinline))

/* What a packet has; as in engine/layout.py. */
enum {
	IS_MALFORMED = 1,
	IS_LATER_FRAGMENT = 2,
	IS_FIRST_FRAGMENT = 4,
	HAS_PORTS = 8,
	HAS_TCP = 16,
	HAS_ICMP = 32,
};

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

/* Numbers in host byte order; what a packet does not have is 0. */
struct packet {
	__u64 source_hi;
	__u64 source_lo;
	__u64 destination_hi;
	__u64 destination_lo;
	__u32 sequence;
	__u32 acknowledgement;
	__u32 payload;
	__u32 length;
	__u32 identification;
	__u32 start;		/* of IP, from the frame's first byte on */
	__u32 transport;	/* of what IP carries, likewise */
	__u32 end;		/* of the bytes that are there and belong to the packet */
	__u16 source_port;
	__u16 destination_port;
	__u16 identifier;
	__u8 family;
	__u8 protocol;
	__u8 fragment_protocol;
	__u8 hop_limit;
	__u8 tcp_flags;
	__u8 shape;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 padding[4];
};

/* Which rules match: what `ask` found. */
struct asked {
	__s32 rule;	/* the first one, -1 is none */
	__u32 address_class;
	__u32 port_class;
	__u32 weight;	/* entries that a flow takes which AWS always tracks, else 0 */
	__u32 opened;	/* a rule opens the port to everyone */
};

struct passage {
	struct packet packet;
	struct packet quote;
	struct key key;
	struct answer answer;
	struct asked asked;
	struct entry fresh;
	__u64 word;
	__u64 now_ms;
	__u64 memory;	/* the last word of an entry of its key that does not accept it, or 0 */
	__u32 row;	/* of `policies` */
	__u32 interface;
	__u32 direction;
	__s32 acl;	/* number of the ACL's entry, negative where it denies; 0: not asked */
	__u32 acl_section;
	__u32 segments;
	__u32 octets;
	__u8 tallied;	/* its entry has counted it */
	__u8 spoofed;	/* its frame is not the interface's */
	__u8 raced;	/* its step, or its entry, was given up to another CPU's */
	__u8 full;	/* the table had no room for its entry */
	__u8 has_key;	/* it can be of a connection */
	__u8 is_stale;	/* there was such an entry */
	__u8 padding[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct passage);
} passages SEC(".maps");

static __always_inline __u64 peer_hi(const struct packet *packet, __u32 direction)
{
	return direction == EGRESS ? packet->destination_hi : packet->source_hi;
}

static __always_inline __u64 peer_lo(const struct packet *packet, __u32 direction)
{
	return direction == EGRESS ? packet->destination_lo : packet->source_lo;
}

static __always_inline __u64 inside_hi(const struct packet *packet, __u32 direction)
{
	return direction == EGRESS ? packet->source_hi : packet->destination_hi;
}

static __always_inline __u64 inside_lo(const struct packet *packet, __u32 direction)
{
	return direction == EGRESS ? packet->source_lo : packet->destination_lo;
}

/* Row of machine_icmp_kinds and machine_icmp_errors. */
static __always_inline __u32 icmp_row(__u8 family, __u8 type)
{
	return (family == 6 ? 256 : 0) + type;
}

/* The same number, of which the compiler forgets all that it knew: so that it leaves a check of
 * bounds where the verifier needs one.
 */
static __always_inline __u32 unknown(__u32 number)
{
	asm volatile("" : "+r"(number));
	return number;
}

/* A SYN without ACK, FIN and RST: the only segment that opens a connection. */
static __always_inline bool is_bare_syn(const struct packet *packet)
{
	const __u8 those = TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK;

	return (packet->shape & HAS_TCP) && (packet->tcp_flags & those) == TCP_SYN;
}
