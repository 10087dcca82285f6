# ruff: noqa: ANN401, ARG001, ARG005, PLW0108
"""The operations of :mod:`render.raster.kernels.byte_lanes` as LLVM code.

Numba prescribes the parameters here, and gives them no types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

_BYTE, _PLACE = ir.IntType(8), ir.IntType(64)
_LANES = ir.VectorType(_BYTE, 16)
_BLOCK = ir.VectorType(_BYTE, 64)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, place: Any, vector: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), vector.as_pointer())


def _larger(builder: Any, pointer: Any, value: Any) -> None:
    pixels = builder.load(pointer, align=1)
    builder.store(builder.select(builder.icmp_unsigned(">", pixels, value), pixels, value), pointer, align=1)


def _splat(builder: Any, value: Any, vector: Any) -> Any:
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None))


def _generate_raise(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    (of_pixels, _, of_cells, _), (pixels, at, cells, start) = signature.args, arguments
    value = builder.load(_pointer(context, builder, of_cells, cells, start, _LANES), align=1)
    _larger(builder, _pointer(context, builder, of_pixels, pixels, at, _LANES), value)
    return context.get_dummy_value()


def _generate_some(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    pixels, at, index, count = arguments
    all_lanes = ir.Constant(_PLACE, _LANES.count)
    some = builder.trunc(builder.select(builder.icmp_signed("<", count, all_lanes), count, all_lanes), _BYTE)
    is_one = builder.icmp_unsigned("<", ir.Constant(_LANES, list(range(_LANES.count))), _splat(builder, some, _LANES))
    value = builder.select(is_one, _splat(builder, index, _LANES), ir.Constant(_LANES, None))
    _larger(builder, _pointer(context, builder, signature.args[0], pixels, at, _LANES), value)
    return context.get_dummy_value()


def _generate_copy(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    (of_pixels, _, of_ground, _), (pixels, at, ground, start) = signature.args, arguments
    value = builder.load(_pointer(context, builder, of_ground, ground, start, _BLOCK), align=1)
    builder.store(value, _pointer(context, builder, of_pixels, pixels, at, _BLOCK), align=1)
    return context.get_dummy_value()


def _generate_zeros(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.cttz(arguments[0], cgutils.true_bit)


def _typed(generate: Callable[..., Any]) -> Callable[..., Any]:
    """Return the typing function that an intrinsic of two arrays and a place in each is made of."""
    return lambda context, pixels, at, source, start: (types.void(pixels, types.int64, source, types.int64), generate)


_raise: Any = intrinsic(_typed(_generate_raise))
_copy: Any = intrinsic(_typed(_generate_copy))
_some: Any = intrinsic(
    lambda context, pixels, at, index, count: (
        types.void(pixels, types.int64, types.uint8, types.int64),
        _generate_some,
    )
)
_zeros: Any = intrinsic(lambda context, word: (types.int64(types.uint64), _generate_zeros))


# Numba compares the parameters of the two lambdas, annotations included; so neither has any.
def teach(
    raise_lanes: Callable[..., Any],
    raise_some: Callable[..., Any],
    copy_block: Callable[..., Any],
    lowest_bit: Callable[..., Any],
) -> None:
    """Let compiled functions that call these run the code above in their place."""
    overload(raise_lanes)(
        lambda pixels, at, cells, start: lambda pixels, at, cells, start: _raise(pixels, at, cells, start)
    )
    overload(raise_some)(
        lambda pixels, at, index, count: lambda pixels, at, index, count: _some(pixels, at, index, count)
    )
    overload(copy_block)(
        lambda pixels, at, ground, start: lambda pixels, at, ground, start: _copy(pixels, at, ground, start)
    )
    overload(lowest_bit)(lambda word: lambda word: _zeros(word))
