// Chapter 2's program: the causal convolution, its state, and SiLU.
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conv1d.h"
#include "measure.h"
#include "memory.h"
#include "options.h"
#include "random.h"
#include "report.h"
#include "silu.h"

enum { MOST_TAPS = 8, MOST_LENGTH = 16 };

// What the command line says.
typedef struct {
    size_t d_conv;          // K
    float taps[MOST_TAPS];  // (K): one channel's weights
    size_t length;          // L
    size_t cut;             // where the sequence is cut in two, 0 .. L
    const char *tsv;        // the directory for the figures' tables, or NULL
} Arguments;

// --- What several sections use ----------------------------------------------

// The input x_t, for any t: eight numbers, again and again.
static float input_at(size_t t) {
    static const float numbers[8] = {3, 1, -1, 1, -1, -1, 0, 0};
    return numbers[t % 8];
}

static void fill_input(float *x, size_t length) {
    for (size_t t = 0; t < length; t++)
        x[t] = input_at(t);
}

// One channel through the library's conv1d, without a bias.
static void filter(const Arguments *args, float *y, const float *x,
                   float *state, size_t length) {
    conv1d(y, x, args->taps, NULL, state, length, 1, args->d_conv);
}

// The whole sequence in one call, from a state of zeros.
static void filter_whole(const Arguments *args, float *y, const float *x,
                         size_t length) {
    float state[MOST_TAPS] = {0};
    filter(args, y, x, state, length);
}

// A line of small whole numbers with its name.
static void print_inputs(const char *what, const float *x, size_t n) {
    printf("  %-24s", what);
    for (size_t i = 0; i < n; i++)
        printf("%3g", x[i]);
    printf("%s\n", n ? "" : "  -");
}

// Three decimals, and never "-0.000": the sign of a sum that should be 0 is
// an accident of rounding.
static void print_fixed(int width, double x) {
    printf("%*.3f", width, round(x * 1000) / 1000 + 0.0);
}

// --- By hand ----------------------------------------------------------------

// One row: what the taps see at t, and the sum of tap times input.
static void print_window(const Arguments *args, const float *x, size_t t,
                         float y) {
    size_t K = args->d_conv;
    double sum = 0;
    printf("  %2zu", t);
    for (size_t k = 0; k < K; k++) {
        // Tap k sees x_{t-(K-1)+k}, or 0 where that is before the beginning.
        double seen = t + k >= K - 1 ? x[t + k - (K - 1)] : 0;
        printf("%7g", seen);
        sum += args->taps[k] * seen;
    }
    print_fixed(10, sum);
    print_fixed(10, y);
    printf("\n");
}

static void by_hand(const Arguments *args) {
    section("by-hand", "A causal convolution of one channel");
    printf("Each output is a weighted sum of the current input and the K - 1\n"
           "before it. The weights are called taps; here K = %zu. The last\n"
           "tap, K-1, always multiplies the current input, and what lies\n"
           "before the beginning counts as 0:\n\n"
           "    y_t = tap_0 x_{t-(K-1)} + ... + tap_{K-1} x_t\n\n",
           args->d_conv);
    float x[MOST_LENGTH], y[MOST_LENGTH];
    fill_input(x, args->length);
    filter_whole(args, y, x, args->length);

    printf(" tap");
    for (size_t k = 0; k < args->d_conv; k++)
        printf("%7.3g", args->taps[k]);
    printf("\n   t%*s       sum  conv1d()\n", 7 * (int)args->d_conv,
           args->d_conv > 3 ? "the inputs they see" : "");
    for (size_t t = 0; t < args->length; t++)
        print_window(args, x, t, y[t]);
    printf("\n"
           "The inputs enter on the right and move to the left, one place for\n"
           "each token. No row sees an input of a later row: that is what\n"
           "causal means.\n");
}

// --- Depthwise --------------------------------------------------------------

// Two channels: the first with the taps, the second with its own, which pass
// the current input on unchanged. x and y are (L, 2).
static void filter_two(const Arguments *args, float *y, const float *x) {
    size_t K = args->d_conv;
    float weight[2 * MOST_TAPS] = {0}, state[2 * MOST_TAPS] = {0};
    memcpy(weight, args->taps, K * sizeof *weight);
    weight[2 * K - 1] = 1;
    conv1d(y, x, weight, NULL, state, args->length, 2, K);
}

// How many numbers of one channel differ between a and b, both (L, 2).
static size_t count_changed(const float *a, const float *b, size_t length,
                            size_t channel) {
    size_t changed = 0;
    for (size_t t = 0; t < length; t++)
        changed += a[2 * t + channel] != b[2 * t + channel];
    return changed;
}

static void depthwise(const Arguments *args) {
    section("depthwise", "Channels do not mix");
    printf("Two channels side by side. Each has its own taps: the first those\n"
           "above, the second only a last tap of 1. Then the second channel\n"
           "gets other inputs.\n\n");
    float x[2 * MOST_LENGTH], other[2 * MOST_LENGTH];
    float y[2 * MOST_LENGTH], y_other[2 * MOST_LENGTH];
    for (size_t t = 0; t < args->length; t++) {
        x[2 * t] = other[2 * t] = input_at(t);
        x[2 * t + 1] = 10;
        other[2 * t + 1] = 50 + (float)t;
    }
    filter_two(args, y, x);
    filter_two(args, y_other, other);

    printf("   t   x_t,0   x_t,1    y_t,0    y_t,1   other x_t,1    y_t,0    "
           "y_t,1\n");
    for (size_t t = 0; t < args->length; t++) {
        printf("  %2zu%8g%8g", t, x[2 * t], x[2 * t + 1]);
        print_fixed(9, y[2 * t]);
        print_fixed(9, y[2 * t + 1]);
        printf("%14g", other[2 * t + 1]);
        print_fixed(9, y_other[2 * t]);
        print_fixed(9, y_other[2 * t + 1]);
        printf("\n");
    }
    printf("\n");
    value("changed-in-channel-0",
          (double)count_changed(y, y_other, args->length, 0), 3);
    value("changed-in-channel-1",
          (double)count_changed(y, y_other, args->length, 1), 3);
}

// What mixing would cost, for the smallest published model.
static void count_weights(const Arguments *args) {
    const size_t d_inner = 1536, K = args->d_conv;
    printf("A convolution that leaves the channels apart is called depthwise.\n"
           "It has K weights for each channel; one that mixes all d_inner\n"
           "channels would have K d_inner of them. For d_inner = %zu, as in\n"
           "mamba-130m, and K = %zu:\n\n",
           d_inner, K);
    value("weights-depthwise", (double)(K * d_inner), 9);
    value("weights-mixing", (double)(K * d_inner * d_inner), 12);
    printf("Mamba mixes channels elsewhere, in its projections.\n");
}

// --- Impulse response -------------------------------------------------------

static bool impulse(const Arguments *args, Error *err) {
    section("impulse", "What one input does to the outputs after it");
    printf("The input is 1 at t = 0 and 0 afterwards, a so-called impulse.\n"
           "The output is the taps in order of time: the last tap comes\n"
           "first.\n\n"
           "   t    x_t      y_t     tap\n");
    size_t K = args->d_conv, length = K + 2;
    float x[MOST_TAPS + 2] = {1}, y[MOST_TAPS + 2];
    filter_whole(args, y, x, length);

    Table table;
    if (!table_begin(&table, args->tsv, "impulse.tsv", "t\tx\ty", err))
        return false;
    for (size_t t = 0; t < length; t++) {
        table_row(&table, (double[]){(double)t, x[t], y[t]}, 3);
        printf("  %2zu%7g%9.3g", t, x[t], y[t] + 0.0);
        if (t < K)
            printf("   tap_%zu\n", K - 1 - t);
        else
            printf("   gone\n");
    }
    printf("\n"
           "After K = %zu steps nothing is left: the convolution's memory is\n"
           "short. Whatever must be remembered longer is the scan's work.\n",
           K);
    return table_end(&table, err);
}

// What x_s alone does: the taps, last one first, times x_s, from time s on.
static void print_echo(const Arguments *args, float x_s, size_t s,
                       double *sum) {
    printf("  x_%-2zu =%3g  ", s, x_s);
    for (size_t t = 0; t < args->length; t++) {
        if (t < s || t - s >= args->d_conv) {
            printf("%7s", ".");
            continue;
        }
        double echo = args->taps[args->d_conv - 1 - (t - s)] * x_s;
        print_fixed(7, echo);
        sum[t] += echo;
    }
    printf("\n");
}

static void sum_of_impulses(const Arguments *args) {
    section("sum-of-impulses", "Every input alone, and their sum");
    printf("Each input is an impulse of its own size, at its own time. A line\n"
           "shows what it alone would leave in the outputs.\n\n");
    float x[MOST_LENGTH], y[MOST_LENGTH];
    double sum[MOST_LENGTH] = {0};
    fill_input(x, args->length);
    filter_whole(args, y, x, args->length);
    printf("     at t:   ");
    for (size_t t = 0; t < args->length; t++)
        printf("%7zu", t);
    printf("\n");
    for (size_t s = 0; s < args->length; s++)
        print_echo(args, x[s], s, sum);
    printf("\n  their sum  ");
    for (size_t t = 0; t < args->length; t++)
        print_fixed(7, sum[t]);
    printf("\n  conv1d()   ");
    for (size_t t = 0; t < args->length; t++)
        print_fixed(7, y[t]);
    printf("\n");
}

// --- Causality --------------------------------------------------------------

// Adds 1 to x_s and marks the outputs that change; counts those before s.
static size_t print_reach(const Arguments *args, const float *x, const float *y,
                          size_t s) {
    float moved[MOST_LENGTH], y_moved[MOST_LENGTH];
    memcpy(moved, x, args->length * sizeof *x);
    moved[s] += 1;
    filter_whole(args, y_moved, moved, args->length);

    size_t in_the_past = 0;
    printf("  x_%-2zu + 1    ", s);
    for (size_t t = 0; t < args->length; t++) {
        bool changed = y_moved[t] != y[t];
        in_the_past += changed && t < s;
        printf("%4s", changed ? "*" : ".");
    }
    printf("\n");
    return in_the_past;
}

static void causality(const Arguments *args) {
    section("causality", "A changed future changes no past");
    printf("Each line adds 1 to one input and runs the sequence again. A star\n"
           "marks an output that changed.\n\n");
    float x[MOST_LENGTH], y[MOST_LENGTH];
    fill_input(x, args->length);
    filter_whole(args, y, x, args->length);
    printf("   output y_t:");
    for (size_t t = 0; t < args->length; t++)
        printf("%4zu", t);
    printf("\n");
    size_t in_the_past = 0;
    for (size_t s = 0; s < args->length; s++)
        in_the_past += print_reach(args, x, y, s);
    printf("\n");
    value("past-outputs-changed", (double)in_the_past, 3);
    printf("No star stands left of the diagonal. The input at s reaches the\n"
           "outputs s .. s+K-1 (K = %zu) and no others.\n",
           args->d_conv);
}

// --- The state at a cut -----------------------------------------------------

static void one_cut(const Arguments *args) {
    section("one-cut", "What must be kept where a sequence is cut");
    printf("Text comes in pieces: a prompt, then token after token. To go on\n"
           "after a cut, the taps need the inputs that they still reach. The\n"
           "state keeps them: the last K - 1 = %zu raw inputs, oldest first,\n"
           "zeros at the beginning. Here the sequence is cut before token %zu\n"
           "(--cut).\n\n",
           args->d_conv - 1, args->cut);
    float x[MOST_LENGTH], y[MOST_LENGTH], whole[MOST_LENGTH];
    float state[MOST_TAPS] = {0};
    size_t first = args->cut, rest = args->length - first;
    fill_input(x, args->length);
    filter_whole(args, whole, x, args->length);

    print_inputs("state at the beginning", state, args->d_conv - 1);
    print_inputs("first piece, inputs", x, first);
    filter(args, y, x, state, first);
    print_inputs("state after it", state, args->d_conv - 1);
    print_inputs("second piece, inputs", x + first, rest);
    filter(args, y + first, x + first, state, rest);
    print_inputs("state after it", state, args->d_conv - 1);
    printf("\n");
    value("difference-from-whole", largest_difference(y, whole, args->length),
          2);
}

// --- Streaming --------------------------------------------------------------

enum { CHANNELS = 3 };

// Random inputs and weights of three channels, with a bias.
typedef struct {
    float x[MOST_LENGTH * CHANNELS];     // (L, 3)
    float weight[CHANNELS * MOST_TAPS];  // (3, K)
    float bias[CHANNELS];                // (3)
} Stream;

static void fill_random(float *numbers, size_t n, Random *random) {
    for (size_t i = 0; i < n; i++)
        numbers[i] = (float)random_uniform(random, -1, 1);
}

// The sequence in pieces: it is cut before token t where bit t-1 of cuts is 1.
static void run_in_pieces(const Arguments *args, const Stream *stream,
                          size_t cuts, float *y) {
    float state[MOST_TAPS * CHANNELS] = {0};
    size_t begin = 0;
    for (size_t t = 1; t <= args->length; t++) {
        if (t < args->length && !(cuts >> (t - 1) & 1))
            continue;
        conv1d(y + begin * CHANNELS, stream->x + begin * CHANNELS,
               stream->weight, stream->bias, state, t - begin, CHANNELS,
               args->d_conv);
        begin = t;
    }
}

static void streaming(const Arguments *args) {
    section("streaming", "Any cut gives the same outputs");
    printf("Three channels of random inputs, weights and biases run once as a\n"
           "whole, and then in pieces, in every way in which %zu tokens can\n"
           "be cut; the state goes from each piece to the next.\n\n",
           args->length);
    Stream stream;
    Random random = random_from_seed(2);
    fill_random(stream.x, MOST_LENGTH * CHANNELS, &random);
    fill_random(stream.weight, CHANNELS * MOST_TAPS, &random);
    fill_random(stream.bias, CHANNELS, &random);

    size_t ways = (size_t)1 << (args->length - 1);
    size_t n = args->length * CHANNELS;
    float whole[MOST_LENGTH * CHANNELS], pieces[MOST_LENGTH * CHANNELS];
    double token_by_token = 0, any = 0;
    run_in_pieces(args, &stream, 0, whole);
    for (size_t cuts = 0; cuts < ways; cuts++) {
        run_in_pieces(args, &stream, cuts, pieces);
        token_by_token = largest_difference(whole, pieces, n);
        any = larger(any, token_by_token);
    }
    value("ways-to-cut", (double)ways, 6);
    value("difference-token-by-token", token_by_token, 2);
    value("largest-difference", any, 2);
    printf("The difference is exactly 0, not merely small: each output adds\n"
           "the same products in the same order, wherever its inputs come\n"
           "from.\n");
}

// --- Short prompts ----------------------------------------------------------

// A prompt of so many tokens, then the rest one by one.
static double run_short(const Arguments *args, size_t prompt) {
    enum { TOKENS = MOST_TAPS + 4 };
    float x[TOKENS], y[TOKENS], whole[TOKENS], state[MOST_TAPS] = {0};
    fill_input(x, TOKENS);
    filter_whole(args, whole, x, TOKENS);

    printf("\n");
    print_inputs("prompt", x, prompt);
    print_inputs("state before", state, args->d_conv - 1);
    filter(args, y, x, state, prompt);
    print_inputs("state after", state, args->d_conv - 1);
    for (size_t t = prompt; t < TOKENS; t++)
        filter(args, y + t, x + t, state, 1);
    double difference = largest_difference(y, whole, TOKENS);
    printf("  %-24s%5g\n", "then, against the whole", difference);
    return difference;
}

static void short_prompts(const Arguments *args) {
    section("short-prompts", "Prompts shorter than the window");
    printf("A prompt of 0, 1 or 2 tokens is followed by single tokens. The\n"
           "last line of each is the largest difference of all outputs from\n"
           "one whole run.\n");
    double largest = 0;
    for (size_t prompt = 0; prompt <= 2; prompt++)
        largest = larger(largest, run_short(args, prompt));
    printf("\n");
    value("largest-short-difference", largest, 2);
    printf("A short prompt moves the state by as many places as it has\n"
           "tokens. It needs no case of its own.\n");
}

// --- The wrong cache --------------------------------------------------------

enum { AFTER_PROMPT = MOST_TAPS + 3 };

// Moves y_t into the state, as if it were a raw input.
static void push(float *state, size_t d_conv, float y) {
    if (d_conv == 1)
        return;
    memmove(state, state + 1, (d_conv - 2) * sizeof *state);
    state[d_conv - 2] = y;
}

// Prompt and single tokens with outputs in the state: those of the prompt
// alone, or those of every token.
static void filter_wrongly(const Arguments *args, float *y, const float *x,
                           size_t length, bool every_token) {
    float state[MOST_TAPS] = {0}, spoilt[MOST_TAPS] = {0};
    filter(args, y, x, state, args->cut);
    for (size_t t = 0; t < args->cut; t++)
        push(spoilt, args->d_conv, y[t]);
    for (size_t t = args->cut; t < length; t++) {
        float kept[MOST_TAPS];
        memcpy(kept, spoilt, sizeof kept);
        filter(args, y + t, x + t, spoilt, 1);
        if (every_token) {
            memcpy(spoilt, kept, sizeof kept);
            push(spoilt, args->d_conv, y[t]);
        }
    }
}

// How many of the tokens after the prompt come out wrong.
typedef struct {
    size_t tokens, once, always;
} WrongTokens;

static WrongTokens compare_caches(const Arguments *args) {
    enum { TOKENS = MOST_LENGTH + AFTER_PROMPT };
    size_t length = args->cut + args->d_conv + 3;  // at most TOKENS
    float x[TOKENS], right[TOKENS], once[TOKENS], always[TOKENS];
    fill_input(x, length);
    filter_whole(args, right, x, length);
    filter_wrongly(args, once, x, length, false);
    filter_wrongly(args, always, x, length, true);

    WrongTokens wrong = {.tokens = length - args->cut};
    for (size_t t = args->cut; t < length; t++) {
        double error_once = once[t] - right[t];
        double error_always = always[t] - right[t];
        wrong.once += fabs(error_once) > 1e-5;
        wrong.always += fabs(error_always) > 1e-5;
        const double row[] = {right[t], once[t], error_once, always[t],
                              error_always};
        printf("  %2zu%7g", t, x[t]);
        for (size_t k = 0; k < sizeof row / sizeof *row; k++)
            print_fixed(9, row[k]);
        printf("\n");
    }
    printf("\n");
    return wrong;
}

static void wrong_cache(const Arguments *args) {
    section("wrong-cache", "If the state held outputs instead of inputs");
    if (args->d_conv == 1) {
        printf("With one tap there is no state that could be wrong.\n");
        return;
    }
    printf("A known mistake: after a prompt of %zu tokens (--cut) the state\n"
           "is filled with the convolution's last outputs. \"once\" does so\n"
           "after the prompt alone, \"always\" after each token as well.\n\n"
           "   t    x_t    right     once    error   always    error\n",
           args->cut);
    WrongTokens wrong = compare_caches(args);
    value("tokens-after-prompt", (double)wrong.tokens, 3);
    value("wrong-tokens-once", (double)wrong.once, 3);
    value("wrong-tokens-always", (double)wrong.always, 3);
    printf("The first mistake leaves the convolution after K - 1 = %zu\n"
           "tokens. The second stays: a filter that is fed its own outputs is\n"
           "another filter. A test that compares this cached path only with\n"
           "itself sees neither.\n",
           args->d_conv - 1);
}

// --- A state from one call alone --------------------------------------------

// A cache of K rows becomes the last K rows of one call.
static bool take_last_rows(float *cache, const float *rows, size_t length,
                           size_t d_conv, Error *err) {
    if (length < d_conv)
        return fail(err, "wanted %zu rows, found %zu", d_conv, length);
    memcpy(cache, rows + (length - d_conv), d_conv * sizeof *cache);
    return true;
}

// The state becomes the last K-1 rows of one call, after zeros where the call
// has fewer. What was in it before is forgotten.
static void pad_with_zeros(float *state, const float *x, size_t length,
                           size_t d_conv) {
    for (size_t j = 0; j + 1 < d_conv; j++) {
        size_t back = d_conv - 1 - j;
        state[j] = back <= length ? x[length - back] : 0;
    }
}

// A column with the K - 1 numbers of a state.
static void print_state(const float *state, size_t d_conv) {
    printf("%*s", d_conv < 5 ? 17 - 3 * (int)d_conv : 2, "");
    for (size_t j = 0; j + 1 < d_conv; j++)
        printf("%3g", state[j]);
}

// Runs the input in pieces of two tokens, each leaving a padded state to the
// next. Returns how many outputs come out wrong.
static size_t filter_padded(const Arguments *args) {
    float x[MOST_LENGTH], state[MOST_TAPS] = {0}, padded[MOST_TAPS] = {0};
    size_t wrong = 0, piece = 2;
    fill_input(x, args->length);
    for (size_t t = 0; t + piece <= args->length; t += piece) {
        printf("  %3g%3g", x[t], x[t + 1]);
        print_state(state, args->d_conv);
        print_state(padded, args->d_conv);
        float right[2], y[2];
        filter(args, right, x + t, state, piece);
        filter(args, y, x + t, padded, piece);
        pad_with_zeros(padded, x + t, piece, args->d_conv);
        for (size_t i = 0; i < piece; i++) {
            print_fixed(10, y[i] - right[i]);
            wrong += fabsf(y[i] - right[i]) > 1e-5f;
        }
        printf("\n");
    }
    return wrong;
}

static void one_call_alone(const Arguments *args) {
    section("one-call-alone", "If the state were made from one call alone");
    printf("A cache of K = %zu rows, taken from the end of what the prompt's\n"
           "call computed:\n\n"
           "  prompt   the cache\n",
           args->d_conv);
    float cache[MOST_TAPS], rows[MOST_TAPS] = {0};
    for (size_t length = 0; length <= args->d_conv; length++) {
        Error err;
        bool ok = take_last_rows(cache, rows, length, args->d_conv, &err);
        printf("  %6zu   %s\n", length, ok ? "filled" : err.text);
    }
    printf("\n"
           "The usual repair puts zeros before a prompt that is too short.\n"
           "The same tokens in pieces of two:\n\n"
           "  inputs   state, right   state, padded     errors of the two\n");
    size_t wrong = filter_padded(args);
    printf("\n");
    value("wrong-tokens-padded", (double)wrong, 3);
    printf("Zeros are right before a sequence and wrong inside it: a piece\n"
           "shorter than K - 1 has to keep some of what was there before.\n");
}

// --- SiLU -------------------------------------------------------------------

// A NaN prints as "nan" whatever its sign; machines differ in that.
static void print_number(int width, double x) {
    if (isnan(x))
        printf("%*s", width, "nan");
    else
        printf("%*.4g", width, x);
}

// SiLU'(x) = s (1 + x (1 - s)) with s = sigmoid(x).
static double silu_slope(double x) {
    double s = 1 / (1 + exp(-x));
    return s * (1 + x * (1 - s));
}

static double relu(double x) {
    return x < 0 ? 0 : x;
}

// x, both functions, and both slopes.
static void print_silu(float x) {
    print_number(9, x);
    print_number(14, silu(x));
    print_number(12, relu(x));
    print_number(18, silu_slope(x));
    print_number(10, x < 0 ? 0 : 1);
    printf("\n");
}

// The slope is negative at -2 and positive at 0. Halves the interval between
// them until nothing is left of it.
static double silu_minimum_at(void) {
    double low = -2, high = 0;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (silu_slope(middle) < 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void explain_silu(void) {
    section("silu", "SiLU, the nonlinearity after the convolution");
    printf("SiLU multiplies x by a smooth switch, the sigmoid, which goes\n"
           "from 0 to 1. ReLU, for comparison, is x above 0 and 0 below.\n\n"
           "    SiLU(x) = x sigmoid(x) = x / (1 + exp(-x))\n\n"
           "        x       SiLU(x)     ReLU(x)   slope of: SiLU      ReLU\n");
    static const float points[] = {-8,    -4,   -2, -1.25f, -1, -0.5f,
                                   0.25f, 0.5f, 1,  2,      4,  8};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        print_silu(points[i]);
    printf("\n");
    double x = silu_minimum_at();
    value("silu-minimum-at", x, 6);
    value("silu-minimum", x / (1 + exp(-x)), 6);
    printf("Far from 0 the two are alike. In between, SiLU is smooth and goes\n"
           "below zero. It still has a slope for negative x, where ReLU's is\n"
           "0, and learning moves a number only where there is a slope.\n");
}

static void silu_extremes(void) {
    section("silu-extremes", "SiLU at the ends of float32");
    printf("Beside the formula, the same fraction written with exp(x):\n"
           "x exp(x) / (1 + exp(x)).\n\n"
           "        x       exp(-x)     sigmoid     SiLU(x)   with exp(x)\n");
    static const float points[] = {-80,      -100,      80, 100,
                                   INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        float x = points[i];
        print_number(9, x);
        print_number(14, expf(-x));
        print_number(12, 1 / (1 + expf(-x)));
        print_number(12, silu(x));
        print_number(14, x * expf(x) / (1 + expf(x)));
        printf("\n");
    }
    printf("\n"
           "At -100 exp(-x) is infinite in float32, and x divided by it is\n"
           "-0, which is the right limit. A NaN stays a NaN, so that a\n"
           "mistake upstream is seen. At minus infinity the formula divides\n"
           "infinity by infinity: a NaN, where the limit is 0. Written with\n"
           "exp(x), that happens wherever exp(x) is infinite.\n\n");
    value("exp-finite-up-to", log(FLT_MAX), 6);
}

// The distance between a number and the next float32: the unit in its last
// place, of 24.
static double last_place(double x) {
    return ldexp(1, ilogb(x) - 23);
}

// The largest errors for x from -80 to 80, against double precision.
static bool fast_silu_errors(Error *err) {
    section("fast-silu", "SiLU for many numbers at once");
    double most = 0, most_fast = 0;
    for (int i = -80 * 256; i <= 80 * 256; i++) {
        if (i == 0)
            continue;  // exactly 0 in both
        double x = i / 256.0, truth = x / (1 + exp(-x));
        double error = fabs((double)silu((float)x) - truth);
        double error_fast = fabs((double)fast_silu((float)x) - truth);
        most = larger(most, error / last_place(truth));
        most_fast = larger(most_fast, error_fast / last_place(truth));
    }
    printf("Errors in units in the last place: the distance between a float32\n"
           "and the next.\n\n");
    return check_below("Largest error of silu()", most, 3, err) &&
           check_below("Largest error of fast_silu()", most_fast, 4, err);
}

static bool write_silu(const Arguments *args, Error *err) {
    Table table;
    if (!table_begin(&table, args->tsv, "silu.tsv",
                     "x\tsilu\trelu\tsigmoid\tslope", err))
        return false;
    for (int tenth = -80; tenth <= 80; tenth++) {
        double x = tenth / 10.0;
        double row[] = {x, silu((float)x), relu(x), 1 / (1 + exp(-x)),
                        silu_slope(x)};
        table_row(&table, row, 5);
    }
    return table_end(&table, err);
}

// --- Many at once -----------------------------------------------------------

// A layer of mamba-130m, and some tokens.
enum { LAYER = 1536, TOKENS_TIMED = 128 };

// What is timed: one channel's taps and a bias for each channel, and a line of
// inputs whose first K-1 rows are the state.
typedef struct {
    size_t d_conv;
    float *line;    // (K-1+L, D)
    float *weight;  // (D, K)
    float *bias;    // (D)
    float *state;   // (K-1, D)
    float *y;       // (L, D)
} Layer;

static void layer_free(Layer *layer) {
    release(layer->line), release(layer->weight), release(layer->bias);
    release(layer->state), release(layer->y);
}

static bool layer_new(Layer *layer, size_t d_conv, Error *err) {
    size_t kept = (d_conv - 1) * LAYER, inputs = TOKENS_TIMED * LAYER;
    *layer = (Layer){
        .d_conv = d_conv,
        .line = allocate(kept + inputs, sizeof(float), "inputs", err),
        .weight = allocate(LAYER * d_conv, sizeof(float), "taps", err),
        .bias = allocate(LAYER, sizeof(float), "a bias", err),
        .state = allocate(kept, sizeof(float), "a state", err),
        .y = allocate(inputs, sizeof(float), "outputs", err),
    };
    if (!layer->line || !layer->weight || !layer->bias || !layer->state ||
        !layer->y) {
        layer_free(layer);
        return false;
    }
    fill_uniform(layer->line, kept + inputs, -4, 4);
    fill_uniform(layer->weight, LAYER * d_conv, -1, 1);
    fill_uniform(layer->bias, LAYER, -1, 1);
    return true;
}

// The formula in three loops. Where the state's rows stand before the inputs',
// as one line, the window of token t begins at row t.
static void three_loops(float *restrict y, const float *line,
                        const float *weight, const float *bias, size_t length,
                        size_t channels, size_t d_conv) {
    for (size_t t = 0; t < length; t++)
        for (size_t d = 0; d < channels; d++) {
            float sum = bias[d];
            for (size_t k = 0; k < d_conv; k++)
                sum += weight[d * d_conv + k] * line[(t + k) * channels + d];
            y[t * channels + d] = sum;
        }
}

// The same with the loop over channels innermost.
static void channels_innermost(float *restrict y, const float *line,
                               const float *weight, const float *bias,
                               size_t length, size_t channels, size_t d_conv) {
    for (size_t t = 0; t < length; t++) {
        float *out = y + t * channels;
        for (size_t d = 0; d < channels; d++)
            out[d] = bias[d];
        for (size_t k = 0; k < d_conv; k++) {
            const float *in = line + (t + k) * channels;
            for (size_t d = 0; d < channels; d++)
                out[d] += weight[d * d_conv + k] * in[d];
        }
    }
}

static bool run_three_loops(void *context, Error *err) {
    const Layer *layer = context;
    (void)err;
    three_loops(layer->y, layer->line, layer->weight, layer->bias, TOKENS_TIMED,
                LAYER, layer->d_conv);
    return true;
}

static bool run_channels_innermost(void *context, Error *err) {
    const Layer *layer = context;
    (void)err;
    channels_innermost(layer->y, layer->line, layer->weight, layer->bias,
                       TOKENS_TIMED, LAYER, layer->d_conv);
    return true;
}

static bool run_conv1d(void *context, Error *err) {
    const Layer *layer = context;
    size_t kept = (layer->d_conv - 1) * LAYER;
    (void)err;
    memcpy(layer->state, layer->line, kept * sizeof *layer->state);
    conv1d(layer->y, layer->line + kept, layer->weight, layer->bias,
           layer->state, TOKENS_TIMED, LAYER, layer->d_conv);
    return true;
}

// SiLU of the inputs, one after the other by libm's exponential.
static bool run_silu(void *context, Error *err) {
    const Layer *layer = context;
    (void)err;
    for (size_t i = 0; i < TOKENS_TIMED * LAYER; i++)
        layer->y[i] = silu(layer->line[i]);
    return true;
}

static bool run_silu_in_place(void *context, Error *err) {
    const Layer *layer = context;
    (void)err;
    memcpy(layer->y, layer->line, TOKENS_TIMED * LAYER * sizeof *layer->y);
    silu_in_place(layer->y, TOKENS_TIMED * LAYER);
    return true;
}

// The largest difference of what two works leave in y, relative to 1 or to the
// number itself where that is larger.
static bool differ_below(const char *what, const Layer *layer, const Work *a,
                         const Work *b, double bound, Error *err) {
    size_t n = TOKENS_TIMED * LAYER;
    float *first = allocate(n, sizeof *first, "outputs", err);
    if (!first)
        return false;
    double most = 0;
    bool ok = a->run(a->context, err);
    memcpy(first, layer->y, n * sizeof *first);
    ok = ok && b->run(b->context, err);
    for (size_t i = 0; i < n; i++) {
        double size = larger(1, fabs(first[i]));
        most = larger(most, fabs((double)first[i] - layer->y[i]) / size);
    }
    release(first);
    return ok && check_below(what, most, bound, err);
}

// A line for each of n works: nanoseconds for one output.
static void print_times(const char *what, const Timing *timings,
                        const char *const *names, size_t n) {
    double each = 1e9 / (TOKENS_TIMED * LAYER);
    printf("\n%-26s   median     least      most\n", what);
    for (size_t i = 0; i < n; i++)
        printf("  %-24s%9.3f%10.3f%10.3f\n", names[i], each * timings[i].median,
               each * timings[i].least, each * timings[i].most);
    printf("\n");
}

// All take turns.
static bool time_layer(Layer *layer, Error *err) {
    enum { CONVOLUTIONS = 3, WORKS = 5 };
    static const char *const names[WORKS] = {
        "three loops", "channels innermost", "conv1d()", "silu(), one by one",
        "silu_in_place()"};
    const Work works[WORKS] = {{run_three_loops, layer},
                               {run_channels_innermost, layer},
                               {run_conv1d, layer},
                               {run_silu, layer},
                               {run_silu_in_place, layer}};
    const double seconds = 0.2;
    Timing times[WORKS];
    if (!differ_below("Three loops and channels innermost", layer, &works[0],
                      &works[1], 1e-5, err) ||
        !differ_below("Three loops and conv1d()", layer, &works[0], &works[2],
                      1e-5, err) ||
        !measure(times, works, WORKS, seconds, err))
        return false;
    print_times("nanoseconds for one y_t,d:", times, names, CONVOLUTIONS);
    value("innermost-gain", times[0].median / times[1].median, 2);
    value("conv1d-gain", times[0].median / times[2].median, 2);
    printf("\n");
    if (!differ_below("silu() and silu_in_place()", layer, &works[3], &works[4],
                      1e-6, err))
        return false;
    print_times("nanoseconds for one SiLU:", times + CONVOLUTIONS,
                names + CONVOLUTIONS, WORKS - CONVOLUTIONS);
    value("silu-gain", times[3].median / times[4].median, 2);
    return true;
}

static bool many_at_once(const Arguments *args, Error *err) {
    Layer layer;
    if (!layer_new(&layer, args->d_conv, err))
        return false;
    section_measured("many-at-once", "Many channels at once");
    printf("%d tokens of %d channels, K = %zu, in one thread. The largest\n"
           "differences:\n\n",
           TOKENS_TIMED, LAYER, args->d_conv);
    size_t threads = threads_use(1);
    bool ok = time_layer(&layer, err);
    threads_use(threads);
    layer_free(&layer);
    return ok;
}

// --- The command line -------------------------------------------------------

static const double largest_tap = 10;

static bool check_arguments(Arguments *args, Error *err) {
    if (args->cut == SIZE_MAX)
        args->cut = args->length / 2;
    if (args->cut > args->length)
        return fail(err, "--cut: wanted at most the length, %zu, found %zu",
                    args->length, args->cut);
    return true;
}

static int read_arguments(Arguments *args, int argc, char **argv) {
    NumberList taps = {args->taps, MOST_TAPS, args->d_conv};
    const Option options[] = {
        {"taps", 0, OPTION_LIST, &taps, "LIST",
         "the taps, up to 8 (0.1,0.2,0.3,0.4)", -largest_tap, largest_tap},
        {"length", 0, OPTION_COUNT, &args->length, "L",
         "the number of inputs (6)", 1, MOST_LENGTH},
        {"cut", 0, OPTION_COUNT, &args->cut, "T",
         "cut before this token (half the length)", 0, MOST_LENGTH},
        {"tsv", 0, OPTION_TEXT, &args->tsv, "DIR",
         "write the figures' tables here", 0, 0},
    };
    const CommandLine line = {
        .program = "chapter2",
        .summary = "The causal convolution, its state, and SiLU.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    Error err;
    args->d_conv = taps.count;
    if (status == OPTIONS_CONTINUE && !check_arguments(args, &err))
        status = options_wrong(&line, &err);
    return status;
}

int main(int argc, char **argv) {
    Arguments args = {.taps = {0.1f, 0.2f, 0.3f, 0.4f},
                      .d_conv = 4,
                      .length = 6,
                      .cut = SIZE_MAX};
    int status = read_arguments(&args, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    by_hand(&args);
    depthwise(&args);
    count_weights(&args);
    bool ok = impulse(&args, &err);
    if (ok) {
        sum_of_impulses(&args);
        causality(&args);
        one_cut(&args);
        streaming(&args);
        short_prompts(&args);
        wrong_cache(&args);
        one_call_alone(&args);
        explain_silu();
        silu_extremes();
        ok = fast_silu_errors(&err) && write_silu(&args, &err) &&
             many_at_once(&args, &err);
    }
    return report_end("chapter2", ok, &err);
}
