#include "scan_ladder.h"

#include <math.h>

#include "exponential.h"
#include "scan_cpu.h"
#include "scan_reference.h"

static bool everywhere(Error *why_not) {
    (void)why_not;
    return true;
}

// --- Naive: every intermediate result a tensor ------------------------------

static size_t naive_workspace(const Scan *scan) {
    return 2 * scan->length * scan->d_inner * scan->d_state * sizeof(float);
}

// The two factors of every update of one sequence, (L, d_inner, N) each.
static void naive_tensors(const Scan *scan, size_t b, float *decay,
                          float *input) {
    const size_t D = scan->d_inner, N = scan->d_state;
    for (size_t t = 0; t < scan->length; t++)
        for (size_t d = 0; d < D; d++)
            for (size_t n = 0; n < N; n++) {
                size_t row = b * scan->length + t, i = (t * D + d) * N + n;
                float delta = scan->delta[row * D + d];
                decay[i] = expf(delta * scan->A[d * N + n]);
                input[i] = delta * scan->B[row * N + n] * scan->u[row * D + d];
            }
}

// As the formula is written for tensors: exp(Delta A), Delta B u, and only then
// the recurrence.
static bool scan_naive(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    const size_t D = scan->d_inner, N = scan->d_state;
    float *decay = workspace, *input = decay + scan->length * D * N;
    for (size_t b = 0; b < scan->batch; b++) {
        naive_tensors(scan, b, decay, input);
        float *h = scan->h + b * D * N;
        for (size_t t = 0; t < scan->length; t++)
            for (size_t d = 0; d < D; d++) {
                size_t row = b * scan->length + t, i = (t * D + d) * N;
                float c = 0;
                for (size_t n = 0; n < N; n++) {
                    h[d * N + n] = decay[i + n] * h[d * N + n] + input[i + n];
                    c += scan->C[row * N + n] * h[d * N + n];
                }
                scan->y[row * D + d] = scan_output(scan, row, d, c);
            }
    }
    return true;
}

static const ScanBackend naive = {"naive", "exp(Delta A) and Delta B u stored",
                                  everywhere, naive_workspace, scan_naive};

// --- Fused: nothing stored --------------------------------------------------

static size_t no_workspace(const Scan *scan) {
    (void)scan;
    return 0;
}

static const ScanBackend fused = {"fused", "one loop, nothing stored",
                                  everywhere, no_workspace, scan_reference};

// --- Strips: laid out for vectors -------------------------------------------

// 2^x, and SiLU, for one lane.
typedef float LaneFunction(float);

// One step of all lanes: the states h (N, SCAN_STRIP) go on, and C . h is added
// to c. B and C are (N).
static inline void update(float *restrict c, float *restrict h,
                          const float *restrict delta,
                          const float *restrict delta_u,
                          const float *restrict A, const float *restrict B,
                          const float *restrict C, size_t N,
                          LaneFunction two_to) {
    for (size_t n = 0; n < N; n++, A += SCAN_STRIP, h += SCAN_STRIP)
        for (size_t j = 0; j < SCAN_STRIP; j++) {
            // h_t = exp(Delta_t A) h_{t-1} + Delta_t u_t B_t,  c += C_t h_t
            h[j] = two_to(delta[j] * A[j]) * h[j] + delta_u[j] * B[n];
            c[j] += C[n] * h[j];
        }
}

// The skip connection and the gate for `width` channels from place i on, the
// first of which is channel d.
static inline void finish(const Scan *scan, const float *restrict c, size_t i,
                          size_t d, size_t width, LaneFunction gate) {
    float y[SCAN_STRIP];
    for (size_t j = 0; j < width; j++)
        y[j] = scan->D ? c[j] + scan->D[d + j] * scan->u[i + j] : c[j];
    for (size_t j = 0; j < width; j++)
        scan->y[i + j] = scan->z ? y[j] * gate(scan->z[i + j]) : y[j];
}

// One step of `width` channels from channel d on, a channel in each lane.
static inline void strip_step(const Scan *scan, ScanStrip strip, size_t row,
                              size_t d, size_t width, LaneFunction two_to,
                              LaneFunction gate) {
    const size_t N = scan->d_state, i = row * scan->d_inner + d;
    float delta[SCAN_STRIP] = {0}, delta_u[SCAN_STRIP] = {0};
    float c[SCAN_STRIP] = {0};
    for (size_t j = 0; j < width; j++) {
        delta[j] = scan->delta[i + j];
        delta_u[j] = delta[j] * scan->u[i + j];
    }
    update(c, strip.h, delta, delta_u, strip.A, scan->B + row * N,
           scan->C + row * N, N, two_to);
    finish(scan, c, i, d, width, gate);
}

// A span's steps in order, with these functions in every lane.
static inline void strip_steps(const Scan *scan, ScanSpan span, ScanStrip strip,
                               LaneFunction two_to, LaneFunction gate) {
    size_t d = span.d_begin, width = span.d_end - d;
    for (size_t t = span.t_begin; t < span.t_end; t++) {
        size_t row = span.b * scan->length + t;
        if (width == SCAN_STRIP)
            strip_step(scan, strip, row, d, SCAN_STRIP, two_to, gate);
        else
            strip_step(scan, strip, row, d, width, two_to, gate);
    }
}

// Scans a span from the states of its strip on.
typedef void SpanScan(const Scan *scan, ScanSpan span, ScanStrip strip);

// Strip after strip, all in the same workspace.
static void scan_each_strip(const Scan *scan, void *workspace,
                            SpanScan scan_span) {
    for (size_t b = 0; b < scan->batch; b++)
        for (size_t s = 0; s < scan_strips(scan); s++) {
            ScanSpan span = scan_strip(scan, b, s);
            float *h = scan->h + b * scan->d_inner * scan->d_state;
            ScanStrip strip =
                scan_strip_begin(scan, span, h, scan_align(workspace));
            scan_span(scan, span, strip);
            scan_strip_end(scan, span, strip, h);
        }
}

static size_t strip_workspace(const Scan *scan) {
    return SCAN_ALIGNMENT + scan_strip_count(scan) * sizeof(float);
}

static void span_by_libm(const Scan *scan, ScanSpan span, ScanStrip strip) {
    strip_steps(scan, span, strip, exp2f, silu);
}

static bool scan_in_strips(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    scan_each_strip(scan, workspace, span_by_libm);
    return true;
}

static const ScanBackend strips = {"strips", "laid out for vectors", everywhere,
                                   strip_workspace, scan_in_strips};

// --- Exp: an exponential that vectors can take ------------------------------

static void span_by_polynomial(const Scan *scan, ScanSpan span,
                               ScanStrip strip) {
    strip_steps(scan, span, strip, power_of_two, fast_silu);
}

static bool scan_own_exp(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    scan_each_strip(scan, workspace, span_by_polynomial);
    return true;
}

static const ScanBackend own_exp = {"exp", "an exponential of our own",
                                    everywhere, strip_workspace, scan_own_exp};

// --- Blocked: the inputs of some steps brought near first --------------------

// A strip's inputs for the steps of a block, in one place.
enum { BLOCK = 64 };
typedef struct {
    float delta[BLOCK][SCAN_STRIP], delta_u[BLOCK][SCAN_STRIP];
} Block;

// Copies the inputs of `steps` steps of `width` channels, from row and channel
// d on; lanes without a channel are 0.
static inline void gather(const Scan *scan, size_t row, size_t steps, size_t d,
                          size_t width, Block *restrict block) {
    for (size_t s = 0; s < steps; s++) {
        size_t i = (row + s) * scan->d_inner + d;
        for (size_t j = 0; j < SCAN_STRIP; j++)
            block->delta[s][j] = block->delta_u[s][j] = 0;
        for (size_t j = 0; j < width; j++) {
            block->delta[s][j] = scan->delta[i + j];
            block->delta_u[s][j] = scan->delta[i + j] * scan->u[i + j];
        }
    }
}

// A block of so many steps: first its inputs, then its updates.
static inline void scan_block(const Scan *scan, ScanStrip strip, size_t row,
                              size_t steps, size_t d, size_t width) {
    const size_t N = scan->d_state;
    Block block;
    gather(scan, row, steps, d, width, &block);
    for (size_t s = 0; s < steps; s++, row++) {
        float c[SCAN_STRIP] = {0};
        update(c, strip.h, block.delta[s], block.delta_u[s], strip.A,
               scan->B + row * N, scan->C + row * N, N, power_of_two);
        finish(scan, c, row * scan->d_inner + d, d, width, fast_silu);
    }
}

static void span_by_blocks(const Scan *scan, ScanSpan span, ScanStrip strip) {
    size_t d = span.d_begin, width = span.d_end - d;
    for (size_t t = span.t_begin; t < span.t_end; t += BLOCK) {
        size_t row = span.b * scan->length + t, left = span.t_end - t;
        size_t steps = left < BLOCK ? left : BLOCK;
        if (width == SCAN_STRIP)
            scan_block(scan, strip, row, steps, d, SCAN_STRIP);
        else
            scan_block(scan, strip, row, steps, d, width);
    }
}

static bool scan_blocked(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    scan_each_strip(scan, workspace, span_by_blocks);
    return true;
}

static const ScanBackend blocked = {"blocked", "inputs copied, 64 steps a time",
                                    everywhere, strip_workspace, scan_blocked};

// --- Ahead, and threaded: what `cpu` does -----------------------------------

static bool scan_ahead(const Scan *scan, void *workspace, Error *err) {
    (void)err;
    for (size_t i = 0; i < scan->batch * scan_strips(scan); i++)
        scan_cpu_strip(scan, i, scan_align(workspace));
    return true;
}

static const ScanBackend ahead = {"ahead", "inputs fetched some steps ahead",
                                  everywhere, scan_cpu_workspace, scan_ahead};
static const ScanBackend threaded = {"threaded", "strips shared among threads",
                                     everywhere, scan_cpu_workspace, scan_cpu};

const ScanBackend *const scan_ladder[] = {&naive,   &fused, &strips,  &own_exp,
                                          &blocked, &ahead, &threaded};
const size_t n_scan_ladder = sizeof scan_ladder / sizeof *scan_ladder;
