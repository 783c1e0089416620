#include "scan_parallel.h"

#include <math.h>

#include "scan_cpu.h"
#include "scan_operator.h"

// Chunks of at least LEAST_CHUNK steps, and at most MOST_CHUNKS of them: enough
// for many threads, and a workspace that does not grow with the length.
enum { LEAST_CHUNK = 64, MOST_CHUNKS = 64 };

static size_t chunk_length(size_t length) {
    size_t steps = (length + MOST_CHUNKS - 1) / MOST_CHUNKS;
    return steps > LEAST_CHUNK ? steps : LEAST_CHUNK;
}

static size_t chunk_count(size_t length) {
    size_t steps = chunk_length(length);
    return (length + steps - 1) / steps;
}

// Every chunk's summary and then the state it starts from, for each state of
// each channel.
typedef struct {
    size_t chunks, steps;
    ScanElement *summary;  // (batch, chunks, d_inner, N)
    float *start;          // (batch, chunks, d_inner, N)
} Chunks;

static size_t state_count(const Scan *scan) {
    return scan->batch * chunk_count(scan->length) * scan->d_inner *
           scan->d_state;
}

size_t scan_parallel_workspace(const Scan *scan) {
    return state_count(scan) * (sizeof(ScanElement) + sizeof(float));
}

// Where chunk c of sequence b keeps what it knows of channel d, state 0.
static size_t chunk_index(const Scan *scan, const Chunks *chunks, size_t b,
                          size_t c, size_t d) {
    return ((b * chunks->chunks + c) * scan->d_inner + d) * scan->d_state;
}

// Strip s of chunk c of sequence b.
static ScanSpan chunk_span(const Scan *scan, const Chunks *chunks, size_t b,
                           size_t c, size_t s) {
    ScanSpan span = scan_strip(scan, b, s);
    size_t end = (c + 1) * chunks->steps;
    span.t_begin = c * chunks->steps;
    span.t_end = end < scan->length ? end : scan->length;
    return span;
}

// The steps of one span joined into one map for each state: a is the product of
// all exp(Delta_t A), b the state that the span would reach from h = 0.
static void summarise(const Scan *scan, ScanSpan span, ScanElement *summary) {
    const size_t N = scan->d_state;
    for (size_t d = span.d_begin; d < span.d_end; d++, summary += N) {
        const float *A = scan->A + d * N;
        for (size_t n = 0; n < N; n++)
            summary[n] = (ScanElement){.a = 1, .b = 0};
        for (size_t t = span.t_begin; t < span.t_end; t++) {
            size_t row = span.b * scan->length + t;
            float delta = scan->delta[row * scan->d_inner + d];
            float delta_u = delta * scan->u[row * scan->d_inner + d];
            for (size_t n = 0; n < N; n++) {
                ScanElement step = {.a = expf(delta * A[n]),
                                    .b = delta_u * scan->B[row * N + n]};
                summary[n] = scan_join(summary[n], step);
            }
        }
    }
}

// Hands each chunk the state it starts from, and h the state after the last.
static void carry(const Scan *scan, const Chunks *chunks, size_t b) {
    const size_t states = scan->d_inner * scan->d_state;
    float *h = scan->h + b * states;
    for (size_t c = 0; c < chunks->chunks; c++) {
        size_t first = chunk_index(scan, chunks, b, c, 0);
        for (size_t i = 0; i < states; i++) {
            ScanElement map = chunks->summary[first + i];
            chunks->start[first + i] = h[i];
            h[i] = map.a * h[i] + map.b;
        }
    }
}

bool scan_parallel(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    Chunks chunks = {.chunks = chunk_count(scan->length),
                     .steps = chunk_length(scan->length),
                     .summary = workspace};
    chunks.start = (float *)(chunks.summary + state_count(scan));
    size_t strips = scan_strips(scan);
    size_t tasks = scan->batch * chunks.chunks * strips;

    // Every chunk by itself: what does it do to a state?
#pragma omp parallel for schedule(static)
    for (size_t task = 0; task < tasks; task++) {
        size_t s = task % strips, c = task / strips % chunks.chunks;
        size_t b = task / strips / chunks.chunks;
        ScanSpan span = chunk_span(scan, &chunks, b, c, s);
        summarise(scan, span,
                  chunks.summary +
                      chunk_index(scan, &chunks, b, c, span.d_begin));
    }

    // From chunk to chunk: which state does each start from?
    for (size_t b = 0; b < scan->batch; b++) {
        carry(scan, &chunks, b);
    }

    // Every chunk by itself again, from its state.
#pragma omp parallel for schedule(static)
    for (size_t task = 0; task < tasks; task++) {
        size_t s = task % strips, c = task / strips % chunks.chunks;
        size_t b = task / strips / chunks.chunks;
        ScanSpan span = chunk_span(scan, &chunks, b, c, s);
        scan_cpu_span(scan, span,
                      chunks.start +
                          chunk_index(scan, &chunks, b, c, span.d_begin));
    }
    return true;
}
