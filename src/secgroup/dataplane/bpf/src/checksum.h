// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Checksums that a sender left to be computed: where the kernel will write them.
 *
 * It writes them when a device further on computes none, after the decision, and where they stand
 * the sender has said: over a port, or an address, if nobody looks.
 */
#pragma once

#include <bpf/bpf_core_read.h>

#include "parse.h"

#define CHECKSUM_PARTIAL 3
#define CHECKSUM_OF_TCP 16
#define CHECKSUM_OF_UDP 6
#define CHECKSUM_OF_ICMP 2

/* What is asked of the kernel's own; fields are found by name when the object is loaded. */
struct sk_buff {
	__u8 ip_summed : 2;
	__u16 csum_start;
	__u16 csum_offset;
	unsigned char *head;
	unsigned char *data;
} __attribute__((preserve_access_index));

/* Of Linux 6.2 on; before, wishes for checksums are not seen. */
extern void *bpf_cast_to_kern_ctx(void *skb) __weak __ksym;

/* Return where the kernel will write a checksum, from the frame's first byte on; 0 is nowhere. */
static __always_inline __u32 checksum_place(struct __sk_buff *skb)
{
	struct sk_buff *kernel;
	__u64 headroom;

	if (!bpf_cast_to_kern_ctx)
		return 0;
	kernel = bpf_cast_to_kern_ctx(skb);
	if (BPF_CORE_READ_BITFIELD(kernel, ip_summed) != CHECKSUM_PARTIAL)
		return 0;
	headroom = (__u64)kernel->data - (__u64)kernel->head;
	return kernel->csum_start - headroom + kernel->csum_offset;
}

/* Will a checksum be written over what decides? It may stand in its own field, or behind the
 * headers that are looked at: a tunnel's inner packet has one there.
 */
static __always_inline bool is_overwritten(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 place = checksum_place(skb), at = packet->transport;

	if (!place)
		return false;
	if (packet->shape & IS_LATER_FRAGMENT)
		return place < at;
	if (packet->protocol == PROTOCOL_TCP)
		return place != at + CHECKSUM_OF_TCP && place < at + TCP_HEADER;
	if (packet->protocol == PROTOCOL_UDP)
		return place != at + CHECKSUM_OF_UDP && place < at + UDP_HEADER;
	if (carries_icmp(packet))
		return place != at + CHECKSUM_OF_ICMP;
	return place < at;
}
