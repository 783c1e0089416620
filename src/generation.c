#include "generation.h"

#include <assert.h>

#include "memory.h"

bool generation_new(Generation *generation, Session *session, Sampler *sampler,
                    Error *err) {
    size_t V = config_padded_vocab_size(&session->model->config);
    *generation = (Generation){.session = session, .sampler = sampler};
    generation->logits = allocate(V, sizeof(float), "logits", err);
    return generation->logits != NULL;
}

void generation_free(Generation *generation) {
    release(generation->logits);
    *generation = (Generation){0};
}

bool generation_read(Generation *generation, const int32_t *tokens, size_t n,
                     Error *err) {
    if (n == 0)
        return fail(err, "prompt: wanted at least one token, found none");
    return session_feed(generation->session, tokens, n, generation->logits, 1,
                        err);
}

bool generation_next(Generation *generation, int32_t *token, Error *err) {
    assert(generation->session->position > 0);
    *token = sample(generation->sampler, generation->logits);
    return generation_read(generation, token, 1, err);
}
