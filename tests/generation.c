// Text, one token after the other: the official code's, byte for byte.
#include "generation.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "compare.h"
#include "failing_memory.h"
#include "json.h"
#include "scratch.h"
#include "tokenizer.h"
#include "toy.h"

TestSuite(generation, .init = test_begin, .fini = nothing_leaks);

// --- The bench ---------------------------------------------------------------

// All that a text needs.
typedef struct {
    Session session;
    Sampler sampler;
    Generation generation;
} Writer;

static void writer_begin(Writer *writer, const Model *model, size_t chunk,
                         const ScanBackend *backend, SamplingOptions options) {
    Error err;
    check_ok(session_new(&writer->session, model, 1, chunk, backend, &err),
             &err);
    check_ok(
        sampler_new(&writer->sampler, options, model->config.vocab_size, &err),
        &err);
    check_ok(generation_new(&writer->generation, &writer->session,
                            &writer->sampler, &err),
             &err);
}

static void writer_end(Writer *writer) {
    generation_free(&writer->generation);
    sampler_free(&writer->sampler);
    session_free(&writer->session);
}

static void read_tokens(Writer *writer, const int32_t *tokens, size_t n) {
    Error err;
    check_ok(generation_read(&writer->generation, tokens, n, &err), &err);
}

static int32_t next_token(Writer *writer) {
    Error err;
    int32_t token = -1;
    check_ok(generation_next(&writer->generation, &token, &err), &err);
    return token;
}

static void read_text(Writer *writer, const char *text) {
    size_t size = strlen(text);
    int32_t *tokens = malloc(size * sizeof *tokens);
    tokenizer_encode(tokens, text, size);
    read_tokens(writer, tokens, size);
    free(tokens);
}

static const SamplingOptions greedy = {.top_p = 1};

// --- The official texts ------------------------------------------------------

// tests/golden/kjv.json, a list of prompts with their continuations.
static cJSON *official_texts(void) {
    Error err;
    size_t size;
    char *text = read_bytes("tests/golden/kjv.json", &size);
    char *object = malloc(size + 20);
    sprintf(object, "{\"list\": %s}", text);
    cJSON *root = json_parse("kjv.json", object, strlen(object), &err);
    if (!root)
        cr_assert_fail("%s", err.text);
    free(object);
    free(text);
    return root;
}

static const char *text_of(const cJSON *item, const char *key) {
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, key));
    cr_assert(text, "wanted the key %s", key);
    return text;
}

static void check_text(const Model *model, const ScanBackend *backend,
                       size_t chunk, const char *prompt, const char *wanted) {
    Writer writer;
    writer_begin(&writer, model, chunk, backend, greedy);
    read_text(&writer, prompt);
    size_t size = strlen(wanted);
    char *found = calloc(size + 1, 1);
    for (size_t i = 0; i < size; i++)
        found[i] = tokenizer_decode(next_token(&writer));
    cr_assert_str_eq(found, wanted, "backend %s", backend->name);
    cr_assert_eq(writer.session.position, strlen(prompt) + size);
    free(found);
    writer_end(&writer);
}

Test(generation, greedy_text_is_the_official_one) {
    Model model;
    Error err;
    cJSON *root = official_texts();
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    for (int i = 0; i < 2; i++) {
        const cJSON *item = cJSON_GetArrayItem(root->child, i);
        const char *prompt = text_of(item, "prompt");
        const char *wanted = text_of(item, "greedy_160");
        cr_assert_eq(strlen(wanted), 160);
        for (size_t b = 0; b < n_scan_backends; b++)
            if (scan_backends[b]->usable(&err))
                check_text(&model, scan_backends[b], 64, prompt, wanted);
        // In chunks shorter than the convolution.
        check_text(&model, toy_backend("cpu"), 1, prompt, wanted);
        check_text(&model, toy_backend("cpu"), 2, prompt, wanted);
    }
    cJSON_Delete(root);
    model_free(&model);
}

// --- Step by step ------------------------------------------------------------

// The logits after each token are those of the whole text read anew.
Test(generation, with_the_state_is_as_without) {
    enum { PROMPT = 5, STEPS = 20, V = 16 };
    Config config = toy_config();
    Model model;
    Writer writer;
    toy_model(&model, &config, 1);
    SamplingOptions warm = {.temperature = 1, .top_p = 1, .seed = 3};
    writer_begin(&writer, &model, 3, toy_backend("cpu"), warm);
    int32_t text[PROMPT + STEPS] = {1, 2, 3, 4, 5};
    read_tokens(&writer, text, PROMPT);
    for (size_t n = PROMPT; n < PROMPT + STEPS; n++) {
        text[n] = next_token(&writer);
        cr_assert(text[n] >= 0 && text[n] < 11, "found token %d", text[n]);
        float *anew = new_floats((n + 1) * V);
        feed_alone(&model, text, n + 1, anew, NULL);
        Tolerance bound = {.absolute = 1e-5, .relative = 1e-5};
        compare(label("after %zu tokens", n + 1).text, writer.generation.logits,
                anew + n * V, V, bound);
        free(anew);
    }
    writer_end(&writer);
    model_free(&model);
}

// A prompt read in parts is the prompt.
Test(generation, prompts_may_come_in_parts) {
    Config config = toy_config();
    Model model;
    Writer whole, parts;
    toy_model(&model, &config, 1);
    writer_begin(&whole, &model, 8, toy_backend("cpu"), greedy);
    writer_begin(&parts, &model, 8, toy_backend("cpu"), greedy);
    const int32_t prompt[] = {1, 2, 3, 4, 5, 6};
    read_tokens(&whole, prompt, 6);
    read_tokens(&parts, prompt, 1);
    read_tokens(&parts, prompt + 1, 2);
    read_tokens(&parts, prompt + 3, 3);
    for (int i = 0; i < 30; i++)
        cr_assert_eq(next_token(&whole), next_token(&parts));
    writer_end(&whole);
    writer_end(&parts);
    model_free(&model);
}

Test(generation, prompts_may_be_short) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    const int32_t prompt[] = {1, 2, 3};
    for (size_t n = 1; n <= 3; n++) {
        Writer writer;
        writer_begin(&writer, &model, 8, toy_backend("cpu"), greedy);
        read_tokens(&writer, prompt, n);
        float *anew = new_floats(n * 16);
        feed_alone(&model, prompt, n, anew, NULL);
        cr_assert_eq(next_token(&writer), best_token(anew + (n - 1) * 16, 11));
        free(anew);
        writer_end(&writer);
    }
    model_free(&model);
}

// The model wants nothing but padding, and gets none.
Test(generation, never_writes_padding) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    size_t n;
    float *head = toy_tensor(&model, "lm_head.weight", &n);
    float *norm = toy_tensor(&model, "backbone.norm_f.weight", &n);
    Writer writer;
    SamplingOptions options[] = {greedy, {.temperature = 5, .top_p = 1}};
    for (size_t sign = 0; sign < 2; sign++) {
        // Padded logits of one sign or the other: large for half of the tokens.
        for (size_t i = 11 * 12; i < 16 * 12; i++)
            head[i] = sign ? 1000 : -1000;
        for (size_t i = 0; i < n; i++)
            norm[i] = 1;
        model_bind(&model);
        for (size_t o = 0; o < 2; o++) {
            writer_begin(&writer, &model, 4, toy_backend("cpu"), options[o]);
            read_tokens(&writer, (int32_t[]){1}, 1);
            for (int i = 0; i < 50; i++)
                cr_assert(next_token(&writer) < 11);
            writer_end(&writer);
        }
    }
    model_free(&model);
}

Test(generation, the_same_seed_writes_the_same) {
    Model model;
    Error err;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    char texts[3][101] = {{0}};
    const uint64_t seeds[] = {5, 5, 6};
    for (size_t k = 0; k < 3; k++) {
        SamplingOptions options = {
            .temperature = 1, .top_k = 40, .top_p = 0.95, .seed = seeds[k]};
        Writer writer;
        writer_begin(&writer, &model, 16, toy_backend("cpu"), options);
        read_text(&writer, "In the beginning");
        for (size_t i = 0; i < 100; i++)
            texts[k][i] = tokenizer_decode(next_token(&writer));
        writer_end(&writer);
    }
    cr_assert_str_eq(texts[0], texts[1]);
    cr_assert_str_neq(texts[0], texts[2]);
    model_free(&model);
}

// --- Refusing ----------------------------------------------------------------

Test(generation, a_prompt_of_nothing_is_refused) {
    Config config = toy_config();
    Model model;
    Writer writer;
    Error err;
    toy_model(&model, &config, 1);
    writer_begin(&writer, &model, 8, toy_backend("cpu"), greedy);
    check_refused("nothing", generation_read(&writer.generation, NULL, 0, &err),
                  &err, "prompt: ", "wanted at least one token, found none");
    const int32_t wrong[] = {1, 2, 11};
    check_refused("padding",
                  generation_read(&writer.generation, wrong, 3, &err), &err,
                  "token 2: ", "wanted an id from 0 to 10, found 11");
    cr_assert_eq(writer.session.position, 0);
    // And goes on as if nothing had been asked.
    read_tokens(&writer, wrong, 2);
    cr_assert_eq(writer.session.position, 2);
    next_token(&writer);
    cr_assert_eq(writer.session.position, 3);
    writer_end(&writer);
    model_free(&model);
}
