#include "loss.h"

#include <math.h>
#include <string.h>

#include "memory.h"

double cross_entropy(const float *logits, size_t V, int32_t target) {
    float largest = logits[0];
    for (size_t i = 1; i < V; i++)
        largest = logits[i] > largest ? logits[i] : largest;

    // -ln softmax_k = ln(sum_i exp(l_i - max)) - (l_k - max)
    double sum = 0;
    for (size_t i = 0; i < V; i++)
        sum += exp((double)logits[i] - largest);
    return log(sum) - ((double)logits[target] - largest);
}

double bits_from_nats(double nats) {
    return nats / log(2);
}

bool evaluation_new(Evaluation *evaluation, Session *session, Error *err) {
    size_t V = config_padded_vocab_size(&session->model->config);
    *evaluation = (Evaluation){.session = session};
    evaluation->logits = allocate(session->chunk, V * sizeof(float),
                                  "the logits of a chunk", err);
    evaluation->next = allocate(V, sizeof(float), "logits", err);
    if (evaluation->logits && evaluation->next)
        return true;
    evaluation_free(evaluation);
    return false;
}

void evaluation_free(Evaluation *evaluation) {
    release(evaluation->logits);
    release(evaluation->next);
    *evaluation = (Evaluation){0};
}

// At most a chunk.
static bool feed_some(Evaluation *evaluation, const int32_t *tokens, size_t n,
                      double *nats, Error *err) {
    size_t V = config_padded_vocab_size(&evaluation->session->model->config);
    if (!session_feed(evaluation->session, tokens, n, evaluation->logits, n,
                      err))
        return false;
    for (size_t i = 0; i < n; i++) {
        // Token i was predicted by the one before it.
        const float *before =
            i ? evaluation->logits + (i - 1) * V : evaluation->next;
        double loss = 0;
        if (evaluation->tokens > 0)
            loss = cross_entropy(before, V, tokens[i]);
        if (nats)
            nats[i] = loss;
        evaluation->nats += loss;
        evaluation->tokens++;
    }
    memcpy(evaluation->next, evaluation->logits + (n - 1) * V,
           V * sizeof *evaluation->next);
    return true;
}

bool evaluation_feed(Evaluation *evaluation, const int32_t *tokens, size_t n,
                     double *nats, Error *err) {
    size_t chunk = evaluation->session->chunk;
    for (size_t i = 0, some; i < n; i += some) {
        some = n - i < chunk ? n - i : chunk;
        if (!feed_some(evaluation, tokens + i, some, nats ? nats + i : NULL,
                       err))
            return false;
    }
    return true;
}

double evaluation_mean(const Evaluation *evaluation) {
    return evaluation->tokens < 2
               ? NAN
               : evaluation->nats / (double)(evaluation->tokens - 1);
}
