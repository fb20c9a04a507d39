"""Numbers as INSERT stores them: rounded, refused where they do not fit, written as PostgreSQL writes them.

A numeric rounds half away from zero, a float half to even; NaN is above every number.
"""

from __future__ import annotations

import re
import struct
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal

from ..mapping.column_types import INTEGERS
from .fates import UnfitError

_OUT_OF_RANGE = "22003"
_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")
# How far a numeric reaches: digits before the point, digits behind it, and an exponent that is not even looked at.
_BEFORE, _BEHIND, _EXPONENT = 131_072, 16_383, (2**31 - 1) // 2
_FLOATS = {"real": 6, "double precision": 15}  # the digits of which a float is certain: those that numeric takes
_WIDE = Context(prec=_BEFORE + _BEHIND + 16, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)


def fitted_number(base: str, type_: str, text: str) -> str:
    """Return the number, of a legacy column of that base type, as a column of that type holds it.

    Raises UnfitError where it does not fit.
    """
    family, _, sizes = type_.rstrip(")").partition("(")
    if family in INTEGERS:
        return _whole(base, text, INTEGERS[family])
    if family in _FLOATS or not sizes:
        return text if base not in _FLOATS or family in _FLOATS else _certain_digits(base, text)
    digits, scale = (int(size) for size in sizes.split(","))
    exact = _certain_digits(base, text) if base in _FLOATS else text
    if exact == "NaN":
        return exact
    if "Infinity" in exact:
        raise UnfitError(_OUT_OF_RANGE)
    rounded = _WIDE.quantize(Decimal(exact), Decimal(1).scaleb(-scale))
    if abs(rounded) >= Decimal(10) ** (digits - scale):
        raise UnfitError(_OUT_OF_RANGE)
    return _written(rounded, scale)


def plain_number(text: str) -> str:
    """Return a number of any spelling (1.50e1) as numeric writes it (15.0). Raises UnfitError where numeric cannot hold it."""
    found = _NUMBER.fullmatch(text)
    if not found:
        raise UnfitError("22P02")
    sign, before, behind, written = found[1], found[2], found[3] or "", found[4] or "0"
    exponent = int(written) if len(written) < 12 else _EXPONENT
    scale = max(0, len(behind) - exponent)
    mantissa = (before + behind).lstrip("0")
    if abs(exponent) >= _EXPONENT or scale > _BEHIND or (mantissa and len(mantissa) - len(behind) + exponent > _BEFORE):
        raise UnfitError(_OUT_OF_RANGE)
    if not mantissa:
        return "0." + "0" * scale if scale else "0"
    digits = mantissa + "0" * max(0, exponent - len(behind))
    whole, rest = (digits[:-scale], digits[-scale:].rjust(scale, "0")) if scale else (digits, "")
    return sign.replace("+", "") + (whole or "0") + ("." + rest if rest else "")


def lies_within(text: str, minimum: int | None, maximum: int | None) -> bool:
    """Tell whether the number lies between the bounds, each of which may be missing."""
    if text == "NaN":
        return maximum is None
    number = Decimal(text)
    return (minimum is None or number >= minimum) and (maximum is None or number <= maximum)


def _whole(base: str, text: str, bits: int) -> str:
    if text in ("NaN", "Infinity", "-Infinity"):
        raise UnfitError(_OUT_OF_RANGE)
    if base in _FLOATS:
        number = Decimal(round(_as_float(base, text)))
    else:
        number = _WIDE.quantize(Decimal(text), Decimal(1))
    half = Decimal(2 ** (bits - 1))
    if not -half <= number < half:
        raise UnfitError(_OUT_OF_RANGE)
    return str(int(number))


def _as_float(base: str, text: str) -> float:
    """The float itself: the shortest text of a real names another number when it is read as a double."""
    value = float(text)
    return value if base == "double precision" else float(struct.unpack("f", struct.pack("f", value))[0])


def _certain_digits(base: str, text: str) -> str:
    """What a float is as a numeric without precision."""
    if text in ("NaN", "Infinity", "-Infinity"):
        return text
    return plain_number(f"{_as_float(base, text):.{_FLOATS[base]}g}")


def _written(number: Decimal, scale: int) -> str:
    """No sign for nothing, and as many digits behind the point as the column says."""
    text = f"{number:.{scale}f}"
    return text if number else text.lstrip("-")
