// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Made by `make bpf` from dataplane/bpf/layout.py, engine/layout.py, engine/machine.py
 * and decision; do not edit. Host byte order, but for keys of tries. */
#pragma once

#define LAYOUT_VERSION 1
#define BLOCKS6 4
#define HAS_HOSTS 1
#define HAS_PREFIXES 2
#define MOST_WORDS 16
#define MOST_BOUNDARIES 2047
#define CLASS_BITS 24
#define WEIGHT_SHIFT 30
#define OPENED 0x80000000
#define MARKED 128
#define TAKEN 63
#define REASONS 32
#define STATES 64
#define OWNER 0x7fffff
#define IPV6 0x800000
#define OPENED_EGRESS 1
#define NEXT_ORIGINAL_KNOWN 2
#define NEXT_REPLY_KNOWN 4
#define WEIGHT_TWO 8
#define ICMP_KIND 224
#define NOT_TRACKED 255
#define FIRST_LIFETIME_MS 30000
#define EVENTS 10
#define STRAY_EVENT 5
#define UDP_EVENT 7
#define ICMP_EVENT 8
#define OTHER_EVENT 9
#define OF_UDP 256
#define OF_ICMP 257
#define OF_OTHER 258

enum {
	REASON_MALFORMED = 1,
	REASON_EXEMPT = 2,
	REASON_NOT_UNICAST = 3,
	REASON_SOURCE_DEST_CHECK = 4,
	REASON_FRAGMENT = 5,
	REASON_NETWORK_ACL = 6,
	REASON_NO_GROUPS = 7,
	REASON_ESTABLISHED = 8,
	REASON_RELATED = 9,
	REASON_NO_MATCHING_RULE = 10,
	REASON_UNTRACKED = 11,
	REASON_MIDSTREAM = 12,
	REASON_ALLOWANCE_EXCEEDED = 13,
	REASON_NEW = 14,
	REASON_SPOOFED = 15,
	REASON_INVALID = 16,
};
enum {
	STATE_SYN_SENT = 1,
	STATE_SYN_RECV = 2,
	STATE_ESTABLISHED = 3,
	STATE_FIN_WAIT = 4,
	STATE_CLOSE_WAIT = 5,
	STATE_LAST_ACK = 6,
	STATE_TIME_WAIT = 7,
	STATE_SYN_SENT2 = 8,
	STATE_UDP_1_0 = 16,
	STATE_UDP_2_0 = 17,
	STATE_UDP_1_1 = 18,
	STATE_UDP_2_1 = 19,
	STATE_UDP_1_2 = 20,
	STATE_UDP_STREAM = 21,
	STATE_ICMP_UNREPLIED = 32,
	STATE_ICMP_REPLIED = 33,
	STATE_OTHER_UNREPLIED = 48,
	STATE_OTHER_REPLIED = 49,
};
enum {
	EVENT_SYN = 0,
	EVENT_SYNACK = 1,
	EVENT_FIN = 2,
	EVENT_ACK = 3,
	EVENT_RST = 4,
	EVENT_STRAY = 5,
	EVENT_ODD = 6,
};
enum {
	FRAME_ARP = 1,
	FRAME_ARP_SPOOFED = 2,
	FRAME_ETHERTYPE = 3,
	FRAME_TAGS = 4,
	FRAME_SHORT = 5,
	FRAME_SPOOFED = 6,
};
enum {
	NAME_RULE = 1,
	NAME_INTERFACE = 2,
	NAME_OWNER = 3,
	NAME_ACL = 4,
};

struct key {
	__u64 inside_lo;
	__u64 inside_hi;
	__u64 outside_lo;
	__u64 outside_hi;
	__u16 inside_port;
	__u16 outside_port;
	__u32 owner_protocol;
};
_Static_assert(sizeof(struct key) == 40, "key");
_Static_assert(__builtin_offsetof(struct key, inside_lo) == 0, "key.inside_lo");
_Static_assert(__builtin_offsetof(struct key, inside_hi) == 8, "key.inside_hi");
_Static_assert(__builtin_offsetof(struct key, outside_lo) == 16, "key.outside_lo");
_Static_assert(__builtin_offsetof(struct key, outside_hi) == 24, "key.outside_hi");
_Static_assert(__builtin_offsetof(struct key, inside_port) == 32, "key.inside_port");
_Static_assert(__builtin_offsetof(struct key, outside_port) == 34, "key.outside_port");
_Static_assert(__builtin_offsetof(struct key, owner_protocol) == 36, "key.owner_protocol");

struct entry {
	__u32 last_ms;
	__u32 created_s;
	__u32 next[2];
	__u32 admission;
	__u16 timeouts;
	__u8 state;
	__u8 flags;
	__u64 octets[2];
	__u32 packets[2];
	__u8 tcp_flags[2];
	__u16 padding;
	__u32 interface;
};
_Static_assert(sizeof(struct entry) == 56, "entry");
_Static_assert(__builtin_offsetof(struct entry, last_ms) == 0, "entry.last_ms");
_Static_assert(__builtin_offsetof(struct entry, created_s) == 4, "entry.created_s");
_Static_assert(__builtin_offsetof(struct entry, next) == 8, "entry.next");
_Static_assert(__builtin_offsetof(struct entry, admission) == 16, "entry.admission");
_Static_assert(__builtin_offsetof(struct entry, timeouts) == 20, "entry.timeouts");
_Static_assert(__builtin_offsetof(struct entry, state) == 22, "entry.state");
_Static_assert(__builtin_offsetof(struct entry, flags) == 23, "entry.flags");
_Static_assert(__builtin_offsetof(struct entry, octets) == 24, "entry.octets");
_Static_assert(__builtin_offsetof(struct entry, packets) == 40, "entry.packets");
_Static_assert(__builtin_offsetof(struct entry, tcp_flags) == 48, "entry.tcp_flags");
_Static_assert(__builtin_offsetof(struct entry, padding) == 50, "entry.padding");
_Static_assert(__builtin_offsetof(struct entry, interface) == 52, "entry.interface");

struct policy {
	__u32 interface;
	__u32 owner;
	__u32 rules[4];
	__u32 acl[4];
	__s32 acl_always[4];
	__u32 own4;
	__u32 own;
	__u64 own6_hi;
	__u64 own6_lo;
	__u32 subnet;
	__u16 timeouts;
	__u8 carries_groups;
	__u8 source_dest_check;
	__u8 mac[6];
	__u8 related_icmp;
	__u8 loose_tcp;
	__u8 strict_tcp;
	__u8 logs;
	__u8 padding[6];
};
_Static_assert(sizeof(struct policy) == 104, "policy");
_Static_assert(__builtin_offsetof(struct policy, interface) == 0, "policy.interface");
_Static_assert(__builtin_offsetof(struct policy, owner) == 4, "policy.owner");
_Static_assert(__builtin_offsetof(struct policy, rules) == 8, "policy.rules");
_Static_assert(__builtin_offsetof(struct policy, acl) == 24, "policy.acl");
_Static_assert(__builtin_offsetof(struct policy, acl_always) == 40, "policy.acl_always");
_Static_assert(__builtin_offsetof(struct policy, own4) == 56, "policy.own4");
_Static_assert(__builtin_offsetof(struct policy, own) == 60, "policy.own");
_Static_assert(__builtin_offsetof(struct policy, own6_hi) == 64, "policy.own6_hi");
_Static_assert(__builtin_offsetof(struct policy, own6_lo) == 72, "policy.own6_lo");
_Static_assert(__builtin_offsetof(struct policy, subnet) == 80, "policy.subnet");
_Static_assert(__builtin_offsetof(struct policy, timeouts) == 84, "policy.timeouts");
_Static_assert(__builtin_offsetof(struct policy, carries_groups) == 86, "policy.carries_groups");
_Static_assert(__builtin_offsetof(struct policy, source_dest_check) == 87, "policy.source_dest_check");
_Static_assert(__builtin_offsetof(struct policy, mac) == 88, "policy.mac");
_Static_assert(__builtin_offsetof(struct policy, related_icmp) == 94, "policy.related_icmp");
_Static_assert(__builtin_offsetof(struct policy, loose_tcp) == 95, "policy.loose_tcp");
_Static_assert(__builtin_offsetof(struct policy, strict_tcp) == 96, "policy.strict_tcp");
_Static_assert(__builtin_offsetof(struct policy, logs) == 97, "policy.logs");
_Static_assert(__builtin_offsetof(struct policy, padding) == 98, "policy.padding");

struct subnet {
	__u64 filter4;
	__u64 filter6;
	__u64 blocks6[4][4];
	__u32 block4;
	__u32 mask4;
	__u32 has_block4;
	__u32 blocks6_count;
	__u32 broadcast;
	__u32 exempt4;
	__u32 exempt6;
	__u32 exempt_end;
};
_Static_assert(sizeof(struct subnet) == 176, "subnet");
_Static_assert(__builtin_offsetof(struct subnet, filter4) == 0, "subnet.filter4");
_Static_assert(__builtin_offsetof(struct subnet, filter6) == 8, "subnet.filter6");
_Static_assert(__builtin_offsetof(struct subnet, blocks6) == 16, "subnet.blocks6");
_Static_assert(__builtin_offsetof(struct subnet, block4) == 144, "subnet.block4");
_Static_assert(__builtin_offsetof(struct subnet, mask4) == 148, "subnet.mask4");
_Static_assert(__builtin_offsetof(struct subnet, has_block4) == 152, "subnet.has_block4");
_Static_assert(__builtin_offsetof(struct subnet, blocks6_count) == 156, "subnet.blocks6_count");
_Static_assert(__builtin_offsetof(struct subnet, broadcast) == 160, "subnet.broadcast");
_Static_assert(__builtin_offsetof(struct subnet, exempt4) == 164, "subnet.exempt4");
_Static_assert(__builtin_offsetof(struct subnet, exempt6) == 168, "subnet.exempt6");
_Static_assert(__builtin_offsetof(struct subnet, exempt_end) == 172, "subnet.exempt_end");

struct exempt {
	__u64 hi;
	__u64 lo;
	__s32 protocol;
	__s32 port;
	__u32 answer;
	__u32 padding;
};
_Static_assert(sizeof(struct exempt) == 32, "exempt");
_Static_assert(__builtin_offsetof(struct exempt, hi) == 0, "exempt.hi");
_Static_assert(__builtin_offsetof(struct exempt, lo) == 8, "exempt.lo");
_Static_assert(__builtin_offsetof(struct exempt, protocol) == 16, "exempt.protocol");
_Static_assert(__builtin_offsetof(struct exempt, port) == 20, "exempt.port");
_Static_assert(__builtin_offsetof(struct exempt, answer) == 24, "exempt.answer");
_Static_assert(__builtin_offsetof(struct exempt, padding) == 28, "exempt.padding");

struct section {
	__u32 addresses;
	__u32 elsewhere;
	__u32 kinds;
	__u32 words;
	__u32 address_bits;
	__u32 port_bits;
	__u32 ports;
	__u32 ports_count;
	__u32 numbers;
	__u32 rules;
	__u32 all_open;
	__u32 is_acl;
};
_Static_assert(sizeof(struct section) == 48, "section");
_Static_assert(__builtin_offsetof(struct section, addresses) == 0, "section.addresses");
_Static_assert(__builtin_offsetof(struct section, elsewhere) == 4, "section.elsewhere");
_Static_assert(__builtin_offsetof(struct section, kinds) == 8, "section.kinds");
_Static_assert(__builtin_offsetof(struct section, words) == 12, "section.words");
_Static_assert(__builtin_offsetof(struct section, address_bits) == 16, "section.address_bits");
_Static_assert(__builtin_offsetof(struct section, port_bits) == 20, "section.port_bits");
_Static_assert(__builtin_offsetof(struct section, ports) == 24, "section.ports");
_Static_assert(__builtin_offsetof(struct section, ports_count) == 28, "section.ports_count");
_Static_assert(__builtin_offsetof(struct section, numbers) == 32, "section.numbers");
_Static_assert(__builtin_offsetof(struct section, rules) == 36, "section.rules");
_Static_assert(__builtin_offsetof(struct section, all_open) == 40, "section.all_open");
_Static_assert(__builtin_offsetof(struct section, is_acl) == 44, "section.is_acl");

struct host {
	__u64 hi;
	__u64 lo;
	__u32 table;
	__u32 padding;
};
_Static_assert(sizeof(struct host) == 24, "host");
_Static_assert(__builtin_offsetof(struct host, hi) == 0, "host.hi");
_Static_assert(__builtin_offsetof(struct host, lo) == 8, "host.lo");
_Static_assert(__builtin_offsetof(struct host, table) == 16, "host.table");
_Static_assert(__builtin_offsetof(struct host, padding) == 20, "host.padding");

struct prefix4 {
	__u32 length;
	__u32 table;
	__u8 address[4];
};
_Static_assert(sizeof(struct prefix4) == 12, "prefix4");
_Static_assert(__builtin_offsetof(struct prefix4, length) == 0, "prefix4.length");
_Static_assert(__builtin_offsetof(struct prefix4, table) == 4, "prefix4.table");
_Static_assert(__builtin_offsetof(struct prefix4, address) == 8, "prefix4.address");

struct prefix6 {
	__u32 length;
	__u32 table;
	__u8 address[16];
};
_Static_assert(sizeof(struct prefix6) == 24, "prefix6");
_Static_assert(__builtin_offsetof(struct prefix6, length) == 0, "prefix6.length");
_Static_assert(__builtin_offsetof(struct prefix6, table) == 4, "prefix6.table");
_Static_assert(__builtin_offsetof(struct prefix6, address) == 8, "prefix6.address");

struct owner {
	__s64 weight;
	__s64 allowance;
	__u64 exceeded;
	__u64 padding;
};
_Static_assert(sizeof(struct owner) == 32, "owner");
_Static_assert(__builtin_offsetof(struct owner, weight) == 0, "owner.weight");
_Static_assert(__builtin_offsetof(struct owner, allowance) == 8, "owner.allowance");
_Static_assert(__builtin_offsetof(struct owner, exceeded) == 16, "owner.exceeded");
_Static_assert(__builtin_offsetof(struct owner, padding) == 24, "owner.padding");

struct fragment_key {
	__u64 source_hi;
	__u64 source_lo;
	__u64 destination_hi;
	__u64 destination_lo;
	__u32 interface;
	__u32 identification;
	__u8 protocol;
	__u8 family;
	__u8 direction;
	__u8 padding[5];
};
_Static_assert(sizeof(struct fragment_key) == 48, "fragment_key");
_Static_assert(__builtin_offsetof(struct fragment_key, source_hi) == 0, "fragment_key.source_hi");
_Static_assert(__builtin_offsetof(struct fragment_key, source_lo) == 8, "fragment_key.source_lo");
_Static_assert(__builtin_offsetof(struct fragment_key, destination_hi) == 16, "fragment_key.destination_hi");
_Static_assert(__builtin_offsetof(struct fragment_key, destination_lo) == 24, "fragment_key.destination_lo");
_Static_assert(__builtin_offsetof(struct fragment_key, interface) == 32, "fragment_key.interface");
_Static_assert(__builtin_offsetof(struct fragment_key, identification) == 36, "fragment_key.identification");
_Static_assert(__builtin_offsetof(struct fragment_key, protocol) == 40, "fragment_key.protocol");
_Static_assert(__builtin_offsetof(struct fragment_key, family) == 41, "fragment_key.family");
_Static_assert(__builtin_offsetof(struct fragment_key, direction) == 42, "fragment_key.direction");
_Static_assert(__builtin_offsetof(struct fragment_key, padding) == 43, "fragment_key.padding");

struct answer {
	__u32 section;
	__u32 address_class;
	__u32 port_class;
	__s32 acl_rule_number;
	__u32 acl_section;
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 accepted;
	__u8 reason;
	__u8 state_before;
	__u8 state_after;
	__u8 logged;
};
_Static_assert(sizeof(struct answer) == 32, "answer");
_Static_assert(__builtin_offsetof(struct answer, section) == 0, "answer.section");
_Static_assert(__builtin_offsetof(struct answer, address_class) == 4, "answer.address_class");
_Static_assert(__builtin_offsetof(struct answer, port_class) == 8, "answer.port_class");
_Static_assert(__builtin_offsetof(struct answer, acl_rule_number) == 12, "answer.acl_rule_number");
_Static_assert(__builtin_offsetof(struct answer, acl_section) == 16, "answer.acl_section");
_Static_assert(__builtin_offsetof(struct answer, source_port) == 20, "answer.source_port");
_Static_assert(__builtin_offsetof(struct answer, destination_port) == 22, "answer.destination_port");
_Static_assert(__builtin_offsetof(struct answer, protocol) == 24, "answer.protocol");
_Static_assert(__builtin_offsetof(struct answer, icmp_type) == 25, "answer.icmp_type");
_Static_assert(__builtin_offsetof(struct answer, icmp_code) == 26, "answer.icmp_code");
_Static_assert(__builtin_offsetof(struct answer, accepted) == 27, "answer.accepted");
_Static_assert(__builtin_offsetof(struct answer, reason) == 28, "answer.reason");
_Static_assert(__builtin_offsetof(struct answer, state_before) == 29, "answer.state_before");
_Static_assert(__builtin_offsetof(struct answer, state_after) == 30, "answer.state_after");
_Static_assert(__builtin_offsetof(struct answer, logged) == 31, "answer.logged");

struct first {
	__u64 time_ms;
	struct answer answer;
};
_Static_assert(sizeof(struct first) == 40, "first");
_Static_assert(__builtin_offsetof(struct first, time_ms) == 0, "first.time_ms");
_Static_assert(__builtin_offsetof(struct first, answer) == 8, "first.answer");

struct event {
	__u64 time_ms;
	__u64 word;
	__u64 source_hi;
	__u64 source_lo;
	__u64 destination_hi;
	__u64 destination_lo;
	__u32 interface;
	__u32 length;
	struct answer answer;
	__u16 segments;
	__u8 family;
	__u8 direction;
	__u8 tcp_flags;
	__u8 frame;
	__u8 padding[2];
};
_Static_assert(sizeof(struct event) == 96, "event");
_Static_assert(__builtin_offsetof(struct event, time_ms) == 0, "event.time_ms");
_Static_assert(__builtin_offsetof(struct event, word) == 8, "event.word");
_Static_assert(__builtin_offsetof(struct event, source_hi) == 16, "event.source_hi");
_Static_assert(__builtin_offsetof(struct event, source_lo) == 24, "event.source_lo");
_Static_assert(__builtin_offsetof(struct event, destination_hi) == 32, "event.destination_hi");
_Static_assert(__builtin_offsetof(struct event, destination_lo) == 40, "event.destination_lo");
_Static_assert(__builtin_offsetof(struct event, interface) == 48, "event.interface");
_Static_assert(__builtin_offsetof(struct event, length) == 52, "event.length");
_Static_assert(__builtin_offsetof(struct event, answer) == 56, "event.answer");
_Static_assert(__builtin_offsetof(struct event, segments) == 88, "event.segments");
_Static_assert(__builtin_offsetof(struct event, family) == 90, "event.family");
_Static_assert(__builtin_offsetof(struct event, direction) == 91, "event.direction");
_Static_assert(__builtin_offsetof(struct event, tcp_flags) == 92, "event.tcp_flags");
_Static_assert(__builtin_offsetof(struct event, frame) == 93, "event.frame");
_Static_assert(__builtin_offsetof(struct event, padding) == 94, "event.padding");

struct log_key {
	__u64 source_hi;
	__u64 source_lo;
	__u64 destination_hi;
	__u64 destination_lo;
	__u32 interface;
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 family;
	__u8 direction;
	__u8 accepted;
	__u8 reason;
	__u8 padding[3];
};
_Static_assert(sizeof(struct log_key) == 48, "log_key");
_Static_assert(__builtin_offsetof(struct log_key, source_hi) == 0, "log_key.source_hi");
_Static_assert(__builtin_offsetof(struct log_key, source_lo) == 8, "log_key.source_lo");
_Static_assert(__builtin_offsetof(struct log_key, destination_hi) == 16, "log_key.destination_hi");
_Static_assert(__builtin_offsetof(struct log_key, destination_lo) == 24, "log_key.destination_lo");
_Static_assert(__builtin_offsetof(struct log_key, interface) == 32, "log_key.interface");
_Static_assert(__builtin_offsetof(struct log_key, source_port) == 36, "log_key.source_port");
_Static_assert(__builtin_offsetof(struct log_key, destination_port) == 38, "log_key.destination_port");
_Static_assert(__builtin_offsetof(struct log_key, protocol) == 40, "log_key.protocol");
_Static_assert(__builtin_offsetof(struct log_key, family) == 41, "log_key.family");
_Static_assert(__builtin_offsetof(struct log_key, direction) == 42, "log_key.direction");
_Static_assert(__builtin_offsetof(struct log_key, accepted) == 43, "log_key.accepted");
_Static_assert(__builtin_offsetof(struct log_key, reason) == 44, "log_key.reason");
_Static_assert(__builtin_offsetof(struct log_key, padding) == 45, "log_key.padding");

struct log {
	__u64 packets;
	__u64 octets;
	__u64 first_ms;
	__u64 last_ms;
	__u32 section;
	__u32 address_class;
	__u32 port_class;
	__u32 tcp_flags;
};
_Static_assert(sizeof(struct log) == 48, "log");
_Static_assert(__builtin_offsetof(struct log, packets) == 0, "log.packets");
_Static_assert(__builtin_offsetof(struct log, octets) == 8, "log.octets");
_Static_assert(__builtin_offsetof(struct log, first_ms) == 16, "log.first_ms");
_Static_assert(__builtin_offsetof(struct log, last_ms) == 24, "log.last_ms");
_Static_assert(__builtin_offsetof(struct log, section) == 32, "log.section");
_Static_assert(__builtin_offsetof(struct log, address_class) == 36, "log.address_class");
_Static_assert(__builtin_offsetof(struct log, port_class) == 40, "log.port_class");
_Static_assert(__builtin_offsetof(struct log, tcp_flags) == 44, "log.tcp_flags");

struct ended {
	__u8 key[40];
	struct entry entry;
	__u64 time_ms;
};
_Static_assert(sizeof(struct ended) == 104, "ended");
_Static_assert(__builtin_offsetof(struct ended, key) == 0, "ended.key");
_Static_assert(__builtin_offsetof(struct ended, entry) == 40, "ended.entry");
_Static_assert(__builtin_offsetof(struct ended, time_ms) == 96, "ended.time_ms");

struct counters {
	__u64 packets[2][2];
	__u64 octets[2][2];
	__u64 reasons[2][32];
	__u64 frames[2][8];
	__u64 unlogged[2];
	__u64 unheard[2];
	__u64 full[2];
	__u64 raced[2];
};
_Static_assert(sizeof(struct counters) == 768, "counters");
_Static_assert(__builtin_offsetof(struct counters, packets) == 0, "counters.packets");
_Static_assert(__builtin_offsetof(struct counters, octets) == 32, "counters.octets");
_Static_assert(__builtin_offsetof(struct counters, reasons) == 64, "counters.reasons");
_Static_assert(__builtin_offsetof(struct counters, frames) == 576, "counters.frames");
_Static_assert(__builtin_offsetof(struct counters, unlogged) == 704, "counters.unlogged");
_Static_assert(__builtin_offsetof(struct counters, unheard) == 720, "counters.unheard");
_Static_assert(__builtin_offsetof(struct counters, full) == 736, "counters.full");
_Static_assert(__builtin_offsetof(struct counters, raced) == 752, "counters.raced");

struct control {
	__u64 test_now_ms;
	__u64 latest_ms;
	__u64 followed_until_ms;
	__u64 rejected_only;
	__u64 sweeps;
	__u64 ended_lost;
};
_Static_assert(sizeof(struct control) == 48, "control");
_Static_assert(__builtin_offsetof(struct control, test_now_ms) == 0, "control.test_now_ms");
_Static_assert(__builtin_offsetof(struct control, latest_ms) == 8, "control.latest_ms");
_Static_assert(__builtin_offsetof(struct control, followed_until_ms) == 16, "control.followed_until_ms");
_Static_assert(__builtin_offsetof(struct control, rejected_only) == 24, "control.rejected_only");
_Static_assert(__builtin_offsetof(struct control, sweeps) == 32, "control.sweeps");
_Static_assert(__builtin_offsetof(struct control, ended_lost) == 40, "control.ended_lost");

struct sweep {
	__u64 now_ms;
	__u32 passes;
	__u32 marked;
	__u32 removed;
	__u32 left;
};
_Static_assert(sizeof(struct sweep) == 24, "sweep");
_Static_assert(__builtin_offsetof(struct sweep, now_ms) == 0, "sweep.now_ms");
_Static_assert(__builtin_offsetof(struct sweep, passes) == 8, "sweep.passes");
_Static_assert(__builtin_offsetof(struct sweep, marked) == 12, "sweep.marked");
_Static_assert(__builtin_offsetof(struct sweep, removed) == 16, "sweep.removed");
_Static_assert(__builtin_offsetof(struct sweep, left) == 20, "sweep.left");

struct end {
	__u8 key[40];
	__u32 ended;
	__u32 padding;
};
_Static_assert(sizeof(struct end) == 48, "end");
_Static_assert(__builtin_offsetof(struct end, key) == 0, "end.key");
_Static_assert(__builtin_offsetof(struct end, ended) == 40, "end.ended");
_Static_assert(__builtin_offsetof(struct end, padding) == 44, "end.padding");

struct name {
	__u32 kind;
	__u32 number;
};
_Static_assert(sizeof(struct name) == 8, "name");
_Static_assert(__builtin_offsetof(struct name, kind) == 0, "name.kind");
_Static_assert(__builtin_offsetof(struct name, number) == 4, "name.number");

static const __u8 machine_transitions[1280] = {
	1, 1, 2, 3, 4, 5, 6, 1, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
	48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 0, 1, 2, 3, 4, 5, 6, 7,
	2, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55,
	56, 57, 58, 59, 60, 61, 62, 63, 0, 1, 4, 4, 6, 6, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
	40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
	3, 1, 3, 3, 5, 5, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
	48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55,
	56, 57, 58, 59, 60, 61, 62, 63, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
	40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
	48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 16, 1, 2, 3, 4, 5, 6, 7,
	8, 9, 10, 11, 12, 13, 14, 15, 17, 17, 19, 19, 21, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55,
	56, 57, 58, 59, 60, 61, 62, 63, 32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
	40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
	48, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
	48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 0, 8, 2, 3, 4, 5, 6, 1,
	8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55,
	56, 57, 58, 59, 60, 61, 62, 63, 0, 2, 2, 3, 4, 5, 6, 7, 2, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
	40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
	0, 1, 4, 4, 6, 6, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
	48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 0, 1, 2, 3, 5, 5, 7, 7,
	8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55,
	56, 57, 58, 59, 60, 61, 62, 63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
	40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
	48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 0, 1, 2, 3, 4, 5, 6, 7,
	8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55,
	56, 57, 58, 59, 60, 61, 62, 63, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	18, 19, 20, 21, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
	40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	24, 25, 26, 27, 28, 29, 30, 31, 33, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
	48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 0, 1, 2, 3, 4, 5, 6, 7,
	8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 49, 49, 50, 51, 52, 53, 54, 55,
	56, 57, 58, 59, 60, 61, 62, 63,
};

static const __u8 machine_events[512] = {
	6, 2, 0, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4,
	3, 2, 1, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4,
	3, 2, 1, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4,
	6, 2, 0, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4,
	6, 2, 0, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4,
	3, 2, 1, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4,
	3, 2, 1, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4,
	6, 2, 0, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4,
	6, 2, 0, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4,
	3, 2, 1, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4, 6, 2, 0, 6, 4, 4, 4, 4,
	3, 2, 1, 6, 4, 4, 4, 4, 3, 2, 1, 6, 4, 4, 4, 4, 7, 8, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
	9, 9, 9, 9, 9, 9, 9, 9,
};

static const __u8 machine_handshake[64] = {
	0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};

static const __u8 machine_icmp_kinds[512] = {
	1, 255, 255, 255, 255, 255, 255, 255, 0, 255, 255, 255, 255, 2, 3, 4, 5, 6, 7, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	8, 9, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, 255, 255,
};

static const __u8 machine_icmp_errors[512] = {
	0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0,
};
