// Runs the blocks of a launch, thread by thread, and tells of barriers that not every thread reaches.
#include "cuda_shim.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>

#ifdef SHIM_RACES
extern "C" {
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *place);
void __tsan_release(void *place);
}
#endif

extern "C" {
// Of the linker: where the shared memory of all kernels lies.
extern char __start_shim_shared[] __attribute__((weak));
extern char __stop_shim_shared[] __attribute__((weak));
}

namespace shim {
namespace {

constexpr std::size_t STACK_BYTES = 256 << 10;
constexpr int WARP = 32;

enum class Order { FORWARD, REVERSE, SHUFFLED };
enum class State { READY, AT_BARRIER, IN_WARP, DONE };

struct Kernel {
    Entry entry;
    int n_arguments;
};

struct Fiber {
    void *jump[5];
    ucontext_t context;
    bool is_started = false;
    State state = State::DONE;
    Index thread{};
    int site = 0;
    uint32_t mask = 0;
    uint64_t sent = 0;
    // Of the two tags of a barrier, or of a warp, which one comes next: who has gone on must not be taken for one who
    // arrived here with the others.
    unsigned n_barriers = 0, n_shuffles = 0;
    void *race_fiber = nullptr;
};

std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> known;
    return known;
}

// One launch at a time: kernels' shared memory is static.
std::mutex launching;
std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<uint64_t> received;
Fiber *current = nullptr;
void *scheduler_jump[5];
void *scheduler_race_fiber = nullptr;
char block_tags[2], barrier_tags[2], warp_tags[32][2];
unsigned n_blocks = 0;

Index block_now{}, block_dim{}, grid_dim{};
Entry entry_now = nullptr;
void **arguments_now = nullptr;
Order order_now = Order::FORWARD;
uint64_t random_state = 1;
std::string fault;

uint64_t random_number() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

void synchronise(bool is_release, char *tag) {
#ifdef SHIM_RACES
    is_release ? __tsan_release(tag) : __tsan_acquire(tag);
#else
    (void)is_release, (void)tag;
#endif
}

void switch_race_fiber(void *fiber) {
#ifdef SHIM_RACES
    // 1: switching is no synchronisation.
    __tsan_switch_to_fiber(fiber, 1);
#else
    (void)fiber;
#endif
}

// Functions of their own: a compiler takes a jump out of a function that can also be jumped into for one within it.
[[noreturn]] __attribute__((noinline)) void jump(void **target) { __builtin_longjmp(target, 1); }

[[noreturn]] __attribute__((noinline)) void begin(const Fiber &fiber) {
    setcontext(&fiber.context);
    std::abort();
}

__attribute__((noinline)) void leave() {
    Fiber *self = current;
    switch_race_fiber(scheduler_race_fiber);
    if (__builtin_setjmp(self->jump) == 0) jump(scheduler_jump);
}

void fiber_main() {
    for (;;) {
        // The blocks of a launch share their static memory here, one after the other.
        synchronise(false, &block_tags[n_blocks % 2]);
        entry_now(arguments_now);
        current->state = State::DONE;
        synchronise(true, &block_tags[(n_blocks + 1) % 2]);
        leave();
    }
}

__attribute__((noinline)) void resume(Fiber *fiber) {
    current = fiber;
    if (__builtin_setjmp(scheduler_jump) != 0) return;
    switch_race_fiber(fiber->race_fiber);
    if (fiber->is_started) jump(fiber->jump);
    fiber->is_started = true;
    begin(*fiber);
}

void add_fibers(std::size_t n) {
    while (fibers.size() < n) {
        auto fiber = std::make_unique<Fiber>();
        void *stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED) std::abort();
        getcontext(&fiber->context);
        fiber->context.uc_stack.ss_sp = stack;
        fiber->context.uc_stack.ss_size = STACK_BYTES;
        fiber->context.uc_link = nullptr;
        makecontext(&fiber->context, fiber_main, 0);
#ifdef SHIM_RACES
        fiber->race_fiber = __tsan_create_fiber(0);
#endif
        fibers.push_back(std::move(fiber));
    }
}

std::vector<unsigned> permutation(unsigned n) {
    std::vector<unsigned> order(n);
    std::iota(order.begin(), order.end(), 0u);
    if (order_now == Order::REVERSE) std::reverse(order.begin(), order.end());
    if (order_now == Order::SHUFFLED)
        for (unsigned left = n; left > 1; left--) std::swap(order[left - 1], order[random_number() % left]);
    return order;
}

void blame(const std::string &what, int site) {
    if (fault.empty()) fault = what + " at line " + std::to_string(site);
}

void release_warp_of(unsigned thread, unsigned n) {
    const unsigned first = thread / WARP * WARP;
    const Fiber &one = *fibers[thread];
    for (unsigned lane = 0; lane < WARP; lane++) {
        if (!(one.mask >> lane & 1)) continue;
        if (first + lane >= n || fibers[first + lane]->state == State::DONE)
            return blame("a lane of the mask takes no part in a shuffle", one.site);
        const Fiber &other = *fibers[first + lane];
        if (other.state != State::IN_WARP) return;
        if (other.site != one.site || other.mask != one.mask)
            return blame("lanes of a warp meet in different shuffles", one.site);
    }
    for (unsigned lane = 0; lane < WARP; lane++) {
        if (!(one.mask >> lane & 1)) continue;
        received[first + lane] = fibers[first + lane]->sent;
        fibers[first + lane]->state = State::READY;
    }
}

bool release_barrier(unsigned n) {
    int site = -1;
    for (unsigned thread = 0; thread < n; thread++) {
        const Fiber &fiber = *fibers[thread];
        if (fiber.state == State::DONE) continue;
        if (fiber.state != State::AT_BARRIER) return false;
        if (site >= 0 && site != fiber.site) blame("threads wait at different barriers", site);
        site = fiber.site;
    }
    for (unsigned thread = 0; thread < n; thread++)
        if (fibers[thread]->state == State::AT_BARRIER) fibers[thread]->state = State::READY;
    return site >= 0;
}

__attribute__((no_sanitize("address"))) void fill_shared_memory() {
    if (!__start_shim_shared) return;
    // Unlike in each order, so that what reads it uninitialised differs.
    const char garbage = static_cast<char>(0xA5 + 0x31 * static_cast<int>(order_now));
    for (volatile char *place = __start_shim_shared; place < __stop_shim_shared; place++) *place = garbage;
}

void run_block(unsigned n) {
    fill_shared_memory();
    for (unsigned thread = 0; thread < n; thread++) {
        fibers[thread]->state = State::READY;
        fibers[thread]->thread = Index{thread, 0, 0};
        fibers[thread]->n_barriers = fibers[thread]->n_shuffles = 0;
    }
    unsigned live = n;
    while (live > 0 && fault.empty()) {
        bool has_moved = false;
        for (unsigned thread : permutation(n)) {
            Fiber &fiber = *fibers[thread];
            if (fiber.state != State::READY) continue;
            has_moved = true;
            resume(&fiber);
            if (fiber.state == State::DONE) live--;
            if (fiber.state == State::IN_WARP) release_warp_of(thread, n);
        }
        if (live > 0 && fault.empty()) has_moved |= release_barrier(n);
        if (!has_moved) blame("threads wait for each other", fibers[0]->site);
    }
}

}  // namespace

Registration::Registration(const char *name, Entry entry, int n_arguments) {
    kernels()[name] = Kernel{entry, n_arguments};
}

const Index &thread_index() { return current->thread; }
const Index &block_index() { return block_now; }
const Index &block_size() { return block_dim; }
const Index &grid_size() { return grid_dim; }

void wait_for_block(int site) {
    current->state = State::AT_BARRIER;
    current->site = site;
    char *tag = &barrier_tags[current->n_barriers++ % 2];
    synchronise(true, tag);
    leave();
    synchronise(false, tag);
}

uint64_t exchange_in_warp(int site, uint32_t mask, uint64_t value, int source_lane) {
    Fiber *self = current;
    const unsigned first = self->thread.x / WARP * WARP;
    self->state = State::IN_WARP;
    self->site = site;
    self->mask = mask;
    self->sent = value;
    // A shuffle orders the memory of the lanes that take part in it.
    char *tag = &warp_tags[first / WARP][self->n_shuffles++ % 2];
    synchronise(true, tag);
    leave();
    synchronise(false, tag);
    return received[first + static_cast<unsigned>(source_lane)];
}

void may_switch() {
    if (order_now == Order::SHUFFLED && random_number() % 4 == 0) leave();
}

}  // namespace shim

extern "C" int shim_launch(const char *name, const unsigned *grid, unsigned threads, void **arguments, int n_arguments,
                           int order, uint64_t seed, char *message, std::size_t message_bytes) {
    using namespace shim;
    const std::lock_guard<std::mutex> lock(launching);
    fault.clear();
    const auto found = kernels().find(name);
    if (found == kernels().end() || found->second.n_arguments != n_arguments || threads > 1024) {
        std::snprintf(message, message_bytes, "no kernel %s of %d arguments and %u threads", name, n_arguments, threads);
        return 1;
    }
    add_fibers(threads);
    received.resize(std::max<std::size_t>(received.size(), fibers.size() + WARP));
#ifdef SHIM_RACES
    scheduler_race_fiber = __tsan_get_current_fiber();
#endif
    entry_now = found->second.entry;
    arguments_now = arguments;
    order_now = static_cast<Order>(order);
    random_state = seed | 1;
    block_dim = Index{threads, 1, 1};
    grid_dim = Index{grid[0], grid[1], grid[2]};
    synchronise(true, &block_tags[n_blocks % 2]);
    for (unsigned block : permutation(grid[0] * grid[1] * grid[2])) {
        block_now = Index{block % grid[0], block / grid[0] % grid[1], block / grid[0] / grid[1]};
        run_block(threads);
        n_blocks++;
        if (fault.empty()) continue;
        // Threads that still wait would go on where they are: the next launch gets new ones.
        for (auto &fiber : fibers) fiber.release();
        fibers.clear();
        std::snprintf(message, message_bytes, "%s", fault.c_str());
        return 2;
    }
    synchronise(false, &block_tags[n_blocks % 2]);
    return 0;
}

#ifdef SHIM_MAIN
namespace {

uint64_t read_number(FILE *file) {
    uint64_t number = 0;
    if (std::fread(&number, sizeof number, 1, file) != 1) std::exit(3);
    return number;
}

}  // namespace

// Reads buffers and launches, runs them, writes the buffers. A buffer is a block of the heap of exactly its size, so a
// sanitizer sees the first byte beyond it.
int main(int n_words, char **words) {
    if (n_words != 3) return 3;
    FILE *script = std::fopen(words[1], "rb");
    if (!script) return 3;
    std::vector<std::pair<char *, uint64_t>> buffers(read_number(script));
    for (auto &[place, size] : buffers) {
        size = read_number(script);
        place = static_cast<char *>(std::malloc(size));
        if (size && std::fread(place, 1, size, script) != size) return 3;
    }
    const int order = static_cast<int>(read_number(script));
    const uint64_t seed = read_number(script);
    for (uint64_t launch = read_number(script); launch > 0; launch--) {
        std::string name(read_number(script), ' ');
        if (std::fread(name.data(), 1, name.size(), script) != name.size()) return 3;
        unsigned grid[3];
        for (unsigned &size : grid) size = static_cast<unsigned>(read_number(script));
        const unsigned threads = static_cast<unsigned>(read_number(script));
        std::vector<uint64_t> scalars(read_number(script));
        std::vector<void *> arguments;
        for (auto &scalar : scalars) {
            const bool is_buffer = read_number(script) == 1;
            scalar = read_number(script);
            arguments.push_back(is_buffer ? static_cast<void *>(buffers.at(scalar).first) : &scalar);
        }
        char message[256];
        if (shim_launch(name.c_str(), grid, threads, arguments.data(), static_cast<int>(arguments.size()), order, seed,
                        message, sizeof message)) {
            std::fprintf(stderr, "%s: %s\n", name.c_str(), message);
            return 4;
        }
    }
    std::fclose(script);
    FILE *result = std::fopen(words[2], "wb");
    if (!result) return 3;
    for (auto &[place, size] : buffers) {
        if (size && std::fwrite(place, 1, size, result) != size) return 3;
        std::free(place);
    }
    return std::fclose(result) ? 3 : 0;
}
#endif
