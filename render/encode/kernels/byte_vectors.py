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
_LANES = ir.VectorType(ir.IntType(16), _WORD)
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


def _total(builder: Any, lanes: Any, weights: list[int]) -> Any:
    """Return the sum of 64 lanes of 16 bits, each times its weight, as 64 bits."""
    weighted = builder.mul(builder.zext(lanes, _WIDE), ir.Constant(_WIDE, weights))
    insert: Callable[..., Any] = cgutils.get_or_insert_function
    add = insert(builder.module, ir.FunctionType(_SUM, [_WIDE]), f"llvm.vector.reduce.add.v{_WORD}i32")
    return builder.zext(builder.call(add, [weighted]), _RESULT)


def _generate_sums(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    data, at, n_words = arguments
    # Kept in variables, since a loop of LLVM's would want a name for each state of each; they become registers.
    variable: Callable[..., Any] = cgutils.alloca_once_value
    sums, before = variable(builder, ir.Constant(_LANES, None)), variable(builder, ir.Constant(_LANES, None))
    with cgutils.for_range(builder, n_words) as loop:
        place = builder.add(at, builder.mul(loop.index, ir.Constant(_RESULT, _WORD)))
        part = builder.zext(_load(context, builder, signature, data, place), _LANES)
        so_far = builder.load(sums)
        builder.store(builder.add(builder.load(before), so_far), before)
        builder.store(builder.add(so_far, part), sums)
    lanes, ones = builder.load(sums), [1] * _WORD
    total, earlier = _total(builder, lanes, ones), _total(builder, builder.load(before), ones)
    # Of n words, a byte of word k was in the sums when n - 1 - k words followed.
    last = builder.sub(n_words, ir.Constant(_RESULT, 1))
    words = builder.mul(builder.sub(builder.mul(last, total), earlier), ir.Constant(_RESULT, _WORD))
    weighted = builder.add(words, _total(builder, lanes, list(range(_WORD))))
    return builder.or_(builder.shl(total, ir.Constant(_RESULT, 32)), weighted)


def _generate_zeros(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.cttz(arguments[0], cgutils.true_bit)


_compare: Any = intrinsic(
    lambda context, data, one, other: (types.uint64(data, types.int64, types.int64), _generate_unlike)
)
_sums: Any = intrinsic(lambda context, data, at, n_words: (types.int64(data, types.int64, types.int64), _generate_sums))
_zeros: Any = intrinsic(lambda context, word: (types.int64(types.uint64), _generate_zeros))


# Numba compares the parameters of the two lambdas, annotations included; so neither has any.
def teach(unlike: Callable[..., Any], weigh: Callable[..., Any], lowest_bit: Callable[..., Any]) -> None:
    """Let compiled functions that call these run the code above in their place."""
    overload(unlike)(lambda data, one, other: lambda data, one, other: _compare(data, one, other))
    overload(weigh)(lambda data, at, n_words: lambda data, at, n_words: _sums(data, at, n_words))
    overload(lowest_bit)(lambda word: lambda word: _zeros(word))
