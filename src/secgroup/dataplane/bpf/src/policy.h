// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What rows of maps say about a packet: whose addresses, which classes, which rules.
 *
 * A row that is not there says no: nothing is the interface's, no rule matches, ACLs deny.
 */
#pragma once

#include <bpf/bpf_endian.h>

#include "passage.h"

/* As in policy/classes.py: protocols and ports are one space. */
#define PLACES_OF_UDP (1 << 16)
#define PLACES_OF_ICMP (2 << 16)
#define UNTYPED_ICMP (3 << 16)
#define OTHER_PROTOCOLS (UNTYPED_ICMP + 1)

/* More than any value of an address. */
#define NOT_FOUND (1ULL << 32)

#define WEIGHT_OF(value) ((__u32)(value) >> WEIGHT_SHIFT)
#define CLASS_OF(value) ((__u32)(value) & ((1U << CLASS_BITS) - 1))

/* Halvings that leave one of MOST_BOUNDARIES. */
#define HALVINGS 11

/* Return what a table says of an address, NOT_FOUND if nothing. */
__global __u64 address_value(__u32 table, __u32 kinds, __u32 family, __u64 hi, __u64 lo)
{
	__u32 *value = 0;

	if (kinds & HAS_HOSTS) {
		struct host host = { .hi = hi, .lo = lo, .table = table };

		value = bpf_map_lookup_elem(&hosts, &host);
	}
	if (!value && (kinds & HAS_PREFIXES)) {
		if (family == 6) {
			struct prefix6 key = { .length = 160, .table = bpf_htonl(table) };
			__be64 address[2] = { bpf_cpu_to_be64(hi), bpf_cpu_to_be64(lo) };

			__builtin_memcpy(key.address, address, sizeof(address));
			value = bpf_map_lookup_elem(&prefixes6, &key);
		} else {
			struct prefix4 key = { .length = 64, .table = bpf_htonl(table) };
			__be32 address = bpf_htonl((__u32)lo);

			__builtin_memcpy(key.address, &address, sizeof(address));
			value = bpf_map_lookup_elem(&prefixes4, &key);
		}
	}
	return value ? *value : NOT_FOUND;
}

/* Is an address one of the interface's? Its table has both families: an IPv6 packet of ::ffff:a.b.c.d
 * does not get at the others' rows.
 */
static __always_inline bool is_own(const struct policy *policy, __u8 family, __u64 hi, __u64 lo)
{
	if (family == 6) {
		if (hi == policy->own6_hi && lo == policy->own6_lo && (hi | lo))
			return true;
		if (!hi && (lo & ~0xffffffffULL) == MAPPED)
			return false;
	} else if ((__u32)lo == policy->own4 && policy->own4) {
		return true;
	}
	return address_value(policy->own, HAS_HOSTS | HAS_PREFIXES, family, hi, lo) != NOT_FOUND;
}

static __always_inline bool is_in_subnet(const struct subnet *subnet, __u8 family, __u64 hi,
					 __u64 lo)
{
	if (family != 6)
		return subnet->has_block4 && ((__u32)lo & subnet->mask4) == subnet->block4;
	for (int i = 0; i < BLOCKS6; i++) {
		const __u64 *block = subnet->blocks6[i];

		if (i >= (int)subnet->blocks6_count)
			break;
		if ((hi & block[2]) == block[0] && (lo & block[3]) == block[1])
			return true;
	}
	return false;
}

/* How many exempt addresses one subnet may have; the filter lets few packets search them. */
#define MOST_EXEMPT 64

/* Tell whether a peer, or what it offers at its port, is exempt: 0 no, 1 yes, 2 yes and logged.
 * With a protocol and port of -1 only the router is.
 */
__global int exempt_at(const struct subnet *subnet, const struct packet *packet, __u32 direction,
		       int protocol, int port)
{
	__u64 hi, lo;
	__u32 first, end;
	bool six;

	if (!subnet || !packet)
		return 0;
	hi = peer_hi(packet, direction);
	lo = peer_lo(packet, direction);
	six = packet->family == 6;
	first = six ? subnet->exempt6 : subnet->exempt4;
	end = six ? subnet->exempt_end : subnet->exempt6;
	for (__u32 i = 0; i < MOST_EXEMPT; i++) {
		__u32 at = first + i;
		struct exempt *row;

		if (at >= end)
			break;
		row = bpf_map_lookup_elem(&exempts, &at);
		if (!row)
			break;
		if (row->lo == lo && row->hi == hi &&
		    (row->protocol < 0 || row->protocol == protocol) &&
		    (row->port < 0 || row->port == port))
			return row->answer;
	}
	return 0;
}

static __always_inline bool may_be_exempt(const struct subnet *subnet, const struct packet *packet,
					  __u32 direction)
{
	__u64 lo = peer_lo(packet, direction);
	__u64 filter = packet->family == 6 ? subnet->filter6 : subnet->filter4;

	return filter >> ((lo ^ lo >> 6 ^ lo >> 16) & 63) & 1;
}

static __always_inline bool is_router(const struct subnet *subnet, const struct packet *packet,
				      __u32 direction)
{
	return may_be_exempt(subnet, packet, direction) &&
	       exempt_at(subnet, packet, direction, -1, -1) == 1;
}

static __always_inline __u32 section_number(__u32 direction, __u8 family)
{
	return (2 * direction + (family == 6)) & 3;
}

static __always_inline const struct section *section_at(__u32 number)
{
	return number ? bpf_map_lookup_elem(&sections, &number) : 0;
}

/* The place of a packet in the space of protocols and ports. */
static __always_inline __u32 place_of(const struct packet *packet)
{
	if (packet->protocol == PROTOCOL_TCP)
		return packet->destination_port;
	if (packet->protocol == PROTOCOL_UDP)
		return PLACES_OF_UDP + packet->destination_port;
	if (packet->shape & HAS_ICMP)
		return PLACES_OF_ICMP + (packet->icmp_type << 8 | packet->icmp_code);
	if (packet->protocol == (packet->family == 6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP))
		return UNTYPED_ICMP;
	return OTHER_PROTOCOLS + packet->protocol;
}

/* Return the class of a place, with OPENED where everyone may come; NOT_FOUND is none. */
static __always_inline __u64 port_value(const struct section *section, __u32 place)
{
	__u32 first = section->ports, count = section->ports_count;
	__u64 *boundary;

	for (int i = 0; i < HALVINGS && count > 1; i++) {
		__u32 half = count >> 1, middle = first + half;

		boundary = bpf_map_lookup_elem(&boundaries, &middle);
		if (!boundary)
			return NOT_FOUND;
		if (*boundary >> 32 <= place)
			first = middle;
		count -= half;
	}
	boundary = bpf_map_lookup_elem(&boundaries, &first);
	return boundary ? (__u32)*boundary : NOT_FOUND;
}

/* Return the number of the lowest bit of a word that is not 0; clang 14 has no such instruction. */
static __always_inline __u32 lowest_bit(__u64 word)
{
	__u32 number = 0;

	for (__u32 width = 32; width; width >>= 1) {
		if (word & ((1ULL << width) - 1))
			continue;
		word >>= width;
		number += width;
	}
	return number;
}

/* Return the number of the first bit that both classes have; -1 is none. */
static __always_inline __s32 first_common(const struct section *section, __u32 address_class,
					  __u32 port_class)
{
	__u32 words = section->words;
	__u32 one = section->address_bits + address_class * words;
	__u32 two = section->port_bits + port_class * words;

	for (__u32 i = 0; i < MOST_WORDS && i < words; i++) {
		__u32 at_one = one + i, at_two = two + i;
		__u64 *bits_one = bpf_map_lookup_elem(&bitmaps, &at_one);
		__u64 *bits_two = bpf_map_lookup_elem(&bitmaps, &at_two);

		if (!bits_one || !bits_two)
			return -1;
		if (*bits_one & *bits_two)
			return 64 * i + lowest_bit(*bits_one & *bits_two);
	}
	return -1;
}

/* Find the classes of a packet in a section, and the first rule that both have. Other than 0: the
 * section, or a class, is not there.
 */
__global int ask(__u32 number, const struct packet *packet, __u32 direction, struct asked *asked)
{
	const struct section *section = section_at(number);
	__u64 address, port;

	if (!packet || !asked)
		return -1;
	asked->rule = -1;
	asked->address_class = asked->port_class = asked->weight = asked->opened = 0;
	if (!section)
		return -1;
	address = address_value(section->addresses, section->kinds, packet->family,
				peer_hi(packet, direction), peer_lo(packet, direction));
	if (address == NOT_FOUND)
		address = section->elsewhere;
	port = port_value(section, place_of(packet));
	if (port == NOT_FOUND)
		return -1;
	asked->address_class = CLASS_OF(address);
	asked->weight = WEIGHT_OF(address);
	asked->opened = (__u32)port & OPENED ? 1 : 0;
	asked->port_class = (__u32)port & ~OPENED;
	asked->rule = first_common(section, asked->address_class, asked->port_class);
	return 0;
}

/* The number that stands for a rule of a section. */
static __always_inline __s64 number_of(const struct section *section, __u32 rule)
{
	__u32 at = section->numbers + rule;
	__s64 *number = bpf_map_lookup_elem(&numbers, &at);

	return number ? *number : 0;
}

/* An ACL that cannot be asked denies, by an entry that no ACL has. */
#define DENIED_BY_NOTHING (-32769)

/* Return the number of the ACL's entry that decides, negative when it denies. */
__global int ask_acl(__u32 number, struct passage *passage)
{
	const struct section *section = section_at(number);
	__s64 found;

	if (!passage || !section)
		return DENIED_BY_NOTHING;
	if (ask(number, &passage->packet, passage->direction, &passage->asked))
		return DENIED_BY_NOTHING;
	found = number_of(section, passage->asked.rule < 0 ? section->rules :
							     (__u32)passage->asked.rule);
	return found ? found : DENIED_BY_NOTHING;
}

/* Tell whether flows from, or to, a port are open to everyone, there and back. `opened` says that
 * of the port in one direction; `back` is the section of the other.
 */
static __always_inline bool opens_back(__u32 back, __u8 protocol)
{
	const struct section *section = section_at(back);

	return section && section->all_open & (protocol == PROTOCOL_TCP ? 1 : 2);
}
