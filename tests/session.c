// Sessions: however a text is cut, batched or shared out, the same numbers.
#include "session.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "compare.h"
#include "failing_memory.h"
#include "scratch.h"
#include "toy.h"

TestSuite(session, .init = test_begin, .fini = nothing_leaks);

// Pieces of another length multiply matrices of another shape, whose sums may
// be added in another order: some hundred roundings of 6e-8, in a trained model
// of terms that are about 20 where their sum is 1.
static const Tolerance bound = {.absolute = 4e-5, .relative = 1e-5};

// --- The bench ---------------------------------------------------------------

// A text, and what a model says and remembers when it reads it uncut.
typedef struct {
    const Model *model;
    size_t length, V;
    int32_t *tokens;
    float *logits;  // (length, V)
    float *state;   // (state_count)
} Uncut;

static void uncut_new(Uncut *uncut, const Model *model, size_t length,
                      uint64_t seed) {
    Random random = random_from_seed(seed);
    uncut->model = model;
    uncut->length = length;
    uncut->V = config_padded_vocab_size(&model->config);
    uncut->tokens = random_tokens(&random, &model->config, length);
    uncut->logits = new_floats(length * uncut->V);
    uncut->state = new_floats(session_state_count(&model->config));
    feed_alone(model, uncut->tokens, length, uncut->logits, uncut->state);
}

static void uncut_free(Uncut *uncut) {
    free(uncut->tokens);
    free(uncut->logits);
    free(uncut->state);
}

// The session, of one sequence, is where the uncut one ended.
static void check_end(const char *what, const Session *session,
                      const Uncut *uncut) {
    compare(what, session->state, uncut->state, session->state_count, bound);
    cr_assert_eq(session->position, uncut->length);
}

// Feeds the text in pieces that next() chooses, and compares every logit.
static void check_pieces(const char *what, const Uncut *uncut, size_t chunk,
                         size_t (*next)(Random *, size_t left),
                         Random *random) {
    Session session;
    toy_session(&session, uncut->model, 1, chunk);
    for (size_t t = 0, piece; t < uncut->length; t += piece) {
        piece = next(random, uncut->length - t);
        float *logits = new_floats(piece * uncut->V);
        feed(&session, uncut->tokens + t, piece, logits, piece);
        compare(what, logits, uncut->logits + t * uncut->V, piece * uncut->V,
                bound);
        free(logits);
        cr_assert_eq(session.position, t + piece);
    }
    check_end(what, &session, uncut);
    session_free(&session);
}

static size_t one(Random *random, size_t left) {
    (void)random, (void)left;
    return 1;
}

static size_t all(Random *random, size_t left) {
    (void)random;
    return left;
}

static size_t any(Random *random, size_t left) {
    return random_count(random, 0, left < 20 ? left : 20);
}

static const size_t chunks[] = {1, 2, 3, 7, 64, 256};
enum { N_CHUNKS = sizeof chunks / sizeof *chunks };

// --- At the beginning --------------------------------------------------------

Test(session, begins_with_nothing) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    Session session;
    toy_session(&session, &model, 3, 5);
    cr_assert_eq(session.position, 0);
    // n_layer d_inner (N + K-1) numbers for each sequence.
    cr_assert_eq(session_state_count(&config), 2 * 36 * (5 + 3));
    cr_assert_eq(session.state_count, 3 * session_state_count(&config));
    for (size_t i = 0; i < session.state_count; i++)
        compare_number("state", i, session.state[i], 0, 0);
    session_free(&session);
    model_free(&model);
}

// The layers' states lie one behind the other and fill the whole.
Test(session, states_do_not_overlap) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    Session session;
    toy_session(&session, &model, 3, 5);
    size_t conv = 3 * 3 * 36, ssm = 3 * 36 * 5;
    for (size_t i = 0; i < config.n_layer; i++) {
        for (size_t k = 0; k < conv; k++)
            session.layers[i].conv_state[k] += 1;
        for (size_t k = 0; k < ssm; k++)
            session.layers[i].ssm_state[k] += 1;
    }
    for (size_t i = 0; i < session.state_count; i++)
        compare_number("state", i, session.state[i], 1, 0);
    session_free(&session);
    model_free(&model);
}

Test(session, of_no_tokens_changes_nothing) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    Session session;
    toy_session(&session, &model, 2, 5);
    float *before = copy_floats(session.state, session.state_count);
    feed(&session, NULL, 0, NULL, 0);
    compare_bits("state", session.state, before, session.state_count);
    cr_assert_eq(session.position, 0);
    free(before);

    const int32_t tokens[] = {1, 2, 3, 4, 5, 6};
    feed(&session, tokens, 3, NULL, 0);
    before = copy_floats(session.state, session.state_count);
    feed(&session, tokens, 0, NULL, 0);
    compare_bits("state", session.state, before, session.state_count);
    cr_assert_eq(session.position, 3);
    free(before);
    session_free(&session);
    model_free(&model);
}

// --- Cuts --------------------------------------------------------------------

Test(session, any_single_cut_changes_nothing) {
    Config config = toy_config();
    Model model;
    Uncut uncut;
    toy_model(&model, &config, 1);
    uncut_new(&uncut, &model, 30, 2);
    for (size_t cut = 0; cut <= 30; cut++) {
        Session session;
        toy_session(&session, &model, 1, 64);
        float *logits = new_floats(30 * uncut.V);
        feed(&session, uncut.tokens, cut, logits, cut);
        feed(&session, uncut.tokens + cut, 30 - cut, logits + cut * uncut.V,
             30 - cut);
        Label what = label("cut at %zu", cut);
        compare(what.text, logits, uncut.logits, 30 * uncut.V, bound);
        check_end(what.text, &session, &uncut);
        free(logits);
        session_free(&session);
    }
    uncut_free(&uncut);
    model_free(&model);
}

// Short texts, shorter than the convolution's 6 taps too, cut in every way.
Test(session, every_way_to_cut_a_short_text) {
    Config config = toy_config();
    config.d_conv = 6;
    Model model;
    toy_model(&model, &config, 1);
    for (size_t length = 1; length <= 7; length++) {
        Uncut uncut;
        uncut_new(&uncut, &model, length, length);
        // Bit i says whether there is a cut behind token i.
        for (unsigned cuts = 0; cuts < 1u << (length - 1); cuts++) {
            Session session;
            toy_session(&session, &model, 1, 8);
            for (size_t t = 0, end; t < length; t = end) {
                end = t + 1;
                while (end < length && !(cuts >> (end - 1) & 1))
                    end++;
                feed(&session, uncut.tokens + t, end - t, NULL, 0);
            }
            check_end(label("length %zu, cuts %u", length, cuts).text, &session,
                      &uncut);
            session_free(&session);
        }
        uncut_free(&uncut);
    }
    model_free(&model);
}

Test(session, chunks_and_steps_change_nothing) {
    Config config = toy_config();
    Model model;
    Uncut uncut;
    toy_model(&model, &config, 3);
    uncut_new(&uncut, &model, 150, 4);
    Random random = random_from_seed(5);
    for (size_t i = 0; i < N_CHUNKS; i++) {
        Label what = label("chunk %zu", chunks[i]);
        check_pieces(what.text, &uncut, chunks[i], all, &random);
        check_pieces(what.text, &uncut, chunks[i], one, &random);
        for (int repeat = 0; repeat < 5; repeat++)
            check_pieces(what.text, &uncut, chunks[i], any, &random);
    }
    uncut_free(&uncut);
    model_free(&model);
}

Test(session, cuts_of_any_model_change_nothing) {
    Random random = random_from_seed(6);
    for (uint64_t seed = 0; seed < 40; seed++) {
        Config config = random_config(&random);
        Model model;
        Uncut uncut;
        toy_model(&model, &config, seed);
        uncut_new(&uncut, &model, random_count(&random, 1, 60), seed);
        Label what = label("seed %zu", (size_t)seed);
        check_pieces(what.text, &uncut, 1, one, &random);
        for (int repeat = 0; repeat < 3; repeat++)
            check_pieces(what.text, &uncut, random_count(&random, 1, 70), any,
                         &random);
        uncut_free(&uncut);
        model_free(&model);
    }
}

// A trained model: its logits are about 20, so 1e-5 of their size is asked.
Test(session, cuts_of_the_default_model_change_nothing) {
    Model model;
    Uncut uncut;
    Error err;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    uncut_new(&uncut, &model, 300, 7);
    // A text it knows, not noise.
    const char *text = "And God said, Let there be light: and there was light. "
                       "And God saw the light, that it was good: and God "
                       "divided the light from the darkness. ";
    for (size_t i = 0; i < uncut.length; i++)
        uncut.tokens[i] = (unsigned char)text[i % strlen(text)];
    feed_alone(&model, uncut.tokens, 300, uncut.logits, uncut.state);
    Random random = random_from_seed(8);
    for (size_t i = 0; i < N_CHUNKS; i++) {
        Label what = label("chunk %zu", chunks[i]);
        check_pieces(what.text, &uncut, chunks[i], all, &random);
        check_pieces(what.text, &uncut, chunks[i], any, &random);
    }
    uncut_free(&uncut);
    model_free(&model);
}

// Every backend carries the state, in its own way.
Test(session, every_backend_goes_on_from_the_state) {
    Config config = toy_config();
    Model model;
    Uncut uncut;
    toy_model(&model, &config, 3);
    uncut_new(&uncut, &model, 200, 4);
    for (size_t i = 0; i < n_scan_backends; i++) {
        Error err;
        if (!scan_backends[i]->usable(&err))
            continue;
        Session session;
        check_ok(session_new(&session, &model, 1, 130, scan_backends[i], &err),
                 &err);
        float *logits = new_floats(200 * uncut.V);
        feed(&session, uncut.tokens, 3, logits, 3);
        feed(&session, uncut.tokens + 3, 196, logits + 3 * uncut.V, 196);
        feed(&session, uncut.tokens + 199, 1, logits + 199 * uncut.V, 1);
        compare(scan_backends[i]->name, logits, uncut.logits, 200 * uncut.V,
                bound);
        check_end(scan_backends[i]->name, &session, &uncut);
        free(logits);
        session_free(&session);
    }
    uncut_free(&uncut);
    model_free(&model);
}

Test(session, any_number_of_threads_says_the_same) {
    Model model;
    Uncut uncut;
    Error err;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    use_threads(1);
    uncut_new(&uncut, &model, 100, 7);
    Random random = random_from_seed(8);
    for (int threads = 2; threads < 6; threads++) {
        use_threads(threads);
        check_pieces(label("%d threads", threads).text, &uncut, 64, all,
                     &random);
    }
    uncut_free(&uncut);
    model_free(&model);
}

// --- Which logits ------------------------------------------------------------

// The last n_logits of a text, however it is chunked, and not a number beside
// them: the memory behind them is watched by the address sanitizer, and by us.
Test(session, gives_the_last_logits) {
    Config config = toy_config();
    Model model;
    Uncut uncut;
    toy_model(&model, &config, 1);
    uncut_new(&uncut, &model, 20, 2);
    for (size_t i = 0; i < N_CHUNKS; i++)
        for (size_t n_logits = 0; n_logits <= 20; n_logits++) {
            Session session;
            toy_session(&session, &model, 1, chunks[i]);
            float *logits = new_floats(n_logits * uncut.V);
            feed(&session, uncut.tokens, 20, logits, n_logits);
            compare(label("the last %zu", n_logits).text, logits,
                    uncut.logits + (20 - n_logits) * uncut.V,
                    n_logits * uncut.V, bound);
            check_end("logits", &session, &uncut);
            free(logits);
            session_free(&session);
        }
    uncut_free(&uncut);
    model_free(&model);
}

Test(session, needs_no_room_for_no_logits) {
    Config config = toy_config();
    Model model;
    Uncut uncut;
    toy_model(&model, &config, 1);
    uncut_new(&uncut, &model, 20, 2);
    Session session;
    toy_session(&session, &model, 1, 7);
    feed(&session, uncut.tokens, 20, NULL, 0);
    check_end("no logits", &session, &uncut);
    session_free(&session);
    uncut_free(&uncut);
    model_free(&model);
}

// --- Batches -----------------------------------------------------------------

// Sequences of a batch, laid out (batch, length), against each alone.
static void check_batch(const Model *model, size_t batch, size_t length,
                        size_t chunk, size_t n_logits, uint64_t seed) {
    Label what = label("batch %zu, length %zu, chunk %zu, seed %zu", batch,
                       length, chunk, (size_t)seed);
    size_t V = config_padded_vocab_size(&model->config);
    Random random = random_from_seed(seed);
    int32_t *tokens = random_tokens(&random, &model->config, batch * length);
    float *together = new_floats(batch * n_logits * V);
    Session session;
    toy_session(&session, model, batch, chunk);
    feed(&session, tokens, length, together, n_logits);
    float *alone = new_floats(length * V);
    float *state = new_floats(session_state_count(&model->config));
    size_t conv = (model->shape.d_conv - 1) * model->shape.d_inner;
    size_t ssm = model->shape.d_inner * model->shape.d_state;
    for (size_t b = 0; b < batch; b++) {
        feed_alone(model, tokens + b * length, length, alone, state);
        compare(what.text, together + b * n_logits * V,
                alone + (length - n_logits) * V, n_logits * V, bound);
        for (size_t i = 0; i < model->config.n_layer; i++) {
            const float *layer = state + i * (conv + ssm);
            compare(what.text, session.layers[i].conv_state + b * conv, layer,
                    conv, bound);
            compare(what.text, session.layers[i].ssm_state + b * ssm,
                    layer + conv, ssm, bound);
        }
    }
    session_free(&session);
    free(tokens);
    free(together);
    free(alone);
    free(state);
}

Test(session, a_batch_is_its_sequences) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    for (size_t batch = 1; batch <= 3; batch++)
        for (size_t length = 0; length < 12; length++)
            for (size_t i = 0; i < 4; i++) {
                check_batch(&model, batch, length, chunks[i], length, length);
                check_batch(&model, batch, length, chunks[i], length / 2,
                            length);
            }
    model_free(&model);
}

Test(session, a_batch_of_any_model_is_its_sequences) {
    Random random = random_from_seed(9);
    for (uint64_t seed = 0; seed < 30; seed++) {
        Config config = random_config(&random);
        Model model;
        toy_model(&model, &config, seed);
        size_t length = random_count(&random, 1, 40);
        check_batch(&model, random_count(&random, 1, 5), length,
                    random_count(&random, 1, 50),
                    random_count(&random, 0, length), seed);
        model_free(&model);
    }
}

// The seed's own example: input (2, 128).
Test(session, a_batch_of_the_default_model_is_its_sequences) {
    Model model;
    Error err;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    check_batch(&model, 2, 128, 64, 128, 1);
    model_free(&model);
}

// --- Sharing -----------------------------------------------------------------

Test(session, reset_begins_again) {
    Config config = toy_config();
    Model model;
    Uncut uncut;
    toy_model(&model, &config, 1);
    uncut_new(&uncut, &model, 20, 2);
    Session session;
    toy_session(&session, &model, 1, 7);
    feed(&session, uncut.tokens, 13, NULL, 0);
    session_reset(&session);
    cr_assert_eq(session.position, 0);
    float *logits = new_floats(20 * uncut.V);
    feed(&session, uncut.tokens, 20, logits, 20);
    compare("logits", logits, uncut.logits, 20 * uncut.V, bound);
    check_end("reset", &session, &uncut);
    free(logits);
    session_free(&session);
    uncut_free(&uncut);
    model_free(&model);
}

// Two texts through one model in turn, and neither notices the other.
Test(session, two_sessions_share_a_model) {
    Config config = toy_config();
    Model model;
    Uncut uncut[2];
    Session session[2];
    toy_model(&model, &config, 1);
    for (size_t i = 0; i < 2; i++) {
        uncut_new(&uncut[i], &model, 20, i + 2);
        toy_session(&session[i], &model, 1, 7);
    }
    float *logits = new_floats(uncut->V);
    for (size_t t = 0; t < 20; t++)
        for (size_t i = 0; i < 2; i++) {
            feed(&session[i], uncut[i].tokens + t, 1, logits, 1);
            compare("in turn", logits, uncut[i].logits + t * uncut->V, uncut->V,
                    bound);
        }
    for (size_t i = 0; i < 2; i++) {
        check_end("in turn", &session[i], &uncut[i]);
        session_free(&session[i]);
        uncut_free(&uncut[i]);
    }
    free(logits);
    model_free(&model);
}

// A second call on the same tokens is the first one again: nothing is written
// into what was only to be read.
Test(session, reads_without_writing) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    size_t n = parameter_total(&config);
    float *weights = copy_floats(model.storage, n);
    float *A = copy_floats(model.A, 2 * 36 * 5);
    Uncut first, second;
    uncut_new(&first, &model, 20, 2);
    uncut_new(&second, &model, 20, 2);
    compare_bits("logits", second.logits, first.logits, 20 * first.V);
    compare_bits("weights", model.storage, weights, n);
    compare_bits("A", model.A, A, 2 * 36 * 5);
    free(weights);
    free(A);
    uncut_free(&first);
    uncut_free(&second);
    model_free(&model);
}

// --- Refusing ----------------------------------------------------------------

// A wrong id anywhere in the batch: a line that says where and what, and the
// session goes on as if it had not been asked.
Test(session, wrong_tokens_feed_nothing) {
    const int32_t wrong[] = {-1, INT32_MIN, 11, 15, 16, INT32_MAX};
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    Session session;
    toy_session(&session, &model, 2, 3);
    feed(&session, (int32_t[]){1, 2, 3, 4}, 2, NULL, 0);
    float *before = copy_floats(session.state, session.state_count);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        for (size_t place = 0; place < 14; place++) {
            int32_t tokens[14] = {0};
            tokens[place] = wrong[i];
            float *logits = new_floats(2 * 16);
            Error err;
            bool ok = session_feed(&session, tokens, 7, logits, 1, &err);
            Label line =
                label("token %zu: wanted an id from 0 to 10, found %ld", place,
                      (long)wrong[i]);
            check_refused("token", ok, &err, line.text, "");
            compare_bits("state", session.state, before, session.state_count);
            cr_assert_eq(session.position, 2);
            free(logits);
        }
    feed(&session, (int32_t[]){0, 10}, 1, NULL, 0);
    cr_assert_eq(session.position, 3);
    free(before);
    session_free(&session);
    model_free(&model);
}

Test(session, that_no_memory_holds_is_refused) {
    Config config = toy_config();
    Model model;
    Error err;
    toy_model(&model, &config, 1);
    size_t live = memory_live();
    Session session;
    size_t large = (size_t)1 << 44;
    check_refused(
        "a chunk",
        session_new(&session, &model, 1, large, toy_backend("cpu"), &err), &err,
        "memory for ", "found no room");
    check_refused(
        "a batch",
        session_new(&session, &model, large, 1, toy_backend("cpu"), &err), &err,
        "memory for ", "found no room");
    cr_assert_eq(memory_live(), live);
    model_free(&model);
}

// What it says it needs: states and a chunk, and nothing that grows with texts.
Test(session, size_is_stated) {
    Config config = toy_config();
    Model model;
    toy_model(&model, &config, 1);
    const ScanBackend *cpu = toy_backend("cpu");
    size_t small = session_bytes(&model, 1, 1, cpu);
    size_t state = session_state_count(&config) * sizeof(float);
    cr_assert(small >= state + config.d_model * sizeof(float));
    cr_assert(session_bytes(&model, 2, 1, cpu) >= small + state);
    cr_assert(session_bytes(&model, 1, 1000, cpu) < 1000 * small);
    // Most of it is for each token's intermediate results: u and out, x before
    // and after the convolution, z, delta, y, dt, B, C and the residual.
    size_t row = 4 * (3 * 12 + 5 * 36 + 2 + 2 * 5) + sizeof(int32_t);
    double slope = (double)(session_bytes(&model, 1, 2048, cpu) -
                            session_bytes(&model, 1, 1024, cpu)) /
                   1024;
    compare_number("bytes of a token", 0, slope, (double)row, 1);
    model_free(&model);
}
