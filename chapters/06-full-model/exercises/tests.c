// Exercise 6.5: does the lens show what a model of fewer blocks would say?
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "compare.h"
#include "exercise.h"
#include "failing_memory.h"
#include "loss.h"
#include "scratch.h"
#include "tokenizer.h"
#include "toy.h"

TestSuite(exercise6, .init = test_begin, .fini = nothing_leaks);

// The project promises logits to within 1e-5; the mean of a text's losses
// strays no further than they do.
static const double bound = 1e-5;

// What session_feed() makes of the text, by the library's own evaluation.
static double nats_of(const Model *model, const int32_t *tokens,
                      size_t length) {
    enum { CHUNK = 64 };
    Session session;
    Evaluation evaluation;
    Error err;
    toy_session(&session, model, 1, CHUNK);
    check_ok(evaluation_new(&evaluation, &session, &err), &err);
    check_ok(evaluation_feed(&evaluation, tokens, length, NULL, &err), &err);
    double mean = evaluation_mean(&evaluation);
    evaluation_free(&evaluation);
    session_free(&session);
    return mean;
}

// The lens on this text; free().
static double *look_at(const Model *model, const int32_t *tokens,
                       size_t length) {
    Error err;
    double *nats = new_doubles(model->config.n_layer + 1);
    check_ok(lens(model, toy_backend("cpu"), tokens, length, nats, &err), &err);
    return nats;
}

static void set_zero(Model *model, const char *part, size_t layer) {
    size_t n;
    Label name = label("backbone.layers.%zu.mixer.%s", layer, part);
    float *w = toy_tensor(model, name.text, &n);
    memset(w, 0, n * sizeof *w);
}

// Blocks from `first` on add nothing to the stream.
static void silence(Model *model, size_t first) {
    for (size_t i = first; i < model->config.n_layer; i++) {
        set_zero(model, "out_proj.weight", i);
        if (model->config.bias)
            set_zero(model, "out_proj.bias", i);
    }
}

// --- The two ends -----------------------------------------------------------

Test(exercise6, after_all_blocks_it_is_the_model) {
    enum { LENGTH = 90 };
    Random random = random_from_seed(1);
    for (uint64_t seed = 0; seed < 8; seed++) {
        Config config = seed ? random_config(&random) : toy_config();
        Model model;
        toy_model(&model, &config, seed);
        int32_t *tokens = random_tokens(&random, &config, LENGTH);
        double *nats = look_at(&model, tokens, LENGTH);
        compare_number(label("seed %zu", (size_t)seed).text, 0,
                       nats[config.n_layer], nats_of(&model, tokens, LENGTH),
                       bound);
        free(nats);
        free(tokens);
        model_free(&model);
    }
}

// The formula in double precision: u = e / rms(e) * w, logits = lm_head u.
static double nats_of_embeddings(const Model *model, const int32_t *tokens,
                                 size_t length) {
    size_t D = model->config.d_model, sum_of = length - 1;
    size_t V = config_padded_vocab_size(&model->config);
    const float *embedding = model->embedding.numbers;
    const float *lm_head = model->lm_head.numbers;
    double nats = 0;
    for (size_t t = 0; t < sum_of; t++) {
        const float *e = embedding + (size_t)tokens[t] * D;
        double squares = 0, total = 0, wanted = 0;
        for (size_t d = 0; d < D; d++)
            squares += (double)e[d] * e[d];
        double rms = sqrt(squares / (double)D + model->config.norm_eps);
        for (size_t v = 0; v < V; v++) {
            double logit = 0;
            for (size_t d = 0; d < D; d++)
                logit += lm_head[v * D + d] * (e[d] / rms) * model->norm_f[d];
            total += exp(logit);
            if (v == (size_t)tokens[t + 1])
                wanted = logit;
        }
        nats += log(total) - wanted;
    }
    return nats / (double)sum_of;
}

Test(exercise6, before_any_block_it_reads_the_embedding) {
    enum { LENGTH = 40 };
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 2);
    Random random = random_from_seed(2);
    int32_t *tokens = random_tokens(&random, &config, LENGTH);
    double *nats = look_at(&model, tokens, LENGTH);
    compare_number("no blocks", 0, nats[0],
                   nats_of_embeddings(&model, tokens, LENGTH), bound);
    free(nats);
    free(tokens);
    model_free(&model);
}

// --- In between -------------------------------------------------------------

// The lens after i blocks is a model whose other blocks add nothing.
Test(exercise6, after_some_blocks_it_is_a_shorter_model) {
    enum { LENGTH = 50, N_LAYER = 4 };
    for (int bias = 0; bias < 2; bias++) {
        Config config = toy_config();
        config.n_layer = N_LAYER;
        config.bias = bias;
        Model model;
        toy_model(&model, &config, 3);
        Random random = random_from_seed(3);
        int32_t *tokens = random_tokens(&random, &config, LENGTH);
        double *nats = look_at(&model, tokens, LENGTH);
        for (size_t i = N_LAYER + 1; i-- > 0;) {
            silence(&model, i);
            compare_number("blocks", i, nats[i],
                           nats_of(&model, tokens, LENGTH), bound);
        }
        free(nats);
        free(tokens);
        model_free(&model);
    }
}

// Each block of the default model brings the stream nearer to the next byte;
// before the first it is worse than guessing.
Test(exercise6, each_block_of_the_default_model_helps) {
    enum { LENGTH = 1000 };
    Model model;
    Error err;
    size_t size;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    char *text = read_bytes("chapters/06-full-model/passage.txt", &size);
    cr_assert(size >= LENGTH);
    int32_t tokens[LENGTH];
    tokenizer_encode(tokens, text, LENGTH);
    double *nats = look_at(&model, tokens, LENGTH);
    cr_assert(nats[0] > log(256), "before any block %g nats", nats[0]);
    for (size_t i = 0; i < model.config.n_layer; i++)
        cr_assert(nats[i + 1] < nats[i], "after %zu blocks %g nats, then %g", i,
                  nats[i], nats[i + 1]);
    compare_number("the model", 0, nats[model.config.n_layer],
                   nats_of(&model, tokens, LENGTH), bound);
    free(nats);
    free(text);
    model_free(&model);
}

// --- The edges --------------------------------------------------------------

Test(exercise6, fewer_than_two_tokens_cost_nothing_known) {
    const int32_t tokens[] = {1, 2};
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 4);
    for (size_t length = 0; length < 3; length++) {
        double *nats = look_at(&model, tokens, length);
        for (size_t i = 0; i <= config.n_layer; i++)
            cr_assert_eq(!isnan(nats[i]), length == 2,
                         "%zu tokens, %zu blocks: %g", length, i, nats[i]);
        free(nats);
    }
    model_free(&model);
}

// The model stays as it was, and so does a second look.
Test(exercise6, looking_changes_nothing) {
    enum { LENGTH = 20 };
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 5);
    size_t count = parameter_total(&config);
    float *before = copy_floats(model.storage, count);
    Random random = random_from_seed(5);
    int32_t *tokens = random_tokens(&random, &config, LENGTH);
    double *once = look_at(&model, tokens, LENGTH);
    double *again = look_at(&model, tokens, LENGTH);
    for (size_t i = 0; i <= config.n_layer; i++)
        compare_number("a second look", i, again[i], once[i], 0);
    compare_bits("the weights", model.storage, before, count);
    free(again);
    free(once);
    free(tokens);
    free(before);
    model_free(&model);
}

Test(exercise6, without_memory_it_says_so) {
    const int32_t tokens[] = {1, 2, 3};
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 6);
    size_t live = memory_live();
    double nats[3];
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        Error err;
        memory_fail_at(n);
        bool ok = lens(&model, toy_backend("cpu"), tokens, 3, nats, &err);
        failed = memory_failed();
        memory_fail_at(0);
        cr_assert_eq(ok, !failed);
        cr_assert_eq(memory_live(), live);
    }
    model_free(&model);
}
