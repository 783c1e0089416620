// From logits to the next token: who may be drawn, and how often.
#include "sampling.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"
#include "scratch.h"

TestSuite(sampling, .init = test_begin, .fini = nothing_leaks);

// --- The bench ---------------------------------------------------------------

static const SamplingOptions plain = {.temperature = 1, .top_p = 1, .seed = 1};

static void begin(Sampler *sampler, SamplingOptions options,
                  size_t vocab_size) {
    Error err;
    if (!sampler_new(sampler, options, vocab_size, &err))
        cr_assert_fail("%s", err.text);
}

// The one token that these options draw, a hundred times over.
static void draws_only(int32_t wanted, SamplingOptions options,
                       const float *logits, size_t vocab_size) {
    Sampler sampler;
    begin(&sampler, options, vocab_size);
    for (int i = 0; i < 100; i++) {
        int32_t found = sample(&sampler, logits);
        if (found != wanted)
            cr_assert_fail("wanted token %d, found %d", wanted, found);
    }
    sampler_free(&sampler);
}

// Draws many times and compares the counts with the probabilities: the sum of
// (found - wanted)^2 / wanted has a chi-square distribution with as many
// degrees of freedom k as there are tokens beyond the first; it has mean k and
// variance 2k, and lies above k + 5 sqrt(2k) + 10 less than once in 10,000
// seeds. A token of probability 0 must not be drawn at all.
static void draws_like(const char *what, SamplingOptions options,
                       const float *logits, const double *probabilities,
                       size_t vocab_size) {
    enum { DRAWS = 40000 };
    Sampler sampler;
    begin(&sampler, options, vocab_size);
    size_t *counts = calloc(vocab_size, sizeof *counts);
    for (int i = 0; i < DRAWS; i++) {
        int32_t token = sample(&sampler, logits);
        cr_assert(token >= 0 && (size_t)token < vocab_size, "%s: found %d",
                  what, token);
        counts[token]++;
    }
    double chi_square = 0, k = -1;
    for (size_t i = 0; i < vocab_size; i++) {
        double wanted = probabilities[i] * DRAWS;
        if (wanted == 0) {
            cr_assert_eq(counts[i], 0, "%s: wanted no token %zu, found %zu",
                         what, i, counts[i]);
            continue;
        }
        k++;
        chi_square += ((double)counts[i] - wanted) *
                      ((double)counts[i] - wanted) / wanted;
    }
    double most = k + 5 * sqrt(2 * k) + 10;
    if (!(chi_square <= most))
        cr_assert_fail("%s: wanted a chi-square of at most %.1f, found %.1f",
                       what, most, chi_square);
    free(counts);
    sampler_free(&sampler);
}

// Logits of these probabilities (weights of any sum), plus a constant.
static void to_logits(float *logits, const double *weights, size_t n,
                      double constant) {
    for (size_t i = 0; i < n; i++)
        logits[i] = (float)(log(weights[i]) + constant);
}

static void normalise(double *weights, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += weights[i];
    for (size_t i = 0; i < n; i++)
        weights[i] /= sum;
}

// --- The best ----------------------------------------------------------------

Test(sampling, the_best_is_the_largest) {
    for (size_t n = 1; n < 20; n++)
        for (size_t best = 0; best < n; best++) {
            float logits[20];
            for (size_t i = 0; i < n; i++)
                logits[i] = -100 + (float)(i * 7 % 5);
            logits[best] = -1;
            cr_assert_eq(best_token(logits, n), (int32_t)best);
        }
}

Test(sampling, of_equals_the_lower_id_is_the_best) {
    const float logits[] = {1, 3, 2, 3, 3, -0.0f, 0};
    cr_assert_eq(best_token(logits, 7), 1);
    cr_assert_eq(best_token(logits + 5, 2), 0);
    SamplingOptions greedy = plain, best_of_all = plain, tiny = plain;
    greedy.temperature = 0;
    best_of_all.top_k = 1;
    tiny.top_p = 1e-9;
    draws_only(1, greedy, logits, 7);
    draws_only(1, best_of_all, logits, 7);
    draws_only(1, tiny, logits, 7);
}

// Greedy takes the best whatever the other options say.
Test(sampling, temperature_0_is_greedy) {
    Random random = random_from_seed(1);
    for (int i = 0; i < 50; i++) {
        float *logits = random_floats(&random, 30, -9, 9);
        SamplingOptions options = plain;
        options.temperature = 0;
        options.top_k = random_count(&random, 0, 40);
        options.top_p = random_uniform(&random, 0, 1);
        draws_only(best_token(logits, 30), options, logits, 30);
        free(logits);
    }
}

// --- Distributions -----------------------------------------------------------

Test(sampling, draws_by_probability) {
    double weights[] = {1, 2, 3, 4, 0.5, 8, 1e-300};
    float logits[7];
    to_logits(logits, weights, 6, 5);
    logits[6] = -600;  // e^-600 never comes
    normalise(weights, 6);
    weights[6] = 0;
    draws_like("plain", plain, logits, weights, 7);
    SamplingOptions options = plain;
    options.top_k = 7;
    draws_like("top_k of all", options, logits, weights, 7);
    options.top_k = 1000;
    draws_like("top_k of more than all", options, logits, weights, 7);
}

Test(sampling, of_one_token_draws_it) {
    const float logit = -3;
    draws_only(0, plain, &logit, 1);
}

// Dividing logits by T raises probabilities to the power 1/T.
Test(sampling, temperature_is_a_power) {
    const double temperatures[] = {0.25, 0.5, 0.8, 1.5, 3, 10};
    for (size_t i = 0; i < 6; i++) {
        const double weights[] = {1, 2, 3, 4};
        double powers[4];
        float logits[4];
        to_logits(logits, weights, 4, -2);
        for (size_t k = 0; k < 4; k++)
            powers[k] = pow(weights[k], 1 / temperatures[i]);
        normalise(powers, 4);
        SamplingOptions options = plain;
        options.temperature = temperatures[i];
        draws_like(label("temperature %g", temperatures[i]).text, options,
                   logits, powers, 4);
    }
}

Test(sampling, extremes_of_temperature) {
    const float logits[] = {1, 2, 1.5f, -3};
    SamplingOptions options = plain;
    const double cold[] = {5e-324, 1e-300, 1e-9, 1e-3};
    for (size_t i = 0; i < 4; i++) {
        options.temperature = cold[i];
        draws_only(1, options, logits, 4);
    }
    const double equal[] = {0.25, 0.25, 0.25, 0.25};
    const double hot[] = {1e9, 1e300, INFINITY};
    for (size_t i = 0; i < 3; i++) {
        options.temperature = hot[i];
        draws_like("hot", options, logits, equal, 4);
    }
}

Test(sampling, extremes_of_logits) {
    const float far[] = {-FLT_MAX, FLT_MAX, 0, -FLT_MAX};
    draws_only(1, plain, far, 4);
    const float large[] = {FLT_MAX, FLT_MAX, FLT_MAX, FLT_MAX};
    const double equal[] = {0.25, 0.25, 0.25, 0.25};
    draws_like("large", plain, large, equal, 4);
    const float small[] = {-FLT_MAX, -FLT_MAX, -FLT_MAX, -FLT_MAX};
    draws_like("small", plain, small, equal, 4);
    const float zeros[] = {0, -0.0f, 0, -0.0f};
    draws_like("zeros", plain, zeros, equal, 4);
}

// --- top_k and top_p ---------------------------------------------------------

Test(sampling, top_k_keeps_the_k_best) {
    // In no order, so that the best must be looked for.
    const double weights[] = {2, 7, 1, 5, 3, 6, 4};
    float logits[7];
    to_logits(logits, weights, 7, 0);
    for (size_t k = 1; k <= 7; k++) {
        double kept[7];
        for (size_t i = 0; i < 7; i++)
            kept[i] = weights[i] > 7 - (double)k ? weights[i] : 0;
        normalise(kept, 7);
        SamplingOptions options = plain;
        options.top_k = k;
        draws_like(label("top_k %zu", k).text, options, logits, kept, 7);
    }
}

// Of equals at the border the lower ids stay.
Test(sampling, top_k_among_equals_keeps_the_lower_ids) {
    const float logits[] = {0, 0, 0, 0, 0, 0};
    const double kept[] = {0.25, 0.25, 0.25, 0.25, 0, 0};
    SamplingOptions options = plain;
    options.top_k = 4;
    draws_like("equals", options, logits, kept, 6);
}

// Probabilities 1/16, 8/16, 2/16, 4/16, 1/16: as many of the best stay as are
// needed for their sum to reach top_p.
Test(sampling, top_p_keeps_the_best_of_so_much) {
    const double weights[] = {1, 8, 2, 4, 1};
    const struct {
        double top_p, kept[5];
    } cases[] = {{1e-9, {0, 1, 0, 0, 0}},     {0.49, {0, 1, 0, 0, 0}},
                 {0.51, {0, 8, 0, 4, 0}},     {0.74, {0, 8, 0, 4, 0}},
                 {0.76, {0, 8, 2, 4, 0}},     {0.86, {0, 8, 2, 4, 0}},
                 {0.88, {1, 8, 2, 4, 0}},     {0.93, {1, 8, 2, 4, 0}},
                 {0.95, {1, 8, 2, 4, 1}},     {1, {1, 8, 2, 4, 1}},
                 {0.9999999, {1, 8, 2, 4, 1}}};
    float logits[5];
    to_logits(logits, weights, 5, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double kept[5];
        memcpy(kept, cases[i].kept, sizeof kept);
        normalise(kept, 5);
        SamplingOptions options = plain;
        options.top_p = cases[i].top_p;
        draws_like(label("top_p %g", cases[i].top_p).text, options, logits,
                   kept, 5);
    }
}

// Exact halves: the best of two equals is just enough for 0.5.
Test(sampling, top_p_is_reached_by_equality) {
    const float logits[] = {3, 3};
    SamplingOptions options = plain;
    options.top_p = 0.5;
    draws_only(0, options, logits, 2);
}

Test(sampling, top_p_of_nothing_keeps_the_best) {
    const float logits[] = {1, 2, 1.99f};
    const double nothing[] = {0, 1e-300, -1};
    for (size_t i = 0; i < 3; i++) {
        SamplingOptions options = plain;
        options.top_p = nothing[i];
        draws_only(1, options, logits, 3);
    }
}

// --- The order ---------------------------------------------------------------

// Weights 8, 4, 2, 1, 1. First top_k 2, then top_p 0.6: of 8 and 4 the first
// has 2/3 of what is left, and stays alone. The other way round top_p would
// keep 8 and 4, of which top_k takes nothing away.
Test(sampling, top_k_comes_before_top_p) {
    const double weights[] = {8, 4, 2, 1, 1};
    float logits[5];
    to_logits(logits, weights, 5, 0);
    SamplingOptions options = plain;
    options.top_k = 2;
    options.top_p = 0.6;
    draws_only(0, options, logits, 5);
}

// At temperature 1/2 the weights are 64, 16, 4, 1, 1: of 86, the first has 74
// %, so it stays alone for top_p 0.7. At temperature 1 it has 50 %, and the
// second would stay too. At temperature 2 even three are needed.
Test(sampling, temperature_comes_before_top_p) {
    const double weights[] = {8, 4, 2, 1, 1};
    float logits[5];
    to_logits(logits, weights, 5, 0);
    SamplingOptions options = plain;
    options.top_p = 0.7;
    options.temperature = 0.5;
    draws_only(0, options, logits, 5);
    options.temperature = 1;
    double two[] = {2.0 / 3, 1.0 / 3, 0, 0, 0};
    draws_like("temperature 1", options, logits, two, 5);
    options.temperature = 2;
    double three[] = {sqrt(8), 2, sqrt(2), 0, 0};
    normalise(three, 5);
    draws_like("temperature 2", options, logits, three, 5);
}

// All three at once, on random logits: the distribution computed by hand.
Test(sampling, all_options_together) {
    enum { V = 12 };
    Random random = random_from_seed(4);
    for (uint64_t seed = 0; seed < 20; seed++) {
        float *logits = random_floats(&random, V, -3, 3);
        SamplingOptions options = {.temperature =
                                       random_uniform(&random, 0.3, 2),
                                   .top_k = random_count(&random, 0, V),
                                   .top_p = random_uniform(&random, 0.3, 1),
                                   .seed = seed};
        // Each token's rank and weight; then the weights of those that stay.
        double weights[V], sum = 0, kept[V] = {0}, reached = 0;
        size_t order[V], k = options.top_k ? options.top_k : V;
        for (size_t i = 0; i < V; i++) {
            size_t rank = 0;
            for (size_t j = 0; j < V; j++)
                rank += logits[j] > logits[i];
            order[rank] = i;
            weights[i] = exp(logits[i] / options.temperature);
        }
        for (size_t i = 0; i < k; i++)
            sum += weights[order[i]];
        for (size_t i = 0; i < k && reached < options.top_p * sum; i++) {
            kept[order[i]] = weights[order[i]];
            reached += weights[order[i]];
        }
        normalise(kept, V);
        draws_like(label("seed %d", (int)seed).text, options, logits, kept, V);
        free(logits);
    }
}

// --- Padding -----------------------------------------------------------------

// The logits behind the vocabulary are the largest, and never looked at: the
// memory behind them may even be missing.
Test(sampling, padding_is_never_drawn) {
    const float logits[] = {0, 0, 0, 1e30f, 1e30f, NAN, INFINITY, 1};
    const double equal[] = {1.0 / 3, 1.0 / 3, 1.0 / 3};
    draws_like("padded", plain, logits, equal, 3);
    SamplingOptions greedy = plain;
    greedy.temperature = 0;
    draws_only(0, greedy, logits, 3);
    float *exact = copy_floats(logits, 3);
    draws_like("exact", plain, exact, equal, 3);
    free(exact);
}

// --- Seeds -------------------------------------------------------------------

Test(sampling, the_same_seed_draws_the_same) {
    enum { V = 50, DRAWS = 500 };
    Random random = random_from_seed(1);
    float *logits = random_floats(&random, V, -2, 2);
    for (uint64_t seed = 0; seed < 5; seed++) {
        SamplingOptions options = plain;
        options.seed = seed;
        Sampler one, other, another;
        begin(&one, options, V);
        begin(&other, options, V);
        options.seed = seed + 1;
        begin(&another, options, V);
        int differ = 0;
        for (int i = 0; i < DRAWS; i++) {
            int32_t token = sample(&one, logits);
            cr_assert_eq(sample(&other, logits), token);
            differ += sample(&another, logits) != token;
        }
        // Another seed draws the same token by chance, once in 20 times or so.
        cr_assert(differ > DRAWS / 2, "found only %d of %d differ", differ,
                  DRAWS);
        sampler_free(&one);
        sampler_free(&other);
        sampler_free(&another);
    }
    free(logits);
}

// What was drawn says nothing about what is drawn next.
Test(sampling, draws_are_independent) {
    enum { DRAWS = 40000 };
    const float logits[] = {0, 0};
    Sampler sampler;
    begin(&sampler, plain, 2);
    int32_t before = sample(&sampler, logits);
    int same = 0;
    for (int i = 0; i < DRAWS; i++) {
        int32_t token = sample(&sampler, logits);
        same += token == before;
        before = token;
    }
    // Half of them, with a deviation of sqrt(DRAWS) / 2 = 100.
    compare_number("repeated tokens", 0, same, DRAWS / 2, 400);
    sampler_free(&sampler);
}

Test(sampling, changes_no_logit) {
    Random random = random_from_seed(1);
    float *logits = random_floats(&random, 20, -2, 2);
    float *before = copy_floats(logits, 20);
    Sampler sampler;
    begin(&sampler, plain, 20);
    for (int i = 0; i < 10; i++)
        sample(&sampler, logits);
    compare_bits("logits", logits, before, 20);
    sampler_free(&sampler);
    free(logits);
    free(before);
}

Test(sampling, of_a_vocabulary_too_large_is_refused) {
    Sampler sampler;
    Error err;
    cr_assert(!sampler_new(&sampler, plain, (size_t)-1 / 2, &err));
    cr_assert(strstr(err.text, "memory for the candidates: wanted"));
}
