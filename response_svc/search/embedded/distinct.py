"""How many different values there are, as Elasticsearch counts them: HyperLogLog++ over the same hashes.

Few values are counted by their hashes, which two values hardly ever share; many by how many of 2^precision registers no
hash falls into. Where the paper's next step would come, a correction by measured tables, the question is refused.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

from response_svc.search.embedded.doubles import to_bits
from response_svc.search.embedded.refusals import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from response_svc.search.embedded.mapping import Value

DEFAULT_THRESHOLD: Final = 3000
_MASK: Final = (1 << 64) - 1
_SPARSE_BITS: Final = 25
_LOAD: Final = 0.75
_LEAST_PRECISION, _MOST_PRECISION = 4, 18
# Up to how many values counting empty registers is best, by precision; from the paper's appendix.
_BY_REGISTERS: Final = (10, 20, 40, 80, 220, 400, 900, 1800, 3100, 6500, 11_500, 20_000, 50_000, 120_000, 350_000)


def count_distinct(values: Iterable[Value], threshold: int, *, check: Callable[[], None]) -> int:
    """The number of different values; `check` is called now and then and ends the work by raising."""
    precision = _precision(threshold)
    hashes = []
    for number, value in enumerate(values):
        if number % 1024 == 0:
            check()
        hashes.append(_hash(value))
    sparse = {_encoded(hashed, precision) for hashed in hashes}
    if len(sparse) <= int((1 << precision) // 4 * _LOAD):
        return _empty_places(1 << _SPARSE_BITS, len(sparse))
    registers = {hashed >> (64 - precision) for hashed in hashes}
    limit = _BY_REGISTERS[precision - _LEAST_PRECISION]
    if len(registers) < 1 << precision:
        counted = _empty_places(1 << precision, len(registers))
        if counted <= limit:
            return counted
    raise unsupported(
        f"a cardinality of more than {limit} values with the precision_threshold {threshold}, which is an estimate; "
        f"a larger precision_threshold, up to 40000, counts more of them"
    )


def _precision(threshold: int) -> int:
    entries = math.ceil(threshold / _LOAD)
    return min(max((entries * 4).bit_length(), _LEAST_PRECISION), _MOST_PRECISION)


def _empty_places(places: int, taken: int) -> int:
    """How many values fall into `places` at random if so many of these are taken."""
    return math.floor(places * math.log(places / (places - taken)) + 0.5)


def _encoded(hashed: int, precision: int) -> int:
    """What is kept of a hash: 25 bits, and if those beyond the precision are all 0, how many more are."""
    place = hashed >> (64 - _SPARSE_BITS)
    if place & ((1 << (_SPARSE_BITS - precision)) - 1):
        return place << 1
    rest = (hashed << _SPARSE_BITS) & _MASK
    zeros = min(64 - rest.bit_length(), 64 - _SPARSE_BITS)
    return (place << 7 | (1 + zeros) << 1) | 1


def _hash(value: Value) -> int:
    if isinstance(value, str):
        return _murmur3(value.encode("utf-8", "surrogatepass"))
    return _mixed(to_bits(value) if isinstance(value, float) else value)


def _mixed(value: int) -> int:
    """A number's bits spread over 64 (the mix64 of the hppc library)."""
    value &= _MASK
    value = (value ^ value >> 32) * 0x4CD6944C5CC20B6D & _MASK
    value = (value ^ value >> 29) * 0xFC12C5B19D3259E9 & _MASK
    return value ^ value >> 32


def _murmur3(data: bytes) -> int:
    """The first half of MurmurHash3 x64_128 with the seed 0."""
    one = two = 0
    whole = len(data) // 16 * 16
    for left, right in struct.iter_unpack("<QQ", data[:whole]):
        one = ((_rotated(one ^ _first(left), 27) + two) * 5 + 0x52DCE729) & _MASK
        two = ((_rotated(two ^ _second(right), 31) + one) * 5 + 0x38495AB5) & _MASK
    left, right = struct.unpack("<QQ", data[whole:].ljust(16, b"\0"))
    one, two = one ^ _first(left) ^ len(data), two ^ _second(right) ^ len(data)
    one = (one + two) & _MASK
    two = (one + two) & _MASK
    return (_finished(one) + _finished(two)) & _MASK


def _first(block: int) -> int:
    return _rotated(block * 0x87C37B91114253D5 & _MASK, 31) * 0x4CF5AD432745937F & _MASK


def _second(block: int) -> int:
    return _rotated(block * 0x4CF5AD432745937F & _MASK, 33) * 0x87C37B91114253D5 & _MASK


def _rotated(value: int, bits: int) -> int:
    value &= _MASK
    return (value << bits | value >> (64 - bits)) & _MASK


def _finished(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33
