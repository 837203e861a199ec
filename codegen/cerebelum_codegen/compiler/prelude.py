"""What stands at the head of every module in its compiled form: the innermost steps, on machine integers."""

from math import copysign
from typing import Any, cast

from librt.strings import (
    BytesWriter,
    read_f32_le,
    read_f64_le,
    read_i32_le,
    read_i64_le,
    write_f32_le,
    write_f64_le,
    write_i32_le,
    write_i64_le,
)
from mypy_extensions import i32, i64, u8

from cerebelum_codegen.runtime import wire as _wire
from cerebelum_codegen.runtime.adoption import UNSET, adopt
from cerebelum_codegen.runtime.wire import MAX_DEPTH


def _write_varint(out: BytesWriter, number: int) -> None:
    rest: i64 = number
    while rest > 127:
        out.append(cast(u8, rest & 127 | 128))
        rest >>= 7
    out.append(cast(u8, rest))


def _write_int32(out: BytesWriter, number: int) -> None:
    if 0 <= number <= 0x7FFFFFFF:
        _write_varint(out, number)
    else:
        out.write(_wire.int32(number))


def _write_uint32(out: BytesWriter, number: int) -> None:
    if 0 <= number <= 0xFFFFFFFF:
        _write_varint(out, number)
    else:
        out.write(_wire.uint32(number))


def _write_int64(out: BytesWriter, number: int) -> None:
    if 0 <= number <= 0x3FFFFFFFFFFFFFFF:
        _write_varint(out, number)
    else:
        out.write(_wire.int64(number))


def _write_uint64(out: BytesWriter, number: int) -> None:
    if 0 <= number <= 0x3FFFFFFFFFFFFFFF:
        _write_varint(out, number)
    else:
        out.write(_wire.uint64(number))


def _write_sint32(out: BytesWriter, number: int) -> None:
    if -0x80000000 <= number <= 0x7FFFFFFF:
        _write_varint(out, number << 1 ^ number >> 31)
    else:
        out.write(_wire.sint32(number))


def _write_sint64(out: BytesWriter, number: int) -> None:
    if -0x1000000000000000 <= number <= 0x1000000000000000:
        _write_varint(out, number << 1 ^ number >> 63)
    else:
        out.write(_wire.sint64(number))


def _write_bool(out: BytesWriter, value: object) -> None:
    if value is True:
        out.append(1)
    elif value is False:
        out.append(0)
    else:
        out.write(_wire.boolean(cast(Any, value)))


def _write_float(out: BytesWriter, number: float) -> None:
    if -3.4e38 < number < 3.4e38:
        write_f32_le(out, number)
    else:
        out.write(_wire.pack_float(number))


def _write_fixed32(out: BytesWriter, number: int) -> None:
    if 0 <= number <= 0x7FFFFFFF:
        write_i32_le(out, cast(i32, number))
    else:
        out.write(_wire.pack_fixed32(number))


def _write_fixed64(out: BytesWriter, number: int) -> None:
    if 0 <= number <= 0x3FFFFFFFFFFFFFFF:
        write_i64_le(out, number)
    else:
        out.write(_wire.pack_fixed64(number))


def _write_sfixed32(out: BytesWriter, number: int) -> None:
    if -0x80000000 <= number <= 0x7FFFFFFF:
        write_i32_le(out, cast(i32, number))
    else:
        out.write(_wire.pack_sfixed32(number))


def _write_sfixed64(out: BytesWriter, number: int) -> None:
    if -0x4000000000000000 <= number <= 0x3FFFFFFFFFFFFFFF:
        write_i64_le(out, number)
    else:
        out.write(_wire.pack_sfixed64(number))


def _is_default_float(number: float) -> bool:
    return number == 0 and copysign(1.0, number) > 0


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    place: i64 = at
    number: i64 = 0
    shift: i64 = 0
    while shift < 56:
        byte: i64 = data[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
        shift += 7
    return _wire.read_varint(data, at)


def _pack_double(number: float) -> bytes:
    out = BytesWriter()
    write_f64_le(out, number)
    return out.getvalue()


def _read_fixed32(data: bytes, at: int) -> int:
    number = i64(read_i32_le(data, at))
    return number & 0xFFFFFFFF


def _read_fixed64(data: bytes, at: int) -> int:
    number = read_i64_le(data, at)
    return int(number) if number >= 0 else int(number) + (1 << 64)
