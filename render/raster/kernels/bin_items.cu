// Which stamps and rectangles touch which tile: count, prefix sum, fill. Twin: bin_items.py.
//
// The order of items within a tile's list is that of the atomics. Nothing depends on it: tiles are composed by a
// maximum, which commutes.

typedef unsigned int u32;
typedef int i32;
typedef long long i64;

enum Page { WIDTH, HEIGHT, PITCH, GROUND_OFF, PAGE_OFF, FIRST_TILE, DEPTH, FIRST_PIECE, TABLE, PAGE_COLUMNS };

constexpr i32 TILE_WIDTH = 128;
constexpr i32 TILE_HEIGHT = 32;
constexpr i32 SCAN_THREADS = 1024;
constexpr i32 SCAN_WARPS = SCAN_THREADS / 32;
constexpr u32 WHOLE_WARP = 0xffffffffu;

// The tiles that an item touches: columns and rows, half open, of its page's grid.
struct Span {
    i64 first_tile, columns;
    i64 left, top, right, bottom;
};

static __device__ i64 smaller(i64 a, i64 b) { return a < b ? a : b; }

static __device__ Span tiles_touched(i64 item, const i32 *cell_pitch, const i32 *cell_rows, const i32 *left,
                                     const i32 *top, const i32 *rect_px, const i32 *item_page, i64 n_stamps,
                                     const i64 *page_table) {
    Span span = {0, 0, 0, 0, 0, 0};
    if (item_page[item] < 0) return span;
    i64 x0, y0, x1, y1;
    if (item < n_stamps) {
        x0 = left[item];
        y0 = top[item];
        x1 = x0 + cell_pitch[item];
        y1 = y0 + cell_rows[item];
    } else {
        const i32 *rect = rect_px + 4 * (item - n_stamps);
        x0 = rect[0];
        y0 = rect[1];
        x1 = rect[2];
        y1 = rect[3];
    }
    const i64 *page = page_table + (i64)item_page[item] * PAGE_COLUMNS;
    if (x0 < 0) x0 = 0;
    if (y0 < 0) y0 = 0;
    x1 = smaller(x1, page[WIDTH]);
    y1 = smaller(y1, page[HEIGHT]);
    if (x0 >= x1 || y0 >= y1) return span;
    span.first_tile = page[FIRST_TILE];
    span.columns = (page[WIDTH] + TILE_WIDTH - 1) / TILE_WIDTH;
    span.left = x0 / TILE_WIDTH;
    span.top = y0 / TILE_HEIGHT;
    span.right = (x1 - 1) / TILE_WIDTH + 1;
    span.bottom = (y1 - 1) / TILE_HEIGHT + 1;
    return span;
}

extern "C" __global__ void __launch_bounds__(256)
    bin_items_count(const i32 *cell_pitch, const i32 *cell_rows, const i32 *left, const i32 *top, const i32 *rect_px,
                    const i32 *item_page, i64 n_stamps, i64 n_rects, const i64 *page_table, u32 *tile_next) {
    const i64 item = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= n_stamps + n_rects) return;
    const Span span = tiles_touched(item, cell_pitch, cell_rows, left, top, rect_px, item_page, n_stamps, page_table);
    for (i64 row = span.top; row < span.bottom; row++)
        for (i64 column = span.left; column < span.right; column++)
            atomicAdd(&tile_next[span.first_tile + row * span.columns + column], 1u);
}

// One block: every round scans a value a thread, and carries the sum of the rounds before.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS)
    bin_items_scan(u32 *tile_next, i64 n_tiles, u32 *tile_off) {
    __shared__ u32 warp_sum[SCAN_WARPS];
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    u32 carry = 0;
    for (i64 first = 0; first < n_tiles; first += SCAN_THREADS) {
        const i64 tile = first + threadIdx.x;
        const u32 count = tile < n_tiles ? tile_next[tile] : 0;
        u32 sum = count;
        for (u32 step = 1; step < 32; step *= 2) {
            const u32 before = __shfl_up_sync(WHOLE_WARP, sum, step);
            if (lane >= step) sum += before;
        }
        if (lane == 31) warp_sum[warp] = sum;
        __syncthreads();
        u32 before_warp = 0, round = 0;
        for (u32 other = 0; other < SCAN_WARPS; other++) {
            if (other < warp) before_warp += warp_sum[other];
            round += warp_sum[other];
        }
        if (tile < n_tiles) {
            const u32 start = carry + before_warp + sum - count;
            tile_off[tile] = start;
            tile_next[tile] = start;
        }
        carry += round;
        // The next round writes warp_sum.
        __syncthreads();
    }
    if (threadIdx.x == 0) tile_off[n_tiles] = carry;
}

extern "C" __global__ void __launch_bounds__(256)
    bin_items_fill(const i32 *cell_pitch, const i32 *cell_rows, const i32 *left, const i32 *top, const i32 *rect_px,
                   const i32 *item_page, i64 n_stamps, i64 n_rects, const i64 *page_table, u32 *tile_next, i64 capacity,
                   i32 *tile_items) {
    const i64 item = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= n_stamps + n_rects) return;
    const Span span = tiles_touched(item, cell_pitch, cell_rows, left, top, rect_px, item_page, n_stamps, page_table);
    for (i64 row = span.top; row < span.bottom; row++)
        for (i64 column = span.left; column < span.right; column++) {
            const u32 place = atomicAdd(&tile_next[span.first_tile + row * span.columns + column], 1u);
            if (place < capacity) tile_items[place] = (i32)item;
        }
}
