// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sends frames into a path of devices, and counts those that come out at its end.
 *
 * A test run with live frames repeats `send`: each time it writes the next datagram of the course
 * into a whole frame, because the path has changed what lies there, and hands it to a device.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Where the datagrams go; Python writes it. Addresses and ports in host order. */
struct course {
	__u64 state;	   /* of the generator */
	__u64 next;	   /* number of the next flow, where they go in order */
	__u64 flows;	   /* how many there are to choose of; 0: in order */
	__u32 ifindex;	   /* frames enter the path by this device */
	__u32 inside;	   /* address of the server */
	__u32 outside;	   /* the first address of clients */
	__u32 outside_mask; /* which of its bits differ between flows */
	__u32 answers;	   /* datagrams go from the server to clients */
	__u32 service;	   /* the first of SERVICES ports of the server */
	__u8 ethernet[16]; /* the frame's first 14 bytes */
};

#define SERVICES 4
#define PORTS 60000

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct course);
} courses SEC(".maps");

/* Datagrams that came out, by CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} delivered SEC(".maps");

static __always_inline __u64 random(struct course *course)
{
	__u64 z = course->state += 0x9E3779B97F4A7C15ULL;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
	return z ^ (z >> 31);
}

SEC("xdp")
int send(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, inside, outside, source, destination, sum;
	struct course *course = bpf_map_lookup_elem(&courses, &zero);
	__u16 client, service;
	__u64 flow;

	if (!course || data + ETH_HLEN + 28 > end)
		return XDP_ABORTED;
	flow = course->flows ? ((random(course) & 0xFFFFFFFF) * course->flows) >> 32
			     : course->next++;
	client = 1024 + flow % PORTS;
	service = course->service + flow / PORTS % SERVICES;
	inside = course->inside;
	outside = course->outside + ((flow * 0x9E3779B1U >> 5) & course->outside_mask);
	source = course->answers ? inside : outside;
	destination = course->answers ? outside : inside;

	__builtin_memcpy(data, course->ethernet, ETH_HLEN);
	data += ETH_HLEN;
	*(__be32 *)(data + 0) = bpf_htonl(0x45000000 | (__u32)(end - data));
	*(__be32 *)(data + 4) = 0;
	*(__be32 *)(data + 8) = bpf_htonl(64 << 24 | IPPROTO_UDP << 16);
	*(__be32 *)(data + 12) = bpf_htonl(source);
	*(__be32 *)(data + 16) = bpf_htonl(destination);
	sum = 0x4500 + (__u32)(end - data) + (64 << 8 | IPPROTO_UDP) + (source >> 16) +
	      (source & 0xFFFF) + (destination >> 16) + (destination & 0xFFFF);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum += sum >> 16;
	*(__be16 *)(data + 10) = bpf_htons(~sum);
	*(__be16 *)(data + 20) = bpf_htons(course->answers ? service : client);
	*(__be16 *)(data + 22) = bpf_htons(course->answers ? client : service);
	*(__be16 *)(data + 24) = bpf_htons((__u32)(end - data) - 20);
	*(__be16 *)(data + 26) = 0;
	return bpf_redirect(course->ifindex, 0);
}

/* Stands at the end of the path. All but datagrams passes, so that streams can be sent too. */
SEC("tc")
int receive(struct __sk_buff *skb)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 zero = 0;
	__u64 *count;

	if (data + ETH_HLEN + 20 > end || skb->protocol != bpf_htons(ETH_P_IP) ||
	    data[ETH_HLEN + 9] != IPPROTO_UDP)
		return -1;
	count = bpf_map_lookup_elem(&delivered, &zero);
	if (count)
		++*count;
	return 2;
}

char _license[] SEC("license") = "GPL";
