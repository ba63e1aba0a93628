// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Time: milliseconds since the machine started, rounded down once, here. */
#pragma once

#include "maps.h"

/* Time comes from `control`, for tests: set before the object is loaded. */
const volatile __u32 test_clock = 0;

#define NS_OF_MS 1000000

/* A clock that two CPUs read may be later on one of them than what the other has written. */
#define SKEW_MS 60000

static __always_inline __u64 test_now_ms(void)
{
	__u32 zero = 0;
	struct control *row = bpf_map_lookup_elem(&control, &zero);

	if (!row)
		return 0;
	if (row->test_now_ms > row->latest_ms)
		row->latest_ms = row->test_now_ms;
	return row->latest_ms;
}

/* The kernel counts ticks and moves its coarse clock in one go, and a count is read without a call.
 * How long a tick is, and what the count of ticks in ms is ahead of that clock: set before the
 * object is loaded; a tick_ms of 0 is not known.
 */
const volatile __u32 tick_ms = 0;
const volatile __u64 ticks_ahead_ms = 0;

static __always_inline __u64 clock_ms(void)
{
	if (test_clock)
		return test_now_ms();
	if (tick_ms)
		return bpf_jiffies64() * tick_ms - ticks_ahead_ms;
	return bpf_ktime_get_coarse_ns() / NS_OF_MS;
}

/* The same clock, for programs of no packet: the coarse one is not given to them. */
static __always_inline __u64 work_clock_ms(void)
{
	if (test_clock)
		return test_now_ms();
	if (tick_ms)
		return bpf_jiffies64() * tick_ms - ticks_ahead_ms;
	return bpf_ktime_get_ns() / NS_OF_MS;
}

/* For how long an entry has been idle. Times are modulo 2^32 ms, which no entry outlives. */
static __always_inline __u32 idle_ms(__u64 now_ms, __u32 last_ms)
{
	__u32 idle = (__u32)now_ms - last_ms;

	return idle > (__u32)-SKEW_MS ? 0 : idle;
}
