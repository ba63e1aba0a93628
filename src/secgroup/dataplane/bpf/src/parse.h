// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Headers of IP, TCP, UDP and ICMP into a struct packet, and the packets that errors quote.
 *
 * Fields of headers are in network byte order, those of struct packet in host order. What is
 * MALFORMED is as in net/ip.py and net/wire.py: a packet is judged by bytes that are there, never
 * by checksums, lengths of UDP or combinations of flags.
 */
#pragma once

#include <bpf/bpf_endian.h>

#include "passage.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define TCP_HEADER 20
#define UDP_HEADER 8
#define ICMP_HEADER 8
#define FRAGMENT_HEADER 44
#define MOST_EXTENSIONS 8
/* No header stands behind this: 18 of Ethernet, 40, 8 extensions of 2,048, ICMP, and that again. */
#define FARTHEST 0x9000

struct ipv4 {
	__u8 version_length;
	__u8 service;
	__be16 length;
	__be16 identification;
	__be16 offset;
	__u8 hop_limit;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
};

struct ipv6 {
	__u8 version;
	__u8 label[3];
	__be16 payload;
	__u8 next;
	__u8 hop_limit;
	__be64 source[2];
	__be64 destination[2];
};

struct extension {
	__u8 next;
	__u8 size;
	__be16 offset;
	__be32 identification;
};

struct tcp {
	__be16 source_port;
	__be16 destination_port;
	__be32 sequence;
	__be32 acknowledgement;
	__u8 size;
	__u8 flags;
	__be16 window;
	__be32 rest;
};

struct ports {
	__be16 source;
	__be16 destination;
};

struct icmp {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 identifier;
	__be16 sequence;
};

/* Return `size` bytes at `at`: where they lie, or copied where they do not lie in one piece. */
static __always_inline const void *header_at(struct __sk_buff *skb, __u32 at, void *copy,
					     __u32 size)
{
	void *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (at > FARTHEST)
		return 0;
	if (start + at + size <= end)
		return start + at;
	return bpf_skb_load_bytes(skb, at, copy, size) ? 0 : copy;
}

static __always_inline int malformed(struct packet *packet)
{
	packet->shape = IS_MALFORMED;
	return -1;
}

/* Note what can be read of an IP header that is cut, for logs. */
static __always_inline int cut_ipv4(struct __sk_buff *skb, struct packet *packet, __u32 size)
{
	__u32 at = packet->start;
	__be32 address;
	__be16 length;
	__u8 protocol;

	if (size >= 4 && !bpf_skb_load_bytes(skb, at + 2, &length, 2) && length)
		packet->length = bpf_ntohs(length);
	if (size >= 10 && !bpf_skb_load_bytes(skb, at + 9, &protocol, 1))
		packet->protocol = protocol;
	if (size >= 16 && !bpf_skb_load_bytes(skb, at + 12, &address, 4)) {
		packet->family = 4;
		packet->source_lo = MAPPED | bpf_ntohl(address);
	}
	if (size >= 20 && !bpf_skb_load_bytes(skb, at + 16, &address, 4))
		packet->destination_lo = MAPPED | bpf_ntohl(address);
	return malformed(packet);
}

static __always_inline int cut_ipv6(struct __sk_buff *skb, struct packet *packet, __u32 size)
{
	__u32 at = packet->start;
	__be64 address[2];
	__be16 payload;

	if (size >= 6 && !bpf_skb_load_bytes(skb, at + 4, &payload, 2) && payload)
		packet->length = IPV6_HEADER + bpf_ntohs(payload);
	if (size >= 24 && !bpf_skb_load_bytes(skb, at + 8, &address, 16)) {
		packet->family = 6;
		packet->source_hi = bpf_be64_to_cpu(address[0]);
		packet->source_lo = bpf_be64_to_cpu(address[1]);
	}
	return malformed(packet);
}

static __always_inline int read_ipv4(struct __sk_buff *skb, struct packet *packet, __u32 size)
{
	__u32 at = packet->start, header, offset, length;
	struct ipv4 copy;
	const struct ipv4 *ip;

	packet->length = size;
	if (size < IPV4_HEADER)
		return cut_ipv4(skb, packet, size);
	ip = header_at(skb, at, &copy, sizeof(copy));
	if (!ip)
		return malformed(packet);
	length = bpf_ntohs(ip->length);
	if (length == 0)
		length = size;
	packet->length = length;
	if (size > length)
		size = length;
	header = (ip->version_length & 15) * 4;
	if (header < IPV4_HEADER)
		return malformed(packet);
	if (size < header)
		return cut_ipv4(skb, packet, size);
	packet->family = 4;
	packet->source_lo = MAPPED | bpf_ntohl(ip->source);
	packet->destination_lo = MAPPED | bpf_ntohl(ip->destination);
	packet->protocol = ip->protocol;
	packet->hop_limit = ip->hop_limit;
	packet->transport = at + header;
	packet->end = at + size;
	offset = bpf_ntohs(ip->offset);
	if (offset & 0x3fff) {
		packet->identification = bpf_ntohs(ip->identification);
		packet->fragment_protocol = ip->protocol;
		offset = (offset & 0x1fff) * 8;
		/* It would write over ports or flags of the first one (RFC 3128). */
		if (ip->protocol == PROTOCOL_TCP && offset > 0 && offset < TCP_HEADER)
			return malformed(packet);
		packet->shape = offset ? IS_LATER_FRAGMENT : IS_FIRST_FRAGMENT;
	}
	return 0;
}

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == 0 || protocol == 43 || protocol == FRAGMENT_HEADER || protocol == 60 ||
	       protocol == 135;
}

/* Walk over extension headers: from `packet->transport` on, the first being of `next`. */
static __always_inline int walk_extensions(struct __sk_buff *skb, struct packet *packet, __u8 next)
{
	__u32 at = packet->transport, end = packet->end;
	struct extension copy;
	const struct extension *header;

	for (int walked = 0; walked <= MOST_EXTENSIONS; walked++) {
		__u32 size = 8;
		__u8 kind = next;

		if (!is_extension(kind))
			break;
		if (walked == MOST_EXTENSIONS || at + 8 > end)
			return malformed(packet);
		header = header_at(skb, at, &copy, sizeof(copy));
		if (!header)
			return malformed(packet);
		next = header->next;
		if (kind != FRAGMENT_HEADER) {
			size += header->size * 8;
			if (at + size > end)
				return malformed(packet);
			at += size;
			continue;
		}
		at += size;
		/* At 0 and with no more to come it is whole (RFC 6946). */
		if (header->offset & bpf_htons(0xfff9)) {
			packet->identification = bpf_ntohl(header->identification);
			packet->fragment_protocol = next;
			packet->shape = IS_FIRST_FRAGMENT;
		}
		if (header->offset & bpf_htons(0xfff8)) {
			packet->shape = IS_LATER_FRAGMENT;
			break;
		}
	}
	packet->protocol = next;
	packet->transport = at;
	return 0;
}

static __always_inline int read_ipv6(struct __sk_buff *skb, struct packet *packet, __u32 size)
{
	__u32 at = packet->start, payload;
	struct ipv6 copy;
	const struct ipv6 *ip;

	packet->length = size;
	if (size < IPV6_HEADER)
		return cut_ipv6(skb, packet, size);
	ip = header_at(skb, at, &copy, sizeof(copy));
	if (!ip)
		return malformed(packet);
	payload = bpf_ntohs(ip->payload);
	if (payload)
		packet->length = IPV6_HEADER + payload;
	if (size > packet->length)
		size = packet->length;
	packet->family = 6;
	packet->source_hi = bpf_be64_to_cpu(ip->source[0]);
	packet->source_lo = bpf_be64_to_cpu(ip->source[1]);
	packet->destination_hi = bpf_be64_to_cpu(ip->destination[0]);
	packet->destination_lo = bpf_be64_to_cpu(ip->destination[1]);
	packet->hop_limit = ip->hop_limit;
	packet->transport = at + IPV6_HEADER;
	packet->end = at + size;
	return walk_extensions(skb, packet, ip->next);
}

/* Read the headers of IP, of which `size` bytes are there. Other than 0: it is MALFORMED. */
static __always_inline int read_ip(struct __sk_buff *skb, struct packet *packet, __u32 size)
{
	const __u8 *version;
	__u8 copy;

	packet->length = size;
	version = size ? header_at(skb, packet->start, &copy, 1) : 0;
	if (!version)
		return malformed(packet);
	if (*version >> 4 == 4)
		return read_ipv4(skb, packet, size);
	if (*version >> 4 == 6)
		return read_ipv6(skb, packet, size);
	return malformed(packet);
}

static __always_inline bool carries_icmp(const struct packet *packet)
{
	return packet->protocol == (packet->family == 6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP);
}

static __always_inline void read_tcp(struct packet *packet, const struct tcp *tcp)
{
	__u32 size = (tcp->size >> 4) * 4, before = packet->transport - packet->start;

	packet->source_port = bpf_ntohs(tcp->source_port);
	packet->destination_port = bpf_ntohs(tcp->destination_port);
	packet->sequence = bpf_ntohl(tcp->sequence);
	packet->acknowledgement = bpf_ntohl(tcp->acknowledgement);
	packet->tcp_flags = tcp->flags;
	packet->shape |= HAS_PORTS | HAS_TCP;
	if (size < TCP_HEADER)
		size = TCP_HEADER;
	packet->payload = packet->length > before + size ? packet->length - before - size : 0;
}

static __always_inline int read_icmp(struct __sk_buff *skb, struct packet *packet, __u32 present)
{
	struct icmp icmp = {};

	if (present < 4 || bpf_skb_load_bytes(skb, packet->transport, &icmp, 4))
		return malformed(packet);
	if (machine_icmp_kinds[icmp_row(packet->family, icmp.type)] != NOT_TRACKED) {
		if (present < ICMP_HEADER ||
		    bpf_skb_load_bytes(skb, packet->transport, &icmp, sizeof(icmp)))
			return malformed(packet);
		packet->identifier = bpf_ntohs(icmp.identifier);
	}
	packet->icmp_type = icmp.type;
	packet->icmp_code = icmp.code;
	packet->shape |= HAS_ICMP;
	return 0;
}

/* Read the header that IP carries; other than 0: it is MALFORMED. */
static __always_inline int read_transport(struct __sk_buff *skb, struct packet *packet)
{
	__u32 present = packet->end - packet->transport;

	if (packet->protocol == PROTOCOL_TCP) {
		struct tcp copy;
		const struct tcp *tcp;

		if (present < TCP_HEADER)
			return malformed(packet);
		tcp = header_at(skb, packet->transport, &copy, sizeof(copy));
		if (!tcp || tcp->size >> 4 < 5)
			return malformed(packet);
		read_tcp(packet, tcp);
	} else if (packet->protocol == PROTOCOL_UDP) {
		struct ports copy;
		const struct ports *ports;

		if (present < UDP_HEADER)
			return malformed(packet);
		ports = header_at(skb, packet->transport, &copy, sizeof(copy));
		if (!ports)
			return malformed(packet);
		packet->source_port = bpf_ntohs(ports->source);
		packet->destination_port = bpf_ntohs(ports->destination);
		packet->shape |= HAS_PORTS;
	} else if (carries_icmp(packet)) {
		return read_icmp(skb, packet, present);
	}
	return 0;
}

/* Read an IP packet that begins at `start` of the frame; its shape says if it is MALFORMED. */
static __always_inline void parse(struct __sk_buff *skb, struct packet *packet, __u32 start)
{
	__builtin_memset(packet, 0, sizeof(*packet));
	packet->start = start;
	if (!read_ip(skb, packet, skb->len - start) && !(packet->shape & IS_LATER_FRAGMENT))
		read_transport(skb, packet);
}
