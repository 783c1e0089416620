#include "attention_trial.h"

#include "memory.h"

bool attention_trial_new(AttentionTrial *trial, size_t length, size_t n_heads,
                         bool textbook, Error *err) {
    size_t count = length * n_heads * TRIAL_HEAD;
    float *q = allocate(4 * count, sizeof *q, "queries, keys and values", err);
    *trial = (AttentionTrial){.numbers = q};
    if (!q)
        return false;
    fill_uniform(q, 3 * count, -1, 1);
    trial->attention = (Attention){.length = length,
                                   .n_heads = n_heads,
                                   .d_head = TRIAL_HEAD,
                                   .q = q,
                                   .k = q + count,
                                   .v = q + 2 * count,
                                   .y = q + 3 * count};
    if (!textbook)
        return true;
    trial->workspace = allocate(attention_textbook_workspace(&trial->attention),
                                1, "attention's scores", err);
    if (trial->workspace)
        return true;
    attention_trial_free(trial);
    return false;
}

void attention_trial_free(AttentionTrial *trial) {
    release(trial->numbers);
    release(trial->workspace);
    *trial = (AttentionTrial){0};
}

bool attention_textbook_run(void *context, Error *err) {
    (void)err;
    const AttentionTrial *trial = context;
    attention_textbook(&trial->attention, trial->workspace);
    return true;
}

bool attention_blocked_run(void *context, Error *err) {
    (void)err;
    const AttentionTrial *trial = context;
    attention_blocked(&trial->attention);
    return true;
}

// --- Step by step ------------------------------------------------------------

bool attention_steps_new(AttentionSteps *steps, size_t length, size_t n_heads,
                         size_t cold, Error *err) {
    size_t bytes = attention_cache_bytes(n_heads, TRIAL_HEAD, length);
    size_t layers = cold / bytes + 1, row = n_heads * TRIAL_HEAD;
    *steps = (AttentionSteps){
        .length = length, .n_heads = n_heads, .layers = layers};
    steps->memory = allocate(layers, bytes, "keys and values", err);
    steps->row = allocate(4 * row, sizeof(float), "a token's row", err);
    steps->workspace = allocate(attention_step_workspace(n_heads, TRIAL_HEAD),
                                1, "attention's workspace", err);
    if (!steps->memory || !steps->row || !steps->workspace) {
        attention_steps_free(steps);
        return false;
    }
    fill_uniform(steps->memory, layers * bytes / sizeof(float), -1, 1);
    fill_uniform(steps->row, 3 * row, -1, 1);
    return true;
}

void attention_steps_free(AttentionSteps *steps) {
    release(steps->memory);
    release(steps->row);
    release(steps->workspace);
    *steps = (AttentionSteps){0};
}

bool attention_steps_run(void *context, Error *err) {
    (void)err;
    AttentionSteps *steps = context;
    size_t row = steps->n_heads * TRIAL_HEAD, half = steps->length * row;
    float *memory = steps->memory + steps->layer++ % steps->layers * 2 * half;
    AttentionCache cache = {.n_heads = steps->n_heads,
                            .d_head = TRIAL_HEAD,
                            .capacity = steps->length,
                            .length = steps->length - 1,
                            .keys = memory,
                            .values = memory + half};
    const float *q = steps->row;
    attention_step(&cache, q, q + row, q + 2 * row, steps->row + 3 * row,
                   steps->workspace);
    return true;
}

double attention_steps_bytes(const AttentionSteps *steps) {
    return (double)attention_cache_bytes(steps->n_heads, TRIAL_HEAD,
                                         steps->length);
}
