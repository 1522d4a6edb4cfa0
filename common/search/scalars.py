"""Single JSON values in and out: a field's number, word or text, and the Scalar that keeps a value exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor import FieldDescriptor

from common.search.shapes import NUMBER_AS_TEXT
from common.search.strict_json import UnusableNumber
from common.search.violations import did_you_mean, shown

if TYPE_CHECKING:
    from airlock.search.v1.scalar_pb2 import Scalar

    from common.search.shapes import EnumShape, FieldShape
    from common.search.strict_json import Json

INT64_MAX: Final = 2**63 - 1
_NEVER_EMPTY: Final = frozenset(
    {("PercentilesAggregation", "percents"), ("TermsAggregation", "include"), ("TermsAggregation", "exclude")}
)
_WHOLE_NUMBERS: Final = {FieldDescriptor.TYPE_UINT32: 2**32 - 1, FieldDescriptor.TYPE_UINT64: 2**64 - 1}


class WrongValueError(Exception):
    """A JSON value that does not fit where it stands. The text continues a sentence that its path begins."""


def read_field_value(field: FieldShape, value: Json) -> str | int | float | bool:
    """The value for a field that is no message; raises WrongValueError."""
    if isinstance(value, UnusableNumber):
        raise WrongValueError(_unusable(value))
    if field.enum is not None:
        return _read_word(field.enum, value)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _read_bool(value)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _read_double(value)
    if field.type in _WHOLE_NUMBERS:
        return _read_whole(value, _WHOLE_NUMBERS[field.type])
    return _read_text(field, value)


def check_count(field: FieldShape, count: int) -> None:
    """Raises WrongValueError for more entries than the field's rule allows, or for none where that would be lost."""
    if count == 0 and (field.owner, field.name) in _NEVER_EMPTY:
        # To the message a list without entries is no list, and something else would be answered.
        raise WrongValueError("is empty; name some, or leave it out")
    if 0 < field.max_items < count:
        raise WrongValueError(f"has {count} entries; at most {field.max_items} are allowed here")


def read_scalar(value: Json, into: Scalar) -> None:
    """Sets `into` to exactly this value; raises WrongValueError for an object, a list or a number beyond 64 bits."""
    if value is None:
        into.null_value = True
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        if value > INT64_MAX:
            into.uint_value = value
        else:
            into.int_value = value
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, UnusableNumber):
        raise WrongValueError(_unusable(value))
    else:
        raise WrongValueError(f"must be a single value, not {kind_of(value)}")


def scalar_value(scalar: Scalar) -> str | int | float | bool | None:
    """The value that a Scalar keeps; an empty one is None."""
    kind = scalar.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    value: str | int | float | bool = getattr(scalar, kind)
    return value


def kind_of(value: Json) -> str:
    """What a JSON value is, in words."""
    if isinstance(value, bool):
        return "true or false"
    if value is None:
        return "null"
    names: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")


def _unusable(number: UnusableNumber) -> str:
    return f"is {shown(number.text)}, which is not a number that 64 bits hold"


def _read_word(enum: EnumShape, value: Json) -> int:
    if not isinstance(value, str):
        raise WrongValueError(f"must be one of {', '.join(enum.by_word)}, not {kind_of(value)}")
    number = enum.by_word.get(value.lower())
    if number is None:
        raise WrongValueError(f"does not know {shown(value)}; {did_you_mean(value, enum.by_word)}")
    return number


def _read_bool(value: Json) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError(f"must be true or false, not {kind_of(value)}{_unquoted(value)}")
    return value


def _read_double(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongValueError(f"must be a number, not {kind_of(value)}{_unquoted(value)}")
    return float(value)


def _read_whole(value: Json, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        found = value if isinstance(value, (int, float)) and not isinstance(value, bool) else kind_of(value)
        # Long before the highest there is a limit, which has a refusal of its own.
        bounds = f"up to {highest}" if isinstance(value, int) and value > highest else "from 0 upwards"
        raise WrongValueError(f"must be a whole number {bounds}, not {found}{_unquoted(value)}")
    return value


def _unquoted(value: Json) -> str:
    """What to write in place of a number or a truth in quotes, which Elasticsearch takes and Airlock does not."""
    plain = isinstance(value, str) and (value in {"true", "false"} or value.removeprefix("-").isdecimal())
    return f"; write {shown(str(value))} without quotes" if plain else ""


def _read_text(field: FieldShape, value: Json) -> str:
    if isinstance(value, str):
        # Elasticsearch takes `auto` for `AUTO`, and a nought without a unit; the rules know only the longer forms.
        if field.name == "fuzziness":
            return value.upper()
        return "0ms" if value == "0" and field.name == "offset" else value
    if field.name in NUMBER_AS_TEXT and isinstance(value, int) and not isinstance(value, bool):
        # A number alone moves the buckets of a date_histogram by so many milliseconds.
        return f"{value}ms" if field.name == "offset" else str(value)
    raise WrongValueError(f"must be a string, not {kind_of(value)}")
