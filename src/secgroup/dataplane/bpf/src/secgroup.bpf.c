// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The programs. Read first: docs/design/bpf.md. */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "log.h"
#include "steps.h"
#include "sweep.h"

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_SHOT 2

/* The interface's number stands here, put by its stub. */
#define INTERFACE_OF(skb) ((skb)->cb[0])

/* Count a packet of segments that were not cut yet as the packets that it will be. */
static __always_inline void measure(const struct __sk_buff *skb, struct passage *passage)
{
	const struct packet *packet = &passage->packet;
	__u32 headers = packet->transport - packet->start, size = skb->gso_size;

	passage->segments = 1;
	passage->octets = packet->length;
	if (!size || packet->shape & IS_MALFORMED)
		return;
	if (packet->shape & HAS_TCP)
		headers = packet->length - packet->payload;
	else
		headers += UDP_HEADER;
	passage->segments = skb->gso_segs;
	if (!passage->segments && packet->length > headers)
		passage->segments = (packet->length - headers + size - 1) / size;
	if (!passage->segments)
		passage->segments = 1;
	passage->octets += (passage->segments - 1) * headers;
}

static __always_inline void begin_answer(struct passage *passage)
{
	const struct packet *packet = &passage->packet;
	struct answer *answer = &passage->answer;

	__builtin_memset(answer, 0, sizeof(*answer));
	answer->acl_rule_number = -1;
	answer->logged = 1;
	answer->source_port = packet->source_port;
	answer->destination_port = packet->destination_port;
	answer->protocol = packet->protocol;
	answer->icmp_type = packet->icmp_type;
	answer->icmp_code = packet->icmp_code;
	passage->tallied = passage->raced = passage->full = 0;
}

/* What is not IP: ARP passes, the rest does not. */
static __always_inline int conclude_frame(struct passage *passage, __u32 frame)
{
	__u8 accepted = frame == FRAME_ARP;

	count_frame(passage->interface, passage->direction, frame);
	if (accepted)
		return TC_ACT_UNSPEC;
	__builtin_memset(&passage->packet, 0, sizeof(passage->packet));
	begin_answer(passage);
	passage->segments = 1;
	passage->octets = 0;
	if (is_followed(passage))
		tell(passage, frame);
	return TC_ACT_SHOT;
}

static __always_inline int decide(struct __sk_buff *skb, __u32 direction)
{
	__u32 interface = INTERFACE_OF(skb), zero = 0, row, number, frame, start = 0;
	__u64 *word = bpf_map_lookup_elem(&words, &interface);
	struct passage *passage = bpf_map_lookup_elem(&passages, &zero);
	struct policy *policy;
	struct subnet *subnet;

	if (!word || !passage)
		return TC_ACT_SHOT;
	passage->word = *(volatile __u64 *)word;
	row = passage->word;
	if (!row)
		return TC_ACT_SHOT;
	policy = bpf_map_lookup_elem(&policies, &row);
	if (!policy)
		return TC_ACT_SHOT;
	number = policy->subnet;
	subnet = number ? bpf_map_lookup_elem(&subnets, &number) : 0;
	if (!subnet)
		return TC_ACT_SHOT;
	passage->interface = interface;
	passage->direction = direction;
	passage->row = row;
	passage->now_ms = clock_ms();
	frame = read_frame(skb, passage, policy, direction, &start);
	if (frame != FRAME_IP)
		return conclude_frame(passage, frame);
	parse(skb, &passage->packet, start);
	if (is_overwritten(skb, &passage->packet))
		malformed(&passage->packet);
	measure(skb, passage);
	begin_answer(passage);
	take_steps(skb, passage, policy, subnet, direction);
	if ((passage->packet.shape & (IS_FIRST_FRAGMENT | IS_MALFORMED)) == IS_FIRST_FRAGMENT)
		remember_first(passage);
	conclude(passage, policy, direction);
	return passage->answer.accepted ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")
int ingress(struct __sk_buff *skb)
{
	return decide(skb, INGRESS);
}

SEC("tc")
int egress(struct __sk_buff *skb)
{
	return decide(skb, EGRESS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
