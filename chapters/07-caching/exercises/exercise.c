// Exercise 7.5: your file. `make exercise7` builds and tests it.
#include "exercise.h"

#include "cache.h"
#include "sampling.h"

// One round of greedy writing with the help of a draft: see exercise.h.
//
// What stands here never looks at the draft. It writes the right text, but one
// token for each call. Instead:
//
//   1. keep the state as it is before the call, in `spare`: cache_fork();
//   2. read `last` and the whole draft in one call of session_feed(), and ask
//      for all n + 1 rows of logits: row i is what follows draft[i - 1];
//   3. take the draft's tokens as long as each is the best of its row, and
//      then the best token of the next row;
//   4. where some of the draft was wrong, go back to the kept state and read
//      again what was right.
bool guess_and_check(Session *session, Session *spare, int32_t last,
                     const int32_t *draft, size_t n, float *logits,
                     int32_t *tokens, size_t *count, Error *err) {
    (void)spare, (void)draft, (void)n;
    if (!session_feed(session, &last, 1, logits, 1, err))
        return false;
    tokens[0] = best_token(logits, session->model->config.vocab_size);
    *count = 1;
    return true;
}
