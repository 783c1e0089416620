// A lack of memory, wherever it strikes: one line, nothing leaked, no file half
// written, and everything works again afterwards.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "checkpoint.h"
#include "compare.h"
#include "config_json.h"
#include "failing_memory.h"
#include "generation.h"
#include "initialization.h"
#include "loss.h"
#include "scratch.h"
#include "toy.h"

TestSuite(allocation, .init = scratch_begin, .fini = scratch_end);

// --- The bench ---------------------------------------------------------------

// What the functions under test work on: a model that is loaded, its directory
// "model", and a session of it that has read something.
typedef struct {
    Model model;
    Session session;
} Bench;

static void bench_begin(Bench *bench) {
    Config config = toy_config();
    Error err;
    toy_model(&bench->model, &config, 1);
    check_ok(model_save(&bench->model, scratch("model"), &err), &err);
    toy_session(&bench->session, &bench->model, 1, 4);
    feed(&bench->session, (int32_t[]){1, 2, 3}, 3, NULL, 0);
}

static void bench_end(Bench *bench) {
    session_free(&bench->session);
    model_free(&bench->model);
}

// Makes each allocation of act() fail in turn, until there are no more. After
// each, act() has returned false with a line and released all it had, and
// after() finds the files as they may be. Returns how many there are.
static size_t fails_everywhere(const char *what, Bench *bench,
                               bool (*act)(Bench *, Error *),
                               void (*after)(Bench *)) {
    for (size_t n = 1;; n++) {
        Error err = {{0}};
        size_t live = memory_live();
        memory_fail_at(n);
        bool ok = act(bench, &err), failed = memory_failed();
        memory_fail_at(0);
        if (memory_live() != live)
            cr_assert_fail("%s, allocation %zu: wanted %zu live, found %zu",
                           what, n, live, memory_live());
        if (ok == failed)
            cr_assert_fail("%s, allocation %zu: wanted %s", what, n,
                           failed ? "an error" : err.text);
        if (failed)
            check_line(&err, "");
        if (after)
            after(bench);
        if (!failed)
            return n - 1;
    }
}

// --- Models ------------------------------------------------------------------

static bool load(Bench *bench, Error *err) {
    (void)bench;
    Model model;
    if (!model_load(&model, scratch("model"), MATRIX_F32, err))
        return false;
    model_free(&model);
    return true;
}

static bool load_default(Bench *bench, Error *err) {
    (void)bench;
    Model model;
    if (!model_load(&model, NULL, MATRIX_F32, err))
        return false;
    model_free(&model);
    return true;
}

Test(allocation, while_a_model_is_loaded, .timeout = 300) {
    Bench bench;
    bench_begin(&bench);
    // At least a node of JSON for each tensor of the header.
    cr_assert(fails_everywhere("load", &bench, load, NULL) >
              bench.model.n_parameters);
    bench_end(&bench);
}

Test(allocation, while_the_default_model_is_loaded, .timeout = 300) {
    Bench bench;
    bench_begin(&bench);
    fails_everywhere("load the default", &bench, load_default, NULL);
    bench_end(&bench);
}

// Half-precision weights need memory of their own.
Test(allocation, while_a_model_is_converted, .timeout = 300) {
    Bench bench;
    bench_begin(&bench);
    Tensor *tensors = toy_tensors(&bench.model);
    for (size_t i = 0; i < bench.model.n_parameters; i++)
        tensors[i].type = TENSOR_F16;
    toy_checkpoint("model", &bench.model.config, tensors,
                   bench.model.n_parameters);
    free(tensors);
    fails_everywhere("convert", &bench, load, NULL);
    bench_end(&bench);
}

// Weights in fewer bits want memory, and a row on their way.
static bool load_narrow(Bench *bench, Error *err) {
    (void)bench;
    Model model;
    if (!model_load(&model, scratch("model"), MATRIX_INT8, err))
        return false;
    model_free(&model);
    return true;
}

Test(allocation, while_weights_are_narrowed, .timeout = 300) {
    Bench bench;
    bench_begin(&bench);
    fails_everywhere("narrow", &bench, load_narrow, NULL);
    bench_end(&bench);
}

// The line that refuses a file needs no memory either.
static bool refuse(Bench *bench, Error *err) {
    (void)bench;
    Model model;
    Error refused;
    if (model_load(&model, scratch("model"), MATRIX_F32, &refused))
        cr_assert_fail("wanted it refused");
    check_line(&refused, "");
    // Only the right refusal counts as having had all the memory.
    if (strstr(refused.text, "zzz: wanted only tensors"))
        return true;
    *err = refused;
    return false;
}

Test(allocation, while_a_model_is_refused, .timeout = 300) {
    Bench bench;
    bench_begin(&bench);
    size_t n = bench.model.n_parameters;
    Tensor *tensors = toy_tensors(&bench.model);
    tensors = realloc(tensors, (n + 1) * sizeof *tensors);
    tensors[n] = tensors[0];
    tensors[n].name = "zzz";
    toy_checkpoint("model", &bench.model.config, tensors, n + 1);
    free(tensors);
    fails_everywhere("refuse", &bench, refuse, NULL);
    bench_end(&bench);
}

static bool initialise(Bench *bench, Error *err) {
    Model model;
    if (!model_initialize(&model, &bench->model.config, 1, err))
        return false;
    model_free(&model);
    return true;
}

Test(allocation, while_a_model_is_initialised) {
    Bench bench;
    bench_begin(&bench);
    cr_assert_eq(fails_everywhere("initialise", &bench, initialise, NULL), 7);
    bench_end(&bench);
}

// --- Sessions ----------------------------------------------------------------

static bool open_session(Bench *bench, Error *err) {
    Session session;
    if (!session_new(&session, &bench->model, 2, 4, toy_backend("parallel"),
                     err))
        return false;
    session_free(&session);
    return true;
}

Test(allocation, while_a_session_is_made) {
    Bench bench;
    bench_begin(&bench);
    cr_assert_eq(fails_everywhere("session", &bench, open_session, NULL), 5);
    bench_end(&bench);
}

static bool evaluate(Bench *bench, Error *err) {
    Evaluation evaluation;
    session_reset(&bench->session);
    if (!evaluation_new(&evaluation, &bench->session, err))
        return false;
    bool ok = evaluation_feed(&evaluation, (int32_t[]){1, 2, 3, 4, 5, 6}, 6,
                              NULL, err);
    evaluation_free(&evaluation);
    return ok;
}

Test(allocation, while_a_text_is_evaluated) {
    Bench bench;
    bench_begin(&bench);
    cr_assert_eq(fails_everywhere("evaluate", &bench, evaluate, NULL), 2);
    bench_end(&bench);
}

static bool write_text(Bench *bench, Error *err) {
    Sampler sampler;
    Generation generation;
    SamplingOptions options = {.temperature = 1, .top_p = 0.9, .seed = 1};
    if (!sampler_new(&sampler, options, 11, err))
        return false;
    bool ok = generation_new(&generation, &bench->session, &sampler, err);
    if (ok) {
        int32_t token = 1;
        ok = generation_read(&generation, &token, 1, err);
        for (int i = 0; ok && i < 5; i++)
            ok = generation_next(&generation, &token, err);
        generation_free(&generation);
    }
    sampler_free(&sampler);
    return ok;
}

Test(allocation, while_text_is_written) {
    Bench bench;
    bench_begin(&bench);
    cr_assert_eq(fails_everywhere("generate", &bench, write_text, NULL), 2);
    bench_end(&bench);
}

// What a session needs is there from its beginning.
Test(allocation, of_nothing_while_tokens_are_fed) {
    Bench bench;
    bench_begin(&bench);
    float *logits = new_floats(16);
    const int32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    memory_fail_at(1);
    feed(&bench.session, tokens, 10, logits, 1);
    feed(&bench.session, tokens, 1, logits, 1);
    cr_assert_eq(memory_asked(), 0);
    memory_fail_at(0);
    free(logits);
    bench_end(&bench);
}

// --- Files -------------------------------------------------------------------

// The names in the directory "saved" are those of whole files.
static void check_files(const char *first, const char *second) {
    size_t whole = 0;
    const char *const names[] = {first, second};
    for (size_t i = 0; i < 2; i++)
        whole += names[i] && file_exists(scratch(names[i]));
    cr_assert_eq(scratch_entries("saved"), whole, "found a partial file");
}

static bool save(Bench *bench, Error *err) {
    return model_save(&bench->model, scratch("saved"), err);
}

// Whole weights without a configuration, or both, or nothing.
static void check_saved(Bench *bench) {
    (void)bench;
    Error err;
    if (!file_exists(scratch("saved")))
        return;
    check_files("saved/config.json", "saved/model.safetensors");
    Safetensors file;
    if (file_exists(scratch("saved/model.safetensors"))) {
        const char *path = scratch("saved/model.safetensors");
        check_ok(safetensors_open(&file, path, &err), &err);
        safetensors_close(&file);
    }
    Model model;
    if (file_exists(scratch("saved/config.json"))) {
        check_ok(model_load(&model, scratch("saved"), MATRIX_F32, &err), &err);
        model_free(&model);
    }
}

// The first time nothing is there; the second time a model is, and stays one.
Test(allocation, while_a_model_is_saved, .timeout = 300) {
    Bench bench;
    bench_begin(&bench);
    fails_everywhere("save", &bench, save, check_saved);
    fails_everywhere("save again", &bench, save, check_saved);
    cr_assert_eq(scratch_entries("saved"), 2);
    bench_end(&bench);
}

static bool keep(Bench *bench, Error *err) {
    return cache_save(&bench->session, scratch("saved/state"), err);
}

static void check_kept(Bench *bench) {
    Error err;
    check_files("saved/state", NULL);
    if (file_exists(scratch("saved/state")))
        check_ok(cache_restore(&bench->session, scratch("saved/state"), &err),
                 &err);
}

static bool restore(Bench *bench, Error *err) {
    size_t count = bench->session.state_count;
    float *before = copy_floats(bench->session.state, count);
    bench->session.position = 99;
    bool ok = cache_restore(&bench->session, scratch("saved/state"), err);
    if (!ok)
        compare_bits("state", bench->session.state, before, count);
    cr_assert_eq(bench->session.position, ok ? 3 : 99);
    free(before);
    return ok;
}

Test(allocation, while_a_state_is_saved_and_restored, .timeout = 300) {
    Bench bench;
    Error err;
    bench_begin(&bench);
    check_ok(directory_make(scratch("saved"), &err), &err);
    fails_everywhere("save a state", &bench, keep, check_kept);
    cr_assert(file_exists(scratch("saved/state")));
    fails_everywhere("restore a state", &bench, restore, NULL);
    bench_end(&bench);
}

// --- Everything --------------------------------------------------------------

// From a directory to a text, a state and another directory.
static bool everything(Bench *unused, Error *err) {
    Bench bench;
    (void)unused;
    if (!model_load(&bench.model, scratch("model"), MATRIX_F32, err))
        return false;
    bool ok = session_new(&bench.session, &bench.model, 1, 4,
                          toy_backend("cpu"), err);
    if (ok) {
        ok = evaluate(&bench, err) && write_text(&bench, err) &&
             keep(&bench, err) &&
             cache_restore(&bench.session, scratch("saved/state"), err) &&
             save(&bench, err);
        session_free(&bench.session);
    }
    model_free(&bench.model);
    return ok;
}

// Every seventh allocation, because each goes through all before it, and each
// file that is written waits for the disk.
Test(allocation, anywhere_from_load_to_save, .timeout = 300) {
    Bench bench;
    Error err;
    bench_begin(&bench);
    check_ok(directory_make(scratch("saved"), &err), &err);
    for (size_t n = 1;; n += 7) {
        size_t live = memory_live();
        memory_fail_at(n);
        bool ok = everything(&bench, &err), failed = memory_failed();
        memory_fail_at(0);
        cr_assert_eq(ok, !failed, "allocation %zu", n);
        cr_assert_eq(memory_live(), live, "allocation %zu leaks", n);
        if (!failed)
            break;
        check_line(&err, "");
    }
    cr_assert_eq(scratch_entries("saved"), 3);
    bench_end(&bench);
}
