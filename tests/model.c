// The whole model: against the official code's logits, and against the formula
// in double precision on models of any shape.
#include "model.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "compare.h"
#include "failing_memory.h"
#include "golden.h"
#include "scratch.h"
#include "toy.h"

TestSuite(model, .init = test_begin, .fini = nothing_leaks);

// Some hundred roundings of 6e-8, of either sign, lie on the way of a number of
// about 1 through a small model: 1e-5 is what the project promises. Logits are
// sums of such numbers and some are near 0: of the shapes below, the worst with
// any compiler is off by 1.05e-5.
static const Tolerance bound = {.absolute = 2e-5, .relative = 1e-5};

// --- The default model -------------------------------------------------------

// The official code computed in float32 too, and both stray from the truth.
static const Tolerance official = {.absolute = 2e-4};

static void check_golden_logits(const Model *model, const char *name,
                                const ScanBackend *backend) {
    Golden golden;
    golden_open(&golden, name);
    size_t length = golden_size(&golden, "tokens", 0);
    const int64_t *wide = golden_integers(&golden, "tokens");
    int32_t *tokens = malloc(length * sizeof *tokens);
    for (size_t i = 0; i < length; i++)
        tokens[i] = (int32_t)wide[i];

    Session session;
    Error err;
    check_ok(session_new(&session, model, 1, length, backend, &err), &err);
    size_t V = config_padded_vocab_size(&model->config);
    cr_assert_eq(golden_size(&golden, "logits", 1), V);
    float *logits = new_floats(length * V);
    feed(&session, tokens, length, logits, length);
    compare(label("%s with backend %s", name, backend->name).text, logits,
            golden_floats(&golden, "logits"), length * V, official);
    free(logits);
    free(tokens);
    session_free(&session);
    golden_close(&golden);
}

Test(model, has_the_logits_of_the_official_code) {
    Model model;
    Error err, why_not;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    for (size_t i = 0; i < n_scan_backends; i++) {
        if (!scan_backends[i]->usable(&why_not))
            continue;
        check_golden_logits(&model, "kjv_logits_0", scan_backends[i]);
        check_golden_logits(&model, "kjv_logits_1", scan_backends[i]);
    }
    model_free(&model);
}

// --- Any model ---------------------------------------------------------------

static void check_truth(const char *what, const Model *model,
                        const ScanBackend *backend, const int32_t *tokens,
                        size_t length) {
    Truth truth;
    truth_find(&truth, model, tokens, length);
    Session session;
    Error err;
    check_ok(session_new(&session, model, 1, 64, backend, &err), &err);
    size_t count = length * config_padded_vocab_size(&model->config);
    float *logits = new_floats(count);
    feed(&session, tokens, length, logits, length);
    compare_to_double(what, logits, truth.logits, count, bound);

    size_t conv = (model->shape.d_conv - 1) * model->shape.d_inner;
    size_t ssm = model->shape.d_inner * model->shape.d_state;
    for (size_t i = 0; i < model->config.n_layer; i++) {
        compare_to_double(what, session.layers[i].conv_state,
                          truth.conv_state + i * conv, conv, bound);
        compare_to_double(what, session.layers[i].ssm_state,
                          truth.ssm_state + i * ssm, ssm, bound);
    }
    free(logits);
    session_free(&session);
    truth_free(&truth);
}

// A model of this configuration, a text of this length, every backend.
static void check_model(const Config *config, uint64_t seed, size_t length) {
    Model model;
    Error why_not;
    toy_model(&model, config, seed);
    Random random = random_from_seed(seed);
    int32_t *tokens = random_tokens(&random, config, length);
    for (size_t i = 0; i < n_scan_backends; i++)
        if (scan_backends[i]->usable(&why_not))
            check_truth(label("seed %zu, backend %s", (size_t)seed,
                              scan_backends[i]->name)
                            .text,
                        &model, scan_backends[i], tokens, length);
    free(tokens);
    model_free(&model);
}

Test(model, is_the_formula) {
    Config config = toy_config();
    for (size_t length = 0; length < 10; length++)
        check_model(&config, length, length);
    check_model(&config, 99, 150);
}

Test(model, of_any_shape_is_the_formula) {
    Random random = random_from_seed(6);
    for (uint64_t seed = 100; seed < 160; seed++) {
        Config config = random_config(&random);
        check_model(&config, seed, random_count(&random, 1, 40));
    }
}

// What the shapes above may have left out.
Test(model, of_odd_shapes_is_the_formula) {
    Config config = toy_config();
    config.d_conv = 1;
    config.d_state = 1;
    config.expand = 1;
    config.dt_rank = 1;
    config.d_model = 17;
    config.conv_bias = config.bias = false;
    config.tie_embeddings = true;
    check_model(&config, 1, 30);
    config.d_conv = 9;
    config.d_state = 33;
    config.dt_rank = 40;
    config.n_layer = 5;
    check_model(&config, 2, 5);
    config.d_model = 1;
    config.vocab_size = 1;
    check_model(&config, 3, 20);
    config.d_model = 70;
    config.norm_eps = 0.5;
    check_model(&config, 4, 20);
}

// A vocabulary of 11 ids, padded to 16 or not: the 11 logits are the same.
Test(model, padding_changes_no_logit) {
    Config padded = toy_config(), bare = toy_config();
    bare.pad_vocab_size_multiple = 1;
    Model one, other;
    toy_model(&one, &padded, 1);
    toy_model(&other, &bare, 2);
    for (size_t i = 0; i < one.n_parameters; i++) {
        size_t count;
        float *w = toy_tensor(&other, one.parameters[i].name, &count);
        memcpy(w, one.numbers[i], count * sizeof *w);
    }
    model_bind(&other);

    enum { LENGTH = 9, V = 11, PADDED = 16 };
    Random random = random_from_seed(1);
    int32_t *tokens = random_tokens(&random, &bare, LENGTH);
    float *wide = new_floats(LENGTH * PADDED), *narrow = new_floats(LENGTH * V);
    feed_alone(&one, tokens, LENGTH, wide, NULL);
    feed_alone(&other, tokens, LENGTH, narrow, NULL);
    for (size_t t = 0; t < LENGTH; t++)
        compare("logits", narrow + t * V, wide + t * PADDED, V, bound);
    free(tokens);
    free(wide);
    free(narrow);
    model_free(&one);
    model_free(&other);
}

// --- Its parts ---------------------------------------------------------------

Test(model, embeds_tokens_as_rows) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    const int32_t tokens[] = {10, 0, 15, 10};
    float *r = new_floats(4 * config.d_model);
    model_embed(&model, r, tokens, 4);
    const float *embedding = model.embedding.numbers;
    for (size_t i = 0; i < 4; i++)
        compare_bits("row", r + i * config.d_model,
                     embedding + (size_t)tokens[i] * config.d_model,
                     config.d_model);
    free(r);
    model_free(&model);
}

// logits_v = lm_head_v . (norm_f r / rms(r)), in double precision.
Test(model, head_is_norm_and_product) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    enum { ROWS = 3, D = 12, V = 16 };
    Random random = random_from_seed(1);
    float *r = random_magnitudes(&random, ROWS * D, 1);
    float *u = new_floats(ROWS * D), *logits = new_floats(ROWS * V);
    double wanted[ROWS * V];
    const float *lm_head = model.lm_head.numbers;
    for (size_t t = 0; t < ROWS; t++) {
        double squares = 0;
        for (size_t i = 0; i < D; i++)
            squares += (double)r[t * D + i] * r[t * D + i];
        for (size_t v = 0; v < V; v++) {
            double sum = 0;
            for (size_t i = 0; i < D; i++)
                sum +=
                    (double)lm_head[v * D + i] * model.norm_f[i] * r[t * D + i];
            wanted[t * V + v] = sum / sqrt(squares / D + 1e-5);
        }
    }
    model_head(&model, logits, r, u, ROWS);
    compare_to_double("logits", logits, wanted, ROWS * V, bound);
    free(r);
    free(u);
    free(logits);
    model_free(&model);
}

Test(model, A_is_negative_exp) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    for (size_t layer = 0; layer < config.n_layer; layer++) {
        size_t n;
        Label name = label("backbone.layers.%zu.mixer.A_log", layer);
        const float *A_log = toy_tensor(&model, name.text, &n);
        for (size_t i = 0; i < n; i++) {
            double wanted = -exp(A_log[i]);
            compare_number(name.text, i, model.layers[layer].A[i], wanted,
                           1e-6 * -wanted);
        }
    }
    model_free(&model);
}

Test(model, a_tied_head_is_the_embedding) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    cr_assert(model.lm_head.numbers != model.embedding.numbers);
    model_free(&model);
    config.tie_embeddings = true;
    toy_model(&model, &config, 1);
    cr_assert(model.lm_head.numbers == model.embedding.numbers);
    model_free(&model);
}

Test(model, without_switches_has_no_biases) {
    Config config = toy_config();
    config.bias = config.conv_bias = false;
    Model model;
    toy_model(&model, &config, 1);
    for (size_t i = 0; i < config.n_layer; i++) {
        cr_assert_null(model.layers[i].in_proj_bias);
        cr_assert_null(model.layers[i].out_proj_bias);
        cr_assert_null(model.layers[i].conv1d_bias);
    }
    model_free(&model);
}

// --- Numbers that are none ---------------------------------------------------

// The first and the last number of each tensor, each of three kinds.
Test(model, names_the_number_that_is_not_finite) {
    const float wrong[] = {NAN, INFINITY, -INFINITY};
    Config config = toy_config();
    Model model;
    Error err;
    toy_model(&model, &config, 1);
    check_ok(model_check_finite(&model, &err), &err);
    for (size_t i = 0; i < model.n_parameters; i++)
        for (size_t k = 0; k < 6; k++) {
            size_t n;
            const char *name = model.parameters[i].name;
            float *w = toy_tensor(&model, name, &n);
            size_t place = k % 2 ? n - 1 : 0;
            float before = w[place];
            w[place] = wrong[k / 2];
            Label line = label("%s: %s: wanted finite numbers, found %g at "
                               "index %zu",
                               model.name, name, (double)w[place], place);
            check_refused(name, model_check_finite(&model, &err), &err,
                          model.name, line.text);
            w[place] = before;
        }
    check_ok(model_check_finite(&model, &err), &err);
    model_free(&model);
}

// A number so large that the logits overflow, though every weight is finite.
Test(model, says_when_no_weight_is_to_blame) {
    Config config = toy_config();
    Model model;
    Error err;
    toy_model(&model, &config, 1);
    size_t n;
    float *head = toy_tensor(&model, "lm_head.weight", &n);
    for (size_t i = 0; i < n; i++)
        head[i] = 3e38f;
    Session session;
    toy_session(&session, &model, 1, 4);
    float logits[16];
    bool ok = session_feed(&session, (int32_t[]){1, 2}, 2, logits, 1, &err);
    check_refused("overflow", ok, &err, model.name,
                  "logits: wanted finite numbers, found ");
    session_free(&session);
    model_free(&model);
}
