#include "scan_cpu.h"

#include "exponential.h"

static const float log2_e = 1.44269504f;

size_t scan_strips(const Scan *scan) {
    return (scan->d_inner + SCAN_STRIP - 1) / SCAN_STRIP;
}

ScanSpan scan_strip(const Scan *scan, size_t b, size_t s) {
    size_t begin = s * SCAN_STRIP, end = begin + SCAN_STRIP;
    return (ScanSpan){.b = b,
                      .t_begin = 0,
                      .t_end = scan->length,
                      .d_begin = begin,
                      .d_end = end < scan->d_inner ? end : scan->d_inner};
}

// --- A strip: a channel for each lane ---------------------------------------

// (channels, N) of a span into rows of one state each, times a factor; lanes
// beyond the last channel are 0.
static void lay_out(float *restrict rows, const float *from, ScanSpan span,
                    size_t N, float factor) {
    size_t width = span.d_end - span.d_begin;
    for (size_t n = 0; n < N; n++)
        for (size_t j = 0; j < SCAN_STRIP; j++)
            rows[n * SCAN_STRIP + j] =
                j < width ? factor * from[(span.d_begin + j) * N + n] : 0;
}

ScanStrip scan_strip_begin(const Scan *scan, ScanSpan span, const float *h,
                           float *room) {
    size_t N = scan->d_state;
    ScanStrip strip = {.A = room, .h = room + N * SCAN_STRIP};
    lay_out(strip.A, scan->A, span, N, log2_e);
    lay_out(strip.h, h, span, N, 1);
    return strip;
}

void scan_strip_end(const Scan *scan, ScanSpan span, ScanStrip strip,
                    float *h) {
    size_t N = scan->d_state;
    for (size_t d = span.d_begin; d < span.d_end; d++)
        for (size_t n = 0; n < N; n++)
            h[d * N + n] = strip.h[n * SCAN_STRIP + d - span.d_begin];
}

// One step of all lanes: the states h (N, SCAN_STRIP) go on, and C . h is added
// to y. B and C are (N).
static inline void update(float *restrict y, float *restrict h,
                          const float *restrict delta,
                          const float *restrict delta_u,
                          const float *restrict A, const float *restrict B,
                          const float *restrict C, size_t N) {
    for (size_t n = 0; n < N; n++, A += SCAN_STRIP, h += SCAN_STRIP)
        for (size_t j = 0; j < SCAN_STRIP; j++) {
            // h_t = exp(Delta_t A) h_{t-1} + Delta_t u_t B_t,  y_t += C_t h_t
            h[j] = power_of_two(delta[j] * A[j]) * h[j] + delta_u[j] * B[n];
            y[j] += C[n] * h[j];
        }
}

// Asks the memory for what the strip needs at place i, some steps from now.
static inline void fetch(const Scan *scan, size_t i) {
    __builtin_prefetch(scan->u + i);
    __builtin_prefetch(scan->delta + i);
    __builtin_prefetch(scan->y + i, 1);
    if (scan->z)
        __builtin_prefetch(scan->z + i);
}

// One step of `width` channels from channel d on.
static inline void strip_step(const Scan *scan, ScanStrip strip, size_t row,
                              size_t d, size_t width) {
    const size_t N = scan->d_state, i = row * scan->d_inner + d;
    float delta[SCAN_STRIP] = {0}, delta_u[SCAN_STRIP] = {0};
    float y[SCAN_STRIP] = {0};
    for (size_t j = 0; j < width; j++) {
        delta[j] = scan->delta[i + j];
        delta_u[j] = delta[j] * scan->u[i + j];
    }
    for (size_t j = 0; j < width; j++)
        y[j] = scan->D ? scan->D[d + j] * scan->u[i + j] : 0;
    update(y, strip.h, delta, delta_u, strip.A, scan->B + row * N,
           scan->C + row * N, N);
    for (size_t j = 0; j < width; j++)
        scan->y[i + j] = scan->z ? y[j] * fast_silu(scan->z[i + j]) : y[j];
}

void scan_cpu_span(const Scan *scan, ScanSpan span, ScanStrip strip) {
    enum { AHEAD = 8 };
    size_t d = span.d_begin, width = span.d_end - d;
    for (size_t t = span.t_begin; t < span.t_end; t++) {
        size_t row = span.b * scan->length + t;
        if (t + AHEAD < span.t_end)
            fetch(scan, (row + AHEAD) * scan->d_inner + d);
        if (width == SCAN_STRIP)
            strip_step(scan, strip, row, d, SCAN_STRIP);
        else
            strip_step(scan, strip, row, d, width);
    }
}

// A strip through all steps of the span, from its states h (d_inner, N) on.
static void scan_by_strip(const Scan *scan, ScanSpan span, float *h,
                          float *room) {
    ScanStrip strip = scan_strip_begin(scan, span, h, room);
    scan_cpu_span(scan, span, strip);
    scan_strip_end(scan, span, strip, h);
}

// --- A row: a state for each lane -------------------------------------------

// One step of one channel from its state h (N); A, B and C are (N). Returns
// C . h.
static inline float scan_states(float *restrict h, const float *restrict A,
                                const float *B, const float *C, size_t N,
                                float delta, float delta_u) {
    float c = 0;
#pragma omp simd reduction(+ : c)
    for (size_t n = 0; n < N; n++) {
        float a = power_of_two(delta * log2_e * A[n]);
        h[n] = a * h[n] + delta_u * B[n];
        c += C[n] * h[n];
    }
    return c;
}

// The span's channels one by one, where laying them out would not pay.
static void scan_by_channel(const Scan *scan, ScanSpan span, float *h) {
    const size_t N = scan->d_state;
    for (size_t t = span.t_begin; t < span.t_end; t++) {
        size_t row = span.b * scan->length + t;
        const float *B = scan->B + row * N, *C = scan->C + row * N;
        for (size_t d = span.d_begin; d < span.d_end; d++) {
            size_t i = row * scan->d_inner + d;
            float u = scan->u[i], D = scan->D ? scan->D[d] : 0;
            float c = scan_states(h + d * N, scan->A + d * N, B, C, N,
                                  scan->delta[i], scan->delta[i] * u);
            scan->y[i] = D * u + c;
        }
        if (scan->z)
            for (size_t d = span.d_begin; d < span.d_end; d++) {
                size_t i = row * scan->d_inner + d;
                scan->y[i] *= fast_silu(scan->z[i]);
            }
    }
}

// --- All of it --------------------------------------------------------------

// Fewer steps than this, or a strip with fewer channels, go channel by channel.
enum { LEAST_STEPS = 8, LEAST_WIDTH = 4 };

static bool worth_a_strip(ScanSpan span) {
    return span.t_end - span.t_begin >= LEAST_STEPS &&
           span.d_end - span.d_begin >= LEAST_WIDTH;
}

size_t scan_cpu_workspace(const Scan *scan) {
    size_t strips = scan->batch * scan_strips(scan);
    return SCAN_ALIGNMENT + strips * scan_strip_count(scan) * sizeof(float);
}

void scan_cpu_strip(const Scan *scan, size_t i, float *rooms) {
    const size_t strips = scan_strips(scan);
    ScanSpan span = scan_strip(scan, i / strips, i % strips);
    float *h = scan->h + span.b * scan->d_inner * scan->d_state;
    if (worth_a_strip(span))
        scan_by_strip(scan, span, h, rooms + i * scan_strip_count(scan));
    else
        scan_by_channel(scan, span, h);
}

bool scan_cpu(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    float *rooms = scan_align(workspace);
#pragma omp parallel for schedule(static) if (scan_is_large(scan))
    for (size_t i = 0; i < scan->batch * scan_strips(scan); i++)
        scan_cpu_strip(scan, i, rooms);
    return true;
}
