// Chapter 1's program: RMSNorm by hand, beside LayerNorm, and in float32.
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "options.h"
#include "random.h"
#include "report.h"
#include "rmsnorm.h"

enum { MOST_NUMBERS = 16 };

// What the command line says.
typedef struct {
    size_t n;
    float x[MOST_NUMBERS];       // (n): the row to normalise
    float weight[MOST_NUMBERS];  // (n): w
    double eps;
    size_t longest;   // the longest sum has 2^longest numbers
    const char *tsv;  // the directory for the figures' tables, or NULL
} Arguments;

// --- What several sections use ----------------------------------------------

static double mean(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

static double root_mean_square(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum / (double)n);
}

// How far the numbers are from their own mean: the standard deviation.
static double spread(const float *x, size_t n) {
    double m = mean(x, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - m) * (x[i] - m);
    return sqrt(sum / (double)n);
}

// One row through the library's RMSNorm, with w = 1.
static void rmsnorm_plain(float *y, const float *x, size_t n, double eps) {
    float ones[MOST_NUMBERS];
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    rmsnorm(y, x, ones, 1, n, (float)eps);
}

// LayerNorm (Ba, Kiros and Hinton 2016) without its learned scale and shift:
//     y_i = (x_i - mean(x)) / sqrt(variance(x) + eps)
static void layernorm(float *y, const float *x, size_t n, double eps) {
    double m = mean(x, n), s = spread(x, n);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((x[i] - m) / sqrt(s * s + eps));
}

// The last digits of a rounding error differ from machine to machine, so a
// small one is printed by a bound that it keeps.
static void print_bounded(const char *what, double difference, double bound) {
    if (difference <= bound)
        printf("%s: below %.0e\n", what, bound);
    else
        printf("%s: %.1g\n", what, difference);
}

// A number in a column. What a NaN's sign is called differs between machines.
static void print_number(double x, int width, int digits) {
    if (isnan(x))
        printf("%*s", width, "NaN");
    else
        printf("%*.*g", width, digits, x);
}

// --- Depth ------------------------------------------------------------------

// r + W u, for a layer's matrix W of random numbers from N(0, strength^2 / n).
static void add_layer(float *r, const float *u, size_t n, double strength,
                      Random *random) {
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += random_normal(random, 0, strength / sqrt((double)n)) * u[j];
        r[i] += (float)sum;
    }
}

// The RMS of a row that has gone through so many layers.
static double rms_after(size_t layers, double strength, bool norm, double eps) {
    Random random = random_from_seed(1);
    float r[MOST_NUMBERS], u[MOST_NUMBERS];
    for (size_t i = 0; i < MOST_NUMBERS; i++)
        r[i] = (float)random_normal(&random, 0, 1);
    for (size_t k = 0; k < layers; k++) {
        memcpy(u, r, sizeof u);
        if (norm)
            rmsnorm_plain(u, r, MOST_NUMBERS, eps);
        add_layer(r, u, MOST_NUMBERS, strength, &random);
    }
    return root_mean_square(r, MOST_NUMBERS);
}

static void depth(const Arguments *args) {
    section("depth", "A row goes through layers");
    printf(
        "The RMS of a row of %d numbers. Each layer multiplies the row, or\n"
        "the row's norm, by a random matrix, and adds the product to it.\n\n"
        "          weak layers: strength 1       strong layers: strength 5\n"
        "  layers    without       with norm       without       with norm\n",
        MOST_NUMBERS);
    for (size_t layers = 0; layers <= 64; layers = layers ? 2 * layers : 1) {
        printf("  %6zu", layers);
        for (int k = 0; k < 4; k++)
            print_number(rms_after(layers, k < 2 ? 1 : 5, k % 2, args->eps),
                         k ? 15 : 11, 2);
        printf("\n");
    }
}

// --- By hand ----------------------------------------------------------------

static double squares_by_hand(const Arguments *args) {
    printf("   i         x_i       x_i^2\n");
    double sum = 0;
    for (size_t i = 0; i < args->n; i++) {
        double x = args->x[i];
        printf("  %2zu%12.6g%12.6g\n", i, x, x * x);
        sum += x * x;
    }
    return sum;
}

// r = 1 / sqrt(mean(x^2) + eps), line by line.
static double root_by_hand(const Arguments *args, double sum) {
    double mean_square = sum / (double)args->n;
    double root = sqrt(mean_square + args->eps);
    printf("\n  %-18s%12.7g\n", "their sum", sum);
    printf("  %-18s%12.7g\n", "their mean", mean_square);
    printf("  %-18s%12.7g\n", "mean + eps", mean_square + args->eps);
    printf("  %-18s%12.6g\n", "the root of that", root);
    printf("  %-18s%12.6g\n\n", "r = 1 / root", 1 / root);
    return 1 / root;
}

// y_i = w_i r x_i, beside what the library says.
static void result_by_hand(const Arguments *args, double r) {
    float y[MOST_NUMBERS], hand[MOST_NUMBERS];
    rmsnorm(y, args->x, args->weight, 1, args->n, (float)args->eps);
    printf("   i         x_i       r x_i         w_i     w_i r x_i     "
           "rmsnorm()\n");
    for (size_t i = 0; i < args->n; i++) {
        double x = args->x[i], w = args->weight[i];
        hand[i] = (float)(w * r * x);
        printf("  %2zu%12.6g%12.5f%12.6g%14.5f%14.5f\n", i, x, r * x, w,
               w * r * x, y[i]);
    }
    printf("\n");
    print_bounded("Largest difference between the last two columns",
                  largest_difference(y, hand, args->n), 1e-6);
}

static void by_hand(const Arguments *args) {
    section("by-hand", "RMSNorm with every step shown");
    printf("In Mamba a row is the vector of one token, d_model numbers; here\n"
           "it has %zu. RMSNorm divides the numbers of a row by their root\n"
           "mean square (RMS), and multiplies each by a weight w_i of its\n"
           "own, which is learned:\n\n"
           "    y_i = w_i x_i / sqrt(mean(x^2) + eps),   eps = %g\n\n",
           args->n, args->eps);
    double r = root_by_hand(args, squares_by_hand(args));
    result_by_hand(args, r);
    double rms = root_mean_square(args->x, args->n);
    value("rms-of-x", rms, 5);
    value("rms-of-r-x", r * rms, 7);
    printf("The column r x_i has an RMS of 1, or less where eps matters. For\n"
           "another row:\n"
           "    make chapter1 ARGS=\"--x 3,-1,2 --weight 1,1,0.5\"\n");
}

// --- Scale ------------------------------------------------------------------

enum { FACTORS = 4 };
static const float factors[FACTORS] = {1e-6f, 1e-3f, 1, 1e3f};

// y = rmsnorm(factor x), and the RMS of what went in.
static double rmsnorm_scaled(const Arguments *args, float factor, float *y) {
    float x[MOST_NUMBERS];
    for (size_t i = 0; i < args->n; i++)
        x[i] = factor * args->x[i];
    rmsnorm_plain(y, x, args->n, args->eps);
    return root_mean_square(x, args->n);
}

static void scale(const Arguments *args) {
    section("scale", "The size of the input does not matter, within limits");
    printf("rmsnorm(c x) for four factors c, with w = 1 and eps = %g.\n\n",
           args->eps);
    float y[FACTORS][MOST_NUMBERS];
    double rms[FACTORS];
    printf("  c         ");
    for (size_t f = 0; f < FACTORS; f++) {
        rms[f] = rmsnorm_scaled(args, factors[f], y[f]);
        printf("%14g", factors[f]);
    }
    printf("\n  RMS of c x");
    for (size_t f = 0; f < FACTORS; f++)
        printf("%14.5g", rms[f]);
    printf("\n\n");
    for (size_t i = 0; i < args->n; i++) {
        printf("  y_%-8zu", i);
        for (size_t f = 0; f < FACTORS; f++)
            printf("%14.4f", y[f][i]);
        printf("\n");
    }
    printf("\n");
    print_bounded("Largest difference between the last two columns",
                  largest_difference(y[FACTORS - 2], y[FACTORS - 1], args->n),
                  1e-5);
    printf("While the RMS of c x is far above sqrt(eps) = %.3g, the output is\n"
           "the same. Where it is not, the output shrinks with the input.\n",
           sqrt(args->eps));
}

// --- Against LayerNorm ------------------------------------------------------

// The row with its mean moved to offset.
static void with_mean(float *moved, const float *x, size_t n, double offset) {
    double m = mean(x, n);
    for (size_t i = 0; i < n; i++)
        moved[i] = (float)(x[i] - m + offset);
}

// Both norms of the same row, side by side, for means of 0 and 10.
static void compare_norms(const Arguments *args) {
    size_t n = args->n;
    float x[2][MOST_NUMBERS], rms[2][MOST_NUMBERS], layer[2][MOST_NUMBERS];
    for (size_t m = 0; m < 2; m++) {
        with_mean(x[m], args->x, n, m ? 10 : 0);
        rmsnorm_plain(rms[m], x[m], n, args->eps);
        layernorm(layer[m], x[m], n, args->eps);
    }
    printf("   i   x, mean 0     RMSNorm   LayerNorm  x, mean 10     RMSNorm  "
           " LayerNorm\n");
    for (size_t i = 0; i < n; i++)
        printf("  %2zu%12.6g%12.4f%12.4f%12.6g%12.4f%12.4f\n", i, x[0][i],
               rms[0][i], layer[0][i], x[1][i], rms[1][i], layer[1][i]);
    printf("\n");
    print_bounded("Largest difference between the norms, mean 0",
                  largest_difference(rms[0], layer[0], n), 1e-6);
    printf("Largest difference between the norms, mean 10: %.2g\n\n",
           largest_difference(rms[1], layer[1], n));
}

static void against_layernorm(const Arguments *args) {
    section("layernorm", "What RMSNorm keeps and LayerNorm removes");
    printf("LayerNorm first subtracts the mean, then divides by the spread\n"
           "(the standard deviation). Your row, moved so that its mean is 0,\n"
           "then 10:\n\n");
    compare_norms(args);

    static const double offsets[] = {0, 1, 10, 100};
    printf("  mean of x     RMSNorm: mean, spread   LayerNorm: mean, spread\n");
    for (size_t k = 0; k < sizeof offsets / sizeof *offsets; k++) {
        float x[MOST_NUMBERS], rms[MOST_NUMBERS], layer[MOST_NUMBERS];
        with_mean(x, args->x, args->n, offsets[k]);
        rmsnorm_plain(rms, x, args->n, args->eps);
        layernorm(layer, x, args->n, args->eps);
        // No mean here is negative; fabs() drops the sign of a rounding error.
        printf("  %9g%17.3f%9.3f%17.3f%9.3f\n", offsets[k],
               fabs(mean(rms, args->n)), spread(rms, args->n),
               fabs(mean(layer, args->n)), spread(layer, args->n));
    }
    printf("\n"
           "LayerNorm's output forgets the mean. RMSNorm keeps it, and a\n"
           "large mean crowds out the differences between the numbers. In\n"
           "return RMSNorm needs one sum where LayerNorm needs two.\n");
}

// --- The shape of a norm ----------------------------------------------------

static const double pi = 3.14159265358979323846;

// The k-th of the figure's points: all around, at five distances from (0, 0).
enum { POINTS = 24 };
static void figure_point(size_t k, float x[2]) {
    static const double distances[] = {0.4, 1.9, 0.8, 2.4, 1.1};
    double angle = (15.0 * (double)k + 7) * pi / 180;
    x[0] = (float)(distances[k % 5] * cos(angle));
    x[1] = (float)(distances[k % 5] * sin(angle));
}

// Columns: the point, its RMSNorm, its LayerNorm.
static void norms_of_point(size_t k, double eps, double row[6]) {
    float x[2], rms[2], layer[2];
    figure_point(k, x);
    rmsnorm_plain(rms, x, 2, eps);
    layernorm(layer, x, 2, eps);
    for (size_t i = 0; i < 2; i++) {
        row[i] = x[i];
        row[2 + i] = rms[i];
        row[4 + i] = layer[i];
    }
}

static bool shape(const Arguments *args, Error *err) {
    section("shape", "Two numbers as a point of the plane");
    printf("A few of the figure's points, and where the norms move them.\n\n"
           "         x              RMSNorm            LayerNorm\n");
    Table table;
    if (!table_begin(&table, args->tsv, "rmsnorm-shape.tsv",
                     "x1\tx2\trms1\trms2\tlayer1\tlayer2", err))
        return false;
    for (size_t k = 0; k < POINTS; k++) {
        double row[6];
        norms_of_point(k, args->eps, row);
        table_row(&table, row, 6);
        for (size_t i = 0; k % 4 == 0 && i < 6; i += 2)
            printf("  (%6.3f, %6.3f)%s", row[i], row[i + 1],
                   i < 4 ? " " : "\n");
    }
    return table_end(&table, err);
}

// --- Where eps matters ------------------------------------------------------

// The RMS of rmsnorm's output for an input whose RMS is m: (m, -m, m, -m).
static double rms_out(double m, double eps) {
    float x[4] = {(float)m, (float)-m, (float)m, (float)-m}, y[4];
    rmsnorm_plain(y, x, 4, eps);
    return root_mean_square(y, 4);
}

static void print_eps_table(double eps) {
    printf("  RMS of x   without eps   eps = 1e-08   eps = %-8g gain at that "
           "eps\n",
           eps);
    for (int power = 2; power >= -8; power--) {
        double m = pow(10, power);
        printf("  %8g%14.4g%14.4g%14.4g%20.4g\n", m, rms_out(m, 0),
               rms_out(m, 1e-8), rms_out(m, eps), rms_out(m, eps) / m);
    }
    printf("\n");
}

static bool where_eps_matters(const Arguments *args, Error *err) {
    section("eps", "Where eps matters");
    printf("The RMS of the output for inputs from large to tiny, and for one\n"
           "eps the gain, output / input.\n\n");
    print_eps_table(args->eps);
    value("sqrt-eps", sqrt(args->eps), 3);
    value("output-at-sqrt-eps", rms_out(sqrt(args->eps), args->eps), 3);
    value("largest-gain", 1 / sqrt(args->eps), 3);
    printf("Far above sqrt(eps) the output has an RMS of 1. Far below it the\n"
           "norm only multiplies by the largest gain, 1 / sqrt(eps): a row\n"
           "that is nearly nothing stays small, and a row of zeros gives\n"
           "zeros instead of 0 / 0.\n");

    Table table;
    if (!table_begin(&table, args->tsv, "rmsnorm-eps.tsv",
                     "input_rms\teps_1e-3\teps_1e-5\teps_1e-8", err))
        return false;
    for (int tenth = -80; tenth <= 20; tenth++) {
        double m = pow(10, tenth / 10.0);
        double row[] = {m, rms_out(m, 1e-3), rms_out(m, 1e-5),
                        rms_out(m, 1e-8)};
        table_row(&table, row, 4);
    }
    return table_end(&table, err);
}

// --- The ends of float32 ----------------------------------------------------

static void float_range(const Arguments *args) {
    section("float-range", "The square leaves float32 before the number does");
    printf("The norm of a row (x, -x, x, -x) should be (1, -1, 1, -1).\n\n"
           "         x   x^2 in float32    without eps   with eps = %g\n",
           args->eps);
    static const float magnitudes[] = {1e20f, 1e18f, 1, 1e-18f, 1e-24f};
    for (size_t k = 0; k < sizeof magnitudes / sizeof *magnitudes; k++) {
        float x = magnitudes[k], square = x * x;
        printf("  %8g%17.3g%15.3g%19.3g\n", x, square, rms_out(x, 0),
               rms_out(x, args->eps));
    }
    printf("\n");
    const double largest_float32 = 0x1.fffffep127, largest_float16 = 65504;
    value("largest-x-float32", sqrt(largest_float32), 3);
    value("largest-x-float16", sqrt(largest_float16), 3);
    printf("Above these the square is infinite, so r = 0, and the row is\n"
           "erased without a word.\n");
}

// --- Other formats ----------------------------------------------------------

static float round_to_float32(float x) {
    return x;
}

// To the nearest bfloat16, the upper half of a float32; ties to even.
static float round_to_bfloat16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += 0x7fff + ((bits >> 16) & 1);
    bits &= 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// To the nearest float16: 11 binary digits, the last never below 2^-24.
static float round_to_float16(float x) {
    int exponent;
    if (!isfinite(x))
        return x;
    frexpf(x, &exponent);
    float step = ldexpf(1, exponent > -13 ? exponent - 11 : -24);
    float rounded = rintf(x / step) * step;
    return fabsf(rounded) < 65520 ? rounded : copysignf(INFINITY, rounded);
}

typedef struct {
    const char *name;
    float (*round)(float x);
    double largest;
} Format;

enum { FORMATS = 3 };
static const Format formats[FORMATS] = {
    {"float32", round_to_float32, 0x1.fffffep127},
    {"bfloat16", round_to_bfloat16, 0x1.fep127},
    {"float16", round_to_float16, 65504},
};

// The first number of the norm of n times x, each step rounded to the format.
static float norm_in_format(const Format *f, float x, size_t n, float eps) {
    float sum = 0;
    x = f->round(x);
    for (size_t i = 0; i < n; i++)
        sum = f->round(sum + f->round(x * x));
    float mean_square = f->round(sum / (float)n);
    float root = f->round(sqrtf(f->round(mean_square + f->round(eps))));
    return f->round(f->round(1 / root) * x);
}

// The least 2^-k whose sum with 1 is not 1.
static double step_above_one(const Format *f) {
    float step = 1;
    while (f->round(1 + step / 2) > 1)
        step /= 2;
    return step;
}

static void other_formats(void) {
    section("formats", "The norm computed in three number formats");
    printf("  format      largest   step above 1     1.003 becomes\n");
    for (size_t k = 0; k < FORMATS; k++)
        printf("  %-8s%11.5g%15.2g%18.6g\n", formats[k].name,
               formats[k].largest, step_above_one(&formats[k]),
               formats[k].round(1.003f));
    printf("\nThe norm of n equal numbers, each step rounded to the format.\n"
           "It should be 1, for zeros 0.\n\n"
           "     n  each      eps        float32       bfloat16        "
           "float16\n");
    static const struct {
        size_t n;
        float x, eps;
    } rows[] = {{4, 1, 1e-5f},   {4096, 1, 1e-5f}, {4, 300, 1e-5f},
                {4, 7e4, 1e-5f}, {4, 0, 1e-5f},    {4, 0, 1e-8f}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf("  %4zu%6g%9.0e", rows[i].n, rows[i].x, rows[i].eps);
        for (size_t k = 0; k < FORMATS; k++)
            print_number(
                norm_in_format(&formats[k], rows[i].x, rows[i].n, rows[i].eps),
                15, 3);
        printf("\n");
    }
}

// --- The precision of the sum -----------------------------------------------
// Each function sums x_i^2. Every x_i is a multiple of 2^-12 below 1, so the
// squares are exact in float32, and only the sum itself is rounded.

static double running_sum(const float *x, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

static double eight_sums(const float *x, size_t n) {
    float lane[8] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        lane[i % 8] += x[i] * x[i];
    for (size_t k = 0; k < 8; k++)
        sum += lane[k];
    return sum;
}

// The sum of the first half plus the sum of the second.
static float pairwise(const float *x, size_t n) {
    if (n == 0)
        return 0;
    if (n == 1)
        return x[0] * x[0];
    return pairwise(x, n / 2) + pairwise(x + n / 2, n - n / 2);
}

static double pairwise_sum(const float *x, size_t n) {
    return pairwise(x, n);
}

// Kahan (1965): what an addition lost is subtracted from the next number.
static double kahan_sum(const float *x, size_t n) {
    float sum = 0, lost = 0;
    for (size_t i = 0; i < n; i++) {
        float wanted = x[i] * x[i] - lost;
        float next = sum + wanted;
        lost = (next - sum) - wanted;
        sum = next;
    }
    return sum;
}

static double double_sum(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static double bfloat16_sum(const float *x, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = round_to_bfloat16(sum + x[i] * x[i]);
    return sum;
}

// The truth, in whole numbers: x_i^2 is a multiple of 2^-24.
static double exact_sum(const float *x, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t multiple = (uint64_t)(x[i] * 0x1p12f);
        sum += multiple * multiple;
    }
    return (double)sum * 0x1p-24;
}

// n multiples of 2^-12 in [0, 1), the same on every machine.
static void fill_multiples(float *x, size_t n) {
    Random random = random_from_seed(1);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(random_bits(&random) >> 52) * 0x1p-12f;
}

static double relative_error(double found, double truth) {
    return fabs(found - truth) / fabs(truth);
}

enum { SUMS = 6 };
static double (*const sums[SUMS])(const float *x, size_t n) = {
    bfloat16_sum, running_sum, eight_sums, pairwise_sum, kahan_sum, double_sum};

// A row of the table: n, and the relative error of each way to sum.
static void sum_errors(const float *x, size_t n, double row[1 + SUMS]) {
    double truth = exact_sum(x, n);
    row[0] = (double)n;
    for (size_t k = 0; k < SUMS; k++)
        row[1 + k] = relative_error(sums[k](x, n), truth);
}

static void print_errors(const double row[1 + SUMS]) {
    printf("  %8.0f", row[0]);
    for (size_t k = 1; k <= SUMS; k++)
        if (row[k] > 0)
            printf("%10.0e", row[k]);
        else
            printf("%10s", "0");
    printf("\n");
}

static bool sum_precision(const Arguments *args, const float *x, Error *err) {
    section("sum-precision", "What rounding takes from the sum of squares");
    printf(
        "Relative errors of the sum of n squares, for x_i uniform between\n"
        "0 and 1. \"running\" adds to one float32, \"eight\" to eight of them\n"
        "in turn; the first and last columns run in bfloat16 and in\n"
        "double. The truth is computed in whole numbers.\n\n"
        "         n  bfloat16   running     eight  pairwise     Kahan    "
        "double\n");
    Table table;
    if (!table_begin(&table, args->tsv, "rmsnorm-sum.tsv",
                     "n\tbfloat16\trunning\teight\tpairwise\tkahan\tdouble",
                     err))
        return false;
    for (size_t power = 4; power <= args->longest; power += 2) {
        double row[1 + SUMS];
        sum_errors(x, (size_t)1 << power, row);
        table_row(&table, row, 1 + SUMS);
        print_errors(row);
    }
    printf("\n");
    return table_end(&table, err);
}

static void explain_sums(const float *x, size_t n) {
    value("n-of-the-longest", (double)n, 9);
    value("true-sum", exact_sum(x, n), 7);
    value("running-sum", running_sum(x, n), 7);
    value("bfloat16-sum", bfloat16_sum(x, n), 5);
    printf("The larger a sum, the coarser its steps, and each small square is\n"
           "rounded to a whole number of them. Eight partial sums stay\n"
           "smaller, pairwise sums smaller still; Kahan's sum puts back what\n"
           "was lost. The bfloat16 sum stops growing where half a step is\n"
           "larger than any square.\n\n"
           "The library adds float32 squares in several partial sums, as many\n"
           "as suit the processor. The longest row of a published Mamba has\n"
           "2560 numbers.\n");
}

// --- Mistakes ---------------------------------------------------------------

enum { WAYS = 4 };

// The last number of the norm of c (1, 2, 3, 4): as it should be, without eps,
// with eps beside the root, and with the sum in place of the mean.
static void last_of_each(float c, float eps, double last[WAYS]) {
    const float x[4] = {1 * c, 2 * c, 3 * c, 4 * c};
    float sum = 0, y[4];
    for (size_t i = 0; i < 4; i++)
        sum += x[i] * x[i];
    rmsnorm_plain(y, x, 4, eps);
    last[0] = y[3];
    last[1] = x[3] / sqrtf(sum / 4);
    last[2] = x[3] / (sqrtf(sum / 4) + eps);
    last[3] = x[3] / sqrtf(sum + eps);
}

static void mistakes(const Arguments *args) {
    section("mistakes", "Three mistakes, and which row shows each");
    printf("The last number of the norm of (c, 2c, 3c, 4c), eps = %g.\n\n"
           "       c        right   without eps   eps beside root   "
           "sum for mean\n",
           args->eps);
    static const float sizes[] = {1000, 1, 1e-3f, 1e-4f, 0};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        static const int widths[WAYS] = {13, 14, 18, 15};
        double last[WAYS];
        last_of_each(sizes[k], (float)args->eps, last);
        printf("  %6g", sizes[k]);
        for (size_t way = 0; way < WAYS; way++)
            print_number(last[way], widths[way], 5);
        printf("\n");
    }
    double last[WAYS];
    last_of_each(1e-4f, (float)args->eps, last);
    printf("\nAt c = 0.0001, the third over the first:\n");
    value("eps-beside-root-over-right", last[2] / last[0], 2);
}

// --- The precision of the library's norm ------------------------------------

// The relative error of r = 1 / sqrt(mean(x^2)), from the first y_i = r x_i.
static double library_error(const float *x, const float *y, size_t n) {
    double truth = 1 / sqrt(exact_sum(x, n) / (double)n);
    size_t i = 0;
    while (i + 1 < n && x[i] == 0)
        i++;
    return relative_error((double)y[i] / (double)x[i], truth);
}

static bool library_precision(const Arguments *args, const float *x,
                              Error *err) {
    section_measured("library-precision", "The same for the library's "
                                          "rmsnorm()");
    printf("Relative errors of r = 1 / root, half as large as the sum's, with\n"
           "rmsnorm() and with one running sum. The digits depend on this\n"
           "processor.\n\n"
           "         n   rmsnorm()   running sum\n");
    enum { LONGEST = 20 };
    size_t longest = args->longest < LONGEST ? args->longest : LONGEST;
    size_t most = (size_t)1 << longest;
    float *weight = allocate(most, sizeof *weight, "the weights", err);
    float *y = allocate(most, sizeof *y, "the output", err);
    bool ok = weight && y;
    for (size_t i = 0; ok && i < most; i++)
        weight[i] = 1;
    for (size_t power = 4; ok && power <= longest; power += 2) {
        size_t n = (size_t)1 << power;
        rmsnorm(y, x, weight, 1, n, 0);
        printf("  %8zu%12.0e%14.0e\n", n, library_error(x, y, n),
               relative_error(running_sum(x, n), exact_sum(x, n)) / 2);
    }
    release(y);
    release(weight);
    return ok;
}

// --- Speed ------------------------------------------------------------------

enum { ROWS = 64, WIDTH = 768, RUNS = 15, PASSES = 20 };

typedef void Pass(float *y, const float *x, const float *weight, size_t length,
                  size_t d_model, float eps);

// No norm at all: what reading and writing the rows takes.
static void copy_rows(float *y, const float *x, const float *weight,
                      size_t length, size_t d_model, float eps) {
    (void)weight, (void)eps;
    memcpy(y, x, length * d_model * sizeof *y);
}

// The library's function but for `simd`: one sum, added to in order.
static void norm_in_order(float *y, const float *x, const float *weight,
                          size_t length, size_t d_model, float eps) {
    for (size_t t = 0; t < length; t++, x += d_model, y += d_model) {
        float sum = (float)running_sum(x, d_model);
        float r = 1.0f / sqrtf(sum / (float)d_model + eps);
        for (size_t i = 0; i < d_model; i++)
            y[i] = weight[i] * (r * x[i]);
    }
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Nanoseconds for one row, the median of the runs.
static double time_pass(Pass *pass, float *y, const float *x,
                        const float *weight) {
    double runs[RUNS];
    for (size_t run = 0; run < RUNS; run++) {
        double start = seconds_now();
        for (size_t k = 0; k < PASSES; k++)
            pass(y, x, weight, ROWS, WIDTH, 1e-5f);
        runs[run] = (seconds_now() - start) * 1e9 / (PASSES * ROWS);
    }
    qsort(runs, RUNS, sizeof *runs, compare_doubles);
    return runs[RUNS / 2];
}

static bool speed(const float *x, Error *err) {
    section_measured("speed", "The time for a row");
    printf("Nanoseconds for one row of %d numbers, the median of %d runs over\n"
           "%d rows, which stay in the processor's cache.\n\n",
           WIDTH, RUNS, ROWS);
    float *weight = allocate(WIDTH, sizeof *weight, "the weights", err);
    float *y = allocate(ROWS * WIDTH, sizeof *y, "the output", err);
    bool ok = weight && y;
    if (ok) {
        memcpy(weight, x, WIDTH * sizeof *weight);
        double copy = time_pass(copy_rows, y, x, weight);
        double order = time_pass(norm_in_order, y, x, weight);
        double library = time_pass(rmsnorm, y, x, weight);
        printf("  the C library's memcpy%10.0f\n", copy);
        printf("  rmsnorm()             %10.0f\n", library);
        printf("  one running sum       %10.0f\n\n", order);
        value("norm-over-copy", library / copy, 2);
        value("in-order-over-norm", order / library, 2);
    }
    release(y);
    release(weight);
    return ok;
}

// The sections that need many numbers.
static bool precision(const Arguments *args, Error *err) {
    size_t n = (size_t)1 << args->longest;
    size_t most = n > ROWS * WIDTH ? n : ROWS * WIDTH;
    float *x = allocate(most, sizeof *x, "the numbers to sum", err);
    if (!x)
        return false;
    fill_multiples(x, most);
    bool ok = sum_precision(args, x, err);
    if (ok) {
        explain_sums(x, n);
        ok = library_precision(args, x, err) && speed(x, err);
    }
    release(x);
    return ok;
}

// --- The command line -------------------------------------------------------

static const double largest_number = 1e6;

// As many weights as numbers: all 1 where none were given.
static bool check_weights(Arguments *args, size_t n_weights, Error *err) {
    for (size_t i = 0; n_weights == 0 && i < args->n; i++)
        args->weight[i] = 1;
    if (n_weights != 0 && n_weights != args->n)
        return fail(err,
                    "--weight: wanted as many numbers as x has, %zu, found %zu",
                    args->n, n_weights);
    return true;
}

static int read_arguments(Arguments *args, int argc, char **argv) {
    NumberList x = {args->x, MOST_NUMBERS, args->n};
    NumberList weight = {args->weight, MOST_NUMBERS, 0};
    const Option options[] = {
        {"x", 0, OPTION_LIST, &x, "LIST", "the row, up to 16 numbers (1,2,3,4)",
         -largest_number, largest_number},
        {"weight", 0, OPTION_LIST, &weight, "LIST",
         "the weights w, one for each number (all 1)", -largest_number,
         largest_number},
        {"eps", 0, OPTION_NUMBER, &args->eps, "E",
         "added to the mean of the squares (1e-5)", 1e-12, 1},
        {"longest", 0, OPTION_COUNT, &args->longest, "K",
         "the longest sum has 2^K numbers (24)", 4, 26},
        {"tsv", 0, OPTION_TEXT, &args->tsv, "DIR",
         "write the figures' tables here", 0, 0},
    };
    const CommandLine line = {
        .program = "chapter1",
        .summary = "RMSNorm by hand, beside LayerNorm, and in float32.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    Error err;
    args->n = x.count;
    if (status == OPTIONS_CONTINUE && !check_weights(args, weight.count, &err))
        status = options_wrong(&line, &err);
    return status;
}

int main(int argc, char **argv) {
    Arguments args = {.n = 4, .x = {1, 2, 3, 4}, .eps = 1e-5, .longest = 24};
    int status = read_arguments(&args, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    depth(&args);
    by_hand(&args);
    scale(&args);
    against_layernorm(&args);
    bool ok = shape(&args, &err) && where_eps_matters(&args, &err);
    if (ok) {
        float_range(&args);
        other_formats();
        mistakes(&args);
        ok = precision(&args, &err);
    }
    return report_end("chapter1", ok, &err);
}
