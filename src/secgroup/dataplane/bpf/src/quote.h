// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The packet that an ICMP error quotes, of which 8 bytes after IP are promised (RFC 792). */
#pragma once

#include "parse.h"

/* Read what the ports, or type and identifier, of a quoted packet are; other than 0: they are cut.
 * TCP cut before its flags has none set; cut before its sequence number, it is no segment.
 */
static __always_inline int read_quoted(struct __sk_buff *skb, struct packet *quote)
{
	__u32 present = quote->end - quote->transport, at = quote->transport;
	struct icmp icmp = {};
	struct ports ports;

	if (quote->protocol == PROTOCOL_TCP || quote->protocol == PROTOCOL_UDP) {
		if (present < sizeof(ports) || bpf_skb_load_bytes(skb, at, &ports, sizeof(ports)))
			return -1;
		quote->source_port = bpf_ntohs(ports.source);
		quote->destination_port = bpf_ntohs(ports.destination);
		quote->shape |= HAS_PORTS;
		if (quote->protocol == PROTOCOL_TCP && present >= 8)
			quote->shape |= HAS_TCP;
		if (quote->protocol == PROTOCOL_TCP && present >= TCP_HEADER)
			return bpf_skb_load_bytes(skb, at + 13, &quote->tcp_flags, 1);
		return 0;
	}
	if (!carries_icmp(quote))
		return 0;
	if (present < 2 || bpf_skb_load_bytes(skb, at, &icmp, 2))
		return -1;
	quote->shape |= HAS_ICMP;
	quote->icmp_type = icmp.type;
	quote->icmp_code = icmp.code;
	if (machine_icmp_kinds[icmp_row(quote->family, icmp.type)] == NOT_TRACKED)
		return 0;
	if (present < 6 || bpf_skb_load_bytes(skb, at, &icmp, 6))
		return -1;
	quote->identifier = bpf_ntohs(icmp.identifier);
	return 0;
}

/* Read the packet that `packet`, an ICMP error, quotes. Other than 0: there is none to be judged,
 * because it is cut, a later fragment, or of another family.
 */
__global int parse_quote(struct __sk_buff *skb, const struct packet *packet, struct packet *quote)
{
	__u32 start;

	if (!packet || !quote)
		return -1;
	__builtin_memset(quote, 0, sizeof(*quote));
	start = packet->transport + ICMP_HEADER;
	if (start >= packet->end)
		return -1;
	quote->start = start;
	if (read_ip(skb, quote, packet->end - start) || quote->family != packet->family)
		return -1;
	if (quote->shape & IS_LATER_FRAGMENT)
		return -1;
	return read_quoted(skb, quote);
}
