// Chapter 2: the exponentials that compilers vectorize, at every float there
// is. The program takes one float of 61; with EVERY_FLOAT=1 in the environment,
// all of them.
#include "exponential.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "compare.h"
#include "failing_memory.h"

TestSuite(exponential, .fini = nothing_leaks);

static const double ln_2 = 0.69314718055994530942;

// One of the two functions, base^x.
typedef struct Exponential {
    const char *name;
    float (*of)(float x);
    bool (*right_in_block)(const struct Exponential *e, uint32_t first,
                           uint32_t stride);
    double ln_base;
    float zero, infinite;  // the largest x that gives 0, the least for infinity
} Exponential;

// --- The truth ---------------------------------------------------------------

// base^x in double precision, by Taylor's series: for 2^32 numbers libm would
// take minutes. Requires a result between 1e-300 and 1e300.
static inline double power(double ln_base, double x) {
    // x ln_base = n ln 2 + r, with n as the exponent of a double.
    const double shift = 0x1.8p52 + 1023;
    double shifted = x * (ln_base / ln_2) + shift, n = shifted - shift;
    double r = x * ln_base - n * ln_2, power_of_n;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits <<= 52;
    memcpy(&power_of_n, &bits, sizeof power_of_n);

    // 1 + r + .. + r^9 / 9!; what is missing is less than 1e-11.
    double sum = 1;
    for (int k = 9; k >= 1; k--)
        sum = 1 + sum * (r * (1.0 / k));
    return sum * power_of_n;
}

// Where a rounding to float32 is 6e-8, 1e-10 is as good as exact.
Test(exponential, truth_is_true) {
    for (double x = -126.5; x < 128; x += 1.0 / 4096) {
        compare_number(label("2^%g", x).text, 0, power(ln_2, x), exp2(x),
                       1e-10 * exp2(x));
        compare_number(label("exp(%g)", x).text, 0, power(1, x), exp(x),
                       1e-10 * exp(x));
    }
}

// --- Every float -------------------------------------------------------------

static float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// last_place(), without a branch, for x > 0.
static inline double place_of(double x) {
    const uint64_t least = 1023 - 126;  // the exponent of the least normal
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t exponent = bits >> 52;
    bits = ((exponent < least ? least : exponent) - 23) << 52;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// 0 and infinity at the ends, NaN for NaN, and between them 1.5 units.
static inline bool right(const Exponential *e, float x, float y) {
    double wanted = power(e->ln_base, x), bound = 1.5 * place_of(wanted);
    bool zero = x <= e->zero, infinite = x >= e->infinite;
    wanted = zero ? 0 : infinite ? INFINITY : wanted;
    bound = (zero | infinite) ? 0 : bound;
    return (y == wanted) | (fabs(y - wanted) <= bound) | ((x != x) & (y != y));
}

enum { BLOCK = 1024 };

// Is f right for BLOCK floats, every stride-th by its bits?
static inline bool check_block(float (*f)(float), const Exponential *e,
                               uint32_t first, uint32_t stride) {
    float x[BLOCK], y[BLOCK];
    for (uint32_t i = 0; i < BLOCK; i++)
        x[i] = float_of_bits(first + i * stride);
    for (int i = 0; i < BLOCK; i++)
        y[i] = f(x[i]);
    int wrong = 0;
    for (int i = 0; i < BLOCK; i++)
        wrong += !right(e, x[i], y[i]);
    return wrong == 0;
}

// Each function has its own loop, which a compiler can vectorize.
static bool check_powers_of_two(const Exponential *e, uint32_t first,
                                uint32_t stride) {
    return check_block(power_of_two, e, first, stride);
}

static bool check_exponentials(const Exponential *e, uint32_t first,
                               uint32_t stride) {
    return check_block(exponential, e, first, stride);
}

// Walks `floats` floats from x: upwards, or downwards for a negative number.
static float walk(float x, int floats) {
    for (int i = 0; i < abs(floats); i++)
        x = nextafterf(x, floats < 0 ? -INFINITY : INFINITY);
    return x;
}

// Finds the two ends, at most two floats from where x log2(base) is -126.5 and
// 127.5, at which the exponent is rounded to that of 0 and that of infinity.
static Exponential with_ends(Exponential e) {
    float zero = (float)(-126.5 * ln_2 / e.ln_base);
    float infinite = (float)(127.5 * ln_2 / e.ln_base);
    e.zero = walk(zero, 2), e.infinite = walk(infinite, -2);
    while (e.zero >= walk(zero, -2) && e.of(e.zero) != 0)
        e.zero = walk(e.zero, -1);
    while (e.infinite <= walk(infinite, 2) && e.of(e.infinite) != INFINITY)
        e.infinite = walk(e.infinite, 1);
    if (!(e.of(e.zero) == 0 && e.of(walk(e.zero, 1)) > 0))
        cr_assert_fail("%s: wanted 0 up to %.9g, found %g there", e.name, zero,
                       e.of(e.zero));
    if (!(e.of(e.infinite) == INFINITY && isfinite(e.of(walk(e.infinite, -1)))))
        cr_assert_fail("%s: wanted infinity from %.9g, found %g there", e.name,
                       infinite, e.of(e.infinite));
    return e;
}

static Exponential of_two(void) {
    return with_ends((Exponential){.name = "2^x",
                                   .of = power_of_two,
                                   .right_in_block = check_powers_of_two,
                                   .ln_base = ln_2});
}

static Exponential of_e(void) {
    return with_ends((Exponential){.name = "exp(x)",
                                   .of = exponential,
                                   .right_in_block = check_exponentials,
                                   .ln_base = 1});
}

// Fails, and names the first float of the block for which the function is
// wrong.
static void blame(const Exponential *e, uint32_t first, uint32_t stride) {
    for (uint32_t i = 0; i < BLOCK; i++) {
        float x = float_of_bits(first + i * stride), y = e->of(x);
        double wanted = power(e->ln_base, x);
        if (!right(e, x, y))
            cr_assert_fail("%s at %.9g (%a): wanted %.9g, found %.9g: %.3g "
                           "units in the last place",
                           e->name, x, x, wanted, y,
                           fabs(y - wanted) / last_place(wanted));
    }
    cr_assert_fail("%s near %.9g: wrong in a vector", e->name,
                   float_of_bits(first));
}

// All floats, or one of 61: a prime, so that every bit takes both values.
static void check_everywhere(Exponential e) {
    uint32_t stride = getenv("EVERY_FLOAT") ? 1 : 61;
    int64_t blocks = (INT64_C(1) << 32) / stride / BLOCK + 1, wrong = blocks;
#pragma omp parallel for schedule(dynamic, 64) reduction(min : wrong)
    for (int64_t b = 0; b < blocks; b++)
        if (!e.right_in_block(&e, (uint32_t)(b * BLOCK * stride), stride))
            wrong = b < wrong ? b : wrong;
    if (wrong < blocks)
        blame(&e, (uint32_t)(wrong * BLOCK * stride), stride);
}

Test(exponential, of_two_at_every_float) {
    check_everywhere(of_two());
}

Test(exponential, of_e_at_every_float) {
    check_everywhere(of_e());
}

// --- What the headers name ---------------------------------------------------

Test(exponential, ends) {
    Exponential e = of_two();
    cr_assert_eq(e.zero, -126.5f);
    cr_assert_eq(e.infinite, walk(127.5f, 1));
    cr_assert_eq(exponential(-87.7f), 0);
    cr_assert_eq(exponential(88.4f), INFINITY);
    cr_assert_eq(exponential(-FLT_MAX), 0);
    cr_assert_eq(exponential(FLT_MAX), INFINITY);
    cr_assert_eq(exponential(-INFINITY), 0);
    cr_assert_eq(exponential(INFINITY), INFINITY);
    cr_assert_eq(power_of_two(-INFINITY), 0);
    cr_assert_eq(power_of_two(INFINITY), INFINITY);
}

Test(exponential, whole_powers_of_two_are_exact) {
    for (int n = -126; n < 128; n++)
        cr_assert_eq(power_of_two((float)n), ldexpf(1, n), "2^%d", n);
    cr_assert_eq(exponential(0), 1);
    cr_assert_eq(exponential(-0.0f), 1);
    cr_assert_eq(exponential(FLT_MIN), 1);
}

// The least and the largest of each kind of NaN, of either sign.
Test(exponential, nan_stays_nan) {
    static const uint32_t payloads[] = {0x7f800001, 0x7fbfffff, 0x7fc00000,
                                        0x7fffffff, 0x7f812345, 0x7fc54321};
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
        for (uint32_t sign = 0; sign < 2; sign++) {
            float x = float_of_bits(payloads[i] | sign << 31);
            cr_assert(isnan(power_of_two(x)), "2^NaN of %x", payloads[i]);
            cr_assert(isnan(exponential(x)), "exp(NaN) of %x", payloads[i]);
        }
}

// Wants f(x) <= f(next x) + the given fall.
static void check_rises(const Exponential *e, float x, double fall) {
    float y = e->of(x), next = e->of(walk(x, 1));
    if (!(next >= y - fall))
        cr_assert_fail("%s: wanted it to rise at %.9g, found %.9g and %.9g",
                       e->name, x, y, next);
}

// Where the exponent changes, one piece of the curve ends and another begins:
// no step down at the seam, nor two floats beside it.
Test(exponential, pieces_meet_in_order) {
    const Exponential both[] = {of_two(), of_e()};
    for (int i = 0; i < 2; i++)
        for (int n = -126; n < 127; n++) {
            float seam = (float)((n + 0.5) * ln_2 / both[i].ln_base);
            for (int floats = -3; floats < 3; floats++)
                check_rises(&both[i], walk(seam, floats), 0);
        }
}

// For x from -1/2 to 0, of which many have the same result, some neighbours are
// out of order, by one unit and no more.
Test(exponential, falls_by_a_unit_at_most) {
    const Exponential both[] = {of_two(), of_e()};
    for (int i = 0; i < 2; i++)
        for (float x = -0x1p-20f; x > -0.5f; x = walk(x, -61))
            check_rises(&both[i], x, 0x1p-24);
}

// exp(x) exp(-x) = 1, within twice 1.5 units of at most 1.2e-7.
Test(exponential, of_minus_x_is_the_reciprocal) {
    Random random = random_from_seed(1);
    for (int i = 0; i < 10000; i++) {
        float x = (float)random_uniform(&random, -87, 87);
        compare_number(label("exp(%g)", x).text, 0,
                       (double)exponential(x) * exponential(-x), 1, 3.6e-7);
    }
}
