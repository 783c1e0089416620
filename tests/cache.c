// What a model remembers: the right numbers, kept, restored and forked.
#include "cache.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "compare.h"
#include "failing_memory.h"
#include "golden.h"
#include "scratch.h"
#include "toy.h"

TestSuite(cache, .init = scratch_begin, .fini = scratch_end);

static const Tolerance bound = {.absolute = 1e-5, .relative = 1e-5};

// --- Its size ----------------------------------------------------------------

// n_layer d_inner (N + K-1) numbers of 4 bytes, however long the text is.
Test(cache, has_so_many_bytes) {
    Config config = config_default();
    cr_assert_eq(cache_bytes(&config), 6 * 1024 * (16 + 3) * 4);
    config = toy_config();
    cr_assert_eq(cache_bytes(&config), 2 * 36 * (5 + 3) * 4);
    config.d_conv = 1;
    cr_assert_eq(cache_bytes(&config), 2 * 36 * 5 * 4);

    Model model;
    Error err;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    cr_assert_eq(cache_bytes(&model.config), 58368);
    Session session;
    toy_session(&session, &model, 3, 16);
    cr_assert_eq(session.state_count * sizeof(float), 3 * 58368);
    feed(&session, (int32_t[300]){0}, 100, NULL, 0);
    cr_assert_eq(session.state_count * sizeof(float), 3 * 58368);
    session_free(&session);
    model_free(&model);
}

// --- The official code's numbers ---------------------------------------------

// A model of one layer, which has the golden block's weights, and of a
// vocabulary whose embeddings are the rows of the golden input.
static void golden_model(Model *model, Golden *golden) {
    Config config = config_default();
    config.n_layer = 1;
    config.d_model = golden_size(golden, "x", 2);
    config.vocab_size =
        golden_size(golden, "x", 0) * golden_size(golden, "x", 1);
    config.pad_vocab_size_multiple = 1;
    config.tie_embeddings = false;
    config.d_state = golden_size(golden, "mixer.A_log", 1);
    config.expand = golden_size(golden, "mixer.A_log", 0) / config.d_model;
    config.d_conv = golden_size(golden, "mixer.conv1d.weight", 2);
    config.dt_rank = golden_size(golden, "mixer.dt_proj.weight", 1);
    toy_model(model, &config, 1);
    const char *const names[] = {
        "norm.weight",          "mixer.A_log",          "mixer.D",
        "mixer.in_proj.weight", "mixer.conv1d.weight",  "mixer.conv1d.bias",
        "mixer.x_proj.weight",  "mixer.dt_proj.weight", "mixer.dt_proj.bias",
        "mixer.out_proj.weight"};
    size_t count;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Label name = label("backbone.layers.0.%s", names[i]);
        float *w = toy_tensor(model, name.text, &count);
        memcpy(w, golden_floats(golden, names[i]), count * sizeof *w);
    }
    float *rows = toy_tensor(model, "backbone.embeddings.weight", &count);
    memcpy(rows, golden_floats(golden, "x"), count * sizeof *rows);
    model_bind(model);
}

// conv_state_official is (batch, d_inner, K), newest last; ours is its last K-1
// columns as rows.
static void check_conv_state(const Session *session, Golden *golden) {
    size_t K = session->model->shape.d_conv;
    size_t d_inner = session->model->shape.d_inner;
    const float *official = golden_floats(golden, "conv_state_official");
    for (size_t b = 0; b < session->batch; b++)
        for (size_t j = 0; j + 1 < K; j++)
            for (size_t d = 0; d < d_inner; d++) {
                size_t i = (b * (K - 1) + j) * d_inner + d;
                float wanted = official[(b * d_inner + d) * K + j + 1];
                compare_number("conv_state", i,
                               session->layers[0].conv_state[i], wanted,
                               fmax(1e-5, 1e-5 * fabs(wanted)));
            }
}

// Prefills of the golden block, whole and in pieces of this length.
static void check_golden(const char *name, size_t piece) {
    Golden golden;
    Model model;
    Session session;
    golden_open(&golden, name);
    golden_model(&model, &golden);
    size_t batch = golden_size(&golden, "x", 0);
    size_t length = golden_size(&golden, "x", 1);
    toy_session(&session, &model, batch, length);
    for (size_t t = 0; t < length; t += piece) {
        size_t some = length - t < piece ? length - t : piece;
        int32_t *tokens = malloc(batch * some * sizeof *tokens);
        for (size_t i = 0; i < batch * some; i++)
            tokens[i] = (int32_t)(i / some * length + t + i % some);
        feed(&session, tokens, some, NULL, 0);
        free(tokens);
    }
    size_t ssm = batch * model.shape.d_inner * model.shape.d_state;
    compare("ssm_state", session.layers[0].ssm_state,
            golden_floats(&golden, "ssm_state"), ssm, bound);
    check_conv_state(&session, &golden);
    if (piece >= length)
        compare("y", session.r, golden_floats(&golden, "y"),
                batch * length * model.shape.d_model, bound);
    session_free(&session);
    model_free(&model);
    golden_close(&golden);
}

// A prefill leaves the last h, and the last inputs of the convolution, not its
// outputs; with a prompt shorter than the convolution too.
Test(cache, is_the_official_one_after_a_prefill) {
    const char *const names[] = {"block_small", "block_odd",
                                 "block_short_prompt"};
    for (size_t i = 0; i < 3; i++)
        for (size_t piece = 1; piece < 40; piece += piece < 4 ? 1 : 7)
            check_golden(names[i], piece);
}

Test(cache, of_no_tokens_is_zero) {
    Config config = toy_config();
    Model model;
    Session session, restored;
    Error err;
    toy_model(&model, &config, 1);
    toy_session(&session, &model, 1, 4);
    toy_session(&restored, &model, 1, 4);
    feed(&session, NULL, 0, NULL, 0);
    feed(&restored, (int32_t[]){1, 2, 3}, 3, NULL, 0);
    check_ok(cache_save(&session, scratch("state"), &err), &err);
    check_ok(cache_restore(&restored, scratch("state"), &err), &err);
    for (size_t i = 0; i < restored.state_count; i++)
        compare_number("state", i, restored.state[i], 0, 0);
    cr_assert_eq(restored.position, 0);
    session_free(&session);
    session_free(&restored);
    model_free(&model);
}

// --- Saving and restoring ----------------------------------------------------

// A text read half, saved, restored elsewhere and read on: the same bits as
// without a break, because both halves are computed the same way.
static void check_restored(const Config *config, size_t batch, uint64_t seed) {
    enum { HALF = 9 };
    Model model;
    Error err;
    toy_model(&model, config, seed);
    Random random = random_from_seed(seed);
    int32_t *first = random_tokens(&random, config, batch * HALF);
    int32_t *second = random_tokens(&random, config, batch * HALF);
    size_t count = batch * HALF * config_padded_vocab_size(config);
    float *wanted = new_floats(count), *found = new_floats(count);

    Session session, other;
    toy_session(&session, &model, batch, 64);
    feed(&session, first, HALF, NULL, 0);
    check_ok(cache_save(&session, scratch("state"), &err), &err);
    feed(&session, second, HALF, wanted, HALF);

    toy_session(&other, &model, batch, 64);
    feed(&other, second, HALF, NULL, 0);
    check_ok(cache_restore(&other, scratch("state"), &err), &err);
    cr_assert_eq(other.position, HALF);
    feed(&other, second, HALF, found, HALF);
    compare_bits("logits", found, wanted, count);
    compare_bits("state", other.state, session.state, session.state_count);
    cr_assert_eq(other.position, session.position);
    cr_assert_eq(scratch_entries(""), 1, "wanted no temporary left");
    session_free(&session);
    session_free(&other);
    model_free(&model);
    free(first);
    free(second);
    free(wanted);
    free(found);
}

Test(cache, restored_goes_on_as_if_nothing_had_been) {
    Config config = toy_config();
    for (size_t batch = 1; batch <= 3; batch++)
        check_restored(&config, batch, batch);
    config.d_conv = 1;
    check_restored(&config, 2, 4);
    Random random = random_from_seed(1);
    for (uint64_t seed = 5; seed < 30; seed++) {
        config = random_config(&random);
        check_restored(&config, random_count(&random, 1, 3), seed);
    }
}

Test(cache, of_the_default_model_goes_on) {
    Model model;
    Session session, other;
    Error err;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    toy_session(&session, &model, 1, 64);
    toy_session(&other, &model, 1, 3);
    Random random = random_from_seed(1);
    int32_t *tokens = random_tokens(&random, &model.config, 100);
    float *wanted = new_floats(256), *found = new_floats(256);
    feed(&session, tokens, 99, NULL, 0);
    check_ok(cache_save(&session, scratch("state"), &err), &err);
    check_ok(cache_restore(&other, scratch("state"), &err), &err);
    feed(&session, tokens + 99, 1, wanted, 1);
    feed(&other, tokens + 99, 1, found, 1);
    compare_bits("logits", found, wanted, 256);
    free(tokens);
    free(wanted);
    free(found);
    session_free(&session);
    session_free(&other);
    model_free(&model);
}

// The file says what is in it, for whoever opens it.
Test(cache, file_has_names_and_shapes) {
    Config config = toy_config();
    Model model;
    Session session;
    Error err;
    Safetensors file;
    toy_model(&model, &config, 1);
    toy_session(&session, &model, 2, 4);
    feed(&session, (int32_t[]){1, 2, 3, 4, 5, 6}, 3, NULL, 0);
    check_ok(cache_save(&session, scratch("state"), &err), &err);
    check_ok(safetensors_open(&file, scratch("state"), &err), &err);
    cr_assert_eq(file.count, 5);
    for (size_t i = 0; i < 2; i++) {
        const Tensor *conv =
            safetensors_find(&file, label("layers.%zu.conv_state", i).text);
        cr_assert(conv && conv->type == TENSOR_F32 && conv->rank == 3);
        cr_assert(conv->shape[0] == 2 && conv->shape[1] == 3);
        cr_assert_eq(conv->shape[2], 36);
        cr_assert_eq(memcmp(conv->data, session.layers[i].conv_state,
                            conv->count * sizeof(float)),
                     0);
        const Tensor *ssm =
            safetensors_find(&file, label("layers.%zu.ssm_state", i).text);
        cr_assert(ssm && ssm->type == TENSOR_F32 && ssm->rank == 3);
        cr_assert(ssm->shape[0] == 2 && ssm->shape[1] == 36);
        cr_assert_eq(ssm->shape[2], 5);
        cr_assert_eq(memcmp(ssm->data, session.layers[i].ssm_state,
                            ssm->count * sizeof(float)),
                     0);
    }
    const Tensor *position = safetensors_find(&file, "position");
    int64_t three;
    cr_assert(position && position->type == TENSOR_I64 && position->count == 1);
    memcpy(&three, position->data, sizeof three);
    cr_assert_eq(three, 3);
    safetensors_close(&file);
    session_free(&session);
    model_free(&model);
}

Test(cache, cannot_be_saved_everywhere) {
    Config config = toy_config();
    Model model;
    Session session;
    Error err;
    toy_model(&model, &config, 1);
    toy_session(&session, &model, 1, 4);
    const char *const paths[] = {scratch(""), scratch("no/parent"),
                                 "/dev/null"};
    for (size_t i = 0; i < 3; i++)
        check_refused(paths[i], cache_save(&session, paths[i], &err), &err,
                      paths[i], "wanted ");
    cr_assert_eq(scratch_entries(""), 0);
    session_free(&session);
    model_free(&model);
}

// --- Refusing ----------------------------------------------------------------

// The file is refused, and the session is as it was, to the last bit.
static void refuses(const char *what, Session *session, const char *part) {
    Error err;
    const char *path = scratch("state");
    float *before = copy_floats(session->state, session->state_count);
    size_t position = session->position, live = memory_live();
    check_refused(what, cache_restore(session, path, &err), &err, path, part);
    compare_bits(what, session->state, before, session->state_count);
    cr_assert_eq(session->position, position);
    cr_assert_eq(memory_live(), live, "%s: leaked", what);
    free(before);
}

// A session of the toy that has read three tokens of each sequence.
static void begin(Session *session, Model *model, const Config *config,
                  size_t batch) {
    toy_model(model, config, 1);
    toy_session(session, model, batch, 4);
    int32_t *tokens = calloc(3 * batch, sizeof *tokens);
    feed(session, tokens, 3, NULL, 0);
    free(tokens);
}

static void end(Session *session, Model *model) {
    session_free(session);
    model_free(model);
}

Test(cache, of_another_shape_is_refused) {
    Config right = toy_config();
    Model model, other_model;
    Session session, other;
    Error err;
    begin(&session, &model, &right, 2);
    for (int change = 0; change < 7; change++) {
        Config config = right;
        config.d_model += change == 0;
        config.expand += change == 1;
        config.d_state += change == 2;
        config.d_conv += change == 3;
        config.n_layer += change == 4;
        config.n_layer -= change == 5;
        begin(&other, &other_model, &config, change == 6 ? 3 : 2);
        check_ok(cache_save(&other, scratch("state"), &err), &err);
        refuses(label("change %d", change).text, &session, "wanted");
        end(&other, &other_model);
    }
    end(&session, &model);
}

// The tensors of a saved state, which the tests below make wrong.
typedef struct {
    Safetensors file;
    Tensor tensors[6];
    size_t count;
} State;

static void state_open(State *state, const Session *session) {
    Error err;
    check_ok(cache_save(session, scratch("right"), &err), &err);
    const char *path = scratch("right");
    check_ok(safetensors_open(&state->file, path, &err), &err);
    state->count = state->file.count;
    memcpy(state->tensors, state->file.tensors,
           state->count * sizeof *state->tensors);
}

static void state_write(const State *state) {
    Error err;
    check_ok(safetensors_write(scratch("state"), state->tensors, state->count,
                               NULL, 0, &err),
             &err);
}

Test(cache, with_tensors_missing_or_added_is_refused) {
    Config config = toy_config();
    Model model;
    Session session;
    State state;
    begin(&session, &model, &config, 2);
    state_open(&state, &session);
    for (size_t i = 0; i < state.count; i++) {
        State wrong = state;
        wrong.tensors[i] = wrong.tensors[--wrong.count];
        state_write(&wrong);
        refuses("missing", &session, state.tensors[i].name);
    }
    state.tensors[state.count] = state.tensors[0];
    state.tensors[state.count++].name = "layers.2.conv_state";
    state_write(&state);
    refuses("added", &session, "wanted");
    safetensors_close(&state.file);
    end(&session, &model);
}

Test(cache, with_numbers_that_are_none_is_refused) {
    const float wrong_numbers[] = {NAN, INFINITY, -INFINITY};
    Config config = toy_config();
    Model model;
    Session session;
    State state;
    begin(&session, &model, &config, 2);
    state_open(&state, &session);
    for (size_t i = 0; i < state.count; i++)
        for (size_t k = 0; k < 6; k++) {
            if (state.tensors[i].type != TENSOR_F32)
                continue;
            State wrong = state;
            size_t n = wrong.tensors[i].count;
            float *numbers = copy_floats(wrong.tensors[i].data, n);
            numbers[k % 2 ? n - 1 : 0] = wrong_numbers[k / 2];
            wrong.tensors[i].data = numbers;
            state_write(&wrong);
            refuses(
                "not finite", &session,
                label("%s: wanted finite numbers", state.tensors[i].name).text);
            free(numbers);
        }
    safetensors_close(&state.file);
    end(&session, &model);
}

Test(cache, with_other_types_or_shapes_is_refused) {
    Config config = toy_config();
    Model model;
    Session session;
    State state;
    begin(&session, &model, &config, 2);
    state_open(&state, &session);
    double *zeros = new_doubles(1000);
    for (size_t i = 0; i < state.count; i++) {
        State wrong = state;
        Tensor *tensor = &wrong.tensors[i];
        if (tensor->type != TENSOR_F32)
            continue;
        tensor->type = TENSOR_F64;
        tensor->data = zeros;
        state_write(&wrong);
        refuses("double", &session, "found F64");
        tensor->type = TENSOR_F16;
        state_write(&wrong);
        refuses("half", &session, "found F16");
        *tensor = state.tensors[i];
        tensor->shape[tensor->rank++] = 1;
        state_write(&wrong);
        refuses("another dimension", &session, "found F32 (2, ");
        *tensor = state.tensors[i];
        tensor->shape[1] = tensor->shape[2];
        tensor->shape[2] = state.tensors[i].shape[1];
        state_write(&wrong);
        refuses("turned round", &session, "found F32 (2, ");
    }
    free(zeros);
    safetensors_close(&state.file);
    end(&session, &model);
}

Test(cache, with_a_wrong_position_is_refused) {
    Config config = toy_config();
    Model model;
    Session session;
    State state;
    begin(&session, &model, &config, 2);
    state_open(&state, &session);
    size_t place = 0;
    while (strcmp(state.tensors[place].name, "position") != 0)
        place++;
    const int64_t negative[] = {-1, INT64_MIN};
    const double three[] = {3, 3};
    const Tensor wrong[] = {
        {.type = TENSOR_I64, .rank = 1, .shape = {1}, .data = negative},
        {.type = TENSOR_I64, .rank = 1, .shape = {1}, .data = negative + 1},
        {.type = TENSOR_F64, .rank = 1, .shape = {1}, .data = three},
        {.type = TENSOR_I64, .rank = 1, .shape = {2}, .data = three},
        {.type = TENSOR_I64, .rank = 1, .shape = {0}, .data = three}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        state.tensors[place] = wrong[i];
        state.tensors[place].name = "position";
        state.tensors[place].count = wrong[i].shape[0];
        state_write(&state);
        refuses("position", &session, "position: wanted");
    }
    safetensors_close(&state.file);
    end(&session, &model);
}

Test(cache, that_is_no_state_is_refused, .timeout = 20) {
    Config config = toy_config();
    Model model;
    Session session;
    Error err;
    begin(&session, &model, &config, 1);
    refuses("missing", &session, "No such file");
    scratch_text("state", "");
    refuses("empty", &session, "wanted a safetensors file");
    scratch_text("state", "no state at all");
    refuses("text", &session, "wanted");
    cr_assert_eq(unlink(scratch("state")), 0);
    cr_assert_eq(mkfifo(scratch("state"), 0600), 0);
    refuses("a pipe", &session, "wanted a regular file");
    cr_assert_eq(unlink(scratch("state")), 0);
    check_ok(model_save(&model, scratch("state"), &err), &err);
    refuses("a directory", &session, "found a directory");
    cr_assert_eq(rename(scratch("state/model.safetensors"), scratch("weights")),
                 0);
    cr_assert_eq(unlink(scratch("state/config.json")), 0);
    cr_assert_eq(rmdir(scratch("state")), 0);
    cr_assert_eq(rename(scratch("weights"), scratch("state")), 0);
    refuses("a model", &session, "position: wanted");
    end(&session, &model);
}

// The file cut anywhere, and with a byte more.
Test(cache, of_another_length_is_refused) {
    Config config = toy_config();
    config.n_layer = 1;
    config.d_model = 2;
    Model model;
    Session session;
    Error err;
    size_t size;
    begin(&session, &model, &config, 1);
    check_ok(cache_save(&session, scratch("right"), &err), &err);
    char *bytes = read_bytes(scratch("right"), &size);
    for (size_t cut = 0; cut < size; cut++) {
        scratch_write("state", bytes, cut);
        refuses("cut", &session, "wanted");
    }
    scratch_write("state", bytes, size + 1);
    refuses("longer", &session, "wanted");
    scratch_write("state", bytes, size);
    check_ok(cache_restore(&session, scratch("state"), &err), &err);
    free(bytes);
    end(&session, &model);
}

// --- Forks -------------------------------------------------------------------

// One prompt goes on in as many ways as there are tokens.
Test(cache, forked_goes_on_in_several_ways) {
    enum { PROMPT = 6, WAYS = 5, V = 16 };
    Config config = toy_config();
    Model model;
    Session one, many;
    toy_model(&model, &config, 1);
    toy_session(&one, &model, 1, 4);
    toy_session(&many, &model, WAYS, 2);
    int32_t text[PROMPT + 2] = {1, 2, 3, 4, 5, 6}, next[WAYS * 2];
    feed(&one, text, PROMPT, NULL, 0);
    for (size_t b = 0; b < WAYS; b++) {
        cache_fork(&many, b, &one, 0);
        next[2 * b] = (int32_t)b;
        next[2 * b + 1] = (int32_t)(10 - b);
    }
    cr_assert_eq(many.position, PROMPT);
    float *found = new_floats(WAYS * V), *wanted = new_floats((PROMPT + 2) * V);
    feed(&many, next, 2, found, 1);
    for (size_t b = 0; b < WAYS; b++) {
        text[PROMPT] = next[2 * b];
        text[PROMPT + 1] = next[2 * b + 1];
        feed_alone(&model, text, PROMPT + 2, wanted, NULL);
        compare(label("way %zu", b).text, found + b * V,
                wanted + (PROMPT + 1) * V, V, bound);
    }
    free(found);
    free(wanted);
    session_free(&one);
    session_free(&many);
    model_free(&model);
}

// Only the sequence that was asked for changes, and only in one session.
Test(cache, forked_changes_nothing_else) {
    Config config = toy_config();
    Model model;
    Session from, to;
    begin(&from, &model, &config, 3);
    toy_session(&to, &model, 4, 4);
    float *from_before = copy_floats(from.state, from.state_count);
    size_t conv = 3 * 36, ssm = 36 * 5;
    for (size_t i = 0; i < to.state_count; i++)
        to.state[i] = (float)i;
    cache_fork(&to, 2, &from, 1);
    compare_bits("source", from.state, from_before, from.state_count);
    for (size_t layer = 0; layer < 2; layer++)
        for (size_t b = 0; b < 4; b++) {
            const float *c = to.layers[layer].conv_state + b * conv;
            const float *h = to.layers[layer].ssm_state + b * ssm;
            if (b == 2) {
                compare_bits("conv_state", c,
                             from.layers[layer].conv_state + conv, conv);
                compare_bits("ssm_state", h, from.layers[layer].ssm_state + ssm,
                             ssm);
                continue;
            }
            for (size_t i = 0; i < conv; i++)
                compare_number("conv_state", i, c[i],
                               (float)(c - to.state + (ptrdiff_t)i), 0);
            for (size_t i = 0; i < ssm; i++)
                compare_number("ssm_state", i, h[i],
                               (float)(h - to.state + (ptrdiff_t)i), 0);
        }
    free(from_before);
    session_free(&to);
    end(&from, &model);
}

Test(cache, may_be_forked_within_a_session) {
    Config config = toy_config();
    Model model;
    Session session;
    toy_model(&model, &config, 1);
    toy_session(&session, &model, 2, 4);
    feed(&session, (int32_t[]){1, 2, 3, 4, 5, 6}, 3, NULL, 0);
    float *before = copy_floats(session.state, session.state_count);
    cache_fork(&session, 1, &session, 1);
    compare_bits("itself", session.state, before, session.state_count);
    cache_fork(&session, 1, &session, 0);
    cr_assert_eq(session.position, 3);
    float logits[2 * 16];
    feed(&session, (int32_t[]){7, 7}, 1, logits, 1);
    compare("both", logits + 16, logits, 16, bound);
    free(before);
    session_free(&session);
    model_free(&model);
}

// --- Mutations ---------------------------------------------------------------

// A state with a few bytes changed is restored, or refused in one line.
Test(cache, of_mutated_bytes_does_no_harm, .timeout = 300) {
    Config config = toy_config();
    config.n_layer = 1;
    config.d_model = 2;
    Model model;
    Session session;
    Error err;
    size_t size;
    begin(&session, &model, &config, 1);
    check_ok(cache_save(&session, scratch("right"), &err), &err);
    char *right = read_bytes(scratch("right"), &size);
    for (uint64_t seed = 0; seed < 3000; seed++) {
        Random random = random_from_seed(seed);
        char *bytes = malloc(size);
        memcpy(bytes, right, size);
        for (size_t n = random_count(&random, 1, 4); n > 0; n--)
            bytes[random_count(&random, 0, size - 1)] =
                "\"{}[]:,-.09e\xff\0AB"[random_count(&random, 0, 15)];
        scratch_write("state", bytes, size);
        if (!cache_restore(&session, scratch("state"), &err))
            check_line(&err, scratch("state"));
        for (size_t i = 0; i < session.state_count; i++)
            cr_assert(isfinite(session.state[i]), "seed %d", (int)seed);
        free(bytes);
    }
    free(right);
    end(&session, &model);
}
