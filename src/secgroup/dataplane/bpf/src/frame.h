// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What lies under IP: Ethernet, VLAN tags, ARP, and the addresses of frames.
 *
 * Nothing goes past the rules: what is neither IP nor the interface's own ARP is dropped.
 */
#pragma once

#include "checksum.h"
#include "parse.h"
#include "policy.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_TAG 0x8100
#define ETHERTYPE_SERVICE_TAG 0x88a8

#define ETHERNET_HEADER 14
#define TAG 4
#define MOST_TAGS 2

/* The frame is an IP packet; other results are numbers of FRAMES. */
#define FRAME_IP 0

struct ethernet {
	__be16 destination[3];
	__be16 source[3];
	__be16 type;
};

/* Of Ethernet and IPv4 (RFC 826). */
struct arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_size;
	__u8 protocol_size;
	__be16 operation;
	__be16 sender_mac[3];
	__be16 sender[2];
	__be16 target_mac[3];
	__be16 target[2];
};

/* Tell whether a MAC is not the interface's; one that is not known is not checked. */
static __always_inline bool is_foreign(const struct policy *policy, const __be16 *mac)
{
	const __be16 *own = (const __be16 *)policy->mac;

	if (!(own[0] | own[1] | own[2]))
		return false;
	return (own[0] ^ mac[0]) | (own[1] ^ mac[1]) | (own[2] ^ mac[2]);
}

/* Judge an ARP packet that the interface sends. A probe's sender has no address (RFC 5227). */
static __always_inline __u32 judge_arp(struct __sk_buff *skb, const struct policy *policy, __u32 at)
{
	struct arp copy;
	const struct arp *arp = header_at(skb, at, &copy, sizeof(copy));
	__u32 sender;

	if (!arp || arp->hardware != bpf_htons(1) || arp->protocol != bpf_htons(ETHERTYPE_IPV4) ||
	    arp->hardware_size != 6 || arp->protocol_size != 4)
		return FRAME_ARP_SPOOFED;
	if (is_foreign(policy, arp->sender_mac))
		return FRAME_ARP_SPOOFED;
	sender = (__u32)bpf_ntohs(arp->sender[0]) << 16 | bpf_ntohs(arp->sender[1]);
	if (sender && !is_own(policy, 4, 0, MAPPED | sender))
		return FRAME_ARP_SPOOFED;
	return FRAME_ARP;
}

static __always_inline bool is_tag(__be16 type)
{
	return type == bpf_htons(ETHERTYPE_TAG) || type == bpf_htons(ETHERTYPE_SERVICE_TAG);
}

/* Is a packet of this version of IP? A frame of one that carries the other is neither. */
static __always_inline bool is_version(struct __sk_buff *skb, __u32 at, __u8 version)
{
	__u8 copy;
	const __u8 *first = header_at(skb, at, &copy, sizeof(copy));

	return first && *first >> 4 == version;
}

/* Read a frame. `*start` becomes where IP begins, and the passage knows whether its sender is
 * another one's.
 */
static __always_inline __u32 read_frame(struct __sk_buff *skb, struct passage *passage,
					const struct policy *policy, __u32 direction,
					__u32 *start)
{
	struct ethernet copy;
	const struct ethernet *frame = header_at(skb, 0, &copy, sizeof(copy));
	__u32 at = ETHERNET_HEADER, tags = skb->vlan_present ? 1 : 0;
	bool egress = direction == EGRESS;
	__be16 type;

	if (!frame)
		return FRAME_SHORT;
	type = frame->type;
	passage->spoofed = egress && is_foreign(policy, frame->source);
	for (int i = 0; i < MOST_TAGS && is_tag(type); i++) {
		if (bpf_skb_load_bytes(skb, at + 2, &type, sizeof(type)))
			return FRAME_SHORT;
		at += TAG;
		tags++;
	}
	if (tags > MOST_TAGS || is_tag(type))
		return FRAME_TAGS;
	*start = at;
	if (type == bpf_htons(ETHERTYPE_IPV4))
		return is_version(skb, at, 6) ? FRAME_ETHERTYPE : FRAME_IP;
	if (type == bpf_htons(ETHERTYPE_IPV6))
		return is_version(skb, at, 4) ? FRAME_ETHERTYPE : FRAME_IP;
	if (type != bpf_htons(ETHERTYPE_ARP))
		return FRAME_ETHERTYPE;
	if (!egress)
		return FRAME_ARP;
	if (checksum_place(skb))
		return FRAME_ARP_SPOOFED;
	return passage->spoofed ? FRAME_SPOOFED : judge_arp(skb, policy, at);
}
