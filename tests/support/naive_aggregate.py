"""Plain twins of the kernels that aggregate; nothing here imports from `engine`."""


def naive_hash_of_six(secret: list[int], words: list[int]) -> int:
    """NH of twelve 32-bit halves, low half first, then two multiplications; the upper 32 bits."""
    total = 0
    for number, word in enumerate(words):
        low = (word % 2**32 + secret[2 * number]) % 2**32
        high = (word // 2**32 + secret[2 * number + 1]) % 2**32
        total = (total + low * high) % 2**64
    for shift, factor in ((32, secret[12]), (29, secret[13])):
        total = (total ^ total >> shift) * factor % 2**64
    return total >> 32


def naive_order(
    source: tuple[int, int], destination: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Both ends (address, port), the lower one first."""
    return (source, destination) if source <= destination else (destination, source)


def naive_kind(is_ipv6: bool, icmp_type: int, code: int, identifier: int) -> tuple[int, bool]:
    """What of an ICMP message names its connection, and whether it is an answer (RFC 792, 950)."""
    queries = {128: 129} if is_ipv6 else {8: 0, 13: 14, 15: 16, 17: 18}
    answers = {answer: query for query, answer in queries.items()}
    if icmp_type in queries:
        return icmp_type * 65536 + identifier, False
    if icmp_type in answers:
        return answers[icmp_type] * 65536 + identifier, True
    return icmp_type * 65536 + code, False
