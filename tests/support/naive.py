"""Plain twins of kernels, written from their docstrings; nothing here imports from `engine`."""


# The table of flows


def naive_hash(secret: list[int], words: list[int]) -> int:
    """NH of ten 32-bit halves, low half first, then two multiplications; the upper 32 bits."""
    halves = [half for word in words for half in (word & 0xFFFFFFFF, word >> 32)]
    total = 0
    for number in range(0, 10, 2):
        one = (halves[number] + secret[number]) % 2**32
        two = (halves[number + 1] + secret[number + 1]) % 2**32
        total += one * two
    total %= 2**64
    total = (total ^ total >> 32) * secret[10] % 2**64
    total = (total ^ total >> 29) * secret[11] % 2**64
    return total >> 32
