#include "scan_parallel.h"

#include <float.h>
#include <string.h>

#include "exponential.h"
#include "scan_cpu.h"
#include "scan_operator.h"

#ifdef _OPENMP
#include <omp.h>
#endif

// Chunks of at least LEAST_CHUNK steps, and at most MOST_CHUNKS of them. Few
// and long is better than many and short: most of what a chunk inherits has
// faded before its end, and need not be added. How much is left is looked at
// every TILE steps.
enum { TILE = 64, LEAST_CHUNK = 8 * TILE, MOST_CHUNKS = 8 };

static size_t chunk_length(size_t length) {
    size_t steps = (length + MOST_CHUNKS - 1) / MOST_CHUNKS;
    return steps > LEAST_CHUNK ? steps : LEAST_CHUNK;
}

static size_t chunk_count(size_t length) {
    size_t steps = chunk_length(length);
    return (length + steps - 1) / steps;
}

// What is known of one strip in one chunk; rows are as in a ScanStrip.
typedef struct {
    ScanSpan span;
    ScanStrip strip;  // h: the state after the chunk, then the one before it
    float *total;     // (SCAN_STRIP): the sum of Delta
} Chunk;

// Numbers of room for a chunk, and for all of them.
static size_t chunk_room(const Scan *scan) {
    return scan_strip_count(scan) + SCAN_STRIP;
}

static size_t all_chunks(const Scan *scan) {
    return scan->batch * scan_strips(scan) * chunk_count(scan->length);
}

size_t scan_parallel_workspace(const Scan *scan) {
    return SCAN_ALIGNMENT + all_chunks(scan) * chunk_room(scan) * sizeof(float);
}

// Chunk i of all: the chunks of a strip follow each other.
static Chunk chunk_at(const Scan *scan, float *rooms, size_t i) {
    size_t chunks = chunk_count(scan->length), strips = scan_strips(scan);
    size_t steps = chunk_length(scan->length), c = i % chunks;
    float *room = rooms + i * chunk_room(scan);
    Chunk chunk = {
        .span = scan_strip(scan, i / chunks / strips, i / chunks % strips),
        .strip = {.A = room, .h = room + scan->d_state * SCAN_STRIP},
        .total = room + scan_strip_count(scan)};
    size_t end = (c + 1) * steps;
    chunk.span.t_begin = c * steps;
    chunk.span.t_end = end < scan->length ? end : scan->length;
    return chunk;
}

static float *sequence_states(const Scan *scan, const Chunk *chunk) {
    return scan->h + chunk->span.b * scan->d_inner * scan->d_state;
}

// --- The first pass ---------------------------------------------------------

// A sum of steps, at most half of the largest float: a tile's own steps can be
// added without becoming infinite, and times an A of 0 it is 0 still. NaN stays
// NaN.
static inline float bounded_sum(float sum) {
    return sum > FLT_MAX / 2 ? FLT_MAX / 2 : sum;
}

// Sums of Delta in each lane, from the span's first step to each of them.
// `total` is the sum before, and becomes the sum after.
static void sum_delta(const Scan *scan, ScanSpan span,
                      float (*restrict sums)[SCAN_STRIP],
                      float *restrict total) {
    size_t width = span.d_end - span.d_begin;
    float own[SCAN_STRIP] = {0};
    for (size_t t = span.t_begin; t < span.t_end; t++) {
        size_t row = span.b * scan->length + t, s = t - span.t_begin;
        const float *delta = scan->delta + row * scan->d_inner + span.d_begin;
        for (size_t j = 0; j < SCAN_STRIP; j++) {
            own[j] += j < width ? delta[j] : 0;
            sums[s][j] = total[j] + own[j];
        }
    }
    for (size_t j = 0; j < SCAN_STRIP; j++)
        total[j] = bounded_sum(total[j] + own[j]);
}

// The steps of the span from t on that fit one tile.
static ScanSpan tile_of(ScanSpan span, size_t t) {
    span.t_begin = t;
    span.t_end = t + TILE < span.t_end ? t + TILE : span.t_end;
    return span;
}

// A chunk by itself: the first from the caller's state, the others from 0.
static void scan_chunk(const Scan *scan, const Chunk *chunk) {
    ScanSpan span = chunk->span;
    float sums[TILE][SCAN_STRIP];
    scan_strip_begin(scan, span, sequence_states(scan, chunk), chunk->strip.A);
    if (span.t_begin > 0)
        memset(chunk->strip.h, 0, scan->d_state * SCAN_STRIP * sizeof(float));
    scan_cpu_span(scan, span, chunk->strip);
    memset(chunk->total, 0, SCAN_STRIP * sizeof(float));
    for (size_t t = span.t_begin; t < span.t_end; t += TILE)
        sum_delta(scan, tile_of(span, t), sums, chunk->total);
}

// --- The second -------------------------------------------------------------

// What a chunk does to number i of its strip's state: h -> a h + b, where a is
// the product of all exp(Delta A), that is exp of A times their sum.
static ScanElement chunk_map(const Chunk *chunk, size_t i) {
    float sum = chunk->total[i % SCAN_STRIP];
    return (ScanElement){.a = power_of_two(sum * chunk->strip.A[i]),
                         .b = chunk->strip.h[i]};
}

// Along the chunks of one strip, the first of which is chunk `first` of all:
// each gets the state it should have started from, the caller the last one.
static void carry(const Scan *scan, float *rooms, size_t first) {
    const size_t count = scan->d_state * SCAN_STRIP;
    size_t chunks = chunk_count(scan->length);
    Chunk begin = chunk_at(scan, rooms, first);
    float *state = begin.strip.h;  // what the first chunk left is right
    for (size_t c = 1; c < chunks; c++) {
        Chunk chunk = chunk_at(scan, rooms, first + c);
        for (size_t i = 0; i < count; i++) {
            ScanElement map = chunk_map(&chunk, i);
            chunk.strip.h[i] = state[i];
            state[i] = map.a * state[i] + map.b;
        }
    }
    scan_strip_end(scan, begin.span, begin.strip,
                   sequence_states(scan, &begin));
}

// --- The third --------------------------------------------------------------

// Is anything left of row n of the first state, once Delta has summed up to
// this? Of a state that is no number, always.
static bool is_left(const float *restrict h, const float *restrict A,
                    const float *restrict sum) {
    int left = 0;
    for (size_t j = 0; j < SCAN_STRIP; j++)
        left |= power_of_two(sum[j] * A[j]) * h[j] != 0;
    return left;
}

// y_t += C_t exp(A (Delta_1 + ... + Delta_t)) h for row n of the state h, in
// each lane, over a tile. sums and y are (steps, SCAN_STRIP), C (steps, N).
static void add_share(float (*restrict y)[SCAN_STRIP],
                      float (*restrict sums)[SCAN_STRIP],
                      const float *restrict A, const float *restrict h,
                      const float *C, size_t N, size_t steps) {
    for (size_t s = 0; s < steps; s++)
        for (size_t j = 0; j < SCAN_STRIP; j++)
            y[s][j] += C[s * N] * (power_of_two(sums[s][j] * A[j]) * h[j]);
}

// Adds a tile's share, times SiLU(z), to the results that are there.
static void add_tile(const Scan *scan, ScanSpan span,
                     float (*restrict share)[SCAN_STRIP]) {
    size_t width = span.d_end - span.d_begin;
    for (size_t t = span.t_begin; t < span.t_end; t++) {
        const float *y = share[t - span.t_begin];
        size_t i = (span.b * scan->length + t) * scan->d_inner + span.d_begin;
        for (size_t j = 0; j < width; j++)
            scan->y[i + j] += scan->z ? y[j] * fast_silu(scan->z[i + j]) : y[j];
    }
}

// Adds what the state before the chunk contributes to a tile, after Delta has
// summed up to `total`, which goes on. Is there anything left of it?
static bool correct_tile(const Scan *scan, ScanSpan span, ScanStrip strip,
                         float *total) {
    const size_t N = scan->d_state, steps = span.t_end - span.t_begin;
    const float *C = scan->C + (span.b * scan->length + span.t_begin) * N;
    float sums[TILE][SCAN_STRIP], share[TILE][SCAN_STRIP] = {{0}};
    float before[SCAN_STRIP];
    bool any = false;
    memcpy(before, total, sizeof before);
    sum_delta(scan, span, sums, total);
    for (size_t n = 0; n < N; n++) {
        const float *A = strip.A + n * SCAN_STRIP;
        const float *h = strip.h + n * SCAN_STRIP;
        if (!is_left(h, A, before))
            continue;
        add_share(share, sums, A, h, C + n, N, steps);
        any = true;
    }
    if (any)
        add_tile(scan, span, share);
    return any;
}

// Tile by tile, until nothing is left: how long that takes depends on the
// chunk's numbers, and so each thread takes the next chunk when it has time.
static void correct(const Scan *scan, const Chunk *chunk) {
    ScanSpan span = chunk->span;
    float total[SCAN_STRIP] = {0};
    for (size_t t = span.t_begin; t < span.t_end; t += TILE)
        if (!correct_tile(scan, tile_of(span, t), chunk->strip, total))
            return;
}

bool scan_parallel(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    float *rooms = scan_align(workspace);
    const size_t all = all_chunks(scan), chunks = chunk_count(scan->length);
    if (all == 0)
        return true;  // no step: the states stay as they are

#pragma omp parallel for schedule(static) if (scan_is_large(scan))
    for (size_t i = 0; i < all; i++) {
        Chunk chunk = chunk_at(scan, rooms, i);
        scan_chunk(scan, &chunk);
    }

#pragma omp parallel for schedule(static) if (scan_is_large(scan))
    for (size_t i = 0; i < all; i += chunks)
        carry(scan, rooms, i);

#pragma omp parallel for schedule(dynamic) if (scan_is_large(scan))
    for (size_t i = 0; i < all; i++) {
        Chunk chunk = chunk_at(scan, rooms, i);
        if (chunk.span.t_begin > 0)
            correct(scan, &chunk);
    }
    return true;
}

// --- Which of the two -------------------------------------------------------

static size_t processors_here(void) {
#ifdef _OPENMP
    return (size_t)omp_get_num_procs();
#else
    return 1;
#endif
}

bool scan_parallel_is_faster(const Scan *scan, size_t processors) {
    enum { LEAST_CHUNKS = 4, LEAST_CHANNELS = SCAN_STRIP / 2 };
    return scan->batch * scan_strips(scan) < processors &&
           scan->length >= LEAST_CHUNKS * LEAST_CHUNK &&
           scan->d_inner >= LEAST_CHANNELS;
}

bool scan_auto(const Scan *scan, void *workspace, Error *err) {
    return scan_parallel_is_faster(scan, processors_here())
               ? scan_parallel(scan, workspace, err)
               : scan_cpu(scan, workspace, err);
}

size_t scan_auto_workspace(const Scan *scan) {
    size_t cpu = scan_cpu_workspace(scan);
    size_t parallel = scan_parallel_workspace(scan);
    return cpu > parallel ? cpu : parallel;
}
