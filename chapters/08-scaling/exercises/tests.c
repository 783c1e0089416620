// Exercise 8.5: a window sees what it should, and nothing else.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention.h"
#include "compare.h"
#include "exercise.h"

TestSuite(exercise);

// --- The bench --------------------------------------------------------------

// A text of random queries, keys and values. y is the window's results.
typedef struct {
    Attention a;
    float *q, *k, *v;
    WindowCache cache;
    float *y;
} Text;

static size_t width_of(const Text *text) {
    return text->a.n_heads * text->a.d_head;
}

static Text text_new(uint64_t seed, size_t length, size_t n_heads,
                     size_t d_head, size_t window) {
    Random random = random_from_seed(seed);
    size_t width = n_heads * d_head, count = length * width;
    Text text = {.a = {.length = length, .n_heads = n_heads, .d_head = d_head},
                 .q = random_floats(&random, count, -2, 2),
                 .k = random_floats(&random, count, -2, 2),
                 .v = random_floats(&random, count, -1, 1),
                 .cache = {.n_heads = n_heads,
                           .d_head = d_head,
                           .window = window,
                           .keys = new_floats(window * width),
                           .values = new_floats(window * width)},
                 .y = new_floats(count)};
    text.a.q = text.q, text.a.k = text.k, text.a.v = text.v;
    return text;
}

static void text_free(Text *text) {
    free(text->q), free(text->k), free(text->v), free(text->y);
    free(text->cache.keys), free(text->cache.values);
}

// Tokens [begin, end), one after the other.
static void read_tokens(Text *text, size_t begin, size_t end) {
    float *score = new_floats(text->cache.window);
    for (size_t t = begin; t < end; t++) {
        size_t at = t * width_of(text);
        window_step(&text->cache, text->q + at, text->k + at, text->v + at,
                    text->y + at, score);
    }
    free(score);
}

// The row that token t should get: the last row of attention over the tokens of
// its window alone, in double precision.
static void truth_row(const Text *text, size_t t, double *row) {
    size_t window = text->cache.window, width = width_of(text);
    size_t first = t + 1 > window ? t + 1 - window : 0, n = t + 1 - first;
    Attention a = text->a;
    a.length = n;
    a.q += first * width, a.k += first * width, a.v += first * width;
    double *y = new_doubles(n * width);
    attention_in_double(&a, y);
    memcpy(row, y + (n - 1) * width, width * sizeof *row);
    free(y);
}

// Sums of a few hundred terms of size one, each rounded to 6e-8, and scores of
// up to about 10, whose errors the exponential multiplies.
static const Tolerance bound = {.absolute = 1e-5};

static void check_text(Text *text, uint64_t seed) {
    size_t width = width_of(text);
    double *row = new_doubles(width);
    read_tokens(text, 0, text->a.length);
    for (size_t t = 0; t < text->a.length; t++) {
        truth_row(text, t, row);
        compare_to_double(label("seed %llu, window %zu, %zu heads of %zu, "
                                "token %zu",
                                (unsigned long long)seed, text->cache.window,
                                text->a.n_heads, text->a.d_head, t)
                              .text,
                          text->y + t * width, row, width, bound);
    }
    cr_assert_eq(text->cache.position, text->a.length,
                 "wanted position %zu, found %zu", text->a.length,
                 text->cache.position);
    free(row);
    text_free(text);
}

// --- What it sees -----------------------------------------------------------

Test(exercise, a_window_of_one_sees_the_token_alone) {
    Text text = text_new(1, 20, 2, 3, 1);
    read_tokens(&text, 0, 20);
    compare("y", text.y, text.v, 20 * 6, (Tolerance){.relative = 1e-6});
    text_free(&text);
}

Test(exercise, a_wide_window_is_attention) {
    for (size_t window = 40; window <= 42; window++) {
        Text text = text_new(window, 40, 3, 8, window);
        check_text(&text, window);
    }
}

Test(exercise, windows_of_every_width) {
    for (size_t window = 1; window <= 12; window++) {
        Text text = text_new(window, 30, 2, 5, window);
        check_text(&text, window);
    }
}

Test(exercise, heads_of_every_shape) {
    for (size_t n_heads = 1; n_heads <= 4; n_heads++)
        for (size_t d_head = 1; d_head <= 65; d_head += 8) {
            Text text = text_new(d_head, 25, n_heads, d_head, 7);
            check_text(&text, d_head);
        }
}

// --- What it keeps, and forgets ---------------------------------------------

Test(exercise, token_t_is_in_row_t_modulo_the_window) {
    enum { WINDOW = 5, LENGTH = 13 };
    Text text = text_new(2, LENGTH, 2, 3, WINDOW);
    size_t width = width_of(&text);
    read_tokens(&text, 0, LENGTH);
    for (size_t t = LENGTH - WINDOW; t < LENGTH; t++) {
        Label what = label("token %zu", t);
        compare_bits(what.text, text.cache.keys + t % WINDOW * width,
                     text.k + t * width, width);
        compare_bits(what.text, text.cache.values + t % WINDOW * width,
                     text.v + t * width, width);
    }
    text_free(&text);
}

// A NaN is seen as long as it is in the window, and not a token longer.
Test(exercise, what_leaves_the_window_is_forgotten) {
    enum { WINDOW = 6, LENGTH = 30, AT = 9 };
    Text text = text_new(3, LENGTH, 1, 4, WINDOW);
    text.k[AT * 4 + 1] = text.v[AT * 4 + 2] = NAN;
    read_tokens(&text, 0, LENGTH);
    for (size_t t = 0; t < LENGTH; t++) {
        bool seen = t >= AT && t < AT + WINDOW;
        cr_assert_eq(!isnan(text.y[t * 4 + 2]), !seen,
                     "token %zu: wanted %s, found %g", t,
                     seen ? "NaN" : "a number", (double)text.y[t * 4 + 2]);
    }
    text_free(&text);
}

// The cache is all there is: a copy of it goes on in the same way.
Test(exercise, the_cache_is_the_state) {
    enum { WINDOW = 4, CUT = 11, LENGTH = 20 };
    Text text = text_new(4, LENGTH, 2, 3, WINDOW);
    read_tokens(&text, 0, CUT);
    Text copy = text_new(4, LENGTH, 2, 3, WINDOW);
    size_t width = width_of(&text);
    copy.cache.position = text.cache.position;
    memcpy(copy.cache.keys, text.cache.keys,
           WINDOW * width * sizeof *copy.cache.keys);
    memcpy(copy.cache.values, text.cache.values,
           WINDOW * width * sizeof *copy.cache.values);
    read_tokens(&text, CUT, LENGTH);
    read_tokens(&copy, CUT, LENGTH);
    compare_bits("y", copy.y + CUT * width, text.y + CUT * width,
                 (LENGTH - CUT) * width);
    text_free(&text), text_free(&copy);
}

// --- Large scores -----------------------------------------------------------

// Scores of some thousands: the largest takes all, and y is its value.
Test(exercise, large_scores_do_not_overflow) {
    enum { WINDOW = 5, LENGTH = 20 };
    for (int sign = -1; sign <= 1; sign += 2) {
        Text text = text_new(5, LENGTH, 1, 1, WINDOW);
        for (size_t t = 0; t < LENGTH; t++)
            text.q[t] = 100, text.k[t] = (float)sign * (30 + (float)t);
        read_tokens(&text, 0, LENGTH);
        for (size_t t = 0; t < LENGTH; t++) {
            size_t oldest = t < WINDOW ? 0 : t + 1 - WINDOW;
            float wanted = text.v[sign > 0 ? t : oldest];
            compare_number("y", t, text.y[t], wanted, 1e-6);
        }
        text_free(&text);
    }
}
