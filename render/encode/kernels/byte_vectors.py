# ruff: noqa: ANN401, ARG001, ARG005, PLW0108
"""The operations of :mod:`render.encode.kernels.byte_masks` as LLVM code.

Numba prescribes the parameters here, and gives them no types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

_WORD = 64
_BYTES = ir.VectorType(ir.IntType(8), _WORD)
_SUM = ir.IntType(32)
_WIDE = ir.VectorType(_SUM, _WORD)
_RESULT = ir.IntType(64)


def _load(context: Any, builder: Any, signature: Any, data: Any, place: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, data)
    loaded = builder.load(builder.bitcast(builder.gep(array.data, [place]), _BYTES.as_pointer()))
    loaded.align = 1
    return loaded


def _generate_unlike(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    data, *places = arguments
    sides = [_load(context, builder, signature, data, place) for place in places]
    return builder.bitcast(builder.icmp_unsigned("!=", *sides), _RESULT)


def _generate_sums(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    part = builder.zext(_load(context, builder, signature, *arguments), _WIDE)
    weighted = builder.mul(part, ir.Constant(_WIDE, list(range(_WORD))))
    kind = ir.FunctionType(_SUM, [_WIDE])
    insert: Callable[..., Any] = cgutils.get_or_insert_function
    add = insert(builder.module, kind, f"llvm.vector.reduce.add.v{_WORD}i32")
    high, low = (builder.zext(builder.call(add, [each]), _RESULT) for each in (part, weighted))
    return builder.or_(builder.shl(high, ir.Constant(_RESULT, 32)), low)


def _generate_zeros(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.cttz(arguments[0], cgutils.true_bit)


_compare: Any = intrinsic(
    lambda context, data, one, other: (types.uint64(data, types.int64, types.int64), _generate_unlike)
)
_sums: Any = intrinsic(lambda context, data, at: (types.int64(data, types.int64), _generate_sums))
_zeros: Any = intrinsic(lambda context, word: (types.int64(types.uint64), _generate_zeros))


# Numba compares the parameters of the two lambdas, annotations included; so neither has any.
def teach(unlike: Callable[..., Any], weigh: Callable[..., Any], lowest_bit: Callable[..., Any]) -> None:
    """Let compiled functions that call these run the code above in their place."""
    overload(unlike)(lambda data, one, other: lambda data, one, other: _compare(data, one, other))
    overload(weigh)(lambda data, at: lambda data, at: _sums(data, at))
    overload(lowest_bit)(lambda word: lambda word: _zeros(word))
