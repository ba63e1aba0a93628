"""The table of flows: hash, index, records, wheel and growth.

Read first: `layout.Flows` and `layout.RECORD`. What a flow does next is `decide`'s.
"""

import numpy as np

from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.layout import (
    BITS,
    ENTRIES,
    FLAGS_BIT,
    FREE,
    FRONTIER,
    HIGHEST,
    I4,
    I8,
    LAST_RECORD,
    LIMIT,
    LOW_HALF,
    MEMORY,
    NOW_MS,
    OWNER,
    STATE_BIT,
    STATES,
    STEPPED_BACK,
    TIMEOUTS_BIT,
    TIMES,
    U8,
    WEIGHT_TWO,
    WHEEL,
    Flows,
)


@kernel
def hash_of(secret: U8, w0: int, w1: int, w2: int, w3: int, w4: int) -> int:
    """Return 32 bits of a universal hash of a key's five words.

    NH, sums of products of 32-bit halves to which secret ones are added (Black et al., UMAC,
    1999), then a mix by secret odd numbers. `secret` has ten numbers under 2**32 and two odd ones.
    """
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    total = ((w0 + secret[0]) & low) * (((w0 >> half) + secret[1]) & low)
    total += ((w1 + secret[2]) & low) * (((w1 >> half) + secret[3]) & low)
    total += ((w2 + secret[4]) & low) * (((w2 >> half) + secret[5]) & low)
    total += ((w3 + secret[6]) & low) * (((w3 >> half) + secret[7]) & low)
    total += ((w4 + secret[8]) & low) * (((w4 >> half) + secret[9]) & low)
    total = (total ^ (total >> half)) * secret[10]
    total = (total ^ (total >> np.uint64(29))) * secret[11]
    return np.int64(total >> half)


@kernel
def home_of(bits: int, frontier: int, tag: int) -> int:
    """Return the slot where the search for a hash begins."""
    home = tag >> (32 - bits)
    if home >= frontier:
        home = tag >> (31 - bits)
    return home


@inlined
def is_named(words: U8, entry: int, w0: int, w1: int, w2: int, w3: int, w4: int) -> bool:
    """Tell whether a record is the one of a key: without a branch for each word."""
    at = np.uintp(entry << 3)
    other = (words[at] ^ w0) | (words[at + np.uintp(1)] ^ w1)
    other |= (words[at + np.uintp(2)] ^ w2) | (words[at + np.uintp(3)] ^ w3)
    return other | (words[at + np.uintp(4)] ^ w4) == 0


@kernel
def find(
    index: I8, words: U8, home: int, tag: int, w0: int, w1: int, w2: int, w3: int, w4: int
) -> int:
    """Return the number of the record of a key; 0 when there is none."""
    place = home
    while True:
        slot = np.int64(index[np.uintp(place)])
        of_slot = (slot >> 32) & LOW_HALF
        if slot == 0 or of_slot > tag:
            return 0
        if of_slot == tag:
            entry = slot & LOW_HALF
            if is_named(words, entry, w0, w1, w2, w3, w4):
                return entry
        place += 1


@inlined
def insert(index: I8, home: int, tag: int, entry: int) -> bool:
    """Put a record into the index; False when there is no room for it behind its home.

    The last slot of all stays empty: there every search ends. Runs of full slots are in the order
    of their hashes, and so of their homes: no search goes much farther than others.
    """
    place = home
    while index[np.uintp(place)] != 0:
        place += 1
    if place + 1 >= index.shape[0]:
        return False
    while place > home and index[np.uintp(place - 1)] >> 32 & LOW_HALF > tag:
        index[np.uintp(place)] = index[np.uintp(place - 1)]
        place -= 1
    index[np.uintp(place)] = tag << 32 | entry
    return True


@inlined
def withdraw(index: I8, bits: int, frontier: int, tag: int, entry: int) -> None:
    """Take a record out of the index, and close the gap that it leaves.

    Preconditions: it is there.
    """
    wanted = tag << 32 | entry
    gap = home_of(bits, frontier, tag)
    while index[gap] != wanted:
        gap += 1
    place = gap + 1
    while True:
        slot = np.int64(index[np.uintp(place)])
        if slot == 0:
            break
        if home_of(bits, frontier, (slot >> 32) & LOW_HALF) <= gap:
            index[gap] = slot
            gap = place
        place += 1
    index[gap] = 0


@kernel
def split(index: I8, control: I8, kept: I8, slots: int) -> bool:
    """Give the homes of the last `slots` slots before the frontier their further bit.

    The index grows in place, from its end: what had the home h gets 2 h or 2 h + 1, where
    nothing is yet. The run of full slots that crosses the frontier is moved as a whole.

    Parameters
    ----------
    kept : int64
        Room for what is moved.

    Returns
    -------
    bool
        False when there was no room, which no universal hash lets happen; the index is lost.

    """
    bits, frontier = np.int64(control[BITS]), np.int64(control[FRONTIER])
    begin = max(0, frontier - slots)
    place = begin
    count = 0
    while place < frontier or index[place] != 0:
        if index[place] != 0:
            if count == kept.shape[0]:
                return False
            kept[count] = index[place]
            count += 1
            index[place] = 0
        place += 1
    if begin == 0:
        bits += 1
        begin = 1 << bits
    control[BITS], control[FRONTIER] = bits, begin
    for number in range(count):
        slot = np.int64(kept[number])
        tag = (slot >> 32) & LOW_HALF
        if not insert(index, home_of(bits, begin, tag), tag, slot & LOW_HALF):
            return False
    return True


@inlined
def link(links: I4, wheel: I4, entry: int, second: int) -> None:
    """Let a record be looked at in a second, which is less than WHEEL ahead."""
    place = second & (WHEEL - 1)
    following = np.int64(wheel[place])
    links[2 * entry] = following
    links[2 * entry + 1] = -place
    if following != 0:
        links[2 * following + 1] = entry
    wheel[place] = entry


@inlined
def unlink(links: I4, wheel: I4, entry: int) -> None:
    """Take a record from the wheel."""
    following, before = np.int64(links[2 * entry]), np.int64(links[2 * entry + 1])
    if before > 0:
        links[2 * before] = following
    else:
        wheel[-before] = following
    if following != 0:
        links[2 * following + 1] = before


@inlined
def appoint(links: I4, wheel: I4, entry: int, now_ms: int, expires_ms: int) -> None:
    """Let a record be looked at when it may have expired: at the whole second after."""
    second, now = (expires_ms + 999) // 1000, now_ms // 1000
    link(links, wheel, entry, max(now + 1, min(second, now + WHEEL - 1)))


@inlined
def claim(links: I4, control: I8) -> int:
    """Return the number of a record that is free. Preconditions: there is one."""
    entry = np.int64(control[FREE])
    if entry != 0:
        control[FREE] = links[np.uintp(2 * entry)]
    else:
        entry = control[HIGHEST] + 1
        control[HIGHEST] = entry
    control[ENTRIES] += 1
    return entry


@inlined
def has_room(control: I8) -> bool:
    """Tell whether one more record can be made."""
    return control[ENTRIES] < control[LIMIT] and (
        control[FREE] != 0 or control[HIGHEST] < control[LAST_RECORD]
    )


@inlined
def memory_of(words: U8, entry: int) -> int:
    """Return the last word of a record: its admission, set of timeouts, state and flags."""
    return np.int64(words[np.uintp((entry << 3) + MEMORY)])


@inlined
def state_in(memory: int) -> int:
    """Return the state of a record by its last word; 0 is none."""
    return memory >> STATE_BIT & (STATES - 1)


@inlined
def flags_in(memory: int) -> int:
    """Return the flags of a record by its last word."""
    return memory >> FLAGS_BIT & 0xFF


@inlined
def weight_in(memory: int) -> int:
    """Return how many entries of its owner's allowance a record takes."""
    return 2 if flags_in(memory) & WEIGHT_TWO else 1


@inlined
def timeout_in(timeouts_ms: I8, memory: int) -> int:
    """Return how long a record may be idle, in milliseconds; 0 when it is none."""
    timeouts = memory >> TIMEOUTS_BIT & 0xFFFF
    return np.int64(timeouts_ms[np.uintp(timeouts * STATES + state_in(memory))])


@inlined
def idle_of(words: U8, entry: int, now_ms: int) -> int:
    """Return for how long a record has been idle, in milliseconds."""
    return (now_ms - np.int64(words[np.uintp((entry << 3) + TIMES)])) & LOW_HALF


@inlined
def hash_in(words: U8, secret: U8, entry: int) -> int:
    """Return the hash of a record's key."""
    at = np.uintp(entry << 3)
    return hash_of(
        secret,
        words[at],
        words[at + np.uintp(1)],
        words[at + np.uintp(2)],
        words[at + np.uintp(3)],
        words[at + np.uintp(4)],
    )


@inlined
def owner_of(words: U8, entry: int) -> int:
    """Return the owner of a record."""
    return np.int64(words[np.uintp((entry << 3) + 4)]) >> 32 & OWNER


@inlined
def release(flows: Flows, entry: int) -> None:
    """Forget a record that is no longer on the wheel."""
    words, control = flows.words, flows.control
    tag = hash_in(words, flows.secret, entry)
    withdraw(flows.index, control[BITS], control[FRONTIER], tag, entry)
    flows.weight[owner_of(words, entry)] -= weight_in(memory_of(words, entry))
    words[np.uintp((entry << 3) + MEMORY)] = 0
    flows.links[2 * entry] = control[FREE]
    control[FREE] = entry
    control[ENTRIES] -= 1


@inlined
def remove(flows: Flows, entry: int) -> None:
    """Forget a record."""
    unlink(flows.links, flows.wheel, entry)
    release(flows, entry)


@inlined
def look(flows: Flows, place: int, before_ms: int, second: int) -> None:
    """Forget those of one slot of the wheel that have expired by `second`; appoint the others."""
    links = flows.links
    entry = np.int64(flows.wheel[place])
    flows.wheel[place] = 0
    while entry != 0:
        following = np.int64(links[2 * entry])
        # Idle times are modulo 2**32 ms, which no entry outlives; the clock may have leapt further.
        last_ms = before_ms - idle_of(flows.words, entry, before_ms)
        expires_ms = last_ms + timeout_in(flows.timeouts_ms, memory_of(flows.words, entry))
        if expires_ms <= 1000 * second:
            release(flows, entry)
        else:
            appoint(links, flows.wheel, entry, 1000 * second, expires_ms)
        entry = following


@inlined
def reap(flows: Flows, before_ms: int, now_ms: int) -> None:
    """Forget what has expired at the whole second that the clock comes into."""
    second = now_ms // 1000
    first = before_ms // 1000 + 1
    if flows.control[ENTRIES] != 0:
        for each in range(max(first, second - WHEEL + 1), second + 1):
            look(flows, each & (WHEEL - 1), before_ms, second)


@kernel
def advance(flows: Flows, time_ms: int) -> None:
    """Move the clock, and forget what has expired."""
    control = flows.control
    before_ms = np.int64(control[NOW_MS])
    if time_ms < before_ms:
        control[STEPPED_BACK] += 1
        return
    control[NOW_MS] = time_ms
    reap(flows, before_ms, time_ms)


@inlined
def expiry_of(flows: Flows, entry: int, now_ms: int) -> int:
    """Return when a record expires as it is now."""
    idle_ms = idle_of(flows.words, entry, now_ms)
    return now_ms + timeout_in(flows.timeouts_ms, memory_of(flows.words, entry)) - idle_ms


@kernel
def reappoint(flows: Flows, entry: int) -> None:
    """Let a record be looked at when it expires as it is now."""
    unlink(flows.links, flows.wheel, entry)
    now_ms = np.int64(flows.control[NOW_MS])
    appoint(flows.links, flows.wheel, entry, now_ms, expiry_of(flows, entry, now_ms))


@kernel
def remove_all(flows: Flows, entries: I8) -> None:
    """Forget these records."""
    for i in range(entries.shape[0]):
        remove(flows, np.int64(entries[i]))


@kernel
def enter(flows: Flows, records: U8, start: int) -> int:
    """Add records that are not there, from number `start` on; return the first without room.

    Parameters
    ----------
    records : uint64
        Eight words of each.

    Returns
    -------
    int
        -1 when the index has no room behind the home of a hash.

    """
    words, control = flows.words, flows.control
    count = records.shape[0] >> 3
    for number in range(start, count):
        if not has_room(control):
            return number
        entry = claim(flows.links, control)
        at, of = entry << 3, number << 3
        for word in range(8):
            words[at + word] = records[of + word]
        tag = hash_in(words, flows.secret, entry)
        if not insert(flows.index, home_of(control[BITS], control[FRONTIER], tag), tag, entry):
            return -1
        flows.weight[owner_of(words, entry)] += weight_in(memory_of(words, entry))
        now_ms = np.int64(control[NOW_MS])
        appoint(flows.links, flows.wheel, entry, now_ms, expiry_of(flows, entry, now_ms))
    return count
