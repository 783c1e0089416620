#include "sampling.h"

#include <math.h>
#include <stdlib.h>

#include "memory.h"

bool sampler_new(Sampler *sampler, SamplingOptions options, size_t vocab_size,
                 Error *err) {
    *sampler = (Sampler){.options = options,
                         .random = random_from_seed(options.seed),
                         .vocab_size = vocab_size};
    sampler->candidates =
        allocate(vocab_size, sizeof(Candidate), "the candidates", err);
    return sampler->candidates != NULL;
}

void sampler_free(Sampler *sampler) {
    release(sampler->candidates);
    *sampler = (Sampler){0};
}

int32_t best_token(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

// The best first; of equals, the lower id.
static int compare_candidates(const void *a, const void *b) {
    const Candidate *one = a, *other = b;
    if (one->logit != other->logit)
        return one->logit > other->logit ? -1 : 1;
    return (one->token > other->token) - (one->token < other->token);
}

// All candidates, best first, with their weights exp((l - max) / temperature).
static void rank_candidates(Sampler *sampler, const float *logits) {
    Candidate *candidates = sampler->candidates;
    size_t n = sampler->vocab_size;
    for (size_t i = 0; i < n; i++)
        candidates[i] = (Candidate){.logit = logits[i], .token = (int32_t)i};
    qsort(candidates, n, sizeof *candidates, compare_candidates);
    double best = candidates[0].logit;
    for (size_t i = 0; i < n; i++)
        candidates[i].weight =
            exp((candidates[i].logit - best) / sampler->options.temperature);
}

static double sum_weights(const Candidate *candidates, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += candidates[i].weight;
    return sum;
}

// How many of the ranked candidates stay in the draw; at least the best.
static size_t nucleus(const Sampler *sampler) {
    const SamplingOptions *options = &sampler->options;
    size_t n = sampler->vocab_size;
    if (options->top_k > 0 && options->top_k < n)
        n = options->top_k;
    if (options->top_p >= 1)
        return n;
    double wanted = options->top_p * sum_weights(sampler->candidates, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += sampler->candidates[i].weight;
        if (sum >= wanted)
            return i + 1;
    }
    return n;
}

int32_t sample(Sampler *sampler, const float *logits) {
    if (sampler->options.temperature == 0 || sampler->options.top_k == 1)
        return best_token(logits, sampler->vocab_size);
    rank_candidates(sampler, logits);
    size_t n = nucleus(sampler);

    // A point on the line on which the candidates' weights lie end to end.
    double point = random_uniform(&sampler->random, 0,
                                  sum_weights(sampler->candidates, n));
    size_t i = 0;
    for (double end = sampler->candidates[0].weight; i + 1 < n && point >= end;)
        end += sampler->candidates[++i].weight;
    return sampler->candidates[i].token;
}
