// Exercise 2.5's tests: the dilated convolution against its formula in double
// precision, against conv1d() with zeros between the taps, and cut anywhere.
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "conv1d.h"
#include "exercise.h"
#include "failing_memory.h"

TestSuite(exercise, .fini = nothing_leaks);

// --- By hand ----------------------------------------------------------------

// With K = 3 and s = 2 an output sees the inputs 4, 2 and 0 tokens back.
Test(exercise, knows_what_to_keep) {
    cr_assert_eq(dilated_state_rows(1, 7), 0);
    cr_assert_eq(dilated_state_rows(4, 1), 3);
    cr_assert_eq(dilated_state_rows(3, 2), 4);
    cr_assert_eq(dilated_state_rows(2, 512), 512);
}

// One tap is a product, however far apart the others would be.
Test(exercise, of_one_tap_has_no_state) {
    const float x[] = {1, 2, 3, 4}, weight[] = {10, -1}, bias[] = {0.5f, 0};
    const float wanted[] = {10.5f, -2, 30.5f, -4};
    float y[4];
    dilated_conv1d(y, x, weight, bias, NULL, 2, 2, 1, 5);
    compare_bits("one tap", y, wanted, 4);
}

// An impulse brings out the taps, last tap first, s tokens apart.
Test(exercise, impulse_response) {
    const float x[] = {1, 0, 0, 0, 0, 0, 0, 0}, weight[] = {1, 2, 3};
    const float wanted[] = {3, 0, 0, 2, 0, 0, 1, 0};
    float state[6] = {0}, y[8];
    dilated_conv1d(y, x, weight, NULL, state, 8, 1, 3, 3);
    compare_bits("impulse", y, wanted, 8);
}

// --- Random cases -----------------------------------------------------------

// A convolution with everything it reads and writes.
typedef struct {
    size_t length, channels, d_conv, dilation;
    size_t kept;               // the state's rows, by our own count
    float *x, *weight, *bias;  // (L, D), (D, K), (D) or NULL
    float *state;              // (kept, D): before
    float *y, *state_after;    // what the whole sequence gives
    char name[100];
} Case;

static void run_whole(Case *c) {
    size_t count = c->kept * c->channels;
    free(c->state_after);
    c->state_after = copy_floats(c->state, count);
    dilated_conv1d(c->y, c->x, c->weight, c->bias, c->state_after, c->length,
                   c->channels, c->d_conv, c->dilation);
}

static Case new_case(uint64_t seed, size_t length, size_t channels,
                     size_t d_conv, size_t dilation) {
    Random random = random_from_seed(seed);
    Case c = {.length = length,
              .channels = channels,
              .d_conv = d_conv,
              .dilation = dilation,
              .kept = (d_conv - 1) * dilation};
    double scale = pow(10, random_uniform(&random, -6, 6));
    c.x = random_magnitudes(&random, length * channels, scale);
    c.weight = random_floats(&random, channels * d_conv, -1, 1);
    c.bias = seed % 4 ? random_magnitudes(&random, channels, scale) : NULL;
    c.state = random_magnitudes(&random, c.kept * channels, scale);
    c.y = new_floats(length * channels);
    snprintf(c.name, sizeof c.name, "seed %llu: L %zu, D %zu, K %zu, s %zu",
             (unsigned long long)seed, length, channels, d_conv, dilation);
    run_whole(&c);
    return c;
}

static Case random_case(uint64_t seed) {
    Random random = random_from_seed(~seed);
    return new_case(seed, random_count(&random, 0, 20),
                    random_count(&random, 1, 9), random_count(&random, 1, 5),
                    random_count(&random, 1, 6));
}

static void free_case(Case *c) {
    free(c->x), free(c->weight), free(c->bias), free(c->state), free(c->y);
    free(c->state_after);
}

// The input of channel d at time t, which before 0 stands in the state.
static double input(const Case *c, long t, size_t d) {
    long row = t < 0 ? t + (long)c->kept : t;
    return (t < 0 ? c->state : c->x)[(size_t)row * c->channels + d];
}

// The formula in double, and the sum of its terms' sizes.
static void convolve_in_double(const Case *c, double *y, double *scale) {
    for (size_t t = 0; t < c->length; t++)
        for (size_t d = 0; d < c->channels; d++) {
            size_t i = t * c->channels + d;
            y[i] = c->bias ? c->bias[d] : 0;
            scale[i] = fabs(y[i]);
            for (size_t k = 0; k < c->d_conv; k++) {
                size_t back = (c->d_conv - 1 - k) * c->dilation;
                double term = c->weight[d * c->d_conv + k] *
                              input(c, (long)t - (long)back, d);
                y[i] += term;
                scale[i] += fabs(term);
            }
        }
}

static void check_formula(const Case *c) {
    size_t count = c->length * c->channels;
    double *wanted = new_doubles(count), *scale = new_doubles(count);
    convolve_in_double(c, wanted, scale);
    // At most five products and a bias, each rounded to 6e-8 of itself.
    compare_scaled(c->name, c->y, wanted, scale, count,
                   (Tolerance){.relative = 1e-6});
    free(wanted), free(scale);
}

// Half the work: the whole sequence, from its beginning.
Test(exercise, is_its_formula_from_the_beginning) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        Case c = random_case(seed);
        for (size_t i = 0; i < c.kept * c.channels; i++)
            c.state[i] = 0;
        run_whole(&c);
        check_formula(&c);
        free_case(&c);
    }
}

Test(exercise, is_its_formula_from_any_state) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        Case c = random_case(seed);
        check_formula(&c);
        free_case(&c);
    }
}

// The taps with s - 1 zeros between them: (D, kept + 1).
static float *spread_taps(const Case *c) {
    size_t taps = c->kept + 1;
    float *weight = new_floats(c->channels * taps);
    for (size_t d = 0; d < c->channels; d++)
        for (size_t k = 0; k < taps; k++) {
            bool tap = k % c->dilation == 0;
            size_t from = d * c->d_conv + k / c->dilation;
            weight[d * taps + k] = tap ? c->weight[from] : 0;
        }
    return weight;
}

// The chapter's conv1d() with the spread taps is the same, state and all, but
// does s times the work.
static void check_against_conv1d(const Case *c) {
    size_t D = c->channels, count = c->length * D;
    float *weight = spread_taps(c), *y = new_floats(count);
    float *state = copy_floats(c->state, c->kept * D);
    conv1d(y, c->x, weight, c->bias, state, c->length, D, c->kept + 1);

    double *exact = new_doubles(count), *scale = new_doubles(count);
    convolve_in_double(c, exact, scale);
    for (size_t i = 0; i < count; i++)
        compare_number(c->name, i, c->y[i], y[i], 1e-6 * scale[i]);
    compare_bits(c->name, c->state_after, state, c->kept * D);
    free(weight), free(y), free(state), free(exact), free(scale);
}

Test(exercise, without_dilation_is_conv1d) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        Case c = new_case(seed, seed % 7, 5, 1 + seed % 5, 1);
        check_against_conv1d(&c);
        free_case(&c);
    }
}

Test(exercise, is_conv1d_with_zeros_between_the_taps) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        Case c = random_case(seed);
        check_against_conv1d(&c);
        free_case(&c);
    }
}

// --- Cuts -------------------------------------------------------------------

// Pieces of the given length, and one shorter, give the same bits.
static void check_pieces(const Case *c, size_t piece) {
    size_t D = c->channels;
    float *state = copy_floats(c->state, c->kept * D);
    for (size_t t = 0, length; t < c->length; t += length) {
        length = c->length - t < piece ? c->length - t : piece;
        float *y = new_floats(length * D);
        dilated_conv1d(y, c->x + t * D, c->weight, c->bias, state, length, D,
                       c->d_conv, c->dilation);
        compare_bits(label("%s: %zu from %zu", c->name, length, t).text, y,
                     c->y + t * D, length * D);
        free(y);
    }
    compare_bits(label("%s: the state", c->name).text, state, c->state_after,
                 c->kept * D);
    free(state);
}

Test(exercise, single_steps_change_no_bit) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        Case c = random_case(seed);
        check_formula(&c);
        check_pieces(&c, 1);
        free_case(&c);
    }
}

Test(exercise, pieces_of_any_length_change_no_bit) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        Case c = random_case(seed);
        check_formula(&c);
        for (size_t piece = 2; piece <= c.length; piece++)
            check_pieces(&c, piece);
        free_case(&c);
    }
}

// The state is the last inputs as they came, oldest first, whether they came in
// this call or before it.
Test(exercise, keeps_the_last_raw_inputs) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        Case c = random_case(seed);
        for (size_t j = 0; j < c.kept; j++)
            for (size_t d = 0; d < c.channels; d++) {
                long t = (long)(c.length + j) - (long)c.kept;
                float wanted = (float)input(&c, t, d);
                compare_bits(label("%s: state %zu", c.name, j).text,
                             &c.state_after[j * c.channels + d], &wanted, 1);
            }
        free_case(&c);
    }
}

// A NaN reaches its own channel, at its own time and s, 2s .. tokens later.
Test(exercise, nan_stays_where_the_taps_carry_it) {
    enum { L = 14, D = 5, K = 3, S = 4, T = 2, CHANNEL = 3 };
    Case c = new_case(1, L, D, K, S);
    float *clean = copy_floats(c.y, L * D);
    c.x[T * D + CHANNEL] = NAN;
    run_whole(&c);
    for (size_t t = 0; t < L; t++)
        for (size_t d = 0; d < D; d++) {
            size_t i = t * D + d;
            bool reached = t >= T && (t - T) % S == 0 && (t - T) / S < K;
            if (d == CHANNEL && reached)
                cr_assert(isnan(c.y[i]), "wanted NaN at (%zu, %zu)", t, d);
            else
                compare_bits(label("(%zu, %zu)", t, d).text, &c.y[i], &clean[i],
                             1);
        }
    free(clean), free_case(&c);
}
