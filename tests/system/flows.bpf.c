// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Makes packets of chosen flows on every CPU at once, and swallows them at the end of their way.
 *
 * A test run with live frames repeats `there` or `back`: each time it writes the next packet of its
 * CPU's course into a whole frame, and hands it to a device. Flows with an odd number are of TCP,
 * the others of UDP.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Which packets a CPU makes; Python writes it. Addresses and ports in host order. */
struct course {
	__u64 state;	       /* of the generator */
	__u32 first;	       /* flow */
	__u32 window;	       /* how many flows behind it are chosen of */
	__u32 hot;	       /* of so many of these is every other packet; not 0 */
	__u32 flows;	       /* how many there are: the next of the last is the first */
	__u32 client;	       /* the first address of clients */
	__u32 client_mask;     /* which of its bits are random */
	__u32 server;
	__u32 service;	       /* the first port of the server */
	__u32 service_mask;    /* which of its bits are random */
	__u32 ifindex[2];      /* devices by which frames enter, there and back */
	__u8 ethernet[2][16];  /* their first 14 bytes */
};

#define CPUS 256
#define FIRST_PORT 1024

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CPUS);
	__type(key, __u32);
	__type(value, struct course);
} courses SEC(".maps");

/* Packets that came out, by CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} swallowed SEC(".maps");

enum {
	FIN = 1,
	SYN = 2,
	RST = 4,
	ACK = 16,
};

static __always_inline __u64 random(struct course *course)
{
	__u64 z = course->state += 0x9E3779B97F4A7C15ULL;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
	return z ^ (z >> 31);
}

/* A client opens, goes on, and sometimes ends with a RST where its connection stands. */
static __always_inline void write_tcp(__u8 *data, __u32 flow, __u32 chosen, int back)
{
	__u32 begin = flow * 7, sequence = begin + 1, acknowledgement = 0;
	__u8 flags;

	if (back) {
		flags = chosen ? SYN | ACK : RST | ACK;
		sequence = chosen ? 99 : 0;
		acknowledgement = begin + 1;
	} else if (chosen == 0) {
		flags = RST;
	} else if (chosen < 4) {
		flags = SYN;
		sequence = begin;
	} else {
		flags = ACK;
	}
	*(__be32 *)(data + 4) = bpf_htonl(sequence);
	*(__be32 *)(data + 8) = bpf_htonl(acknowledgement);
	*(__be32 *)(data + 12) = bpf_htonl(5 << 28 | flags << 16 | 1024);
	*(__be32 *)(data + 16) = 0;
}

static __always_inline int send(struct xdp_md *ctx, int back)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 cpu = bpf_get_smp_processor_id(), flow, client, sum, length = 40;
	struct course *course = bpf_map_lookup_elem(&courses, &cpu);
	__u16 port, service;
	__u64 chosen;
	int is_tcp;

	if (!course || data + ETH_HLEN + 40 > end || !course->flows)
		return XDP_ABORTED;
	chosen = random(course);
	flow = ((chosen & 0xFFFFFFFF) * (chosen >> 63 ? course->hot : course->window)) >> 32;
	flow = (course->first + flow) % course->flows;
	is_tcp = flow & 1;
	chosen >>= 32;
	port = FIRST_PORT + flow;
	service = course->service + (chosen >> 3 & course->service_mask);
	client = course->client + (chosen << 5 & course->client_mask);

	__builtin_memcpy(data, course->ethernet[back], ETH_HLEN);
	data += ETH_HLEN;
	*(__be32 *)(data + 0) = bpf_htonl(0x45000000 | length);
	*(__be32 *)(data + 4) = 0;
	*(__be32 *)(data + 8) = bpf_htonl(64 << 24 | (is_tcp ? IPPROTO_TCP : IPPROTO_UDP) << 16);
	*(__be32 *)(data + 12) = bpf_htonl(back ? course->server : client);
	*(__be32 *)(data + 16) = bpf_htonl(back ? client : course->server);
	sum = 0x4500 + length + (64 << 8 | (is_tcp ? IPPROTO_TCP : IPPROTO_UDP)) + (client >> 16) +
	      (client & 0xFFFF) + (course->server >> 16) + (course->server & 0xFFFF);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum += sum >> 16;
	*(__be16 *)(data + 10) = bpf_htons(~sum);
	*(__be16 *)(data + 20) = bpf_htons(back ? service : port);
	*(__be16 *)(data + 22) = bpf_htons(back ? port : service);
	if (is_tcp) {
		write_tcp(data + 20, flow, chosen & 7, back);
	} else {
		*(__be16 *)(data + 24) = bpf_htons(length - 20);
		*(__be16 *)(data + 26) = 0;
	}
	return bpf_redirect(course->ifindex[back], 0);
}

SEC("xdp")
int there(struct xdp_md *ctx)
{
	return send(ctx, 0);
}

SEC("xdp")
int back(struct xdp_md *ctx)
{
	return send(ctx, 1);
}

/* Stands at the end of the way; nothing of IPv4 goes on. */
SEC("tc")
int swallow(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *count;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return -1;
	count = bpf_map_lookup_elem(&swallowed, &zero);
	if (count)
		++*count;
	return 2;
}

char _license[] SEC("license") = "GPL";
