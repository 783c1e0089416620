// How well a text is predicted: closed forms, and the official code's figure.
#include "loss.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "compare.h"
#include "failing_memory.h"
#include "json.h"
#include "scratch.h"
#include "tokenizer.h"
#include "toy.h"

TestSuite(loss, .init = test_begin, .fini = nothing_leaks);

// --- One prediction ----------------------------------------------------------

// Of equal logits each token has probability 1/V.
Test(loss, of_equal_logits_is_ln_V) {
    float logits[300];
    for (size_t V = 1; V <= 300; V++)
        for (int level = -2; level <= 2; level++) {
            for (size_t i = 0; i < V; i++)
                logits[i] = (float)level * 1e30f;
            compare_number("loss", V,
                           cross_entropy(logits, V, (int32_t)(V / 2)),
                           log((double)V), 1e-12);
        }
}

// Logits that are logarithms of counts: probabilities 1/10, 2/10, 3/10, 4/10.
Test(loss, is_minus_ln_of_the_probability) {
    float logits[4];
    for (int i = 0; i < 4; i++)
        logits[i] = (float)log(i + 1);
    for (int i = 0; i < 4; i++)  // the logits are rounded to float32
        compare_number("loss", (size_t)i, cross_entropy(logits, 4, i),
                       -log((i + 1) / 10.0), 2e-7);
}

Test(loss, of_two_is_the_logistic_function) {
    for (float x = -80; x <= 80; x += 0.5f) {
        const float logits[] = {x, 0};
        compare_number("loss", 0, cross_entropy(logits, 2, 0), log1p(exp(-x)),
                       1e-13 * (1 + fabsf(x)));
    }
}

// The same in long double, for any logits.
static double in_long_double(const float *logits, size_t V, int32_t target) {
    long double sum = 0;
    for (size_t i = 0; i < V; i++)
        sum += expl((long double)logits[i] - logits[target]);
    return (double)logl(sum);
}

Test(loss, of_random_logits) {
    Random random = random_from_seed(1);
    for (int repeat = 0; repeat < 200; repeat++) {
        size_t V = random_count(&random, 1, 400);
        float *logits = random_floats(&random, V, -30, 30);
        int32_t target = (int32_t)random_count(&random, 0, V - 1);
        double wanted = in_long_double(logits, V, target);
        compare_number("loss", (size_t)repeat, cross_entropy(logits, V, target),
                       wanted, 1e-12 * (1 + wanted));
        free(logits);
    }
}

Test(loss, never_overflows) {
    const float far[] = {-FLT_MAX, FLT_MAX, 0};
    compare_number("certain", 0, cross_entropy(far, 3, 1), 0, 0);
    compare_number("hopeless", 0, cross_entropy(far, 3, 0), 2.0 * FLT_MAX,
                   1e30);
    compare_number("half", 0, cross_entropy(far, 3, 2), FLT_MAX, 1e30);
    const float all_far[] = {-FLT_MAX, -FLT_MAX};
    compare_number("equal", 0, cross_entropy(all_far, 2, 0), log(2), 1e-15);
    const float one[] = {-1e30f};
    compare_number("only one", 0, cross_entropy(one, 1, 0), 0, 0);
}

// A constant added to all logits changes no probability; 2^-10 steps of
// logits below 2^13 are exact in float32.
Test(loss, is_shift_invariant) {
    Random random = random_from_seed(2);
    float logits[50], shifted[50];
    for (size_t i = 0; i < 50; i++) {
        logits[i] = (float)random_count(&random, 0, 1 << 14) / 1024;
        shifted[i] = logits[i] - 4000;
    }
    for (int32_t i = 0; i < 50; i++)
        compare_number("loss", (size_t)i, cross_entropy(shifted, 50, i),
                       cross_entropy(logits, 50, i), 1e-12);
}

Test(loss, bits_are_nats_by_ln_2) {
    compare_number("bits", 0, bits_from_nats(log(2)), 1, 1e-15);
    compare_number("bits", 1, bits_from_nats(log(256)), 8, 1e-14);
    cr_assert_eq(bits_from_nats(0), 0);
    cr_assert(isnan(bits_from_nats(NAN)));
}

// --- A text ------------------------------------------------------------------

// A session of one sequence, and the evaluation of a text in it.
typedef struct {
    Session session;
    Evaluation evaluation;
} Run;

static void run_begin(Run *run, const Model *model, size_t chunk,
                      const ScanBackend *backend) {
    Error err;
    check_ok(session_new(&run->session, model, 1, chunk, backend, &err), &err);
    check_ok(evaluation_new(&run->evaluation, &run->session, &err), &err);
}

static void run_end(Run *run) {
    evaluation_free(&run->evaluation);
    session_free(&run->session);
}

static void run_feed(Run *run, const int32_t *tokens, size_t n, double *nats) {
    Error err;
    check_ok(evaluation_feed(&run->evaluation, tokens, n, nats, &err), &err);
}

// The passage's nats per token as the official code found them.
static double official_nats(void) {
    Error err;
    size_t size;
    char *text = read_bytes("tests/golden/kjv.json", &size);
    // The file is a list; json_parse() reads objects.
    char *object = malloc(size + 20);
    sprintf(object, "{\"list\": %s}", text);
    cJSON *root = json_parse("kjv.json", object, strlen(object), &err);
    if (!root)
        cr_assert_fail("%s", err.text);
    const cJSON *passage = cJSON_GetArrayItem(root->child, 2);
    double nats;
    check_ok(
        json_number(cJSON_GetObjectItemCaseSensitive(passage, "nats_per_token"),
                    "kjv.json", &nats, &err),
        &err);
    cJSON_Delete(root);
    free(object);
    free(text);
    return nats;
}

static void check_passage(const Model *model, size_t chunk,
                          const ScanBackend *backend, double wanted) {
    size_t size;
    char *text = read_bytes("chapters/06-full-model/passage.txt", &size);
    int32_t *tokens = malloc(size * sizeof *tokens);
    tokenizer_encode(tokens, text, size);
    Run run;
    run_begin(&run, model, chunk, backend);
    run_feed(&run, tokens, size, NULL);
    cr_assert_eq(run.evaluation.tokens, size);
    compare_number(label("backend %s, chunk %zu", backend->name, chunk).text, 0,
                   evaluation_mean(&run.evaluation), wanted, 1e-5);
    run_end(&run);
    free(tokens);
    free(text);
}

Test(loss, of_the_passage_is_the_official_figure) {
    Model model;
    Error err;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    double wanted = official_nats();
    cr_assert(wanted > 1.17 && wanted < 1.18);
    check_passage(&model, 256, toy_backend("cpu"), wanted);
    check_passage(&model, 100, toy_backend("parallel"), wanted);
    check_passage(&model, 64, toy_backend("reference"), wanted);
    model_free(&model);
}

Test(loss, of_a_text_is_the_sum_of_its_predictions) {
    enum { LENGTH = 25 };
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    Random random = random_from_seed(1);
    int32_t *tokens = random_tokens(&random, &config, LENGTH);
    Truth truth;
    truth_find(&truth, &model, tokens, LENGTH);
    size_t V = config_padded_vocab_size(&config);
    double wanted[LENGTH] = {0}, sum = 0;
    for (size_t t = 1; t < LENGTH; t++) {
        double total = 0, *before = truth.logits + (t - 1) * V;
        for (size_t v = 0; v < V; v++)
            total += exp(before[v]);
        sum += wanted[t] = log(total) - before[tokens[t]];
    }
    double nats[LENGTH];
    Run run;
    run_begin(&run, &model, 10, toy_backend("cpu"));
    run_feed(&run, tokens, LENGTH, nats);
    // The logits' bound of 1e-5, twice.
    Tolerance bound = {.absolute = 2e-5, .relative = 2e-5};
    compare_doubles("nats", nats, wanted, LENGTH, bound);
    compare_number("sum", 0, run.evaluation.nats, sum, 2e-5 * LENGTH);
    compare_number("mean", 0, evaluation_mean(&run.evaluation),
                   sum / (LENGTH - 1), 2e-5);
    cr_assert_eq(nats[0], 0);
    run_end(&run);
    truth_free(&truth);
    free(tokens);
    model_free(&model);
}

// Pieces and chunks of any size, and every token's nats in its place.
Test(loss, of_a_text_is_the_same_however_it_is_cut) {
    enum { LENGTH = 40 };
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    Random random = random_from_seed(3);
    int32_t *tokens = random_tokens(&random, &config, LENGTH);
    double whole[LENGTH], nats[LENGTH];
    Tolerance bound = {.absolute = 2e-5, .relative = 2e-5};
    Run run;
    run_begin(&run, &model, LENGTH, toy_backend("cpu"));
    run_feed(&run, tokens, LENGTH, whole);
    double mean = evaluation_mean(&run.evaluation);
    run_end(&run);
    for (size_t chunk = 1; chunk <= LENGTH + 1; chunk++) {
        run_begin(&run, &model, chunk, toy_backend("cpu"));
        for (size_t t = 0, piece; t < LENGTH; t += piece) {
            piece = random_count(&random, 0, LENGTH - t);
            run_feed(&run, tokens + t, piece, nats + t);
        }
        compare_doubles(label("chunk %zu", chunk).text, nats, whole, LENGTH,
                        bound);
        compare_number("mean", chunk, evaluation_mean(&run.evaluation), mean,
                       2e-5);
        run_end(&run);
    }
    free(tokens);
    model_free(&model);
}

Test(loss, of_fewer_than_two_tokens_is_unknown) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    Run run;
    run_begin(&run, &model, 3, toy_backend("cpu"));
    const int32_t tokens[] = {1, 2};
    cr_assert(isnan(evaluation_mean(&run.evaluation)));
    run_feed(&run, NULL, 0, NULL);
    cr_assert(isnan(evaluation_mean(&run.evaluation)));
    double nats = 7;
    run_feed(&run, tokens, 1, &nats);
    cr_assert_eq(nats, 0);
    cr_assert(isnan(evaluation_mean(&run.evaluation)));
    run_feed(&run, tokens + 1, 1, &nats);
    cr_assert(nats > 0);
    cr_assert_eq(evaluation_mean(&run.evaluation), nats);
    run_end(&run);
    model_free(&model);
}

Test(loss, wrong_tokens_are_refused) {
    Config config = toy_config();
    Model model;
    Error err;
    toy_model(&model, &config, 1);
    Run run;
    run_begin(&run, &model, 3, toy_backend("cpu"));
    const int32_t tokens[] = {1, 2, 11};
    check_refused("token",
                  evaluation_feed(&run.evaluation, tokens, 3, NULL, &err), &err,
                  "token 2: ", "wanted an id from 0 to 10, found 11");
    cr_assert_eq(run.evaluation.tokens, 0);
    cr_assert_eq(run.session.position, 0);
    run_end(&run);
    model_free(&model);
}
