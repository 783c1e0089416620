// Chapter 8: every attention against the formula in double precision, against
// closed forms, and against itself with something changed that must not matter.
#include "attention.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"
#include "matmul.h"

TestSuite(attention, .fini = nothing_leaks);

// --- Cases -------------------------------------------------------------------

// An attention and the tensors it owns; y is the runs' own.
typedef struct {
    Attention a;
    float *q, *k, *v;
} Case;

static size_t width_of(const Attention *a) {
    return a->n_heads * a->d_head;
}

static size_t count_of(const Attention *a) {
    return a->length * width_of(a);
}

static void free_case(Case *c) {
    free(c->q), free(c->k), free(c->v);
}

// Queries and keys of up to `size` in magnitude, values of up to 1.
static Case uniform_case(uint64_t seed, size_t length, size_t n_heads,
                         size_t d_head, double size) {
    Random random = random_from_seed(seed);
    Case c = {.a = {.length = length, .n_heads = n_heads, .d_head = d_head}};
    size_t count = count_of(&c.a);
    c.a.q = c.q = random_floats(&random, count, -size, size);
    c.a.k = c.k = random_floats(&random, count, -size, size);
    c.a.v = c.v = random_floats(&random, count, -1, 1);
    return c;
}

// Any shape, every tensor at a magnitude of its own.
static Case wild_case(uint64_t seed) {
    Random random = random_from_seed(~seed);
    size_t length = random_count(&random, 0, 290);
    size_t n_heads = random_count(&random, 1, 3);
    size_t d_head = random_count(&random, 1, 70);
    double size = pow(10, random_uniform(&random, -3, 1));
    Case c = uniform_case(seed, length, n_heads, d_head, size);
    free(c.v);
    c.a.v = c.v = random_magnitudes(&random, count_of(&c.a), 1 / size);
    return c;
}

static Label label_of(const Attention *a, const char *what, uint64_t seed) {
    return label("%s, seed %llu: L %zu, %zu heads of %zu", what,
                 (unsigned long long)seed, a->length, a->n_heads, a->d_head);
}

// --- Running -----------------------------------------------------------------

static void run_textbook(const Attention *a) {
    size_t bytes = attention_textbook_workspace(a);
    void *workspace = new_workspace(bytes);
    attention_textbook(a, workspace);
    check_workspace("textbook", workspace, bytes);
}

static AttentionCache new_cache(const Attention *a) {
    return (AttentionCache){.n_heads = a->n_heads,
                            .d_head = a->d_head,
                            .capacity = a->length,
                            .keys = new_floats(count_of(a)),
                            .values = new_floats(count_of(a))};
}

static void free_cache(AttentionCache *cache) {
    free(cache->keys), free(cache->values);
}

// All tokens one after the other, through the cache.
static void run_steps(const Attention *a) {
    size_t bytes = attention_step_workspace(a->n_heads, a->d_head);
    void *workspace = new_workspace(bytes);
    AttentionCache cache = new_cache(a);
    for (size_t t = 0; t < a->length; t++) {
        size_t at = t * width_of(a);
        attention_step(&cache, a->q + at, a->k + at, a->v + at, a->y + at,
                       workspace);
    }
    cr_assert_eq(cache.length, a->length);
    compare_bits("keys", cache.keys, a->k, count_of(a));
    compare_bits("values", cache.values, a->v, count_of(a));
    free_cache(&cache);
    check_workspace("steps", workspace, bytes);
}

static const struct {
    const char *name;
    void (*run)(const Attention *a);
} ways[] = {{"textbook", run_textbook},
            {"blocked", attention_blocked},
            {"steps", run_steps}};
enum { TEXTBOOK, BLOCKED, STEPS, WAYS };

// y (L, n_heads, d_head), freed by the caller.
static float *run(size_t way, const Case *c) {
    Attention a = c->a;
    a.y = new_floats(count_of(&a));
    ways[way].run(&a);
    return a.y;
}

// --- The truth ---------------------------------------------------------------

// y in double precision, and how large its rounding errors may be: a score is
// off in proportion to sum |q_i k_i| / sqrt(d_head), and its exponential by as
// much again, relative to itself; the products with v in proportion to p |v|.
typedef struct {
    double *y, *scale;
} Truth;

// One row of one head. p has room for t + 1 numbers.
static void find_row(const Attention *a, size_t t, size_t head, double *p,
                     Truth *truth) {
    size_t width = width_of(a), d = a->d_head;
    const float *q = a->q + t * width + head * d;
    double most = -INFINITY, sum = 0, size = 0;
    for (size_t s = 0; s <= t; s++) {
        const float *k = a->k + s * width + head * d;
        double terms = p[s] = 0;
        for (size_t i = 0; i < d; i++) {
            p[s] += (double)q[i] * k[i] / sqrt((double)d);
            terms += fabs((double)q[i] * k[i]) / sqrt((double)d);
        }
        most = p[s] > most ? p[s] : most;
        size = terms > size ? terms : size;
    }
    for (size_t s = 0; s <= t; s++)
        sum += p[s] = exp(p[s] - most);
    for (size_t i = 0; i < d; i++) {
        size_t at = t * width + head * d + i;
        truth->y[at] = truth->scale[at] = 0;
        for (size_t s = 0; s <= t; s++) {
            double v = a->v[s * width + head * d + i];
            truth->y[at] += p[s] / sum * v;
            truth->scale[at] += p[s] / sum * fabs(v) * (1 + size);
        }
    }
}

static Truth truth_of(const Case *c) {
    size_t count = count_of(&c->a);
    Truth truth = {.y = new_doubles(count), .scale = new_doubles(count)};
    double *p = new_doubles(c->a.length);
    for (size_t t = 0; t < c->a.length; t++)
        for (size_t head = 0; head < c->a.n_heads; head++)
            find_row(&c->a, t, head, p, &truth);
    free(p);
    return truth;
}

static void free_truth(Truth *truth) {
    free(truth->y), free(truth->scale);
}

// Some tens of roundings of 6e-8 each, of either sign, in the scale's own
// measure: sums are added in parts, so that errors hardly grow with the length.
// What is lost where an exponential is below 1e-38 is no part of the scale.
static const Tolerance bound = {.absolute = 1e-30, .relative = 2e-6};

// Every way on one case, which is freed.
static void check_all(Case *c, uint64_t seed) {
    Truth truth = truth_of(c);
    size_t count = count_of(&c->a);
    for (size_t way = 0; way < WAYS; way++) {
        float *y = run(way, c);
        compare_scaled(label_of(&c->a, ways[way].name, seed).text, y, truth.y,
                       truth.scale, count, bound);
        free(y);
    }
    double *y = new_doubles(count);
    attention_in_double(&c->a, y);
    Tolerance close = {.absolute = 1e-30, .relative = 1e-12};
    for (size_t i = 0; i < count; i++)
        compare_number(label_of(&c->a, "in double", seed).text, i, y[i],
                       truth.y[i],
                       close.absolute + close.relative * truth.scale[i]);
    free(y), free_truth(&truth), free_case(c);
}

// Around strips of 32 and tiles of 256 queries and keys.
Test(attention, lengths_around_the_tiles) {
    static const size_t lengths[] = {0,   1,   2,   3,   16,  31,  32,
                                     33,  63,  64,  65,  255, 256, 257,
                                     287, 288, 289, 511, 512, 513, 545};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        Case c = uniform_case(i, lengths[i], 1 + i % 2, 5 + i % 3, 2);
        check_all(&c, i);
    }
}

// Around vectors of 16 and 32 numbers.
Test(attention, heads_of_every_size) {
    static const size_t sizes[] = {1, 2, 8, 15, 16, 17, 31, 32, 33, 64, 80};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Case c = uniform_case(i, 70, 1 + i % 4, sizes[i], 2);
        check_all(&c, i);
    }
}

Test(attention, any_shape_any_magnitude) {
    for (uint64_t seed = 0; seed < 40; seed++) {
        Case c = wild_case(seed);
        check_all(&c, seed);
    }
}

// --- Closed forms ------------------------------------------------------------

// Where all queries are 0, all weights are equal: y_t is the mean of v_0 ..
// v_t.
Test(attention, no_question_is_a_mean) {
    enum { L = 300, D = 3 };
    Case c = uniform_case(1, L, 1, D, 1);
    memset(c.q, 0, L * D * sizeof *c.q);
    for (size_t way = 0; way < WAYS; way++) {
        float *y = run(way, &c);
        double sum[D] = {0};
        for (size_t t = 0; t < L; t++)
            for (size_t i = 0; i < D; i++) {
                sum[i] += c.v[t * D + i];
                compare_number(ways[way].name, t * D + i, y[t * D + i],
                               sum[i] / (double)(t + 1), 1e-6);
            }
        free(y);
    }
    free_case(&c);
}

// q = (2, 0), so that the score is k_0 2 / sqrt(2): the keys make it ln 1, ln
// 3, ln 4, and the weights 1/8, 3/8, 4/8 in the last row.
Test(attention, by_hand) {
    const float unit = sqrtf(2) / 2;
    float q[] = {2, 0, 2, 0, 2, 0}, v[] = {8, 0, 0, 8, 16, 16};
    float k[] = {0, 5, unit * logf(3), -7, unit * logf(4), 1};
    Case c = {
        .a = {.length = 3, .n_heads = 1, .d_head = 2, .q = q, .k = k, .v = v}};
    for (size_t way = 0; way < WAYS; way++) {
        float *y = run(way, &c);
        compare(ways[way].name, y, (float[]){8, 0, 2, 6, 9, 11}, 6,
                (Tolerance){.absolute = 1e-5});
        free(y);
    }
}

// The weights sum to one: a constant value comes back.
Test(attention, a_constant_value_comes_back) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        Case c = uniform_case(seed, 300, 2, 20, 3);
        for (size_t i = 0; i < count_of(&c.a); i++)
            c.v[i] = 1000 + (float)(i % width_of(&c.a));
        for (size_t way = 0; way < WAYS; way++) {
            float *y = run(way, &c);
            for (size_t i = 0; i < count_of(&c.a); i++)
                compare_number(label_of(&c.a, ways[way].name, seed).text, i,
                               y[i], c.v[i], 2e-3);
            free(y);
        }
        free_case(&c);
    }
}

// --- Large scores ------------------------------------------------------------

// Scores that differ by 1000 and more leave one key, and y is its value, to the
// bit. The best key so far is at `best(t)`.
static void check_winner(const char *what, float (*score)(size_t s),
                         size_t (*best)(size_t t)) {
    enum { L = 600 };
    Case c = uniform_case(1, L, 1, 1, 1);
    for (size_t s = 0; s < L; s++)
        c.q[s] = 1, c.k[s] = score(s);
    for (size_t way = 0; way < WAYS; way++) {
        float *y = run(way, &c);
        for (size_t t = 0; t < L; t++)
            compare_bits(label("%s, %s, row %zu", ways[way].name, what, t).text,
                         y + t, c.v + best(t), 1);
        free(y);
    }
    free_case(&c);
}

static float rising(size_t s) {
    return 1000 * (float)s - 3e5f;
}

static float falling(size_t s) {
    return 3e5f - 1000 * (float)s;
}

// The largest is in the second tile.
static float peak(size_t s) {
    return s == 300 ? 1e30f : -1000 * (float)s - 1e6f;
}

static size_t the_last(size_t t) {
    return t;
}

static size_t the_first(size_t t) {
    return t * 0;
}

static size_t the_peak(size_t t) {
    return t < 300 ? 0 : 300;
}

Test(attention, the_winner_takes_all) {
    check_winner("rising", rising, the_last);
    check_winner("falling", falling, the_first);
    check_winner("peak", peak, the_peak);
}

// Scores of +-1e4, where exp() alone overflows at 89.
Test(attention, large_scores_do_not_overflow) {
    for (uint64_t seed = 0; seed < 4; seed++) {
        Case c = uniform_case(seed, 290, 1, 8, 100);
        check_all(&c, seed);
    }
}

// Adding a constant to all scores of a row changes no weight. With k = (k', 1)
// and q = (q', x), x is added to every score.
Test(attention, a_shift_changes_nothing) {
    enum { L = 300, D = 4 };
    Case c = uniform_case(3, L, 1, D, 1);
    for (size_t s = 0; s < L; s++)
        c.k[s * D + D - 1] = 1, c.q[s * D + D - 1] = 0;
    for (size_t way = 0; way < WAYS; way++) {
        for (size_t t = 0; t < L; t++)
            c.q[t * D + D - 1] = 0;
        float *y = run(way, &c);
        // 512 / sqrt(4) is added; the scores keep some 1e-5 of precision.
        for (size_t t = 0; t < L; t++)
            c.q[t * D + D - 1] = t % 2 ? 512 : -512;
        float *shifted = run(way, &c);
        compare(ways[way].name, shifted, y, L * D,
                (Tolerance){.absolute = 2e-4});
        free(y), free(shifted);
    }
    free_case(&c);
}

// --- Causality ---------------------------------------------------------------

// Another token t changes nothing before t, not one bit, and something at t.
Test(attention, no_token_sees_the_future) {
    static const size_t places[] = {1, 31, 32, 33, 255, 256, 257, 289};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        Case c = uniform_case(i, 290, 2, 7, 2);
        Case other = uniform_case(i, 290, 2, 7, 2);
        size_t before = places[i] * width_of(&c.a);
        for (size_t j = before; j < before + width_of(&c.a); j++)
            other.q[j] += 1, other.k[j] -= 1, other.v[j] += 10;
        for (size_t way = 0; way < WAYS; way++) {
            float *y = run(way, &c), *y_other = run(way, &other);
            Label what = label("%s, token %zu", ways[way].name, places[i]);
            compare_bits(what.text, y_other, y, before);
            cr_assert(y[before] != y_other[before], "%s: nothing changed",
                      what.text);
            free(y), free(y_other);
        }
        free_case(&c), free_case(&other);
    }
}

// A part of a sequence from its beginning has the same results as the whole.
Test(attention, a_prefix_is_a_prefix) {
    Case c = uniform_case(4, 520, 2, 16, 1);
    for (size_t way = 0; way < WAYS; way++) {
        float *whole = run(way, &c);
        for (size_t length = 1; length < 520; length += 37) {
            Case part = c;
            part.a.length = length;
            float *y = run(way, &part);
            compare(label("%s, %zu tokens", ways[way].name, length).text, y,
                    whole, count_of(&part.a), (Tolerance){.absolute = 3e-6});
            free(y);
        }
        free(whole);
    }
    free_case(&c);
}

// --- NaN ---------------------------------------------------------------------

// A NaN in one place: of the query of a token, its key, or its value.
typedef enum { IN_Q, IN_K, IN_V } Place;
enum { NAN_LENGTH = 300, NAN_HEADS = 3, NAN_D = 5, NAN_HEAD = 1, NAN_I = 2 };

// A query reaches its own row, a key all rows from its own on, a value these
// rows in its own column; and never another head.
static bool reaches(Place place, size_t at, size_t t, size_t head, size_t i) {
    bool its_head = head == NAN_HEAD;
    switch (place) {
    case IN_Q:
        return its_head && t == at;
    case IN_K:
        return its_head && t >= at;
    case IN_V:
        return its_head && t >= at && i == NAN_I;
    }
    return false;
}

static void check_nan(size_t way, Place place, size_t at) {
    Case c = uniform_case(9, NAN_LENGTH, NAN_HEADS, NAN_D, 1);
    float *numbers[] = {[IN_Q] = c.q, [IN_K] = c.k, [IN_V] = c.v};
    float *clean = run(way, &c);
    numbers[place][(at * NAN_HEADS + NAN_HEAD) * NAN_D + NAN_I] = NAN;
    float *y = run(way, &c);
    for (size_t j = 0; j < count_of(&c.a); j++) {
        size_t i = j % NAN_D, head = j / NAN_D % NAN_HEADS;
        size_t t = j / NAN_D / NAN_HEADS;
        bool reached = reaches(place, at, t, head, i);
        if (reached ? isnan(y[j]) : memcmp(y + j, clean + j, sizeof *y) == 0)
            continue;
        cr_assert_fail("%s, NaN in place %d of token %zu: y (%zu, %zu, %zu): "
                       "wanted %g, found %g",
                       ways[way].name, (int)place, at, t, head, i,
                       reached ? (double)NAN : (double)clean[j], (double)y[j]);
    }
    free(y), free(clean), free_case(&c);
}

Test(attention, nan_reaches_what_depends_on_it_and_nothing_else) {
    static const size_t places[] = {0, 10, 31, 100, 255, 256, 299};
    for (size_t way = 0; way < WAYS; way++)
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            for (Place place = IN_Q; place <= IN_V; place++)
                check_nan(way, place, places[i]);
}

// --- Threads -----------------------------------------------------------------

Test(attention, any_number_of_threads_gives_the_same_bits) {
    if (strcmp(matmul_library, "Accelerate") == 0)
        cr_skip_test("Accelerate has threads of its own");
    static const size_t shapes[][3] = {{600, 3, 16}, {290, 1, 64}, {1, 2, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        Case c = uniform_case(i, shapes[i][0], shapes[i][1], shapes[i][2], 2);
        for (size_t way = 0; way < WAYS; way++) {
            use_threads(1);
            float *one = run(way, &c);
            for (int threads = 2; threads <= 5; threads++) {
                use_threads(threads);
                float *y = run(way, &c);
                Label what = label("%s, %d threads", ways[way].name, threads);
                compare_bits(what.text, y, one, count_of(&c.a));
                free(y);
            }
            free(one);
        }
        free_case(&c);
    }
}

// --- One more token ----------------------------------------------------------

// The last token of a long text, of which the cache has all others. Beyond 64
// pieces of 64 tokens the pieces grow.
static void check_last_token(size_t length) {
    Case c = uniform_case(length, length, 2, 6, 2);
    Attention *a = &c.a;
    size_t width = width_of(a), before = (length - 1) * width;
    AttentionCache cache = new_cache(a);
    memcpy(cache.keys, c.k, before * sizeof *c.k);
    memcpy(cache.values, c.v, before * sizeof *c.v);
    cache.length = length - 1;
    size_t bytes = attention_step_workspace(a->n_heads, a->d_head);
    void *workspace = new_workspace(bytes);
    float *y = new_floats(width);
    attention_step(&cache, c.q + before, c.k + before, c.v + before, y,
                   workspace);
    check_workspace("step", workspace, bytes);

    Truth truth = {.y = new_doubles(count_of(a)),
                   .scale = new_doubles(count_of(a))};
    double *p = new_doubles(length);
    for (size_t head = 0; head < a->n_heads; head++)
        find_row(a, length - 1, head, p, &truth);
    compare_scaled(label("step, %zu tokens", length).text, y, truth.y + before,
                   truth.scale + before, width, bound);
    free(p), free(y), free_truth(&truth), free_cache(&cache), free_case(&c);
}

Test(attention, a_step_sees_a_long_text) {
    static const size_t lengths[] = {1,    31,   32,   33,   63,   64,   65,
                                     4095, 4096, 4097, 4161, 5000, 20000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        check_last_token(lengths[i]);
}

Test(attention, any_number_of_threads_gives_the_same_step) {
    Case c = uniform_case(5, 5000, 2, 32, 1);
    size_t width = width_of(&c.a), before = 4999 * width;
    void *workspace = new_workspace(attention_step_workspace(2, 32));
    float *y = new_floats(width), *one = NULL;
    for (int threads = 1; threads <= 5; threads++) {
        AttentionCache cache = {.n_heads = 2,
                                .d_head = 32,
                                .capacity = 5000,
                                .length = 4999,
                                .keys = c.k,
                                .values = c.v};
        use_threads(threads);
        attention_step(&cache, c.q + before, c.k + before, c.v + before, y,
                       workspace);
        if (!one)
            one = copy_floats(y, width);
        compare_bits(label("%d threads", threads).text, y, one, width);
    }
    check_workspace("step", workspace, attention_step_workspace(2, 32));
    free(y), free(one), free_case(&c);
}

// --- What is stated ----------------------------------------------------------

Test(attention, reads_its_inputs_only) {
    Case c = uniform_case(8, 300, 2, 9, 1),
         copy = uniform_case(8, 300, 2, 9, 1);
    size_t count = count_of(&c.a);
    for (size_t way = 0; way < WAYS; way++) {
        float *once = run(way, &c), *twice = run(way, &c);
        compare_bits("q", c.q, copy.q, count);
        compare_bits("k", c.k, copy.k, count);
        compare_bits("v", c.v, copy.v, count);
        compare_bits("a second run", twice, once, count);
        free(once), free(twice);
    }
    free_case(&c), free_case(&copy);
}

// Pairs s <= t of 3 tokens: 6. Each has d_head multiplications and additions
// for its score, and as many for its value.
Test(attention, operations_by_hand) {
    Attention a = {.length = 3, .n_heads = 5, .d_head = 2};
    cr_assert_eq(attention_flops(&a), 6 * 5 * (2 * 2 + 2 * 2));
    a.length = 0;
    cr_assert_eq(attention_flops(&a), 0);
}

Test(attention, bytes_by_hand) {
    cr_assert_eq(attention_cache_bytes(12, 64, 1), 12 * 64 * 2 * 4);
    cr_assert_eq(attention_cache_bytes(3, 5, 1000), 120000);
    cr_assert_eq(attention_cache_bytes(3, 5, 0), 0);
    // All scores of a head, and no more than a strip's width beside them.
    for (size_t L = 0; L < 600; L += 31) {
        Attention a = {.length = L, .n_heads = 7, .d_head = 3};
        size_t bytes = attention_textbook_workspace(&a);
        cr_assert_geq(bytes, L * L * 4);
        cr_assert_leq(bytes, L * (L + 32) * 4);
    }
    cr_assert_geq(attention_tile_bytes, 256 * 256 * 4);
}
