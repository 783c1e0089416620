// Chapter 2: the causal convolution, its state, and every way to cut it.
#include "conv1d.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"
#include "golden.h"
#include "silu.h"

TestSuite(conv1d, .fini = nothing_leaks);

Test(conv1d, golden) {
    static const char *const names[] = {"conv1d_k3", "conv1d_short",
                                        "conv1d_state", "conv1d_zero_state"};
    // Five sums of numbers of size one.
    const Tolerance bound = {.absolute = 1e-6, .relative = 1e-6};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Golden golden;
        golden_open(&golden, names[i]);
        size_t L = golden_size(&golden, "x", 0);
        size_t D = golden_size(&golden, "x", 1);
        size_t K = golden_size(&golden, "weight", 2);
        float *state =
            copy_floats(golden_floats(&golden, "state_in"), (K - 1) * D);
        float *y = new_floats(L * D);
        conv1d(y, golden_floats(&golden, "x"), golden_floats(&golden, "weight"),
               golden_floats(&golden, "bias"), state, L, D, K);
        compare(label("%s y", names[i]).text, y, golden_floats(&golden, "y"),
                L * D, bound);
        compare_bits(label("%s state", names[i]).text, state,
                     golden_floats(&golden, "state_out"), (K - 1) * D);
        silu_in_place(y, L * D);
        compare(label("%s silu", names[i]).text, y,
                golden_floats(&golden, "silu_y"), L * D, bound);
        free(state), free(y);
        golden_close(&golden);
    }
}

// --- Random cases ------------------------------------------------------------

// A convolution with everything it reads and writes.
typedef struct {
    size_t length, channels, d_conv;
    float *x, *weight, *bias;  // (L, D), (D, K), (D) or NULL
    float *state;              // (K-1, D): before
    float *y, *state_after;    // what the whole sequence gives
    char name[80];
} Case;

// The whole sequence at once.
static void run_whole(Case *c) {
    size_t state_size = (c->d_conv - 1) * c->channels;
    if (state_size > 0)
        memcpy(c->state_after, c->state, state_size * sizeof *c->state);
    conv1d(c->y, c->x, c->weight, c->bias, c->state_after, c->length,
           c->channels, c->d_conv);
}

static Case new_case(uint64_t seed, size_t length, size_t channels,
                     size_t d_conv) {
    Random random = random_from_seed(seed);
    Case c = {.length = length, .channels = channels, .d_conv = d_conv};
    double scale = pow(10, random_uniform(&random, -6, 6));
    c.x = random_magnitudes(&random, length * channels, scale);
    c.weight = random_floats(&random, channels * d_conv, -1, 1);
    c.bias = seed % 4 ? random_magnitudes(&random, channels, scale) : NULL;
    c.state = random_magnitudes(&random, (d_conv - 1) * channels, scale);
    c.y = new_floats(length * channels);
    c.state_after = new_floats((d_conv - 1) * channels);
    snprintf(c.name, sizeof c.name, "seed %llu: L %zu, D %zu, K %zu",
             (unsigned long long)seed, length, channels, d_conv);
    run_whole(&c);
    return c;
}

static Case random_case(uint64_t seed) {
    Random random = random_from_seed(~seed);
    return new_case(seed, random_count(&random, 0, 20),
                    random_count(&random, 1, 40), random_count(&random, 1, 8));
}

static void free_case(Case *c) {
    free(c->x), free(c->weight), free(c->bias), free(c->state), free(c->y);
    free(c->state_after);
}

// The input of channel d at time t, which before 0 stands in the state.
static double input(const Case *c, long t, size_t d) {
    long row = t < 0 ? t + (long)c->d_conv - 1 : t;
    return (t < 0 ? c->state : c->x)[(size_t)row * c->channels + d];
}

// y_{t,d} = bias_d + sum_k weight_{d,k} x_{t-(K-1)+k, d}, and the sum of the
// terms' sizes.
static void convolve_in_double(const Case *c, double *y, double *scale) {
    for (size_t t = 0; t < c->length; t++)
        for (size_t d = 0; d < c->channels; d++) {
            size_t i = t * c->channels + d;
            y[i] = c->bias ? c->bias[d] : 0;
            scale[i] = fabs(y[i]);
            for (size_t k = 0; k < c->d_conv; k++) {
                long past = (long)t - (long)(c->d_conv - 1) + (long)k;
                double term = c->weight[d * c->d_conv + k] * input(c, past, d);
                y[i] += term;
                scale[i] += fabs(term);
            }
        }
}

static void check_formula(const Case *c) {
    size_t count = c->length * c->channels;
    double *wanted = new_doubles(count), *scale = new_doubles(count);
    convolve_in_double(c, wanted, scale);
    compare_scaled(c->name, c->y, wanted, scale, count,
                   (Tolerance){.relative = 1e-6});
    free(wanted), free(scale);
}

Test(conv1d, is_its_formula) {
    for (uint64_t seed = 0; seed < 500; seed++) {
        Case c = random_case(seed);
        check_formula(&c);
        free_case(&c);
    }
}

// The state is the last K-1 inputs as they came, oldest first.
Test(conv1d, keeps_the_last_raw_inputs) {
    for (uint64_t seed = 0; seed < 500; seed++) {
        Case c = random_case(seed);
        for (size_t j = 0; j + 1 < c.d_conv; j++)
            for (size_t d = 0; d < c.channels; d++) {
                long t = (long)c.length - (long)(c.d_conv - 1) + (long)j;
                float wanted = (float)input(&c, t, d);
                compare_bits(label("%s: state %zu", c.name, j).text,
                             &c.state_after[j * c.channels + d], &wanted, 1);
            }
        free_case(&c);
    }
}

Test(conv1d, reads_its_inputs_only) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        Case c = random_case(seed);
        size_t count = c.length * c.channels, taps = c.channels * c.d_conv;
        float *x = copy_floats(c.x, count);
        float *weight = copy_floats(c.weight, taps);
        run_whole(&c);
        compare_bits("x", c.x, x, count);
        compare_bits("weight", c.weight, weight, taps);
        free(x), free(weight), free_case(&c);
    }
}

// --- Cuts --------------------------------------------------------------------

// Runs the case in pieces that end at the given places, and wants the same bits
// as from the whole.
static void check_cuts(const Case *c, const size_t *ends, size_t pieces) {
    size_t D = c->channels, begin = 0;
    float *state = copy_floats(c->state, (c->d_conv - 1) * D);
    for (size_t i = 0; i < pieces; begin = ends[i++]) {
        size_t length = ends[i] - begin;
        float *y = new_floats(length * D);
        conv1d(y, c->x + begin * D, c->weight, c->bias, state, length, D,
               c->d_conv);
        compare_bits(label("%s: from %zu to %zu", c->name, begin, ends[i]).text,
                     y, c->y + begin * D, length * D);
        free(y);
    }
    compare_bits(label("%s: state", c->name).text, state, c->state_after,
                 (c->d_conv - 1) * D);
    free(state);
}

Test(conv1d, one_cut_anywhere_changes_no_bit) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        Case c = random_case(seed);
        for (size_t cut = 0; cut <= c.length; cut++)
            check_cuts(&c, (size_t[]){cut, c.length}, 2);
        free_case(&c);
    }
}

Test(conv1d, two_cuts_anywhere_change_no_bit) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        Case c = new_case(seed, 11, 3, 1 + seed % 8);
        for (size_t one = 0; one <= c.length; one++)
            for (size_t two = one; two <= c.length; two++)
                check_cuts(&c, (size_t[]){one, two, c.length}, 3);
        free_case(&c);
    }
}

Test(conv1d, single_steps_change_no_bit) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        Case c = random_case(seed);
        size_t ends[32];
        for (size_t t = 0; t < c.length; t++)
            ends[t] = t + 1;
        check_cuts(&c, ends, c.length);
        free_case(&c);
    }
}

// --- Blocks and threads ------------------------------------------------------

// Channels around one and two blocks of 64, and taps around one and two groups
// of four, for each length.
Test(conv1d, is_its_formula_at_the_edges_of_blocks) {
    static const size_t channels[] = {1,  15, 16, 17,  63,  64,
                                      65, 80, 96, 127, 128, 129};
    uint64_t seed = 1000;
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        for (size_t d_conv = 1; d_conv <= 9; d_conv++)
            for (size_t length = 0; length <= 10; length++) {
                Case c = new_case(seed++, length, channels[i], d_conv);
                check_formula(&c);
                check_cuts(&c, (size_t[]){length / 2, length}, 2);
                free_case(&c);
            }
}

// Calls large enough for several threads: the same bits with any number of
// them, and in pieces, the short ones of which one thread does.
Test(conv1d, threads_change_no_bit) {
    static const size_t channels[] = {64, 129, 200, 320, 512};
    for (uint64_t seed = 0; seed < 5; seed++) {
        use_threads(1);
        Case c = new_case(seed, 1100, channels[seed], 2 + seed);
        check_formula(&c);
        size_t count = c.length * c.channels;
        float *y = copy_floats(c.y, count);
        float *state = copy_floats(c.state_after, (c.d_conv - 1) * c.channels);
        for (int threads = 2; threads <= 5; threads++) {
            use_threads(threads);
            run_whole(&c);
            compare_bits(label("%s: %d threads", c.name, threads).text, c.y, y,
                         count);
            compare_bits("state", c.state_after, state,
                         (c.d_conv - 1) * c.channels);
        }
        check_cuts(&c, (size_t[]){1, 50, 51, 100, 1100}, 5);
        free(y), free(state), free_case(&c);
    }
}

// --- By hand -----------------------------------------------------------------

// One impulse brings out the taps, last tap first.
Test(conv1d, impulse_response) {
    const float x[] = {1, 0, 0, 0, 0}, weight[] = {1, 2, 3, 4};
    const float wanted[] = {4, 3, 2, 1, 0};
    float state[3] = {0}, y[5];
    conv1d(y, x, weight, NULL, state, 5, 1, 4);
    compare_bits("impulse", y, wanted, 5);
}

// One tap is a product; there is no state, and none is touched.
Test(conv1d, of_one_tap_has_no_state) {
    const float x[] = {1, 2, 3, 4}, weight[] = {10, -1}, bias[] = {0.5f, 0};
    const float wanted[] = {10.5f, -2, 30.5f, -4};
    float y[4];
    conv1d(y, x, weight, bias, NULL, 2, 2, 1);
    compare_bits("one tap", y, wanted, 4);
}

// A NaN reaches its own channel, from its own time on, and K-1 steps further.
Test(conv1d, nan_stays_in_its_channel_and_window) {
    enum { L = 12, D = 5, K = 4, T = 3, CHANNEL = 2 };
    Case c = new_case(1, L, D, K);
    float *clean = copy_floats(c.y, L * D);
    c.x[T * D + CHANNEL] = NAN;
    run_whole(&c);
    for (size_t t = 0; t < L; t++)
        for (size_t d = 0; d < D; d++) {
            size_t i = t * D + d;
            if (d == CHANNEL && t >= T && t < T + K)
                cr_assert(isnan(c.y[i]), "wanted NaN at (%zu, %zu)", t, d);
            else
                compare_bits(label("(%zu, %zu)", t, d).text, &c.y[i], &clean[i],
                             1);
        }
    free(clean), free_case(&c);
}
