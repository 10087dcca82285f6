// zlib streams (RFC 1950, RFC 1951) of the scanlines of PNG pages, spliced from pieces that are encoded independently.
// Twin: splice_png.py.
//
// A page's scanlines, filter type 0 before each, are one run of bytes, cut into pieces of PIECE_BYTES. All pieces of a
// page use one Huffman table, so each becomes a bit string on its own and the stream is their concatenation. Matches
// reach back by one byte (runs) or by one row (what continues downwards), which needs no search; both look at bytes of
// the page, which every block can read.
//
// Bit strings of single glyph rows, made beforehand, would not do: where glyphs, rules and grounds overlap, a row's
// bytes are their maximum, and a run of paper or a repeat of the row above goes on across many glyphs.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

enum Page { WIDTH, HEIGHT, PITCH, GROUND_OFF, PAGE_OFF, FIRST_TILE, DEPTH, FIRST_PIECE, TABLE, PAGE_COLUMNS };
enum Result { STREAM_OFF, STREAM_BYTES, ADLER, CRC, RESULT_COLUMNS };

constexpr u32 PIECE_BYTES = 4096;
constexpr u32 MAX_CODE_BITS = 12;
constexpr u32 PIECE_WORDS = PIECE_BYTES * MAX_CODE_BITS / 32;
constexpr u32 LITERAL_CODES = 0;
constexpr u32 END_CODE = 256;
constexpr u32 LENGTH_CODES = 257;
constexpr u32 DISTANCE_CODES = LENGTH_CODES + 256;
constexpr u32 HEADER_BITS = DISTANCE_CODES + 30;
constexpr u32 CODE_WORDS = HEADER_BITS + 1;
constexpr u32 COUNT_SHIFT = 24;
constexpr u32 HEADER_BYTES = 512;
constexpr u32 STREAM_ALIGN = 16;
constexpr u32 MIN_REPEAT = 3;
constexpr u32 MIN_ABOVE = 5;
constexpr u32 MAX_LENGTH = 258;
constexpr u32 MAX_DISTANCE = 32768;

constexpr u32 THREADS = 256;
constexpr u32 WARPS = THREADS / 32;
constexpr u32 SEGMENT = PIECE_BYTES / THREADS;
constexpr u32 NOT_ENTERED = SEGMENT;
constexpr u32 WHOLE_WARP = 0xffffffffu;
constexpr u32 ADLER_BASE = 65521;
constexpr u32 CRC_POLYNOMIAL = 0xedb88320u;
// The register after the four bytes of the chunk's type.
constexpr u32 CRC_AFTER_IDAT = 0xca50f9e1u;

static __device__ i64 row_bytes_of(const i64 *page) { return 1 + (page[WIDTH] * page[DEPTH] + 7) / 8; }

static __device__ i64 pieces_of(const i64 *page) {
    return (row_bytes_of(page) * page[HEIGHT] + PIECE_BYTES - 1) / PIECE_BYTES;
}

// A page's scanlines: fewer than 2**31 bytes, so that places in them are 32 bits wide.
struct Scanlines {
    const u8 *pixels;
    i64 pitch;
    u32 width, depth, row_bytes;

    // Byte `i` of scanline `y`: the filter type, then pixels, the leftmost in the highest bits.
    __device__ u32 byte_at(u32 y, u32 i) const {
        if (i == 0) return 0;
        const u8 *row = pixels + y * pitch;
        if (depth == 8) return row[i - 1];
        const u32 per_byte = 8 / depth, x = (i - 1) * per_byte;
        u32 value = 0;
        for (u32 k = 0; k < per_byte; k++) value = value << depth | (x + k < width ? row[x + k] : 0u);
        return value;
    }
};

// Sum of the values of the threads before this one; `total` of all. A barrier must lie between two uses of `warp_sum`.
static __device__ u64 sum_before(u64 value, u64 *warp_sum, u64 *total) {
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    u64 sum = value;
    for (u32 step = 1; step < 32; step *= 2) {
        const u64 before = __shfl_up_sync(WHOLE_WARP, sum, step);
        if (lane >= step) sum += before;
    }
    if (lane == 31) warp_sum[warp] = sum;
    __syncthreads();
    u64 all = 0;
    sum -= value;
    for (u32 other = 0; other < WARPS; other++) {
        if (other < warp) sum += warp_sum[other];
        all += warp_sum[other];
    }
    *total = all;
    return sum;
}

// One bit for each of four bytes that are equal.
static __device__ u32 equal_bytes(u32 a, u32 b) {
    const u32 other = a ^ b;
    return (other & 0xff ? 0 : 1) | (other & 0xff00 ? 0 : 2) | (other & 0xff0000 ? 0 : 4) | (other & 0xff000000 ? 0 : 8);
}

// How many ones, from bit 0 on, a value of at most 16 bits has.
static __device__ u32 leading_run(u32 mask) { return __ffs(~mask) - 1; }

// What a thread knows of its segment: for each byte, whether it repeats the one before (low half) or the one above
// (high half), and how far either goes on beyond the segment.
struct Segment {
    u32 equal;
    u32 repeat_after, above_after;
};

struct Token {
    u32 length;
    bool is_repeat, is_above;
};

static __device__ u32 run_beyond(const u32 *equal, u32 segment, u32 shift) {
    u32 run = 0;
#pragma unroll 1
    for (; segment < THREADS && run < MAX_LENGTH; segment++) {
        const u32 mask = equal[segment] >> shift & 0xffff;
        if (mask != 0xffff) return run + leading_run(mask);
        run += SEGMENT;
    }
    return run;
}

static __device__ u32 run_at(u32 mask, u32 place, u32 after) {
    u32 run = leading_run(mask >> place);
    if (run == SEGMENT - place) run += after;
    return run < MAX_LENGTH ? run : MAX_LENGTH;
}

// The longer of both matches, of equals the run: its distance takes fewer bits.
static __device__ Token token_at(const Segment &segment, u32 place) {
    const u32 repeat = run_at(segment.equal & 0xffff, place, segment.repeat_after);
    const u32 above = run_at(segment.equal >> 16, place, segment.above_after);
    Token token = {1, false, false};
    if (repeat >= MIN_REPEAT) token = {repeat, true, false};
    if (above >= MIN_ABOVE && above > token.length) token = {above, false, true};
    return token;
}

struct Distance {
    u32 symbol, extra, extra_bits;
};

// RFC 1951, 3.2.5.
static __device__ Distance distance_of(u32 distance) {
    const u32 value = distance - 1;
    if (value < 4) return {value, 0, 0};
    const u32 bits = 30 - __clz(value);
    return {2 * bits + (value >> bits), value & ((1u << bits) - 1), bits};
}

static __device__ u32 bits_of(u32 code) { return code & ((1u << COUNT_SHIFT) - 1); }

static __device__ u32 count_of(u32 code) { return code >> COUNT_SHIFT; }

// Appends bits to shared words, where threads meet within a word.
struct Writer {
    u32 *words;
    u32 word, filled;
    u64 waiting;

    __device__ void put(u32 bits, u32 count) {
        waiting |= (u64)bits << filled;
        filled += count;
        if (filled < 32) return;
        atomicOr(&words[word], (u32)waiting);
        word++;
        waiting >>= 32;
        filled -= 32;
    }

    __device__ void put_code(u32 code) { put(bits_of(code), count_of(code)); }

    __device__ void finish() {
        if (filled > 0) atomicOr(&words[word], (u32)waiting);
    }
};

// A block encodes a piece, a thread SEGMENT bytes of it. Which bytes begin a token depends on the tokens before; so each
// segment first finds, for every byte where a token could enter it, where the chain of tokens would leave it, and one
// thread then follows the chain from segment to segment.
extern "C" __global__ void __launch_bounds__(THREADS)
    splice_png_encode(const i64 *page_table, const u8 *pages, const u32 *codes, u32 *piece_words, u32 *piece_bits,
                      u32 *piece_sums) {
    __shared__ u32 here[PIECE_BYTES / 4];
    // One after the other: the bytes above, where chains leave their segments, and the bits.
    __shared__ u32 scratch[PIECE_BYTES / 2];
    __shared__ u32 equal[THREADS];
    __shared__ u32 table[CODE_WORDS];
    __shared__ u8 entries[THREADS];
    __shared__ u64 warp_sum[WARPS];
    __shared__ u32 sums[2];
    static_assert(PIECE_WORDS <= PIECE_BYTES / 2, "the bits of a piece share the memory of chains");

    const i64 *page = page_table + (i64)blockIdx.y * PAGE_COLUMNS;
    if (blockIdx.x >= pieces_of(page)) return;
    const u32 row_bytes = (u32)row_bytes_of(page), first = blockIdx.x * PIECE_BYTES;
    const u32 left = row_bytes * (u32)page[HEIGHT] - first, count = left < PIECE_BYTES ? left : PIECE_BYTES;
    const u32 self = threadIdx.x, base = self * SEGMENT;
    const Scanlines lines = {pages + page[PAGE_OFF], page[PITCH], (u32)page[WIDTH], (u32)page[DEPTH], row_bytes};

    for (u32 k = self; k < CODE_WORDS; k += THREADS) table[k] = codes[page[TABLE] * CODE_WORDS + k];
    if (self < 2) sums[self] = 0;
    entries[self] = NOT_ENTERED;
    u8 *here_bytes = (u8 *)here, *above_bytes = (u8 *)scratch;
    u32 y = (first + self) / row_bytes, i = (first + self) % row_bytes;
    for (u32 k = self; k < PIECE_BYTES; k += THREADS) {
        here_bytes[k] = k < count ? (u8)lines.byte_at(y, i) : 0;
        above_bytes[k] = k < count && y > 0 ? (u8)lines.byte_at(y - 1, i) : 0;
        i += THREADS;
        if (i >= row_bytes) {
            y += i / row_bytes;
            i %= row_bytes;
        }
    }
    __syncthreads();

    u32 previous = 0;
    if (self > 0)
        previous = here_bytes[base - 1];
    else if (first > 0)
        previous = lines.byte_at((first - 1) / row_bytes, (first - 1) % row_bytes);
    u32 repeat = 0, above = 0, sum = 0, weighted = 0;
    for (u32 k = 0; k < SEGMENT / 4; k++) {
        const u32 word = here[base / 4 + k];
        repeat |= equal_bytes(word, word << 8 | previous) << (4 * k);
        above |= equal_bytes(word, scratch[base / 4 + k]) << (4 * k);
        previous = word >> 24;
        for (u32 b = 0; b < 4; b++) {
            const u32 value = word >> (8 * b) & 255;
            sum += value;
            weighted += value * (count - base - 4 * k - b);
        }
    }
    // Beyond the end of the piece nothing matches, nor does the first byte repeat, nor the first row.
    const u32 inside = count <= base ? 0 : count - base < SEGMENT ? count - base : SEGMENT;
    const u32 row_left = row_bytes <= first + base ? 0 : row_bytes - first - base;
    const u32 unmatched = row_left < SEGMENT ? row_left : SEGMENT;
    const u32 kept = (1u << inside) - 1;
    repeat &= first + base == 0 ? kept & ~1u : kept;
    above &= row_bytes <= MAX_DISTANCE ? kept & ~((1u << unmatched) - 1) : 0;
    equal[self] = repeat | above << 16;
    for (u32 step = 16; step > 0; step /= 2) {
        sum += __shfl_down_sync(WHOLE_WARP, sum, step);
        weighted += __shfl_down_sync(WHOLE_WARP, weighted, step);
    }
    if (self % 32 == 0) {
        atomicAdd(&sums[0], sum);
        atomicAdd(&sums[1], weighted);
    }
    __syncthreads();

    const Segment segment = {equal[self], run_beyond(equal, self + 1, 0), run_beyond(equal, self + 1, 16)};
    // Byte by byte of all segments, so that neighbours lie in different banks.
    u16 *leaves = (u16 *)scratch;
#pragma unroll 1
    for (u32 place = SEGMENT; place-- > 0;) {
        const u32 next = place + token_at(segment, place).length;
        leaves[place * THREADS + self] = next < SEGMENT ? leaves[next * THREADS + self] : (u16)(base + next);
    }
    __syncthreads();

    if (self == 0)
#pragma unroll 1
        for (u32 place = 0; place < count; place = leaves[place % SEGMENT * THREADS + place / SEGMENT])
            entries[place / SEGMENT] = (u8)(place % SEGMENT);
    __syncthreads();

    const Distance up = distance_of(row_bytes <= MAX_DISTANCE ? row_bytes : 1);
    const u32 up_code = table[DISTANCE_CODES + up.symbol];
    const u32 entry = entries[self];
    u32 bits = 0;
#pragma unroll 1
    for (u32 place = entry; place < inside;) {
        const Token token = token_at(segment, place);
        if (token.is_repeat)
            bits += count_of(table[LENGTH_CODES + token.length - 3]) + count_of(table[DISTANCE_CODES]);
        else if (token.is_above)
            bits += count_of(table[LENGTH_CODES + token.length - 3]) + count_of(up_code) + up.extra_bits;
        else
            bits += count_of(table[LITERAL_CODES + here_bytes[base + place]]);
        place += token.length;
    }
    for (u32 k = self; k < PIECE_WORDS; k += THREADS) scratch[k] = 0;
    u64 total;
    const u32 start = (u32)sum_before(bits, warp_sum, &total);

    Writer writer = {scratch, start / 32, start % 32, 0};
#pragma unroll 1
    for (u32 place = entry; place < inside;) {
        const Token token = token_at(segment, place);
        if (token.length == 1) {
            writer.put_code(table[LITERAL_CODES + here_bytes[base + place]]);
        } else {
            writer.put_code(table[LENGTH_CODES + token.length - 3]);
            writer.put_code(token.is_above ? up_code : table[DISTANCE_CODES]);
            if (token.is_above) writer.put(up.extra, up.extra_bits);
        }
        place += token.length;
    }
    writer.finish();
    __syncthreads();

    const i64 piece = page[FIRST_PIECE] + blockIdx.x;
    for (u32 k = self; k < (total + 31) / 32; k += THREADS) piece_words[piece * PIECE_WORDS + k] = scratch[k];
    if (self == 0) piece_bits[piece] = (u32)total;
    if (self < 2) piece_sums[2 * piece + self] = sums[self];
}

// A block lays the pieces of a page one after the other and joins their checksums (RFC 1950, 8.2).
extern "C" __global__ void __launch_bounds__(THREADS)
    splice_png_join(const i64 *page_table, const u32 *codes, const u32 *piece_bits, const u32 *piece_sums,
                    i64 *piece_bit_off, i64 *results) {
    __shared__ u64 warp_sum[WARPS];
    const i64 *page = page_table + (i64)blockIdx.x * PAGE_COLUMNS;
    const i64 n_pieces = pieces_of(page), n_bytes = row_bytes_of(page) * page[HEIGHT];
    const u32 *table = codes + page[TABLE] * CODE_WORDS;
    u64 bit_off = table[HEADER_BITS], low = 0, high = 0;
    for (i64 first = 0; first < n_pieces; first += THREADS) {
        const i64 piece = first + threadIdx.x, place = page[FIRST_PIECE] + piece;
        const bool is_piece = piece < n_pieces;
        u64 total;
        const u64 before = sum_before(is_piece ? piece_bits[place] : 0, warp_sum, &total);
        if (is_piece) {
            piece_bit_off[place] = (i64)(bit_off + before);
            const i64 end = (piece + 1) * PIECE_BYTES;
            const u64 after = end < n_bytes ? (u64)(n_bytes - end) : 0;
            const u64 sum = piece_sums[2 * place];
            low += sum;
            high = (high + piece_sums[2 * place + 1] + sum * (after % ADLER_BASE)) % ADLER_BASE;
        }
        bit_off += total;
        __syncthreads();
    }
    u64 all_low, all_high;
    sum_before(low, warp_sum, &all_low);
    __syncthreads();
    sum_before(high, warp_sum, &all_high);
    if (threadIdx.x == 0) {
        i64 *result = results + (i64)blockIdx.x * RESULT_COLUMNS;
        const u64 a = (1 + all_low) % ADLER_BASE, b = ((u64)n_bytes + all_high) % ADLER_BASE;
        result[STREAM_BYTES] = (i64)((bit_off + count_of(table[END_CODE]) + 7) / 8 + 4);
        result[ADLER] = (i64)(b << 16 | a);
    }
}

// One block gives every page's stream its place, in the order of pages.
extern "C" __global__ void __launch_bounds__(THREADS) splice_png_place(i64 n_pages, i64 capacity, i64 *results) {
    __shared__ u64 warp_sum[WARPS];
    u64 end = 0;
    for (i64 first = 0; first < n_pages; first += THREADS) {
        const i64 page = first + threadIdx.x;
        i64 *result = results + page * RESULT_COLUMNS;
        const i64 size = page < n_pages ? (result[STREAM_BYTES] + STREAM_ALIGN - 1) / STREAM_ALIGN * STREAM_ALIGN : 0;
        u64 total;
        const i64 start = (i64)(end + sum_before((u64)size, warp_sum, &total));
        if (page < n_pages) result[STREAM_OFF] = start + size <= capacity ? start : -1;
        end += total;
        __syncthreads();
    }
}

// A block shifts a piece to its place; the block after the last piece writes what is before and after all pieces.
// Words in which two of them meet are joined by atomics, so `streams` must have been zeroed.
extern "C" __global__ void __launch_bounds__(THREADS)
    splice_png_write(const i64 *page_table, const u32 *codes, const u8 *headers, const u32 *piece_words,
                     const u32 *piece_bits, const i64 *piece_bit_off, const i64 *results, u32 *streams) {
    const i64 *page = page_table + (i64)blockIdx.y * PAGE_COLUMNS;
    const i64 *result = results + (i64)blockIdx.y * RESULT_COLUMNS;
    const i64 n_pieces = pieces_of(page);
    if (blockIdx.x > n_pieces || result[STREAM_OFF] < 0) return;
    u32 *stream = streams + result[STREAM_OFF] / 4;

    if (blockIdx.x < n_pieces) {
        const i64 piece = page[FIRST_PIECE] + blockIdx.x;
        const u32 bits = piece_bits[piece];
        if (bits == 0) return;
        const u32 *source = piece_words + piece * PIECE_WORDS;
        const u32 shift = (u32)(piece_bit_off[piece] % 32), n_words = (bits + 31) / 32, last = (shift + bits - 1) / 32;
        u32 *target = stream + piece_bit_off[piece] / 32;
        for (u32 k = threadIdx.x; k <= last; k += THREADS) {
            const u64 low = k > 0 ? source[k - 1] : 0, high = k < n_words ? source[k] : 0;
            const u32 word = (u32)((high << 32 | low) >> (32 - shift));
            if (k == 0 || k == last)
                atomicOr(&target[k], word);
            else
                target[k] = word;
        }
        return;
    }

    const u32 *table = codes + page[TABLE] * CODE_WORDS;
    const u8 *header = headers + page[TABLE] * HEADER_BYTES;
    for (u32 k = threadIdx.x; k < (table[HEADER_BITS] + 7) / 8; k += THREADS)
        atomicOr(&stream[k / 4], (u32)header[k] << (8 * (k % 4)));
    if (threadIdx.x == 0) {
        const i64 last = page[FIRST_PIECE] + n_pieces - 1, end = piece_bit_off[last] + piece_bits[last];
        const u64 code = (u64)bits_of(table[END_CODE]) << (end % 32);
        atomicOr(&stream[end / 32], (u32)code);
        if (code >> 32) atomicOr(&stream[end / 32 + 1], (u32)(code >> 32));
        for (i64 k = 0; k < 4; k++) {
            const i64 place = result[STREAM_BYTES] - 4 + k;
            const u32 byte = (u32)(result[ADLER] >> (24 - 8 * k)) & 255;
            atomicOr(&stream[place / 4], byte << (8 * (place % 4)));
        }
    }
}

// The product of two polynomials modulo the CRC's; the highest bit is the coefficient of 1.
static __device__ u32 multiply(u32 a, u32 b) {
    u32 product = 0;
#pragma unroll 4
    for (u32 bit = 1u << 31; bit; bit >>= 1) {
        if (a & bit) product ^= b;
        b = b & 1 ? b >> 1 ^ CRC_POLYNOMIAL : b >> 1;
    }
    return product;
}

// What to multiply a register by when `n` bytes follow.
static __device__ u32 after_bytes(i64 n) {
    u32 power = 1u << 31, square = 1u << 23;
    for (; n > 0; n >>= 1) {
        if (n & 1) power = multiply(power, square);
        square = multiply(square, square);
    }
    return power;
}

// A block for each page. Threads take equal parts, counted from the end, and join them in pairs (ISO 15948, annex D).
extern "C" __global__ void __launch_bounds__(THREADS) splice_png_checksum(const u8 *streams, i64 *results) {
    __shared__ u32 table[256];
    __shared__ u32 parts[THREADS];
    static_assert(THREADS >= 256, "a thread makes an entry of the table");
    i64 *result = results + (i64)blockIdx.x * RESULT_COLUMNS;
    const i64 n_bytes = result[STREAM_BYTES];
    if (result[STREAM_OFF] < 0) return;
    const u8 *stream = streams + result[STREAM_OFF];
    const u32 self = threadIdx.x;

    u32 entry = self;
    for (u32 k = 0; k < 8; k++) entry = entry & 1 ? entry >> 1 ^ CRC_POLYNOMIAL : entry >> 1;
    table[self] = entry;
    __syncthreads();

    const i64 part = (n_bytes + THREADS - 1) / THREADS;
    const i64 end = n_bytes - self * part, begin = end - part > 0 ? end - part : 0;
    u32 value = 0;
    for (i64 k = begin; k < end; k++) value = value >> 8 ^ table[(value ^ stream[k]) & 255];
    parts[self] = value;
    u32 power = after_bytes(part);
    for (u32 step = 1; step < THREADS; step *= 2) {
        __syncthreads();
        if (self % (2 * step) == 0) parts[self] ^= multiply(parts[self + step], power);
        power = multiply(power, power);
    }
    if (self == 0) result[CRC] = (i64)(u32) ~(parts[0] ^ multiply(CRC_AFTER_IDAT, after_bytes(n_bytes)));
}
