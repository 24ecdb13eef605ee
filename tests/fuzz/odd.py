"""Values that people and instruments produce and programs trip over."""

import math
import random
import struct

TEXTS = (
    "DMSO",
    "drug A",
    "",
    " led by a space",
    "followed by one ",
    "007",
    "1.50",
    "1e5",
    "1_000",
    "+3",
    "0x10",
    "1,5",
    "3.0",
    "42",
    "true",
    "NULL",
    "None",
    "inf",
    "nan",
    "-0",
    'say "no"',
    "it's",
    "two\nlines",
    "a\ttab",
    "a,b;c",
    "back\\slash",
    "\\N",
    "é ü ß",
    "日本語",
    "µM ±",
    "\U0001f9ec",
    "\u0663",
    "%s %d ? :name",
    "'; DROP TABLE Per_Image; --",
    "x" * 300,
)

REALS = (
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.1 + 0.2,
    1 / 3,
    math.pi,
    1e-5,
    1e16,
    123456789.123456789,
    2.0**53,
    2.0**53 + 2,
    -(2.0**60),
    5e-324,
    -2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
)

LARGE = (2**53 - 1, 2**53 + 1, -(2**53) - 1, 10**17 - 1, 123456789012345678)
"""Integers that a real number cannot tell from their neighbours, but for the first."""


def text(rng: random.Random) -> str:
    return rng.choice(TEXTS)


def real(rng: random.Random, odd: float = 0.3) -> float:
    """A real number, with any bits at times; never NaN or infinite."""
    if rng.random() >= odd:
        return rng.gauss(100, 30)
    if rng.random() < 0.5:
        return rng.choice(REALS)
    while True:
        (value,) = struct.unpack("<d", rng.randbytes(8))
        if math.isfinite(value):
            return float(value)


def single(rng: random.Random) -> float:
    """A real number that is one in single precision."""
    value = rng.choice((rng.random(), rng.gauss(0, 1), rng.uniform(0, 1e6), 0.0, 16777216.0, 1e-7))
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def integer(rng: random.Random) -> int:
    return rng.choice((0, 1, rng.randrange(100), rng.randrange(-1000, 10**6)))


def large(rng: random.Random) -> int:
    return rng.choice((*LARGE, rng.randrange(-(10**17), 10**17)))
