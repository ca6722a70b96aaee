"""The random numbers of this project (core/random.h) in plain Python: a function of seed, purpose and index alone.

Source: Philox4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import math

_MASK32, _MASK64 = (1 << 32) - 1, (1 << 64) - 1


def _mix(x):
    """SplitMix64's finaliser."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK64
    return x ^ (x >> 31)


def _fnv(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK64
    return value


class Random:
    def __init__(self, seed, purpose):
        key = _mix(_mix(seed) ^ _fnv(purpose))
        self.key = (key & _MASK32, key >> 32)

    def block(self, index, sub_index=0):
        c = [index & _MASK32, index >> 32, sub_index & _MASK32, sub_index >> 32]
        k0, k1 = self.key
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(p1 >> 32) ^ c[1] ^ k0, p1 & _MASK32, (p0 >> 32) ^ c[3] ^ k1, p0 & _MASK32]
            k0, k1 = (k0 + 0x9E3779B9) & _MASK32, (k1 + 0xBB67AE85) & _MASK32
        return c

    def below(self, bound, index, sub_index=0):
        """A whole number in [0, bound). A draw that core/random.cpp would reject (bound / 2^64 of them) is not."""
        words = self.block(index, sub_index)
        return (((words[1] << 32) | words[0]) * bound) >> 64

    def normal(self, index, sub_index=0):
        words = self.block(index, sub_index)
        u1, u2 = ((((words[i + 1] << 32) | words[i]) >> 11) * 2.0**-53 for i in (0, 2))
        return math.sqrt(-2.0 * math.log1p(-u1)) * math.cos(2.0 * math.pi * u2)
