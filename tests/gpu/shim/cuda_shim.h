// What a kernel needs of CUDA C++, for a C++ compiler: built-in variables, barriers, warp shuffles and atomics.
//
// A thread of a block is a fiber of its own stack; the scheduler in cuda_shim.cpp lets them run one at a time, in the
// order that a launch asks for, and switches where a thread waits.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

namespace shim {

struct Index {
    unsigned x, y, z;
};

using Entry = void (*)(void **arguments);

// Makes a kernel known by its name before main() begins.
struct Registration {
    Registration(const char *name, Entry entry, int n_arguments);
};

const Index &thread_index();
const Index &block_index();
const Index &block_size();
const Index &grid_size();

void wait_for_block(int site);
uint64_t exchange_in_warp(int site, uint32_t mask, uint64_t value, int source_lane);
void may_switch();

template <typename T> T argument(void **arguments, int place) {
    if constexpr (std::is_pointer_v<T>)
        return static_cast<T>(arguments[place]);
    else
        return *static_cast<const T *>(arguments[place]);
}

template <typename... T, std::size_t... Place>
void call(void (*kernel)(T...), void **arguments, std::index_sequence<Place...>) {
    kernel(argument<T>(arguments, Place)...);
}

template <typename... T> void call(void (*kernel)(T...), void **arguments) {
    call(kernel, arguments, std::index_sequence_for<T...>{});
}

template <typename... T> constexpr int count(void (*)(T...)) { return sizeof...(T); }

template <typename T> T shuffle(int site, uint32_t mask, T value, int source_lane) {
    static_assert(sizeof(T) <= sizeof(uint64_t));
    uint64_t sent = 0;
    std::memcpy(&sent, &value, sizeof(T));
    const uint64_t received = exchange_in_warp(site, mask, sent, source_lane);
    std::memcpy(&value, &received, sizeof(T));
    return value;
}

inline int lane() { return static_cast<int>(thread_index().x % 32); }

inline uint32_t larger_bytes(uint32_t a, uint32_t b) {
    uint32_t result = 0;
    for (int shift = 0; shift < 32; shift += 8) {
        const uint32_t x = a >> shift & 255, y = b >> shift & 255;
        result |= (x > y ? x : y) << shift;
    }
    return result;
}

template <typename T> T atomic_add(T *place, T value) {
    may_switch();
    return __atomic_fetch_add(place, value, __ATOMIC_RELAXED);
}

template <typename T> T atomic_or(T *place, T value) {
    may_switch();
    return __atomic_fetch_or(place, value, __ATOMIC_RELAXED);
}

}  // namespace shim

#define SHIM_KERNEL(kernel)                                                                                            \
    static const shim::Registration registered_##kernel(                                                               \
        #kernel, [](void **arguments) { shim::call(&kernel, arguments); }, shim::count(&kernel))

#define threadIdx (shim::thread_index())
#define blockIdx (shim::block_index())
#define blockDim (shim::block_size())
#define gridDim (shim::grid_size())

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
// A section of its own, so that the scheduler can fill all of a block's shared memory before the block begins.
#define __shared__ static __attribute__((section("shim_shared")))

#define __syncthreads() shim::wait_for_block(__LINE__)
#define __shfl_up_sync(mask, value, delta)                                                                             \
    shim::shuffle(__LINE__, mask, value, shim::lane() >= static_cast<int>(delta) ? shim::lane() - static_cast<int>(delta) : shim::lane())
#define __shfl_down_sync(mask, value, delta)                                                                           \
    shim::shuffle(__LINE__, mask, value, shim::lane() + static_cast<int>(delta) < 32 ? shim::lane() + static_cast<int>(delta) : shim::lane())
#define __vmaxu4(a, b) shim::larger_bytes(a, b)
#define __clz(value) ((value) == 0 ? 32 : __builtin_clz(static_cast<unsigned>(value)))
#define __ffs(value) __builtin_ffs(static_cast<int>(value))
#define atomicAdd(place, value) shim::atomic_add(place, value)
#define atomicOr(place, value) shim::atomic_or(place, value)
