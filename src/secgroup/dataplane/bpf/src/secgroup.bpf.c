// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The programs. Read first: docs/design/bpf.md. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define INGRESS 0
#define EGRESS 1

/* The interface's number stands here, put by its stub. */
#define INTERFACE_OF(skb) ((skb)->cb[0])

/* Time comes from `control`, for tests. */
const volatile __u32 test_clock = 0;

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_SHOT 2

static __attribute__((noinline)) int decide(struct __sk_buff *skb, __u32 direction)
{
	__u32 interface = INTERFACE_OF(skb);
	__u64 *word = bpf_map_lookup_elem(&words, &interface);

	(void)direction;
	return word && *word ? TC_ACT_UNSPEC : TC_ACT_SHOT;
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
