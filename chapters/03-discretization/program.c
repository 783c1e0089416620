// Chapter 3's program: from continuous time to steps of Delta, and back.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "discretization.h"
#include "measure.h"
#include "options.h"
#include "random.h"
#include "report.h"

// What the command line says.
typedef struct {
    double delta;     // the step of the sections that have one
    size_t d_state;   // N: A = -1 .. -N
    uint64_t seed;    // of the random inputs
    const char *tsv;  // the directory for the figures' tables, or NULL
} Arguments;

// --- What several sections use ----------------------------------------------

// The length of a random sequence.
enum { RANDOM_TOKENS = 10000 };

// h_t = A_bar h_{t-1} + B_bar x_t
static double step(Discretized rule, double h, double x) {
    return rule.A_bar * h + rule.B_bar * x;
}

// The four ways to discretise, in the order of the tables' columns.
enum { EULER, MAMBA, BILINEAR, ZOH, RULES };
static Discretized (*const rules[RULES])(double delta, double A, double B) = {
    discretize_euler, discretize_mamba, discretize_bilinear, discretize_zoh};

// The last digits of a rounding error differ from machine to machine, so a
// small one is printed by a bound that it keeps.
static void print_bounded(const char *what, double difference, double bound) {
    if (difference <= bound)
        printf("%s: below %.0e\n", what, bound);
    else
        printf("%s: %.1g\n", what, difference);
}

// The same as a table's cell.
static void print_error(int width, double error, double bound) {
    if (error <= bound)
        printf("%*s%.0e", width - 5, "<", bound);
    else
        printf("%*.1e", width, error);
}

// --- From the equation to the recurrence ------------------------------------

enum { SMALL_STEPS = 100000 };

// Follows h' = A h + B x itself for one step, in very many small ones.
static double follow_equation(double delta, double A, double B, double h,
                              double x) {
    for (int i = 0; i < SMALL_STEPS; i++)
        h += (A * h + B * x) * (delta / SMALL_STEPS);
    return h;
}

// Both ways side by side; returns their largest difference.
static double print_steps(Discretized zoh, double delta, double A, double B) {
    static const double inputs[] = {1, 1, 0, 2, 0, 0};
    double h = 0, followed = 0, largest = 0;
    for (size_t t = 0; t < sizeof inputs / sizeof *inputs; t++) {
        double x = inputs[t], before = h;
        h = step(zoh, h, x);
        followed = follow_equation(delta, A, B, followed, x);
        largest = larger(largest, fabs(h - followed));
        printf("  %2zu%6g%10.4f%16.4f%12.4f%10.4f%14.4f\n", t, x, before,
               zoh.A_bar * before, zoh.B_bar * x, h, followed);
    }
    return largest;
}

enum { POINTS = 32 };  // of the figure's curve, for each token

// The first row is where the state begins: after no token at all.
static bool write_hold(const Arguments *args, Error *err) {
    Table table;
    if (!table_begin(&table, args->tsv, "hold.tsv", "t\tx\th", err))
        return false;
    static const double inputs[] = {1, 1, 0, 2, 0, 0};
    const size_t tokens = sizeof inputs / sizeof *inputs;
    double h = 0;
    table_row(&table, (double[]){0, inputs[0], h}, 3);
    for (size_t i = 0; i < tokens * POINTS; i++) {
        double x = inputs[i / POINTS], t = (double)(i + 1) / POINTS;
        h = step(discretize_zoh(log(2) / POINTS, -1, 1), h, x);
        table_row(&table, (double[]){t, x, h}, 3);
    }
    return table_end(&table, err);
}

static bool equation(const Arguments *args, Error *err) {
    section("equation", "From an equation in continuous time to a recurrence");
    const double A = -1, B = 1;
    printf("A state h is a number that fades at the rate A and is fed with an\n"
           "input x, both in continuous time:\n\n"
           "    h'(t) = A h(t) + B x(t),   A = %g, B = %g\n\n"
           "A program has one x for each token. If x stays the same during a\n"
           "step of length Delta, the equation has an exact solution, and\n"
           "that solution is a recurrence:\n\n"
           "    h_t = A_bar h_{t-1} + B_bar x_t\n"
           "    A_bar = exp(Delta A)\n"
           "    B_bar = (exp(Delta A) - 1) / A * B\n\n"
           "For Delta = %g (--delta):\n\n",
           A, B, args->delta);
    Discretized zoh = discretize_zoh(args->delta, A, B);
    value("a-bar", zoh.A_bar, 6);
    value("b-bar", zoh.B_bar, 6);
    printf("\n   t   x_t   h_{t-1}   A_bar h_{t-1}   B_bar x_t       h_t   "
           "small steps\n");
    double largest = print_steps(zoh, args->delta, A, B);
    printf("\n");
    print_bounded("Largest difference between the last two columns", largest,
                  1e-6);
    printf("The last column follows the equation itself, in %d small steps\n"
           "for each token. The recurrence needs one.\n",
           SMALL_STEPS);
    return write_hold(args, err);
}

// --- The rules --------------------------------------------------------------

static void print_rules(double delta) {
    const double A = -1, B = 1;
    Discretized euler = discretize_euler(delta, A, B);
    Discretized bilinear = discretize_bilinear(delta, A, B);
    Discretized zoh = discretize_zoh(delta, A, B);
    printf("  %7g%10.4f%10.4f%10.4f%13.4f%10.4f%10.4f\n", delta, euler.A_bar,
           bilinear.A_bar, zoh.A_bar, euler.B_bar, bilinear.B_bar, zoh.B_bar);
}

static void explain_rules(const Arguments *args) {
    section("rules", "Three rules and a mixture");
    printf("Euler goes straight on for the whole step with the slope that h\n"
           "has at its beginning. Bilinear takes the mean of the slopes at\n"
           "both ends. Zero-order hold (ZOH) holds x and is exact for it, as\n"
           "above. For A = -1 and B = 1:\n\n"
           "    Delta     A_bar:                           B_bar:\n"
           "              Euler  bilinear       ZOH        Euler  bilinear     "
           "  ZOH\n");
    static const double deltas[] = {0.01, 0.1, 0.5, 1, 2, 3, 10};
    for (size_t i = 0; i < sizeof deltas / sizeof *deltas; i++)
        print_rules(deltas[i]);
    printf("\n"
           "For small steps they agree. Mamba's code takes A_bar from ZOH and\n"
           "B_bar from Euler; for your Delta:\n\n");
    Discretized mamba = discretize_mamba(args->delta, -1, 1);
    value("mamba-a-bar", mamba.A_bar, 6);
    value("mamba-b-bar", mamba.B_bar, 6);
}

// --- Stability --------------------------------------------------------------

// Three decimals, or none for a large number; and never "-0.000".
static void print_state(double h) {
    if (fabs(h) < 100)
        printf("%7.3f", round(h * 1000) / 1000 + 0.0);
    else
        printf("%7.0f", h);
}

static void stability(void) {
    section("stability", "A state that should fade");
    printf("h starts at 1 and has no input. The equation lets it fade towards\n"
           "0 without ever changing its sign.\n\n"
           "             Delta A = -0.5         Delta A = -2.5          Delta "
           "A = -10\n"
           "  step  Euler bilin.   ZOH     Euler bilin.   ZOH     Euler bilin. "
           "  ZOH\n");
    static const double products[] = {-0.5, -2.5, -10};
    static const int shown[] = {EULER, BILINEAR, ZOH};
    double h[3][3] = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}};
    for (int t = 0; t <= 6; t++) {
        printf("  %4d", t);
        for (size_t p = 0; p < 3; p++) {
            for (size_t r = 0; r < 3; r++) {
                print_state(h[p][r]);
                h[p][r] = step(rules[shown[r]](1, products[p], 1), h[p][r], 0);
            }
            printf(p < 2 ? "  " : "\n");
        }
    }
    printf("\n"
           "Euler multiplies by 1 + Delta A, which is below -1 once Delta |A|\n"
           "is larger than 2: the state explodes. Bilinear never does, but\n"
           "for Delta |A| beyond 2 it rings: the sign changes at every step,\n"
           "and the larger the step, the slower this fades. ZOH is right at\n"
           "any step.\n");
}

// --- A smooth input ---------------------------------------------------------

enum { END_TIME = 64 };

// The solution of h' = A h + sin(t), h(0) = 0:
//     h(t) = (exp(A t) - cos t - A sin t) / (A^2 + 1)
static double exact_for_sine(double A, double t) {
    return (exp(A * t) - cos(t) - A * sin(t)) / (A * A + 1);
}

// The largest error up to END_TIME of a rule that is given, for each step, the
// mean of sin t at the step's two ends.
static double error_for_sine(int rule, double delta) {
    const double A = -1;
    Discretized discretized = rules[rule](delta, A, 1);
    double h = 0, largest = 0;
    size_t steps = (size_t)(END_TIME / delta);
    for (size_t k = 1; k <= steps; k++) {
        double begin = (double)(k - 1) * delta, end = (double)k * delta;
        h = step(discretized, h, (sin(begin) + sin(end)) / 2);
        largest = larger(largest, fabs(h - exact_for_sine(A, end)));
    }
    return largest;
}

// Halving the step divides the error by 2^order.
static double order_for_sine(int rule, double delta) {
    return log2(error_for_sine(rule, 2 * delta) / error_for_sine(rule, delta));
}

static bool write_errors(const Arguments *args, Error *err) {
    Table table;
    if (!table_begin(&table, args->tsv, "discretization-error.tsv",
                     "delta\teuler\tmamba\tbilinear\tzoh", err))
        return false;
    for (int quarter = -24; quarter <= 8; quarter++) {
        double delta = exp2(quarter / 4.0);
        double row[1 + RULES] = {delta};
        for (int r = 0; r < RULES; r++)
            row[1 + r] = error_for_sine(r, delta);
        table_row(&table, row, 1 + RULES);
    }
    return table_end(&table, err);
}

static bool smooth_input(const Arguments *args, Error *err) {
    section("smooth-input", "The error as the step grows: a smooth input");
    printf("h' = -h + sin t, whose exact solution is known. Each rule gets\n"
           "the mean of sin t at both ends of the step. The largest error up\n"
           "to t = %d:\n\n"
           "     Delta       Euler       Mamba    bilinear         ZOH\n",
           END_TIME);
    const double smallest = 1.0 / 64;
    for (double delta = smallest; delta <= 4; delta *= 2) {
        printf("  %8g", delta);
        for (int r = 0; r < RULES; r++)
            printf("%12.1e", error_for_sine(r, delta));
        printf("\n");
    }
    printf("\n");
    value("order-euler", order_for_sine(EULER, smallest), 3);
    value("order-mamba", order_for_sine(MAMBA, smallest), 3);
    value("order-bilinear", order_for_sine(BILINEAR, smallest), 3);
    value("order-zoh", order_for_sine(ZOH, smallest), 3);
    printf("An order of 1 means that half the step has half the error, an\n"
           "order of 2 a quarter. At Delta = 4 Euler has exploded. Mamba's\n"
           "mixture converges no faster than Euler, but stays stable. For\n"
           "small steps its error is even the larger of the two. The section\n"
           "\"mixture\" shows why.\n");
    return write_errors(args, err);
}

// --- A held input -----------------------------------------------------------

enum { HELD = 32 };

// The exact h(t) for an input that is x_j from j to j + 1: each piece is
// integrated by itself.
static double exact_for_held(const double *x, double A, double t) {
    double h = 0;
    for (size_t j = 0; (double)j < t && j < HELD; j++) {
        double begin = (double)j, end = fmin((double)j + 1, t);
        h += x[j] * (exp(A * (t - end)) - exp(A * (t - begin))) / -A;
    }
    return h;
}

static double error_for_held(int rule, const double *x, size_t per_unit) {
    const double A = -1;
    Discretized discretized = rules[rule](1 / (double)per_unit, A, 1);
    double h = 0, largest = 0;
    for (size_t k = 0; k < HELD * per_unit; k++) {
        h = step(discretized, h, x[k / per_unit]);
        double t = (double)(k + 1) / (double)per_unit;
        largest = larger(largest, fabs(h - exact_for_held(x, A, t)));
    }
    return largest;
}

static void held_input(const Arguments *args) {
    section("held-input", "The error as the step grows: an input held still");
    printf("The same for an input that jumps to a random value at t = 0, 1, 2\n"
           "... and stays there in between.\n\n"
           "     Delta       Euler       Mamba    bilinear         ZOH\n");
    Random random = random_from_seed(args->seed);
    double x[HELD];
    for (size_t j = 0; j < HELD; j++)
        x[j] = random_uniform(&random, -1, 1);
    for (size_t per_unit = 64; per_unit >= 1; per_unit /= 4) {
        printf("  %8g", 1 / (double)per_unit);
        for (int r = 0; r < RULES; r++)
            print_error(12, error_for_held(r, x, per_unit), 1e-12);
        printf("\n");
    }
    printf("\n"
           "Here ZOH makes no error but rounding, at any step. A language\n"
           "model is in this case: its input is one vector for each token,\n"
           "and there is nothing in between to be wrong about.\n");
}

// --- What Euler for B costs -------------------------------------------------

// Mamba's B_bar divided by the exact one: Delta A / (exp(Delta A) - 1).
static double B_factor(double delta, double A) {
    return discretize_mamba(delta, A, 1).B_bar /
           discretize_zoh(delta, A, 1).B_bar;
}

static bool write_factor(const Arguments *args, Error *err) {
    Table table;
    if (!table_begin(&table, args->tsv, "mixture.tsv",
                     "delta_times_minus_A\tfactor", err))
        return false;
    for (int tenth = -30; tenth <= 20; tenth++) {
        double product = pow(10, tenth / 10.0);
        table_row(&table, (double[]){product, B_factor(product, -1)}, 2);
    }
    return table_end(&table, err);
}

// What h approaches while x stays at 1: h = A_bar h + B_bar.
static double limit(Discretized rule) {
    return rule.B_bar / (1 - rule.A_bar);
}

// How far Mamba's h is from factor times the exact h, at a constant Delta.
static double difference_at_constant_delta(const Arguments *args, double A) {
    Random random = random_from_seed(args->seed);
    double factor = B_factor(args->delta, A);
    double h_mamba = 0, h_zoh = 0, largest = 0;
    for (size_t t = 0; t < RANDOM_TOKENS; t++) {
        double x = random_uniform(&random, -1, 1);
        h_mamba = step(discretize_mamba(args->delta, A, 1), h_mamba, x);
        h_zoh = step(discretize_zoh(args->delta, A, 1), h_zoh, x);
        largest = larger(largest, fabs(h_mamba - factor * h_zoh));
    }
    return largest;
}

// A constant factor for each state, and the limit that it moves.
static void constant_delta(const Arguments *args) {
    printf("\n"
           "What h approaches for an input that stays at 1, with A = -1 and\n"
           "Delta = 0.1 (the equation says 1):\n\n");
    value("limit-zoh", limit(discretize_zoh(0.1, -1, 1)), 4);
    value("limit-euler", limit(discretize_euler(0.1, -1, 1)), 4);
    value("limit-mamba", limit(discretize_mamba(0.1, -1, 1)), 4);
    printf("\n"
           "Euler's two errors cancel here: it fades too fast and writes too\n"
           "much. The mixture fades rightly and writes too much.\n\n"
           "While Delta stays the same, each state is too large by its factor\n"
           "and otherwise right: a B smaller by that factor would mend it.\n"
           "Checked on %d random tokens with Delta = %g:\n",
           RANDOM_TOKENS, args->delta);
    double largest = 0;
    for (int n = 1; n <= 16; n *= 2)
        largest = larger(largest, difference_at_constant_delta(args, -n));
    print_bounded("Largest difference of Mamba's h from factor times ZOH's h",
                  largest, 1e-12);
}

static bool mixture(const Arguments *args, Error *err) {
    section("mixture", "Mamba's mixture: what Euler for B costs");
    printf("Mamba's B_bar, Delta B, is larger than the exact one by a factor\n"
           "that depends on Delta A alone. A few states, for four steps:\n\n"
           "     A   Delta = 0.001    Delta = 0.01     Delta = 0.1       Delta "
           "= 1\n");
    for (int n = 1; n <= 16; n *= 2) {
        printf("  %4d", -n);
        for (double delta = 0.001; delta < 2; delta *= 10)
            printf("%16.4f", B_factor(delta, -n));
        printf("\n");
    }
    printf("\nThe first and the last of the third column:\n");
    value("factor-of-a-1", B_factor(0.1, -1), 4);
    value("factor-of-a-16", B_factor(0.1, -16), 4);
    constant_delta(args);
    return write_factor(args, err);
}

// The range in which Mamba's first Deltas lie (dt_min and dt_max).
static const double delta_min = 0.001, delta_max = 0.1;

// Sums over a sequence, from which both errors below follow.
typedef struct {
    double mamba_mamba, mamba_zoh, zoh_zoh;
} Products;

// A state driven by random inputs, with Delta random in Mamba's initial range
// and uniform in its logarithm.
static Products drive(const Arguments *args, double A) {
    Random random = random_from_seed(args->seed);
    Products sum = {0};
    double h_mamba = 0, h_zoh = 0;
    for (size_t t = 0; t < RANDOM_TOKENS; t++) {
        double x = random_uniform(&random, -1, 1);
        double delta =
            exp(random_uniform(&random, log(delta_min), log(delta_max)));
        h_mamba = step(discretize_mamba(delta, A, 1), h_mamba, x);
        h_zoh = step(discretize_zoh(delta, A, 1), h_zoh, x);
        sum.mamba_mamba += h_mamba * h_mamba;
        sum.mamba_zoh += h_mamba * h_zoh;
        sum.zoh_zoh += h_zoh * h_zoh;
    }
    return sum;
}

// |h_mamba - h_zoh| / |h_zoh| over the sequence.
static double plain_error(Products sum) {
    double square = sum.mamba_mamba - 2 * sum.mamba_zoh + sum.zoh_zoh;
    return sqrt(fmax(0, square) / sum.zoh_zoh);
}

// The same after Mamba's h is multiplied by the best constant there is.
static double error_after_scaling(Products sum) {
    double cosine_squared =
        sum.mamba_zoh * sum.mamba_zoh / (sum.mamba_mamba * sum.zoh_zoh);
    return sqrt(fmax(0, 1 - cosine_squared));
}

static void mixture_error(const Arguments *args) {
    section("mixture-error", "The mixture when Delta changes with each token");
    printf("In Mamba each token has a Delta of its own, so no constant can\n"
           "absorb the factor entirely. Here the inputs are random, and so is\n"
           "Delta, between %g and %g, the range from which Mamba starts. The\n"
           "root mean square of the error of h, relative to that of ZOH's h,\n"
           "as it is and after the best constant factor:\n\n"
           "     A       as it is   with the best factor\n",
           delta_min, delta_max);
    for (int n = 1; n <= 16; n *= 2) {
        Products sum = drive(args, -n);
        printf("  %4d%14.1f%%%21.1f%%\n", -n, 100 * plain_error(sum),
               100 * error_after_scaling(sum));
    }
    Products fastest = drive(args, -16);
    printf("\n");
    value("error-of-a-16", plain_error(fastest), 2);
    value("error-of-a-16-scaled", error_after_scaling(fastest), 2);
    printf("The slow states hardly notice. The fast ones do, but what is left\n"
           "is no error of the model: it is trained with the mixture, and how\n"
           "strongly a token with a large Delta writes is learned too. It\n"
           "matters when weights trained with one rule are run with the\n"
           "other.\n");
}

// --- Softplus ---------------------------------------------------------------

// The formula as it stands.
static float naive_softplus(float x) {
    return logf(1 + expf(x));
}

static double relative_error(double found, double truth) {
    return fabs(found - truth) / fabs(truth);
}

// The border between the x for which the naive formula does something, as it
// does at `yes`, and those for which it does not, as at `no`.
static double border(bool (*does)(float), double yes, double no) {
    for (int i = 0; i < 40; i++) {
        double middle = (yes + no) / 2;
        if (does((float)middle))
            yes = middle;
        else
            no = middle;
    }
    return yes;
}

static bool overflows(float x) {
    return isinf(naive_softplus(x));
}

static bool vanishes(float x) {
    return naive_softplus(x) == 0;
}

static bool softplus_vanishes(float x) {
    return softplus(x) == 0;
}

static void explain_softplus(void) {
    section("softplus", "Softplus, which makes any number a step");
    printf(
        "Delta must be positive, but what a layer computes has any sign.\n"
        "softplus(s) = ln(1 + exp(s)) is positive, near 0 for negative s\n"
        "and near s for positive s. \"naive\" is that formula in float32;\n"
        "the errors are relative, against double precision.\n\n"
        "       s       naive  softplus()   naive error   softplus() error\n");
    static const float points[] = {-80, -20, -17, -16, -10, -5, -1,
                                   0,   1,   5,   20,  88,  89, 100};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        float x = points[i];
        double truth = x > 50 ? (double)x : log1p(exp(x));
        printf("  %6g%12.4g%12.4g", x, naive_softplus(x), softplus(x));
        print_error(14, relative_error(naive_softplus(x), truth), 1e-6);
        print_error(19, relative_error(softplus(x), truth), 1e-6);
        printf("\n");
    }
    printf("\n");
    value("naive-is-infinite-from", border(overflows, 100, 0), 4);
    value("naive-is-zero-up-to", border(vanishes, -100, 0), 4);
    value("softplus-is-zero-up-to", border(softplus_vanishes, -200, 0), 3);
    value("softplus-minus-s-at-20", log1p(exp(20)) - 20, 2);
    printf(
        "Two traps. For large s exp(s) overflows; above 20 the answer is\n"
        "s, within half a unit of float32's last place. For very negative\n"
        "s, 1 + exp(s) rounds to 1 and the step to 0, a state that neither\n"
        "fades nor hears anything; log1p(y), which is ln(1 + y) computed\n"
        "without adding 1, keeps the small steps, until exp(s) is 0 itself.\n");
}

// --- Softplus of many numbers -----------------------------------------------

// ln(1 + e) by the first terms of two series: of e, and of s = e / (2 + e).
static double series_in_e(double e, int terms) {
    double sum = 0, power = e;
    for (int k = 1; k <= terms; k++, power *= -e)
        sum += power / k;
    return sum;
}

static double series_in_s(double e, int terms) {
    double s = e / (2 + e), sum = 0, power = s;
    for (int k = 0; k < terms; k++, power *= s * s)
        sum += 2 * power / (2 * k + 1);
    return sum;
}

// The largest error of a softplus for s from -80 to 80, in units in the last
// place of float32: in distances between a number and the next.
static double softplus_error(void (*many)(float *x, size_t n)) {
    double most = 0;
    for (int i = -80 * 256; i <= 80 * 256; i++) {
        float x = (float)i / 256, found = x;
        double truth = (x > 0 ? (double)x : 0) + log1p(exp(-fabs(x)));
        many(&found, 1);
        most = larger(most, fabs(found - truth) / ldexp(1, ilogb(truth) - 23));
    }
    return most;
}

static void one_by_one(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = softplus(x[i]);
}

static bool softplus_of_many(Error *err) {
    section("softplus-of-many", "Softplus without a function of libm");
    printf("ln(1 + e) by the first terms of two series, for e = 1:\n\n"
           " terms      in e    error  in e/(2+e)    error\n");
    for (int terms = 1; terms <= 6; terms++) {
        double in_e = series_in_e(1, terms), in_s = series_in_s(1, terms);
        printf("%6d%10.6f%9.1e%12.6f%9.1e\n", terms, in_e, fabs(in_e - log(2)),
               in_s, fabs(in_s - log(2)));
    }
    printf("\nErrors in units in the last place of float32, the distance\n"
           "between a number and the next, for s from -80 to 80:\n\n");
    return check_below("Largest error of softplus()",
                       softplus_error(one_by_one), 2, err) &&
           check_below("Largest error of softplus_in_place()",
                       softplus_error(softplus_in_place), 4, err);
}

// As many as mamba-130m has channels in a layer.
enum { MANY = 1536 };

// The numbers to take softplus of, and room for it.
typedef struct {
    float x[MANY], y[MANY];
    void (*many)(float *x, size_t n);
} Timed;

static bool run_timed(void *context, Error *err) {
    Timed *timed = context;
    (void)err;
    memcpy(timed->y, timed->x, sizeof timed->x);
    timed->many(timed->y, MANY);
    return true;
}

static bool softplus_measured(Error *err) {
    const double seconds = 0.1;
    Timed slow = {.many = one_by_one}, fast = {.many = softplus_in_place};
    const Work works[] = {{run_timed, &slow}, {run_timed, &fast}};
    Timing timings[2];
    section_measured("softplus-time", "Softplus one by one, and many at once");
    fill_uniform(slow.x, MANY, -8, 8);
    fill_uniform(fast.x, MANY, -8, 8);
    if (!measure(timings, works, 2, seconds, err))
        return false;
    value("nanoseconds-softplus", 1e9 * timings[0].median / MANY, 2);
    value("nanoseconds-softplus-in-place", 1e9 * timings[1].median / MANY, 2);
    value("softplus-gain", timings[0].median / timings[1].median, 2);
    return true;
}

// --- The inverse of softplus ------------------------------------------------

static float naive_inverse(float delta) {
    return logf(expf(delta) - 1);
}

// The same for a large Delta without an overflow.
static float rewritten_inverse(float delta) {
    return delta + logf(1 - expf(-delta));
}

static void inverse(void) {
    section("softplus-inverse", "Back from a step to the number behind it");
    printf(
        "Mamba draws its first Deltas between %g and %g and needs the s\n"
        "with softplus(s) = Delta, for the bias before the softplus.\n"
        "\"naive\" is ln(exp(Delta) - 1) in float32, \"rewritten\" Delta +\n"
        "ln(1 - exp(-Delta)) in float32; the last column is the relative\n"
        "error of softplus(softplus_inverse(Delta)).\n\n"
        "     Delta       naive   rewritten   softplus_inverse()   there and "
        "back\n",
        delta_min, delta_max);
    static const double deltas[] = {1e-8, 1e-7, 1e-4, 1e-3, 0.1, 1, 10, 100};
    for (size_t i = 0; i < sizeof deltas / sizeof *deltas; i++) {
        double delta = deltas[i], x = softplus_inverse(delta);
        printf("  %8g%12.3g%12.3g%21.4g", delta, naive_inverse((float)delta),
               rewritten_inverse((float)delta), x);
        print_error(17, relative_error(softplus((float)x), delta), 1e-5);
        printf("\n");
    }
    printf(
        "\n"
        "The same traps from the other side: exp(Delta) - 1 is 0 for a\n"
        "small Delta and infinite for a large one. Rewriting mends the\n"
        "second. The library computes what is rewritten in double, and with\n"
        "expm1(y), which is exp(y) - 1 without the cancellation.\n");
}

// --- A_log ------------------------------------------------------------------

static const double fading_delta = 0.1;
enum { FADING_TOKENS = 200 };

// |h| after FADING_TOKENS tokens of input 1.
static double state_after(double A) {
    double h = 0;
    for (int t = 0; t < FADING_TOKENS; t++)
        h = step(discretize_zoh(fading_delta, A, 1), h, 1);
    return fabs(h);
}

static float A_of(float A_log) {
    float A;
    A_from_A_log(&A, &A_log, 1);
    return A;
}

static void learn_A(void) {
    section("a-log", "Why A is stored as A_log");
    const double rate = 0.3, gradient = -1;
    printf(
        "Suppose that learning wants a longer memory, and each update\n"
        "pushes A upwards, with the gradient dLoss/dA = %g and the\n"
        "learning rate %g:\n\n"
        "    left:   A itself is learned\n"
        "    right:  A = -exp(A_log), and A_log is learned, with the\n"
        "            gradient dLoss/dA_log = dLoss/dA * A\n\n"
        "The column |h| is the state after %d tokens of input 1, by ZOH with\n"
        "Delta = %g and B = 1.\n\n"
        "              left:                   right:\n"
        "  update         A         |h|       A_log          A         |h|\n",
        gradient, rate, FADING_TOKENS, fading_delta);
    double A = -1, A_log = 0;
    for (int update = 0; update <= 6; update++) {
        double A_behind = A_of((float)A_log);
        printf("  %6d%10.2f%12.3g%12.3f%11.4f%12.3g\n", update, A,
               state_after(A), A_log, A_behind, state_after(A_behind));
        A -= rate * gradient;
        A_log -= rate * gradient * A_behind;
    }
}

static void A_log_extremes(void) {
    printf("\n"
           "Once A is positive the state no longer fades but grows with every\n"
           "token, and the model is lost. No update of A_log can do that. By\n"
           "ZOH:\n\n"
           "   A_log           A   A_bar at Delta = %g      B_bar\n",
           fading_delta);
    static const float extremes[] = {-110, -10, 0, 10, 100};
    for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++) {
        double A_there = A_of(extremes[i]);
        Discretized zoh = discretize_zoh(fading_delta, A_there, 1);
        printf("  %6g%12.3g%23.6g%11.4g\n", extremes[i], A_there, zoh.A_bar,
               zoh.B_bar);
    }
    printf("\n"
           "A is never above 0, so A_bar is never above 1.\n");
}

// --- Time scales ------------------------------------------------------------

// After how many tokens of fading is less than `part` left? Counted by running
// the recurrence.
static size_t tokens_until(double part, double delta, double A) {
    Discretized zoh = discretize_zoh(delta, A, 1);
    double h = 1;
    size_t tokens = 0;
    while (h >= part) {
        h = step(zoh, h, 0);
        tokens++;
    }
    return tokens;
}

static double half_life(double delta, double A) {
    return log(2) / (delta * -A);
}

static void time_scales(const Arguments *args) {
    section("time-scales", "How long each state remembers");
    printf("A_log starts at ln 1 .. ln N, so a channel's N = %zu states fade\n"
           "at the rates A = -1 .. -N. The half-life is the number of tokens\n"
           "after which half of an input is left: ln 2 / (Delta |A|).\n\n"
           "            half-life in tokens for Delta =        counted,\n"
           "     A     0.001      0.01       0.1         1     Delta = %g\n",
           args->d_state, args->delta);
    for (size_t n = 1; n <= args->d_state; n++) {
        double A = -(double)n;
        printf("  %4.0f", A);
        for (double delta = 0.001; delta < 2; delta *= 10)
            printf("%10.2f", half_life(delta, A));
        printf("%13zu\n", tokens_until(0.5, args->delta, A));
    }
    printf("\n");
    value("longest-half-life", half_life(delta_min, -1), 3);
    value("shortest-half-life", half_life(delta_max, -(double)args->d_state),
          2);
    printf("The longest is that of A = -1 and the shortest that of A = -N,\n"
           "for Deltas between %g and %g: a fresh layer listens on all these\n"
           "scales at once. A Delta chosen per token then stretches or\n"
           "shortens them all together.\n",
           delta_min, delta_max);
}

// --- The memory of a state --------------------------------------------------

// One character for each token: the tenths of an impulse that are left.
static void print_memory(double delta, double A) {
    Discretized zoh = discretize_zoh(delta, A, 1);
    double h = 1;
    printf("  %4.0f   ", A);
    for (int t = 0; t <= 60; t++, h = step(zoh, h, 0)) {
        int tenths = (int)(10 * h);
        putchar(tenths >= 10 ? '#' : tenths > 0 ? '0' + tenths : '.');
    }
    printf("\n");
}

static void memory_picture(const Arguments *args) {
    section("memory", "The memory of a state, and how Delta shrinks it");
    printf("An impulse fills each state at t = 0; then it fades. One\n"
           "character is one token: # is everything, 9 .. 1 the tenths that\n"
           "are left, a dot less than a tenth. Delta = %g (--delta).\n\n"
           "     A   t=0       10        20        30        40        50      "
           "  60\n",
           args->delta);
    for (size_t n = 1; n <= args->d_state; n *= 2)
        print_memory(args->delta, -(double)n);
    printf("\n");
    value("tokens-until-1-percent", (double)tokens_until(0.01, args->delta, -1),
          6);
    value("at-ten-times-delta",
          (double)tokens_until(0.01, 10 * args->delta, -1), 6);
    printf("Both for A = -1. Ten times the Delta is a tenth of the memory.\n"
           "With a large Delta a token writes itself into the state and wipes\n"
           "out what was there; with a small one it passes almost unnoticed.\n"
           "See for yourself:\n");
    printf("    make chapter3 ARGS=\"--delta %g\"\n",
           args->delta < 1 ? 10 * args->delta : args->delta / 10);
}

// With the Delta of the figure's caption, whatever --delta is.
static bool write_memory(const Arguments *args, Error *err) {
    Table table;
    if (!table_begin(&table, args->tsv, "memory.tsv",
                     "t\tA_-1\tA_-2\tA_-4\tA_-8\tA_-16", err))
        return false;
    for (int t = 0; t <= 60; t++) {
        double row[6] = {t};
        for (int k = 0; k < 5; k++)
            row[1 + k] = exp(0.1 * -(1 << k) * t);
        table_row(&table, row, 6);
    }
    return table_end(&table, err);
}

// --- Theorem 1 --------------------------------------------------------------

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

// What a random sequence shows: largest absolute values.
typedef struct {
    double x, h_zoh, h_mamba;       // of the inputs and the states
    double zoh_error, mamba_error;  // of the states, against the gated ones
} Largest;

static Largest run_theorem(const Arguments *args) {
    Random random = random_from_seed(args->seed);
    Largest largest = {0};
    double h = 0, h_zoh = 0, h_mamba = 0;
    for (size_t t = 0; t < RANDOM_TOKENS; t++) {
        double s = random_uniform(&random, -4, 4);
        double x = random_uniform(&random, -1, 1);

        // h_t = (1 - g_t) h_{t-1} + g_t x_t
        double g = sigmoid(s), delta = softplus((float)s);
        h = (1 - g) * h + g * x;
        h_zoh = step(discretize_zoh(delta, -1, 1), h_zoh, x);
        h_mamba = step(discretize_mamba(delta, -1, 1), h_mamba, x);

        largest.x = larger(largest.x, fabs(x));
        largest.h_zoh = larger(largest.h_zoh, fabs(h_zoh));
        largest.h_mamba = larger(largest.h_mamba, fabs(h_mamba));
        largest.zoh_error = larger(largest.zoh_error, fabs(h_zoh - h));
        largest.mamba_error = larger(largest.mamba_error, fabs(h_mamba - h));
    }
    return largest;
}

static void theorem_1(const Arguments *args) {
    section("theorem-1", "Theorem 1: selection is a gate");
    printf("The paper's theorem 1: with N = 1, A = -1, B = 1 and Delta =\n"
           "softplus(s) the recurrence is that of a gate,\n\n"
           "    h_t = (1 - g_t) h_{t-1} + g_t x_t,   g_t = sigmoid(s_t)\n\n"
           "because exp(-softplus(s)) = 1 - sigmoid(s).\n\n"
           "     s        g     1 - g     Delta     A_bar   ZOH B_bar   Mamba "
           "B_bar\n");
    for (int s = -6; s <= 6; s += 2) {
        double delta = softplus((float)s);
        Discretized zoh = discretize_zoh(delta, -1, 1);
        printf("  %4d%9.4f%10.4f%10.4f%10.4f%12.4f%14.4f\n", s, sigmoid(s),
               1 - sigmoid(s), delta, zoh.A_bar, zoh.B_bar,
               discretize_mamba(delta, -1, 1).B_bar);
    }
    Largest largest = run_theorem(args);
    printf("\nOn %d random tokens, beside the gated recurrence:\n",
           RANDOM_TOKENS);
    print_bounded("Largest difference of h, ZOH", largest.zoh_error, 1e-6);
    value("mamba-difference", largest.mamba_error, 3);
    value("largest-x", largest.x, 3);
    value("largest-h-zoh", largest.h_zoh, 3);
    value("largest-h-mamba", largest.h_mamba, 3);
    printf(
        "With ZOH the theorem holds: h is a weighted mean of the inputs\n"
        "and never larger than they are. With Mamba's code it does not\n"
        "hold exactly: B_bar is Delta = softplus(s) in place of g =\n"
        "sigmoid(s). The two agree where s is very negative. Where it is\n"
        "large, the gate saturates at 1, and Delta goes on growing with s.\n");
}

// --- bfloat16 ---------------------------------------------------------------

// The bfloat16 next to x: the upper half of a float32's bits, rounded to even
// where two are equally near.
static float to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (!isnan(x))
        bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float A_bar_bf16(double delta, double A) {
    return to_bf16((float)discretize_zoh(delta, A, 1).A_bar);
}

// The half-life that a rounded A_bar has.
static double half_life_of(double A_bar) {
    return A_bar == 1 ? INFINITY : -log(2) / log(A_bar);
}

static void rounded_memory(void) {
    printf(
        "A bfloat16 has the range of a float32 and 8 significant bits. A_bar\n"
        "for A = -1, and what becomes of it:\n\n"
        "     Delta       A_bar     in bf16   half-life   in bf16\n");
    static const double deltas[] = {0.001, 0.0015, 0.002, 0.004,
                                    0.006, 0.01,   0.1};
    for (size_t i = 0; i < sizeof deltas / sizeof *deltas; i++) {
        double delta = deltas[i], rounded = A_bar_bf16(delta, -1);
        printf("  %8g%12.6f%12.6f%12.1f%10.1f\n", delta, exp(-delta), rounded,
               half_life(delta, -1), half_life_of(rounded));
    }
    printf("\n");

    // Halfway between 1 and the number below it, and on to the even one, 1.
    double border = -log1p(-exp2(-9));
    value("never-fades-below", border, 3);
    value("percent-of-first-deltas",
          100 * log(border / delta_min) / log(delta_max / delta_min), 3);
}

// Input 1 for ever, Delta = 0.001, A = -1 and B = 1: as it should be, with
// A_bar alone rounded to bfloat16, and with everything in it.
static void rounded_state(void) {
    const double delta = 0.001;
    printf("\nThe state with Delta = %g, A = -1 and B = 1 by Mamba's mixture,\n"
           "while the input stays at 1; what is not rounded is a double:\n\n"
           "    tokens     nothing   A_bar in bf16   h in bf16, too\n",
           delta);
    const Discretized exact = discretize_mamba(delta, -1, 1);
    const Discretized rounded = {.A_bar = to_bf16((float)exact.A_bar),
                                 .B_bar = exact.B_bar};
    const float A_half = to_bf16((float)exact.A_bar);
    const float B_half = to_bf16((float)exact.B_bar);
    double h = 0, h_rounded = 0;
    float h_half = 0;
    for (int t = 1, shown = 100; t <= 100000; t++) {
        h = step(exact, h, 1);
        h_rounded = step(rounded, h_rounded, 1);
        h_half = to_bf16(to_bf16(A_half * h_half) + B_half);
        if (t == shown) {
            printf("  %8d%12.3g%16.3g%17.3g\n", t, h, h_rounded, h_half);
            shown *= 10;
        }
    }
}

// How far a parameter moves in bfloat16 under a thousand small updates.
static float after_updates(float parameter) {
    for (int i = 0; i < 1000; i++)
        parameter = to_bf16(parameter - 0.001f);
    return parameter;
}

static void rounded_parameters(void) {
    printf(
        "\nParameters stored in bfloat16, all else computed in float32: the\n"
        "A or the Delta that each was to give and the one that it gives; and\n"
        "where 1000 updates of -0.001 each bring the stored number:\n\n"
        "   wanted          parameter   float32      bf16     given   "
        "updated\n");
    for (int n = 1; n <= 16; n *= 4) {
        float A_log = (float)log(n), stored = to_bf16(A_log);
        printf("   A = %-12dA_log    %10.5f%10.5f%10.4g%10.4g\n", -n, A_log,
               stored, A_of(stored), after_updates(stored));
    }
    for (double delta = delta_min; delta < 0.2; delta *= 10) {
        float bias = (float)softplus_inverse(delta), stored = to_bf16(bias);
        printf("   Delta = %-8gbias     %10.5f%10.5f%10.4g%10.4g\n", delta,
               bias, stored, softplus(stored), after_updates(stored));
    }
    printf("\n");

    double worst_A = 0, worst_delta = 0;
    for (int n = 1; n <= 16; n++)
        worst_A =
            larger(worst_A, relative_error(A_of(to_bf16((float)log(n))), -n));
    for (double delta = delta_min; delta <= delta_max; delta *= 1.001) {
        float stored = to_bf16((float)softplus_inverse(delta));
        worst_delta =
            larger(worst_delta, relative_error(softplus(stored), delta));
    }
    value("largest-percent-of-A", 100 * worst_A, 2);
    value("largest-percent-of-delta", 100 * worst_delta, 2);
}

// The sign of a NaN differs from machine to machine.
static void print_or_nan(int width, float x) {
    if (isnan(x))
        printf("%*s", width, "NaN");
    else
        printf("%*.4g", width, x);
}

static float keep(float x) {
    return x;
}

// Delta and B_bar as the formulas stand: ln(1 + exp(s)), and equation 4 with
// A = -1 and B = 1. Each result goes through `rounded`.
static void formulas(float s, float (*rounded)(float)) {
    float e = rounded(expf(s));
    float delta = rounded(logf(rounded(1 + e)));
    float A_bar = rounded(expf(-delta));
    float B_bar = rounded(rounded(A_bar - 1) / -delta) * delta;
    print_or_nan(11, delta);
    print_or_nan(9, A_bar);
    print_or_nan(10, rounded(B_bar));
}

// Does a state of Mamba's mixture become NaN, with the formulas as they stand
// and every result rounded to bfloat16?
static bool becomes_nan(const Arguments *args, float A, double largest_s) {
    Random random = random_from_seed(args->seed);
    float h = 0;
    for (size_t t = 0; t < RANDOM_TOKENS; t++) {
        float s = to_bf16((float)random_uniform(&random, -30, largest_s));
        float x = to_bf16((float)random_uniform(&random, -1, 1));
        float delta = to_bf16(logf(to_bf16(1 + to_bf16(expf(s)))));
        float A_bar = to_bf16(expf(to_bf16(delta * A)));
        h = to_bf16(to_bf16(A_bar * h) + to_bf16(delta * x));
    }
    return isnan(h);
}

// How many of the first sixteen states do?
static size_t count_nan(const Arguments *args, double largest_s) {
    size_t lost = 0;
    for (int n = 1; n <= 16; n++) {
        float A = A_of(to_bf16((float)log(n)));
        lost += becomes_nan(args, to_bf16(A), largest_s);
    }
    return lost;
}

static void mixture_and_nan(const Arguments *args) {
    printf("\nMamba's mixture with B = 1, all of it in bfloat16, on %d tokens\n"
           "with s from -30 up to 30 or 100. How many of the states A = -1 ..\n"
           "-16 become NaN, and does one with A_log = 100:\n\n",
           RANDOM_TOKENS);
    value("nan-of-16-up-to-30", (double)count_nan(args, 30), 3);
    value("nan-of-16-up-to-100", (double)count_nan(args, 100), 3);
    value("nan-with-a-log-100", becomes_nan(args, A_of(100), 30), 3);
    printf("\nThe last has A = -inf, and 0 times infinity is NaN. In float32,\n"
           "with softplus():\n\n"
           "     s      Delta    A_bar where A_log = 100\n");
    for (int s = -100; s >= -110; s -= 10) {
        float delta = softplus((float)s);
        printf("  %4d%11.4g", s, delta);
        print_or_nan(9, expf(delta * A_of(100)));
        printf("\n");
    }
}

static void where_nan_comes_from(void) {
    printf(
        "\nDelta = ln(1 + exp(s)), and A_bar and B_bar by equation 4, as the\n"
        "formulas stand:\n\n"
        "             in float32:                   in bfloat16:\n"
        "     s      Delta    A_bar     B_bar      Delta    A_bar     "
        "B_bar\n");
    static const float numbers[] = {-8, -6, -5, -4, 0, 90};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        printf("  %4g", numbers[i]);
        formulas(numbers[i], keep);
        formulas(numbers[i], to_bf16);
        printf("\n");
    }
}

static void bfloat16(const Arguments *args) {
    section("bfloat16", "What bfloat16 does to a memory");
    rounded_memory();
    rounded_state();
    rounded_parameters();
    where_nan_comes_from();
    mixture_and_nan(args);
}

// --- The command line -------------------------------------------------------

static int read_arguments(Arguments *args, int argc, char **argv) {
    const Option options[] = {
        {"delta", 0, OPTION_NUMBER, &args->delta, "D", "the step Delta (0.1)",
         0.001, 10},
        {"states", 0, OPTION_COUNT, &args->d_state, "N",
         "the number of states, A = -1 .. -N (16)", 1, 64},
        {"seed", 0, OPTION_SEED, &args->seed, "S", "of the random inputs (3)",
         0, 0},
        {"tsv", 0, OPTION_TEXT, &args->tsv, "DIR",
         "write the figures' tables here", 0, 0},
    };
    const CommandLine line = {.program = "chapter3",
                              .summary =
                                  "From continuous time to steps of Delta.",
                              .options = options,
                              .n_options = sizeof options / sizeof *options};
    return options_parse(&line, argc, argv, NULL);
}

int main(int argc, char **argv) {
    Arguments args = {.delta = 0.1, .d_state = 16, .seed = 3};
    int status = read_arguments(&args, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    bool ok = equation(&args, &err);
    if (ok) {
        explain_rules(&args);
        stability();
        ok = smooth_input(&args, &err);
    }
    if (ok) {
        held_input(&args);
        ok = mixture(&args, &err);
    }
    if (ok) {
        mixture_error(&args);
        explain_softplus();
        ok = softplus_of_many(&err) && softplus_measured(&err);
    }
    if (ok) {
        inverse();
        learn_A();
        A_log_extremes();
        time_scales(&args);
        memory_picture(&args);
        ok = write_memory(&args, &err);
    }
    if (ok) {
        theorem_1(&args);
        bfloat16(&args);
    }
    return report_end("chapter3", ok, &err);
}
