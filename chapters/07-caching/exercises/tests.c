// Exercise 7.5: guessing changes the speed of a text, never the text.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "compare.h"
#include "exercise.h"
#include "sampling.h"
#include "scratch.h"
#include "tokenizer.h"
#include "toy.h"

TestSuite(exercise);

// Calls of another length add in another order: some hundred roundings.
static const Tolerance bound = {.absolute = 1e-5, .relative = 1e-5};

// --- The bench --------------------------------------------------------------

enum { PROMPT = 5, MOST = 24 };

// A toy model with a session that has read all of a prompt but its last token,
// and the text that the model writes alone, each token of it from the whole
// text read anew.
typedef struct {
    Model model;
    Session session, spare;
    int32_t text[PROMPT + MOST + 1];
    float *logits;  // (MOST + 1, V)
    size_t V;
} Round;

static void round_begin(Round *round, size_t chunk) {
    Config config = toy_config();
    toy_model(&round->model, &config, 1);
    toy_session(&round->session, &round->model, 1, chunk);
    toy_session(&round->spare, &round->model, 1, 2);
    round->V = config_padded_vocab_size(&config);
    round->logits = new_floats((MOST + 1) * round->V);
    for (int32_t i = 0; i < PROMPT; i++)
        round->text[i] = 2 * i + 1;
    for (size_t n = PROMPT; n < PROMPT + MOST + 1; n++) {
        float *rows = new_floats(n * round->V);
        feed_alone(&round->model, round->text, n, rows, NULL);
        round->text[n] =
            best_token(rows + (n - 1) * round->V, config.vocab_size);
        free(rows);
    }
    feed(&round->session, round->text, PROMPT - 1, NULL, 0);
}

static void round_end(Round *round) {
    free(round->logits);
    session_free(&round->session);
    session_free(&round->spare);
    model_free(&round->model);
}

// The session has read the text's first n tokens, and nothing else.
static void check_state(const char *what, const Round *round, size_t n) {
    float *wanted = new_floats(round->session.state_count);
    float *rows = new_floats(n * round->V);
    feed_alone(&round->model, round->text, n, rows, wanted);
    cr_assert_eq(round->session.position, n,
                 "%s: wanted position %zu, found "
                 "%zu",
                 what, n, round->session.position);
    compare(what, round->session.state, wanted, round->session.state_count,
            bound);
    free(rows);
    free(wanted);
}

// A draft of n tokens, of which the first `right` are right and the next is
// not; those after it are right again, which helps nobody.
static void check_round(size_t n, size_t right, size_t chunk) {
    Round round;
    int32_t draft[MOST], tokens[MOST + 1];
    size_t count = 0;
    Error err;
    Label what = label("draft of %zu, %zu right, chunk %zu", n, right, chunk);
    round_begin(&round, chunk);
    memcpy(draft, round.text + PROMPT, n * sizeof *draft);
    if (right < n)
        draft[right] = (draft[right] + 1) % 11;
    check_ok(guess_and_check(&round.session, &round.spare,
                             round.text[PROMPT - 1], draft, n, round.logits,
                             tokens, &count, &err),
             &err);
    cr_assert_eq(count, right + 1, "%s: wanted %zu tokens, found %zu",
                 what.text, right + 1, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(tokens[i], round.text[PROMPT + i],
                     "%s: token %zu: wanted %d, found %d", what.text, i,
                     round.text[PROMPT + i], tokens[i]);
    check_state(what.text, &round, PROMPT + right);
    round_end(&round);
}

// --- One round --------------------------------------------------------------

Test(exercise, no_draft_is_a_step) {
    check_round(0, 0, 64);
}

Test(exercise, a_right_draft_is_taken_whole) {
    for (size_t n = 1; n <= MOST; n += 3)
        check_round(n, n, 64);
}

Test(exercise, a_wrong_draft_is_left) {
    for (size_t n = 1; n <= MOST; n += 4)
        check_round(n, 0, 64);
}

Test(exercise, a_draft_is_taken_up_to_its_first_mistake) {
    for (size_t right = 1; right < 9; right++)
        check_round(9, right, 64);
}

Test(exercise, drafts_may_be_longer_than_a_chunk) {
    for (size_t chunk = 1; chunk < 6; chunk++)
        for (size_t right = 0; right <= 9; right += 3)
            check_round(9, right, chunk);
}

// --- Ids that are none ------------------------------------------------------

// 11 to 15 are padding; the model's head has rows for them.
Test(exercise, a_draft_outside_the_vocabulary_is_refused) {
    const int32_t wrong[] = {11, 15, 16, -1};
    for (size_t i = 0; i < 4; i++) {
        Round round;
        size_t count;
        Error err;
        round_begin(&round, 64);
        int32_t tokens[4];
        int32_t draft[] = {round.text[PROMPT], wrong[i], 1};
        float *before =
            copy_floats(round.session.state, round.session.state_count);
        cr_assert(!guess_and_check(&round.session, &round.spare,
                                   round.text[PROMPT - 1], draft, 3,
                                   round.logits, tokens, &count, &err),
                  "wanted id %d to be refused", wrong[i]);
        cr_assert_eq(round.session.position, PROMPT - 1);
        compare_bits("state", round.session.state, before,
                     round.session.state_count);
        free(before);
        round_end(&round);
    }
}

Test(exercise, padding_is_never_written) {
    Round round;
    round_begin(&round, 64);
    size_t size, count = 0;
    float *head = toy_tensor(&round.model, "lm_head.weight", &size);
    // Padded rows that beat all others, on one side or the other.
    for (size_t i = 11 * 12; i < size; i++)
        head[i] = i / 12 % 2 ? 1000 : -1000;
    model_bind(&round.model);
    const int32_t draft[] = {1, 2};
    int32_t tokens[3];
    Error err;
    for (int i = 0; i < 8; i++) {
        check_ok(guess_and_check(&round.session, &round.spare, 1, draft, 2,
                                 round.logits, tokens, &count, &err),
                 &err);
        cr_assert(count >= 1 && count <= 3);
        for (size_t k = 0; k < count; k++)
            cr_assert(tokens[k] >= 0 && tokens[k] < 11, "found token %d",
                      tokens[k]);
    }
    round_end(&round);
}

// --- A text -----------------------------------------------------------------

enum { TEXT = 300, DRAFT = 6 };

// The simplest guess there is: what stood behind the last place where the
// text's last two bytes were seen.
static size_t look_up(const int32_t *text, size_t n, int32_t *draft) {
    for (size_t i = n - 1; i-- > 1;)
        if (text[i - 1] == text[n - 2] && text[i] == text[n - 1]) {
            size_t found = n - 1 - i < DRAFT ? n - 1 - i : DRAFT;
            memcpy(draft, text + i + 1, found * sizeof *draft);
            return found;
        }
    return 0;
}

// The default model writes the same text with guesses as without, in fewer
// rounds than bytes.
Test(exercise, a_text_is_the_same_in_fewer_rounds) {
    const char prompt[] = "And the LORD said unto Moses, ";
    size_t n = sizeof prompt - 1, rounds = 0;
    Model model;
    Session alone, session, spare;
    Error err;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    toy_session(&alone, &model, 1, 64);
    toy_session(&session, &model, 1, 64);
    toy_session(&spare, &model, 1, 1);
    int32_t wanted[TEXT], text[TEXT + DRAFT + 1], draft[DRAFT];
    float *logits = new_floats((DRAFT + 1) * 256);
    tokenizer_encode(wanted, prompt, n);
    memcpy(text, wanted, n * sizeof *text);
    feed(&alone, wanted, n, logits, 1);
    for (size_t i = n; i < TEXT; i++) {
        wanted[i] = best_token(logits, 256);
        feed(&alone, &wanted[i], 1, logits, 1);
    }

    feed(&session, text, n - 1, NULL, 0);
    while (n < TEXT) {
        int32_t tokens[DRAFT + 1];
        size_t count = 0, guessed = look_up(text, n, draft);
        check_ok(guess_and_check(&session, &spare, text[n - 1], draft, guessed,
                                 logits, tokens, &count, &err),
                 &err);
        cr_assert(count >= 1 && count <= guessed + 1);
        memcpy(text + n, tokens, count * sizeof *text);
        n += count;
        rounds++;
    }
    for (size_t i = 0; i < TEXT; i++)
        cr_assert_eq(text[i], wanted[i], "byte %zu: wanted %d, found %d", i,
                     wanted[i], text[i]);
    cr_assert(rounds < TEXT / 2, "wanted fewer rounds than %d, found %zu",
              TEXT / 2, rounds);
    free(logits);
    session_free(&alone);
    session_free(&session);
    session_free(&spare);
    model_free(&model);
}
