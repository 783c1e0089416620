// Exercise 6.5: the logit lens, done.
#include "exercise.h"

#include <math.h>

#include "loss.h"
#include "memory.h"

// Logits (length, V) of a text: row t - 1 predicts token t, and nothing
// predicts the first.
static double mean_nats(const float *logits, size_t V, const int32_t *tokens,
                        size_t length) {
    double sum = 0;
    for (size_t t = 1; t < length; t++)
        sum += cross_entropy(logits + (t - 1) * V, V, tokens[t]);
    return length < 2 ? NAN : sum / (double)(length - 1);
}

static bool look(Session *session, const int32_t *tokens, size_t length,
                 float *logits, double *nats, Error *err) {
    const Model *model = session->model;
    size_t n_layer = model->config.n_layer;
    size_t V = config_padded_vocab_size(&model->config);
    model_embed(model, session->r, tokens, length);
    for (size_t i = 0;; i++) {
        // The head reads the stream and writes elsewhere: it may look at any
        // time. The block's u is free between two blocks.
        model_head(model, logits, session->r, session->activations.u, length);
        nats[i] = mean_nats(logits, V, tokens, length);
        if (i == n_layer)
            return true;

        // r = r + mixer(norm(r)), with this layer's own states.
        if (!block_forward(&model->shape, &model->layers[i], session->r,
                           session->layers[i], 1, length, session->backend,
                           &session->activations, err))
            return false;
    }
}

bool lens(const Model *model, const ScanBackend *backend, const int32_t *tokens,
          size_t length, double *nats, Error *err) {
    // The whole text is one chunk, and a session has at least one token.
    size_t V = config_padded_vocab_size(&model->config);
    Session session;
    if (!session_new(&session, model, 1, length ? length : 1, backend, err))
        return false;
    float *logits = allocate(length, V * sizeof *logits, "the logits", err);
    bool ok = logits && look(&session, tokens, length, logits, nats, err);
    release(logits);
    session_free(&session);
    return ok;
}
