// Compose the tiles of the pages of a batch: the ground, raised to the index of whatever darker thing lies on it.
// Twin: composite_tiles.py; the rule is that of compose_page.py.
//
// A thread owns four neighbouring pixels in each of ROWS rows, so no two threads write the same place and the order of
// items cannot matter. Four pixels are one aligned word of the page; a cell's pixels under them lie across two aligned
// words of the atlas.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

enum Page { WIDTH, HEIGHT, PITCH, GROUND_OFF, PAGE_OFF, FIRST_TILE, DEPTH, FIRST_PIECE, TABLE, PAGE_COLUMNS };

constexpr i32 TILE_WIDTH = 128;
constexpr i32 TILE_HEIGHT = 32;
constexpr i32 THREADS = 256;
constexpr i32 WORDS = TILE_WIDTH / 4;
constexpr i32 STEP = THREADS / WORDS;
constexpr i32 ROWS = TILE_HEIGHT / STEP;
// Items that wait in shared memory at a time.
constexpr i32 ITEMS = 64;

// A stamp's cell, or a rectangle: then `first` is -1 and `index` its colour.
struct Item {
    i64 first;
    i32 left, top, width, height;
    u32 index;
};

static __device__ i32 larger(i32 a, i32 b) { return a > b ? a : b; }

static __device__ i32 smaller(i32 a, i64 b) { return a < b ? a : (i32)b; }

// Bytes `column` … `column` + 3 of a row of `width` bytes at an aligned place, 0 outside.
static __device__ u32 four_bytes(const u8 *row, i64 column, i32 width) {
    const i64 aligned = column & ~(i64)3;
    const u32 low = aligned >= 0 && aligned < width ? *(const u32 *)(row + aligned) : 0;
    const u32 high = aligned + 4 >= 0 && aligned + 4 < width ? *(const u32 *)(row + aligned + 4) : 0;
    return (u32)((((u64)high << 32) | low) >> (8 * (column & 3)));
}

// Four times the index, where the pixel is among `width` columns from 0 on.
static __device__ u32 four_times(u32 index, i64 column, i32 width) {
    u32 word = 0;
    for (i32 k = 0; k < 4; k++)
        if (column + k >= 0 && column + k < width) word |= index << (8 * k);
    return word;
}

extern "C" __global__ void __launch_bounds__(THREADS)
    composite_tiles(const i64 *page_table, const u8 *grounds, const u8 *cells, const i64 *cell_start,
                    const i32 *cell_pitch, const i32 *cell_rows, const i32 *left, const i32 *top, const i32 *rect_px,
                    const u8 *rect_index, i64 n_stamps, const u32 *tile_off, const i32 *tile_items, u8 *pages) {
    __shared__ Item items[ITEMS];
    const i64 *page = page_table + (i64)blockIdx.y * PAGE_COLUMNS;
    const i64 width = page[WIDTH], height = page[HEIGHT], pitch = page[PITCH];
    const i64 columns = (width + TILE_WIDTH - 1) / TILE_WIDTH;
    const i64 lines = (height + TILE_HEIGHT - 1) / TILE_HEIGHT;
    if (blockIdx.x >= columns * lines) return;
    const i64 x = blockIdx.x % columns * TILE_WIDTH + threadIdx.x % WORDS * 4;
    const i64 y = blockIdx.x / columns * TILE_HEIGHT + threadIdx.x / WORDS;

    u32 pixels[ROWS];
    const u8 *ground = grounds + page[GROUND_OFF];
#pragma unroll
    for (i32 k = 0; k < ROWS; k++) {
        const i64 row = y + k * STEP;
        pixels[k] = x < pitch && row < height ? *(const u32 *)(ground + row * pitch + x) : 0;
    }

    const i64 tile = page[FIRST_TILE] + blockIdx.x;
    const u32 end = tile_off[tile + 1];
    for (u32 begin = tile_off[tile]; begin < end; begin += ITEMS) {
        const u32 count = end - begin < ITEMS ? end - begin : ITEMS;
        if (threadIdx.x < count) {
            const i64 item = tile_items[begin + threadIdx.x];
            Item found;
            if (item < n_stamps) {
                found.first = cell_start[item];
                found.left = left[item];
                found.top = top[item];
                found.width = cell_pitch[item];
                found.height = cell_rows[item];
                found.index = 0;
            } else {
                const i64 rect = item - n_stamps;
                found.first = -1;
                // Within the page, where no difference can overflow; what is outside was not binned.
                found.left = larger(rect_px[4 * rect], 0);
                found.top = larger(rect_px[4 * rect + 1], 0);
                found.width = smaller(rect_px[4 * rect + 2], width) - found.left;
                found.height = smaller(rect_px[4 * rect + 3], height) - found.top;
                found.index = rect_index[rect];
            }
            items[threadIdx.x] = found;
        }
        __syncthreads();
        for (u32 k = 0; k < count; k++) {
            const Item item = items[k];
            const i64 column = x - item.left;
            if (column <= -4 || column >= item.width) continue;
            const u32 solid = item.first < 0 ? four_times(item.index, column, item.width) : 0;
#pragma unroll
            for (i32 r = 0; r < ROWS; r++) {
                const i64 row = y + r * STEP - item.top;
                if (row < 0 || row >= item.height) continue;
                const u32 above =
                    item.first < 0 ? solid : four_bytes(cells + item.first + row * item.width, column, item.width);
                pixels[r] = __vmaxu4(pixels[r], above);
            }
        }
        // The next round writes items.
        __syncthreads();
    }

    const i64 inside = width - x;
    const u32 kept = inside >= 4 ? ~0u : inside > 0 ? (1u << (8 * inside)) - 1 : 0;
    u8 *drawn = pages + page[PAGE_OFF];
#pragma unroll
    for (i32 k = 0; k < ROWS; k++) {
        const i64 row = y + k * STEP;
        if (x < pitch && row < height) *(u32 *)(drawn + row * pitch + x) = pixels[k] & kept;
    }
}
