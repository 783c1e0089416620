// Exercise 7.5: a solution.
#include "exercise.h"

#include <string.h>

#include "cache.h"
#include "sampling.h"

// How many of the draft's tokens are what the model would have written: row i
// of the logits is its opinion of draft[i].
static size_t count_right(const float *logits, const Config *config,
                          const int32_t *draft, size_t n) {
    size_t V = config_padded_vocab_size(config), right = 0;
    while (right < n &&
           best_token(logits + right * V, config->vocab_size) == draft[right])
        right++;
    return right;
}

bool guess_and_check(Session *session, Session *spare, int32_t last,
                     const int32_t *draft, size_t n, float *logits,
                     int32_t *tokens, size_t *count, Error *err) {
    const Config *config = &session->model->config;

    // `last` and the draft in one call, after a look back at where we stand.
    tokens[0] = last;
    if (n > 0)
        memcpy(tokens + 1, draft, n * sizeof *tokens);
    cache_fork(spare, 0, session, 0);
    if (!session_feed(session, tokens, n + 1, logits, n + 1, err))
        return false;

    // What was wrong has left its mark on h, and nothing takes it out again:
    // back to the state before, and once more without the wrong part.
    size_t right = count_right(logits, config, draft, n);
    if (right < n) {
        cache_fork(session, 0, spare, 0);
        if (!session_feed(session, tokens, 1 + right, NULL, 0, err))
            return false;
    }

    // The row behind the last right token is of a text without mistakes: its
    // best token comes for nothing.
    size_t V = config_padded_vocab_size(config);
    memmove(tokens, tokens + 1, right * sizeof *tokens);
    tokens[right] = best_token(logits + right * V, config->vocab_size);
    *count = right + 1;
    return true;
}
