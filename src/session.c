#include "session.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "memory.h"

size_t session_state_count(const Config *config) {
    return config->n_layer * config_d_inner(config) *
           (config->d_state + config->d_conv - 1);
}

size_t session_bytes(const Model *model, size_t batch, size_t chunk,
                     const ScanBackend *backend) {
    const Config *config = &model->config;
    size_t numbers =
        batch * session_state_count(config) + batch * chunk * config->d_model;
    return numbers * sizeof(float) + batch * chunk * sizeof(int32_t) +
           block_workspace_bytes(&model->shape, batch, chunk, backend);
}

// Each layer's share of the state: its conv_state, then its ssm_state.
static void lay_out_state(Session *session) {
    const BlockShape *shape = &session->model->shape;
    size_t rows = session->batch * shape->d_inner;
    float *next = session->state;
    for (size_t i = 0; i < session->model->config.n_layer; i++) {
        session->layers[i].conv_state = next;
        next += rows * (shape->d_conv - 1);
        session->layers[i].ssm_state = next;
        next += rows * shape->d_state;
    }
}

bool session_new(Session *session, const Model *model, size_t batch,
                 size_t chunk, const ScanBackend *backend, Error *err) {
    const Config *config = &model->config;
    *session = (Session){.model = model,
                         .backend = backend,
                         .batch = batch,
                         .chunk = chunk,
                         .state_count = batch * session_state_count(config)};
    size_t rows = batch * chunk;
    session->layers = allocate(config->n_layer, sizeof *session->layers,
                               "the layers' states", err);
    session->state =
        allocate(session->state_count, sizeof(float), "the states", err);
    session->r = allocate(rows, config->d_model * sizeof(float),
                          "the residual stream", err);
    session->tokens = allocate(rows, sizeof(int32_t), "a chunk", err);
    session->block_scratch =
        allocate(block_workspace_bytes(&model->shape, batch, chunk, backend), 1,
                 "the block's workspace", err);
    if (!session->layers || !session->state || !session->r ||
        !session->tokens || !session->block_scratch) {
        session_free(session);
        return false;
    }
    session->activations =
        block_activations(&model->shape, batch, chunk, session->block_scratch);
    lay_out_state(session);
    return true;
}

void session_free(Session *session) {
    release(session->layers);
    release(session->state);
    release(session->r);
    release(session->tokens);
    release(session->block_scratch);
    *session = (Session){0};
}

void session_reset(Session *session) {
    memset(session->state, 0, session->state_count * sizeof *session->state);
    session->position = 0;
}

static bool check_tokens(const Session *session, const int32_t *tokens,
                         size_t count, Error *err) {
    size_t vocab_size = session->model->config.vocab_size;
    for (size_t i = 0; i < count; i++)
        if (tokens[i] < 0 || (size_t)tokens[i] >= vocab_size)
            return fail(err, "token %zu: wanted an id from 0 to %zu, found %ld",
                        i, vocab_size - 1, (long)tokens[i]);
    return true;
}

static bool check_logits(const Session *session, const float *logits,
                         size_t count, Error *err) {
    // 0 times a finite number is 0, times infinity or NaN it is NaN.
    float zeros = 0;
#pragma omp simd reduction(+ : zeros)
    for (size_t i = 0; i < count; i++)
        zeros += 0 * logits[i];
    if (zeros == 0)
        return true;

    // The weights are asked first; if it was none of them, it was us.
    size_t i = 0;
    while (isfinite(logits[i]))
        i++;
    return model_check_finite(session->model, err) &&
           fail(err,
                "%s: logits: wanted finite numbers, found %g, though all "
                "weights are finite",
                session->model->name, (double)logits[i]);
}

// A chunk through the embedding and all blocks: tokens (batch, length) into the
// residual stream (batch, length, d_model).
static bool feed_chunk(Session *session, size_t length, Error *err) {
    const Model *model = session->model;
    model_embed(model, session->r, session->tokens, session->batch * length);
    for (size_t i = 0; i < model->config.n_layer; i++)
        if (!block_forward(&model->shape, &model->layers[i], session->r,
                           session->layers[i], session->batch, length,
                           session->backend, &session->activations, err))
            return false;
    session->position += length;
    return true;
}

// Logits of the last `wanted` of a chunk's positions, for each sequence, to
// its rows from first_row on.
static bool head_of_chunk(Session *session, size_t length, size_t wanted,
                          float *logits, size_t n_logits, size_t first_row,
                          Error *err) {
    const Config *config = &session->model->config;
    size_t V = config_padded_vocab_size(config), d_model = config->d_model;
    for (size_t b = 0; b < session->batch; b++) {
        const float *r = session->r + (b * length + length - wanted) * d_model;
        float *rows = logits + (b * n_logits + first_row) * V;
        model_head(session->model, rows, r, session->activations.u, wanted);
        if (!check_logits(session, rows, wanted * V, err))
            return false;
    }
    return true;
}

bool session_feed(Session *session, const int32_t *tokens, size_t length,
                  float *logits, size_t n_logits, Error *err) {
    assert(n_logits <= length);
    if (!check_tokens(session, tokens, session->batch * length, err))
        return false;
    for (size_t t = 0, step; t < length; t += step) {
        step = length - t < session->chunk ? length - t : session->chunk;
        for (size_t b = 0; b < session->batch; b++)
            memcpy(session->tokens + b * step, tokens + b * length + t,
                   step * sizeof *tokens);
        if (!feed_chunk(session, step, err))
            return false;

        // Of this chunk, the positions among the last n_logits of all.
        size_t first = length - n_logits;
        size_t end = t + step;
        if (end <= first)
            continue;
        size_t wanted = end - first < step ? end - first : step;
        if (!head_of_chunk(session, step, wanted, logits, n_logits,
                           end - wanted - first, err))
            return false;
    }
    return true;
}
