// Chapter 4: every backend of the selective scan against the official code,
// against the recurrence in double precision, and against itself in pieces.
#include "scan.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"
#include "golden.h"
#include "scan_cpu.h"
#include "scan_ladder.h"
#include "scan_parallel.h"
#include "scan_reference.h"
#include "scan_tree.h"
#include "scan_trial.h"

TestSuite(scan, .fini = nothing_leaks);

// Every backend that can run here, and every rung of the ladder.
enum { MOST_WAYS = 32 };
static size_t all_ways(const ScanBackend *ways[MOST_WAYS]) {
    Error err;
    size_t n = 0;
    cr_assert(n_scan_backends + n_scan_ladder <= MOST_WAYS);
    for (size_t i = 0; i < n_scan_backends; i++)
        if (scan_backends[i]->usable(&err))
            ways[n++] = scan_backends[i];
    for (size_t i = 0; i < n_scan_ladder; i++)
        ways[n++] = scan_ladder[i];
    return n;
}

// Runs a test for each of them.
static void each_backend(void (*test)(const ScanBackend *backend)) {
    const ScanBackend *ways[MOST_WAYS];
    size_t n = all_ways(ways);
    for (size_t i = 0; i < n; i++)
        test(ways[i]);
}

// --- Cases -------------------------------------------------------------------

// A scan and the tensors it owns. Its h is the state it starts from, and stays:
// results are elsewhere.
typedef struct {
    Scan scan;
    float *u, *delta, *A, *B, *C, *D, *z, *h;
} Case;

// How many rows of (batch, L) and how many states a scan has.
static size_t rows_of(const Scan *scan) {
    return scan->batch * scan->length;
}

static size_t states_of(const Scan *scan) {
    return scan->batch * scan->d_inner * scan->d_state;
}

// Once the owned tensors are there: the scan that reads them.
static void point(Case *c) {
    c->scan.u = c->u, c->scan.delta = c->delta;
    c->scan.A = c->A, c->scan.B = c->B, c->scan.C = c->C;
    c->scan.D = c->D, c->scan.z = c->z;
}

static void free_case(Case *c) {
    free(c->u), free(c->delta), free(c->A), free(c->B), free(c->C);
    free(c->D), free(c->z), free(c->h);
}

// Numbers between 10^low and 10^high, every power alike.
static float *random_powers(Random *random, size_t count, double low,
                            double high) {
    float *numbers = random_floats(random, count, low, high);
    for (size_t i = 0; i < count; i++)
        numbers[i] = powf(10, numbers[i]);
    return numbers;
}

// The numbers a trained block has: Delta from 1e-3 to 1, A from -0.1 to -32,
// everything else about 1.
static Case mild_case(uint64_t seed, size_t batch, size_t length,
                      size_t d_inner, size_t d_state) {
    Random random = random_from_seed(seed);
    Case c = {.scan = {.batch = batch,
                       .length = length,
                       .d_inner = d_inner,
                       .d_state = d_state}};
    size_t rows = batch * length;
    c.u = random_floats(&random, rows * d_inner, -1, 1);
    c.delta = random_powers(&random, rows * d_inner, -3, 0);
    c.A = random_powers(&random, d_inner * d_state, -1, 1.5);
    for (size_t i = 0; i < d_inner * d_state; i++)
        c.A[i] = -c.A[i];
    c.B = random_floats(&random, rows * d_state, -1, 1);
    c.C = random_floats(&random, rows * d_state, -1, 1);
    c.D = random_floats(&random, d_inner, -1, 1);
    c.z = random_floats(&random, rows * d_inner, -3, 3);
    c.h = random_floats(&random, states_of(&c.scan), -1, 1);
    point(&c);
    return c;
}

// Any shape, each tensor at a magnitude of its own, D, z and h there or not.
static Case wild_case(uint64_t seed) {
    Random random = random_from_seed(~seed);
    size_t batch = random_count(&random, 0, 3);
    size_t length = random_count(&random, 0, 150);
    size_t d_inner = random_count(&random, 1, 40);
    Case c =
        mild_case(seed, batch, length, d_inner, random_count(&random, 1, 20));
    size_t rows = rows_of(&c.scan), N = c.scan.d_state;
    double scale = pow(10, random_uniform(&random, -4, 4));
    free(c.u), free(c.delta), free(c.B), free(c.h);
    c.u = random_magnitudes(&random, rows * d_inner, scale);
    c.delta = random_powers(&random, rows * d_inner, -6, 2);
    c.B = random_magnitudes(&random, rows * N, 1 / scale);
    c.h = random_magnitudes(&random, states_of(&c.scan), scale);
    if (seed % 3 == 0)
        free(c.D), c.D = NULL;
    if (seed % 5 < 2)
        free(c.z), c.z = NULL;
    point(&c);
    return c;
}

static Label label_of(const Scan *scan, const char *what) {
    return label("%s: batch %zu, L %zu, d_inner %zu, N %zu", what, scan->batch,
                 scan->length, scan->d_inner, scan->d_state);
}

// --- Running -----------------------------------------------------------------

// What a backend made of a case.
typedef struct {
    float *y, *h;
} Result;

static Result run(const ScanBackend *backend, const Case *c) {
    Scan scan = c->scan;
    scan.y = new_floats(rows_of(&scan) * scan.d_inner);
    scan.h = copy_floats(c->h, states_of(&scan));
    size_t bytes = backend->workspace_bytes(&scan);
    void *workspace = new_workspace(bytes);
    Error err;
    cr_assert(backend->run(&scan, workspace, &err), "%s failed: %s",
              backend->name, err.text);
    check_workspace(label_of(&scan, backend->name).text, workspace, bytes);
    return (Result){.y = scan.y, .h = scan.h};
}

static void free_result(Result *result) {
    free(result->y), free(result->h);
}

// --- The truth ---------------------------------------------------------------

// y and h in double precision, and the sum of the sizes of the terms that each
// is made of.
typedef struct {
    double *y, *h, *y_scale, *h_scale;
} Truth;

// One channel from its first state to its last.
static void scan_channel(const Scan *s, size_t b, size_t d, Truth *truth) {
    size_t N = s->d_state, first = b * s->length;
    double *h = truth->h + (b * s->d_inner + d) * N;
    double *size = truth->h_scale + (b * s->d_inner + d) * N;
    for (size_t t = first; t < first + s->length; t++) {
        size_t i = t * s->d_inner + d;
        double y = s->D ? (double)s->D[d] * s->u[i] : 0, y_size = fabs(y);
        for (size_t n = 0; n < N; n++) {
            // h = exp(Delta A) h + Delta B u,  y = C . h + D u
            double a = exp((double)s->delta[i] * s->A[d * N + n]);
            double b_u = (double)s->delta[i] * s->B[t * N + n] * s->u[i];
            h[n] = a * h[n] + b_u;
            size[n] = a * size[n] + fabs(b_u);
            y += s->C[t * N + n] * h[n];
            y_size += fabs(s->C[t * N + n]) * size[n];
        }
        // y SiLU(z)
        double gate = s->z ? s->z[i] / (1 + exp(-(double)s->z[i])) : 1;
        truth->y[i] = y * gate;
        truth->y_scale[i] = y_size * fabs(gate);
    }
}

static Truth truth_of(const Case *c) {
    size_t outputs = rows_of(&c->scan) * c->scan.d_inner;
    size_t states = states_of(&c->scan);
    Truth truth = {.y = new_doubles(outputs),
                   .h = new_doubles(states),
                   .y_scale = new_doubles(outputs),
                   .h_scale = new_doubles(states)};
    for (size_t i = 0; i < states; i++) {
        truth.h[i] = c->h[i];
        truth.h_scale[i] = fabs(truth.h[i]);
    }
    for (size_t b = 0; b < c->scan.batch; b++)
        for (size_t d = 0; d < c->scan.d_inner; d++)
            scan_channel(&c->scan, b, d, &truth);
    return truth;
}

static void free_truth(Truth *truth) {
    free(truth->y), free(truth->h);
    free(truth->y_scale), free(truth->h_scale);
}

// Every step rounds a few times, exp(Delta A) in proportion to |Delta A|, and
// the state remembers some 1/(1 - exp(Delta A)) steps of such errors, of either
// sign. "double" rounds only its results.
static Tolerance tolerance_of(const ScanBackend *backend) {
    bool is_double = strcmp(backend->name, "double") == 0;
    return (Tolerance){.relative = is_double ? 1e-7 : 1e-5};
}

static void check(const ScanBackend *backend, const Case *c, const Truth *truth,
                  const char *what, Tolerance tolerance) {
    Result result = run(backend, c);
    Label name = label_of(&c->scan, what);
    compare_scaled(label("%s y, %s", backend->name, name.text).text, result.y,
                   truth->y, truth->y_scale,
                   rows_of(&c->scan) * c->scan.d_inner, tolerance);
    compare_scaled(label("%s h, %s", backend->name, name.text).text, result.h,
                   truth->h, truth->h_scale, states_of(&c->scan), tolerance);
    free_result(&result);
}

// All backends on one case, which is freed.
static void check_all(Case *c, const char *what, double absolute) {
    Truth truth = truth_of(c);
    const ScanBackend *ways[MOST_WAYS];
    size_t n = all_ways(ways);
    for (size_t i = 0; i < n; i++) {
        Tolerance tolerance = tolerance_of(ways[i]);
        tolerance.absolute = absolute;
        check(ways[i], c, &truth, what, tolerance);
    }
    free_truth(&truth);
    free_case(c);
}

// --- The official code -------------------------------------------------------

// A tensor of the file as the case's own, or NULL where there is none.
static float *own(Golden *golden, const char *name, size_t count) {
    if (!golden_has(golden, name))
        return NULL;
    return copy_floats(golden_floats(golden, name), count);
}

static Case golden_case(Golden *golden) {
    Case c = {.scan = {.batch = golden_size(golden, "u", 0),
                       .length = golden_size(golden, "u", 1),
                       .d_inner = golden_size(golden, "u", 2),
                       .d_state = golden_size(golden, "A", 1)}};
    size_t rows = rows_of(&c.scan), d_inner = c.scan.d_inner;
    size_t N = c.scan.d_state, states = states_of(&c.scan);
    c.u = own(golden, "u", rows * d_inner);
    c.delta = own(golden, "delta", rows * d_inner);
    c.A = own(golden, "A", d_inner * N);
    c.B = own(golden, "B", rows * N);
    c.C = own(golden, "C", rows * N);
    c.D = own(golden, "D", d_inner);
    c.z = own(golden, "z", rows * d_inner);
    c.h = own(golden, "h0", states);
    if (!c.h) {
        c.h = new_floats(states);
        for (size_t i = 0; i < states; i++)
            c.h[i] = 0;
    }
    point(&c);
    return c;
}

// Every backend on a golden file, against its float64 truth.
static void check_golden(const char *name, Tolerance tolerance) {
    Golden golden;
    const ScanBackend *ways[MOST_WAYS];
    size_t n = all_ways(ways);
    golden_open(&golden, name);
    Case c = golden_case(&golden);
    const double *y = golden_doubles(&golden, "y_f64");
    const double *h = golden_doubles(&golden, "h_f64");
    for (size_t i = 0; i < n; i++) {
        const ScanBackend *backend = ways[i];
        Result result = run(backend, &c);
        compare_to_double(label("%s y, %s", backend->name, name).text, result.y,
                          y, rows_of(&c.scan) * c.scan.d_inner, tolerance);
        compare_to_double(label("%s h, %s", backend->name, name).text, result.h,
                          h, states_of(&c.scan), tolerance);
        free_result(&result);
    }
    free_case(&c);
    golden_close(&golden);
}

Test(scan, golden) {
    static const char *const names[] = {
        "scan_long",  "scan_n5",       "scan_n8_spread", "scan_odd",
        "scan_small", "scan_one_step", "scan_state_in"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_golden(names[i], (Tolerance){.absolute = 1e-5, .relative = 1e-5});
}

// Delta is up to 152 here, so y = C . h + D u is made of terms of up to 1900,
// which cancel to a 300th of that and less. Float32 rounds each by 6e-8 of its
// size: where |y| is about 1 that is 2e-5, and 2.6e-5 was measured.
Test(scan, golden_large_delta) {
    check_golden("scan_large_delta",
                 (Tolerance){.absolute = 5e-5, .relative = 1e-5});
}

// --- The recurrence in double precision --------------------------------------

// A strip is sixteen channels wide, the last one as wide as is left.
Test(scan, any_width) {
    static const size_t states[] = {1, 3, 16};
    for (size_t d_inner = 1; d_inner <= 40; d_inner++)
        for (size_t j = 0; j < 3; j++) {
            Case c =
                mild_case(d_inner + j, d_inner % 4, 20, d_inner, states[j]);
            check_all(&c, "width", 0);
        }
}

// A few steps, or a few channels, go another way: 8 steps, 4 channels.
Test(scan, few_steps_of_few_channels) {
    for (size_t length = 0; length <= 10; length++)
        for (size_t d_inner = 1; d_inner <= 21; d_inner++) {
            Case c = mild_case(length, 2, length, d_inner, 1 + d_inner % 9);
            check_all(&c, "few", 0);
        }
}

// The borders of tiles, chunks and trees: a chunk has 512 steps, from 4096 on
// more, in tiles of 64; there are 8 chunks at most; a tree has 2^k leaves.
static const size_t border_lengths[] = {
    0,    1,    2,    3,    63,   64,   65,   128,  129,
    511,  512,  513,  575,  576,  1023, 1024, 1025, 3584,
    3585, 4095, 4096, 4097, 4104, 4105, 5000, 8193};
enum { BORDER_LENGTHS = sizeof border_lengths / sizeof *border_lengths };

Test(scan, lengths) {
    for (size_t i = 0; i < BORDER_LENGTHS; i++) {
        Case c = mild_case(i, 1 + i % 2, border_lengths[i], i % 3 ? 3 : 17, 5);
        check_all(&c, "length", 0);
    }
}

// The same, where a state lasts for thousands of steps. Each of them rounds its
// exp(Delta A), near one, by up to 2^-24: after 8193 that is 5e-4 at most if
// all err alike, and the root of their number, 5e-6, if not.
Test(scan, long_memories) {
    for (size_t i = 0; i < BORDER_LENGTHS; i++) {
        Case c = mild_case(i, 1, border_lengths[i], i % 3 ? 5 : 18, 4);
        for (size_t j = 0; j < 4 * c.scan.d_inner; j++)
            c.A[j] *= j % 3 ? 1e-3f : 1;  // beside states that soon forget
        check_all(&c, "long memory", 0);
    }
}

Test(scan, any_shape_and_magnitude) {
    for (uint64_t seed = 0; seed < 150; seed++) {
        Case c = wild_case(seed);
        check_all(&c, label("seed %llu", (unsigned long long)seed).text, 0);
    }
}

// The same over several chunks of time.
Test(scan, any_shape_and_magnitude_over_chunks) {
    for (uint64_t seed = 0; seed < 30; seed++) {
        Random random = random_from_seed(seed);
        size_t length = random_count(&random, 500, 5000);
        size_t d_inner = random_count(&random, 1, 20);
        Case c =
            mild_case(seed, 1, length, d_inner, random_count(&random, 1, 9));
        double power = random_uniform(&random, -3, 1);
        for (size_t i = 0; i < length * d_inner; i++)
            c.delta[i] *= (float)pow(10, power);
        if (seed % 3 == 0)
            free(c.D), c.D = NULL;
        if (seed % 5 < 2)
            free(c.z), c.z = NULL;
        point(&c);
        check_all(&c, label("seed %llu", (unsigned long long)seed).text, 0);
    }
}

// Steps that forget nothing and steps that forget everything, mixed.
Test(scan, extreme_steps) {
    static const float deltas[] = {0, 1e-30f, 1e-3f, 1, 1e4f};
    for (uint64_t seed = 0; seed < 20; seed++) {
        Random random = random_from_seed(seed);
        Case c = mild_case(seed, 2, 70, 17, 4);
        for (size_t i = 0; i < rows_of(&c.scan) * 17; i++)
            c.delta[i] = deltas[random_count(&random, 0, 4)];
        check_all(&c, label("seed %llu", (unsigned long long)seed).text, 0);
    }
}

// What no float can tell from 0 becomes 0, and never NaN: exp(Delta A) at and
// below the least float, and far beyond what exp() in float32 can take.
Test(scan, everything_forgotten) {
    static const float products[] = {-80,  -87,   -88,   -90,    -103,
                                     -104, -1e3f, -1e6f, -1e20f, -1e38f};
    for (size_t i = 0; i < sizeof products / sizeof *products; i++)
        for (size_t L = 20; L < 1200; L += 1100) {
            Case c = mild_case(i, 1, L, 17, 4);
            for (size_t j = 0; j < 17 * 4; j++)
                c.A[j] = products[i] / (j % 4 ? 1 : 8);
            for (size_t j = 0; j < L * 17; j++)
                c.delta[j] = j % 3 ? 1 : 1e-2f;
            check_all(&c, label("exp(%g)", (double)products[i]).text, 0);
        }
}

// A state of 1e30 decays to nothing without harm. Joined maps multiply their
// exp(Delta A) before they meet the state, and lose digits below 1e-38: of the
// state, 1e-8 at most.
Test(scan, a_huge_state) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        Case c = mild_case(seed, 1, 200, 17, 4);
        for (size_t i = 0; i < states_of(&c.scan); i++)
            c.h[i] *= 1e30f;
        check_all(&c, label("seed %llu", (unsigned long long)seed).text, 1e-7);
    }
}

// Without a step there is no change: not one bit.
static void stands_still(const ScanBackend *backend) {
    static const float deltas[] = {0, 1e-30f};
    for (size_t i = 0; i < 2; i++) {
        Case c = mild_case(1, 2, 130, 17, 4);
        for (size_t j = 0; j < rows_of(&c.scan) * 17; j++)
            c.delta[j] = deltas[i];
        Result result = run(backend, &c);
        compare_bits(backend->name, result.h, c.h, states_of(&c.scan));
        free_result(&result), free_case(&c);
    }
}

Test(scan, no_step_no_change) {
    each_backend(stands_still);
}

// The first state, once it has faded to nothing, is gone: not one bit of what
// comes 300 steps later knows it. exp(-300) is no float, and 1e-130 of what is
// added since.
static void forgets(const ScanBackend *backend) {
    enum { L = 1300, D = 18, N = 3, GONE = 300 };
    Case c = mild_case(3, 1, L, D, N), other = mild_case(3, 1, L, D, N);
    for (size_t i = 0; i < L * D; i++)
        c.delta[i] = other.delta[i] = 1;
    for (size_t i = 0; i < D * N; i++) {
        c.A[i] = other.A[i] = -1 - (float)(i % N);
        other.h[i] = 1e10f;
    }
    Result result = run(backend, &c), found = run(backend, &other);
    compare_bits(backend->name, found.y + GONE * D, result.y + GONE * D,
                 (L - GONE) * D);
    compare_bits(backend->name, found.h, result.h, D * N);
    free_result(&result), free_result(&found);
    free_case(&c), free_case(&other);
}

Test(scan, what_has_faded_is_gone) {
    each_backend(forgets);
}

// A first state in one row, and no input: all that y has is its share. A state
// halves in 256 steps of 1/64, in 64, in 16 and so on, so that it reaches all
// chunks, or some, or fades in the first. exp(Delta A) is the same at all steps
// and errs by as much, 1.5 units in the last place or 2^-23 at most: 1.3e-4 of
// it in 1100 steps.
static void check_share(const ScanBackend *backend, size_t row, float rate) {
    enum { L = 1100, D = 19, N = 4 };
    Case c = mild_case(4, 1, L, D, N);
    for (size_t i = 0; i < L * D; i++)
        c.u[i] = 0, c.delta[i] = 1.0f / 64;
    for (size_t i = 0; i < D * N; i++) {
        c.A[i] = -rate * logf(2);
        c.h[i] = i % N == row ? (float)(i + 1) : 0;
    }
    Truth truth = truth_of(&c);
    Tolerance tolerance = tolerance_of(backend);
    if (tolerance.relative > 1e-7)  // all but "double"
        tolerance.relative = 1.5e-4;
    tolerance.absolute = 1e-30;  // a fade to nothing ends where floats do
    check(backend, &c, &truth, "share", tolerance);
    free_truth(&truth), free_case(&c);
}

static void check_shares(const ScanBackend *backend) {
    for (size_t row = 0; row < 4; row++)
        for (float rate = 0.25f; rate < 100; rate *= 4)
            check_share(backend, row, rate);
}

Test(scan, a_first_state_without_inputs) {
    each_backend(check_shares);
}

// Steps whose sum is larger than any float, of states that never fade: A is -0,
// or hardly more. Nothing comes in, and the first state stays.
static void check_endless_steps(const ScanBackend *backend) {
    enum { L = 2100, D = 17, N = 2 };
    Case c = mild_case(5, 1, L, D, N);
    for (size_t i = 0; i < L * D; i++)
        c.u[i] = 0, c.delta[i] = 1e36f;
    for (size_t i = 0; i < D * N; i++)
        c.A[i] = i % N ? -0.0f : -1e-44f, c.h[i] = (float)(i + 1);
    Result result = run(backend, &c);
    for (size_t i = 0; i < D * N; i++)
        compare_number(backend->name, i, result.h[i], (double)i + 1,
                       1e-3 * (double)(i + 1));
    free_result(&result), free_case(&c);
}

Test(scan, steps_whose_sum_no_float_holds) {
    each_backend(check_endless_steps);
}

// --- Closed forms ------------------------------------------------------------

// One channel, one state: with Delta = ln 2 and A = -1 a step halves the state,
// and B = 1 / ln 2 makes Delta B u = u.
static void check_by_hand(const ScanBackend *backend) {
    float u[] = {1, 1, 1, 0}, delta[4], A[] = {-1}, B[4], h[] = {4}, D[] = {10};
    float C[] = {1, 2, 1, 1}, z[] = {0, 1e3f, 1e3f, 1e3f}, y[4];
    for (size_t t = 0; t < 4; t++)
        delta[t] = logf(2), B[t] = 1 / logf(2);
    Case c = {.scan = {.batch = 1, .length = 4, .d_inner = 1, .d_state = 1},
              .u = u,
              .delta = delta,
              .A = A,
              .B = B,
              .C = C,
              .h = h};
    point(&c);

    // h = 4/2 + 1 = 3, 3/2 + 1, 2.5/2 + 1, 2.25/2;  y = C h
    Result result = run(backend, &c);
    const Tolerance close = {.relative = 1e-6};
    compare(backend->name, result.y, (float[]){3, 5, 2.25f, 1.125f}, 4, close);
    compare(backend->name, result.h, (float[]){1.125f}, 1, close);
    free_result(&result);

    // With D = 10, and the gates SiLU(0) = 0 and SiLU(1000) = 1000.
    c.D = D, c.z = z;
    point(&c);
    result = run(backend, &c);
    for (size_t t = 0; t < 4; t++)
        y[t] = (float[]){0, 15000, 12250, 1125}[t];
    compare(backend->name, result.y, y, 4, close);
    free_result(&result);
}

Test(scan, by_hand) {
    each_backend(check_by_hand);
}

// A constant input: h_t = b (1 - a^t) / (1 - a), a geometric sum.
static void check_geometric(const ScanBackend *backend) {
    enum { L = 300 };
    Case c = mild_case(1, 1, L, 1, 1);
    const float delta = 0.01f, A = -0.5f;
    const double a = exp((double)delta * A), b = delta;
    free(c.D), free(c.z);
    c.D = c.z = NULL;
    c.A[0] = A, c.h[0] = 0;
    for (size_t t = 0; t < L; t++)
        c.u[t] = c.B[t] = c.C[t] = 1, c.delta[t] = delta;
    point(&c);
    Result result = run(backend, &c);
    for (size_t t = 0; t < L; t++) {
        double wanted = b * (1 - pow(a, (double)t + 1)) / (1 - a);
        compare_number(backend->name, t, result.y[t], wanted, 1e-5 * wanted);
    }
    free_result(&result), free_case(&c);
}

Test(scan, geometric_sum) {
    each_backend(check_geometric);
}

// --- Cuts --------------------------------------------------------------------

// Copies the rows [begin, end) of each sequence of a (batch, L, width) tensor.
static float *cut_rows(const Scan *scan, const float *tensor, size_t width,
                       size_t begin, size_t end) {
    size_t count = (end - begin) * width;
    float *part = new_floats(scan->batch * count);
    for (size_t b = 0; b < scan->batch && count > 0; b++)
        memcpy(part + b * count, tensor + (b * scan->length + begin) * width,
               count * sizeof *part);
    return part;
}

// Steps [begin, end) of a case, from the state h, which the part then owns.
static Case cut(const Case *c, size_t begin, size_t end, float *h) {
    const Scan *s = &c->scan;
    Case part = {.scan = *s, .h = h};
    part.scan.length = end - begin;
    part.u = cut_rows(s, c->u, s->d_inner, begin, end);
    part.delta = cut_rows(s, c->delta, s->d_inner, begin, end);
    part.A = copy_floats(c->A, s->d_inner * s->d_state);
    part.B = cut_rows(s, c->B, s->d_state, begin, end);
    part.C = cut_rows(s, c->C, s->d_state, begin, end);
    part.D = copy_floats(c->D, s->d_inner);
    part.z = cut_rows(s, c->z, s->d_inner, begin, end);
    point(&part);
    return part;
}

// Everything about a mild case is of size one: the bound is absolute, too.
static const Tolerance cut_bound = {.absolute = 1e-5, .relative = 1e-5};

// Runs the case in pieces with the given ends.
static void check_cuts(const ScanBackend *backend, const Case *c,
                       const Result *whole, const size_t *ends, size_t pieces) {
    size_t begin = 0, d_inner = c->scan.d_inner;
    float *h = copy_floats(c->h, states_of(&c->scan));
    for (size_t i = 0; i < pieces; begin = ends[i++]) {
        Case part = cut(c, begin, ends[i], h);
        Result result = run(backend, &part);
        float *wanted = cut_rows(&c->scan, whole->y, d_inner, begin, ends[i]);
        compare(label("%s from %zu to %zu", backend->name, begin, ends[i]).text,
                result.y, wanted, rows_of(&part.scan) * d_inner, cut_bound);
        h = result.h;
        free(wanted), free(result.y), free_case(&part);
    }
    compare(label("%s h", backend->name).text, h, whole->h, states_of(&c->scan),
            cut_bound);
    free(h);
}

static void check_every_cut(const ScanBackend *backend) {
    Case c = mild_case(5, 2, 131, 3, 4);
    Result whole = run(backend, &c);
    for (size_t at = 0; at <= 131; at++)
        check_cuts(backend, &c, &whole, (size_t[]){at, 131}, 2);
    free_result(&whole), free_case(&c);
}

Test(scan, one_cut_anywhere) {
    each_backend(check_every_cut);
}

static void check_pieces(const ScanBackend *backend) {
    enum { L = 130 };
    Case c = mild_case(6, 3, L, 17, 5);
    Result whole = run(backend, &c);
    for (size_t step = 1; step <= 70; step += step < 9 ? 1 : 10) {
        size_t ends[L + 1], pieces = 0;
        for (size_t end = step; end < L; end += step)
            ends[pieces++] = end;
        ends[pieces++] = L;
        check_cuts(backend, &c, &whole, ends, pieces);
    }
    free_result(&whole), free_case(&c);
}

Test(scan, pieces_of_every_length_and_single_steps) {
    each_backend(check_pieces);
}

// --- Threads -----------------------------------------------------------------

static void check_threads(const ScanBackend *backend) {
    static const size_t shapes[][4] = {
        {1, 9000, 1, 16},  // more than SCAN_LARGE updates, but the last
        {1, 700, 33, 8},
        {3, 1300, 17, 4},
        {2, 1, 100, 16}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        Case c = mild_case(i, shapes[i][0], shapes[i][1], shapes[i][2],
                           shapes[i][3]);
        use_threads(1);
        Result one = run(backend, &c);
        for (int threads = 2; threads <= 9; threads++) {
            use_threads(threads);
            Result result = run(backend, &c);
            Label name = label("%s, %d threads", backend->name, threads);
            compare_bits(name.text, result.y, one.y,
                         rows_of(&c.scan) * c.scan.d_inner);
            compare_bits(name.text, result.h, one.h, states_of(&c.scan));
            free_result(&result);
        }
        free_result(&one), free_case(&c);
    }
}

Test(scan, any_number_of_threads_gives_the_same_bits) {
    each_backend(check_threads);
}

// --- What a scan leaves alone ------------------------------------------------

static void check_inputs(const ScanBackend *backend) {
    Case c = mild_case(8, 2, 70, 17, 5), copy = mild_case(8, 2, 70, 17, 5);
    size_t rows = rows_of(&c.scan);
    Result once = run(backend, &c), twice = run(backend, &c);
    compare_bits("u", c.u, copy.u, rows * 17);
    compare_bits("delta", c.delta, copy.delta, rows * 17);
    compare_bits("A", c.A, copy.A, 17 * 5);
    compare_bits("B", c.B, copy.B, rows * 5);
    compare_bits("C", c.C, copy.C, rows * 5);
    compare_bits("D", c.D, copy.D, 17);
    compare_bits("z", c.z, copy.z, rows * 17);
    compare_bits("a second run", twice.y, once.y, rows * 17);
    free_result(&once), free_result(&twice), free_case(&c), free_case(&copy);
}

Test(scan, reads_its_inputs_only) {
    each_backend(check_inputs);
}

// Where one number is no number, or infinite, and what it may reach: itself,
// later steps, its channel, its sequence.
enum { AT_BATCH = 1, AT_CHANNEL = 17, AT_STATE = 2 };
typedef enum { IN_U, IN_DELTA, IN_A, IN_B, IN_C, IN_D, IN_Z, IN_H } Place;

static void poison(Case *c, Place place, size_t at, float poisonous) {
    const Scan *s = &c->scan;
    size_t row = AT_BATCH * s->length + at, N = s->d_state;
    size_t channel = AT_BATCH * s->d_inner + AT_CHANNEL;
    float *numbers[] = {[IN_U] = c->u + row * s->d_inner + AT_CHANNEL,
                        [IN_DELTA] = c->delta + row * s->d_inner + AT_CHANNEL,
                        [IN_A] = c->A + AT_CHANNEL * N + AT_STATE,
                        [IN_B] = c->B + row * N + AT_STATE,
                        [IN_C] = c->C + row * N + AT_STATE,
                        [IN_D] = c->D + AT_CHANNEL,
                        [IN_Z] = c->z + row * s->d_inner + AT_CHANNEL,
                        [IN_H] = c->h + channel * N + AT_STATE};
    *numbers[place] = poisonous;
}

// Does what stands at the step `at` reach step t?
static bool reaches_y(Place place, size_t at, size_t b, size_t t, size_t d) {
    bool batch = b == AT_BATCH, channel = d == AT_CHANNEL;
    switch (place) {
    case IN_U:
    case IN_DELTA:
        return batch && channel && t >= at;
    case IN_A:
    case IN_D:
        return channel;
    case IN_B:
        return batch && t >= at;
    case IN_C:
        return batch && t == at;
    case IN_Z:
        return batch && channel && t == at;
    case IN_H:
        return batch && channel;
    }
    return false;
}

static bool reaches_h(Place place, size_t b, size_t d, size_t n) {
    bool batch = b == AT_BATCH, channel = d == AT_CHANNEL;
    switch (place) {
    case IN_U:
    case IN_DELTA:
        return batch && channel;
    case IN_A:
        return channel && n == AT_STATE;
    case IN_B:
        return batch && n == AT_STATE;
    case IN_H:
        return batch && channel && n == AT_STATE;
    case IN_C:
    case IN_D:
    case IN_Z:
        return false;
    }
    return false;
}

// Not a number, or infinite, where it reaches; the bits of the clean run
// everywhere else.
static bool is_poisoned(float got, float clean, bool reached) {
    return reached ? !isfinite(got) : memcmp(&got, &clean, sizeof got) == 0;
}

// A case of so many steps and channels with a number at the place, at one step.
typedef struct {
    size_t length, d_inner, at;
    Place place;
    float poisonous;
} Poison;

static void check_poison(const ScanBackend *backend, Poison p) {
    Case c = mild_case(9, 2, p.length, p.d_inner, 4);
    const Scan *s = &c.scan;
    Result clean = run(backend, &c);
    poison(&c, p.place, p.at, p.poisonous);
    Result result = run(backend, &c);
    for (size_t i = 0; i < rows_of(s) * s->d_inner; i++) {
        size_t d = i % s->d_inner, t = i / s->d_inner % s->length;
        size_t b = i / s->d_inner / s->length;
        bool reached = reaches_y(p.place, p.at, b, t, d);
        if (!is_poisoned(result.y[i], clean.y[i], reached))
            cr_assert_fail("%s, %g in place %d: y (%zu, %zu, %zu) is %g",
                           backend->name, (double)p.poisonous, (int)p.place, b,
                           t, d, (double)result.y[i]);
    }
    for (size_t i = 0; i < states_of(s); i++) {
        size_t n = i % s->d_state, d = i / s->d_state % s->d_inner;
        size_t b = i / s->d_state / s->d_inner;
        bool reached = reaches_h(p.place, b, d, n);
        if (!is_poisoned(result.h[i], clean.h[i], reached))
            cr_assert_fail("%s, %g in place %d: h (%zu, %zu, %zu) is %g",
                           backend->name, (double)p.poisonous, (int)p.place, b,
                           d, n, (double)result.h[i]);
    }
    free_result(&clean), free_result(&result), free_case(&c);
}

static void check_places(const ScanBackend *backend) {
    // In the last strip, of 4 channels and of 3; in the second of 3 chunks.
    for (Place place = IN_U; place <= IN_H; place++) {
        check_poison(backend, (Poison){130, 20, 70, place, NAN});
        check_poison(backend, (Poison){1100, 19, 600, place, NAN});
        check_poison(backend, (Poison){1100, 18, 511, place, INFINITY});
    }
}

Test(scan, nan_reaches_what_depends_on_it_and_nothing_else) {
    each_backend(check_places);
}

// --- The backends ------------------------------------------------------------

Test(scan, backends_are_found_by_name) {
    static const char *const names[] = {"auto",      "cpu",    "parallel",
                                        "reference", "double", "tree"};
    Error err;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const ScanBackend *backend = scan_backend(names[i], &err);
        cr_assert(backend, "wanted %s, found: %s", names[i], err.text);
        cr_assert_str_eq(backend->name, names[i]);
        cr_assert(strlen(backend->summary) > 0);
    }
}

Test(scan, names_are_all_different) {
    for (size_t i = 0; i < n_scan_backends; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(scan_backends[i]->name, scan_backends[j]->name);
}

Test(scan, no_backend_stands_in_for_another) {
    Error err;
    cr_assert_null(scan_backend("fast", &err));
    cr_assert_str_eq(err.text, "backend: wanted one of auto, cpu, parallel, "
                               "reference, double, tree, found 'fast'");
    cr_assert_null(scan_backend("", &err));
    cr_assert_null(scan_backend("cp", &err));
    cr_assert_null(scan_backend("CPU", &err));
}

// A backend that is known but cannot run here is an error that says why.
Test(scan, backends_that_cannot_run_say_why) {
    Error err, why_not;
    for (size_t i = 0; i < n_scan_backends; i++) {
        if (scan_backends[i]->usable(&why_not))
            continue;
        cr_assert_null(scan_backend(scan_backends[i]->name, &err));
        cr_assert(strlen(why_not.text) > 0);
        cr_assert(strstr(err.text, why_not.text));
        cr_assert(strstr(err.text, scan_backends[i]->name));
    }
}

// --- Which of two ------------------------------------------------------------

// With fewer strips than processors, chunks have work for the others: where
// there are some of them, and where most lanes of a strip have a channel.
Test(scan, parallel_is_faster_for_idle_processors) {
    static const struct {
        size_t batch, length, d_inner, processors;
        bool faster;
    } cases[] = {{1, 2048, 16, 2, true},     {1, 2047, 16, 2, false},
                 {1, 65536, 16, 1, false},   {1, 65536, 17, 2, false},
                 {1, 65536, 17, 3, true},    {2, 65536, 16, 2, false},
                 {2, 65536, 16, 3, true},    {1, 65536, 8, 2, true},
                 {1, 65536, 7, 2, false},    {1, 65536, 1536, 96, false},
                 {1, 65536, 1536, 97, true}, {1, 1, 16, 64, false},
                 {1, 0, 16, 64, false},      {0, 0, 16, 64, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Scan scan = {.batch = cases[i].batch,
                     .length = cases[i].length,
                     .d_inner = cases[i].d_inner,
                     .d_state = 16};
        cr_assert_eq(scan_parallel_is_faster(&scan, cases[i].processors),
                     cases[i].faster, "case %zu", i);
    }
}

// "auto" is one of the two, bit for bit, and has room for either.
Test(scan, auto_is_cpu_or_parallel) {
    static const size_t lengths[] = {1, 100, 2500}, widths[] = {1, 16, 700};
    for (size_t i = 0; i < 9; i++) {
        Case c = mild_case(i, 1, lengths[i / 3], widths[i % 3], 3);
        Error err;
        const ScanBackend *backends[] = {scan_backend("auto", &err),
                                         scan_backend("cpu", &err),
                                         scan_backend("parallel", &err)};
        size_t bytes = rows_of(&c.scan) * c.scan.d_inner * sizeof(float);
        Result found = run(backends[0], &c), cpu = run(backends[1], &c);
        Result parallel = run(backends[2], &c);
        cr_assert(memcmp(found.y, cpu.y, bytes) == 0 ||
                  memcmp(found.y, parallel.y, bytes) == 0);
        for (size_t k = 1; k < 3; k++)
            cr_assert_geq(backends[0]->workspace_bytes(&c.scan),
                          backends[k]->workspace_bytes(&c.scan));
        free_result(&found), free_result(&cpu), free_result(&parallel);
        free_case(&c);
    }
}

// --- The ladder --------------------------------------------------------------

Test(scan, the_ladder_has_its_rungs) {
    static const char *const names[] = {"naive",   "fused", "strips",  "exp",
                                        "blocked", "ahead", "threaded"};
    cr_assert_eq(n_scan_ladder, sizeof names / sizeof *names);
    for (size_t i = 0; i < n_scan_ladder; i++) {
        Error err;
        cr_assert_str_eq(scan_ladder[i]->name, names[i]);
        cr_assert(strlen(scan_ladder[i]->summary) > 0);
        cr_assert(scan_ladder[i]->usable(&err));
        // The book's only: no backend of that name can be asked for.
        cr_assert_null(scan_backend(names[i], &err));
    }
}

// The last two rungs are what `cpu` does, and "fused" is the reference.
Test(scan, the_ladder_ends_at_cpu) {
    static const struct {
        size_t rung;
        const char *backend;
    } pairs[] = {{1, "reference"}, {5, "cpu"}, {6, "cpu"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        Case c = mild_case(i, 2, 530, 35, 16);
        Error err;
        Result rung = run(scan_ladder[pairs[i].rung], &c);
        Result wanted = run(scan_backend(pairs[i].backend, &err), &c);
        compare_bits("y", rung.y, wanted.y, rows_of(&c.scan) * 35);
        compare_bits("h", rung.h, wanted.h, states_of(&c.scan));
        free_result(&rung), free_result(&wanted), free_case(&c);
    }
}

// --- Errors ------------------------------------------------------------------

// The largest error of y over that of the formula in float32 with libm's expf,
// both against double precision, for a scan as a new model has it.
static double error_over_naive(const ScanBackend *backend, const Scan *scan,
                               const double *exact, double naive) {
    void *workspace = new_workspace(backend->workspace_bytes(scan));
    double error = 0;
    Error err;
    memset(scan->h, 0, states_of(scan) * sizeof *scan->h);
    cr_assert(backend->run(scan, workspace, &err));
    for (size_t i = 0; i < rows_of(scan) * scan->d_inner; i++) {
        double difference = fabs((double)scan->y[i] - exact[i]);
        if (!(difference <= error))
            error = difference;
    }
    free(workspace);
    return error / naive;
}

// 1.8 was measured for `cpu` and for `parallel`, with gcc, and 1.4 with clang.
Test(scan, fast_ones_err_little_more_than_the_formula) {
    ScanTrial trial;
    Error err;
    cr_assert(scan_trial_new(&trial, 2048, 64, 16, &err));
    const Scan *scan = &trial.scan;
    double *exact = new_doubles(2048 * 64), *h = new_doubles(64 * 16);
    scan_in_double(scan, h, exact);
    double naive = error_over_naive(scan_ladder[0], scan, exact, 1);
    cr_assert(naive > 0 && naive < 1e-5);
    const ScanBackend *ways[MOST_WAYS];
    size_t n = all_ways(ways);
    for (size_t i = 0; i < n; i++) {
        double ratio = error_over_naive(ways[i], scan, exact, naive);
        cr_assert(ratio <= 4, "%s: wanted 4 times the error at most, found %g",
                  ways[i]->name, ratio);
    }
    free(exact), free(h);
    scan_trial_free(&trial);
}

// --- The parts of chapter 4 --------------------------------------------------

// All digits: only the order of the operations may differ.
Test(scan, in_double_keeps_every_digit) {
    for (uint64_t seed = 0; seed < 30; seed++) {
        Case c = wild_case(seed);
        Truth truth = truth_of(&c);
        size_t outputs = rows_of(&c.scan) * c.scan.d_inner;
        size_t states = states_of(&c.scan);
        double *y = new_doubles(outputs), *h = new_doubles(states);
        for (size_t i = 0; i < states; i++)
            h[i] = c.h[i];
        scan_in_double(&c.scan, h, y);
        for (size_t i = 0; i < outputs; i++)
            compare_number("y", i, y[i], truth.y[i], 1e-13 * truth.y_scale[i]);
        for (size_t i = 0; i < states; i++)
            compare_number("h", i, h[i], truth.h[i], 1e-13 * truth.h_scale[i]);
        free(y), free(h), free_truth(&truth), free_case(&c);
    }
}

// Strips take every channel once, none wider than SCAN_STRIP.
Test(scan, strips_share_out_the_channels) {
    for (size_t d_inner = 1; d_inner < 100; d_inner++) {
        Scan scan = {.batch = 3, .length = 7, .d_inner = d_inner, .d_state = 1};
        size_t next = 0;
        for (size_t s = 0; s < scan_strips(&scan); s++) {
            ScanSpan span = scan_strip(&scan, 2, s);
            cr_assert(span.b == 2 && span.t_begin == 0 && span.t_end == 7);
            cr_assert(span.d_begin == next && span.d_end > next);
            cr_assert(span.d_end - span.d_begin <= SCAN_STRIP);
            next = span.d_end;
        }
        cr_assert_eq(next, d_inner);
    }
}

// A map with small whole numbers: joins are exact in any order.
static ScanElement random_element(Random *random) {
    float sign = random_bits(random) & 1 ? 1.0f : -1.0f;
    return (ScanElement){.a = sign, .b = (float)random_count(random, 0, 9)};
}

static bool same(ScanElement one, ScanElement other) {
    return one.a == other.a && one.b == other.b;
}

Test(scan, the_operator_is_one_map_after_the_other) {
    ScanElement first = {.a = 2, .b = 3}, then = {.a = 5, .b = 7};
    // 5 (2 h + 3) + 7 = 10 h + 22;  2 (5 h + 7) + 3 = 10 h + 17
    cr_assert(same(scan_join(first, then), (ScanElement){10, 22}));
    cr_assert(same(scan_join(then, first), (ScanElement){10, 17}));
}

Test(scan, the_operator_is_associative_and_has_an_identity) {
    Random random = random_from_seed(1);
    const ScanElement identity = {.a = 1, .b = 0};
    for (int i = 0; i < 1000; i++) {
        ScanElement x = random_element(&random), y = random_element(&random);
        ScanElement z = random_element(&random);
        cr_assert(
            same(scan_join(scan_join(x, y), z), scan_join(x, scan_join(y, z))));
        cr_assert(same(scan_join(x, identity), x));
        cr_assert(same(scan_join(identity, x), x));
    }
}

Test(scan, the_tree_joins_all_before_each) {
    Random random = random_from_seed(2);
    for (size_t n = 1; n <= 256; n *= 2) {
        ScanElement nodes[256], given[256], before = {.a = 1, .b = 0};
        for (size_t i = 0; i < n; i++)
            nodes[i] = given[i] = random_element(&random);
        scan_tree_exclusive(nodes, n);
        for (size_t i = 0; i < n; i++) {
            cr_assert(same(nodes[i], before), "node %zu of %zu", i, n);
            before = scan_join(before, given[i]);
        }
    }
}

// Level by level for eight nodes h -> h + 1: counting.
Test(scan, the_tree_counts_to_eight) {
    ScanElement nodes[8];
    for (size_t i = 0; i < 8; i++)
        nodes[i] = (ScanElement){.a = 1, .b = 1};
    const float up[3][8] = {{1, 2, 1, 2, 1, 2, 1, 2},
                            {1, 2, 1, 4, 1, 2, 1, 4},
                            {1, 2, 1, 4, 1, 2, 1, 8}};
    const float down[3][8] = {{1, 2, 1, 0, 1, 2, 1, 4},
                              {1, 0, 1, 2, 1, 4, 1, 6},
                              {0, 1, 2, 3, 4, 5, 6, 7}};
    for (size_t level = 0; level < 3; level++) {
        scan_tree_up(nodes, 8, (size_t)1 << level);
        for (size_t i = 0; i < 8; i++)
            compare_number("up", i, nodes[i].b, up[level][i], 0);
    }
    nodes[7] = (ScanElement){.a = 1, .b = 0};
    for (size_t level = 0; level < 3; level++) {
        scan_tree_down(nodes, 8, (size_t)4 >> level);
        for (size_t i = 0; i < 8; i++)
            compare_number("down", i, nodes[i].b, down[level][i], 0);
    }
}
