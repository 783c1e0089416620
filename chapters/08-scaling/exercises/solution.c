// Exercise 8.5: a solution.
#include "exercise.h"

#include <math.h>
#include <string.h>

// q . k / sqrt(d_head), of one head.
static float score_of(const float *q, const float *k, size_t d_head) {
    float dot = 0;
    for (size_t i = 0; i < d_head; i++)
        dot += q[i] * k[i];
    return dot / sqrtf((float)d_head);
}

// One head looks at the first `rows` rows of the ring: a sum has no order, so
// that nobody needs to know where the ring begins.
static void attend(const WindowCache *cache, size_t rows, size_t head,
                   const float *q, float *y, float *score) {
    size_t d_head = cache->d_head, width = cache->n_heads * d_head;
    const float *keys = cache->keys + head * d_head;
    const float *values = cache->values + head * d_head;

    // The scores, and the largest.
    float most = -INFINITY, sum = 0;
    for (size_t s = 0; s < rows; s++) {
        score[s] = score_of(q, keys + s * width, d_head);
        most = score[s] > most ? score[s] : most;
    }

    // y = sum_s exp(score_s - most) v_s / sum_s exp(score_s - most)
    for (size_t i = 0; i < d_head; i++)
        y[i] = 0;
    for (size_t s = 0; s < rows; s++) {
        float p = expf(score[s] - most);
        sum += p;
        for (size_t i = 0; i < d_head; i++)
            y[i] += p * values[s * width + i];
    }
    for (size_t i = 0; i < d_head; i++)
        y[i] /= sum;
}

void window_step(WindowCache *cache, const float *q, const float *k,
                 const float *v, float *y, float *score) {
    size_t width = cache->n_heads * cache->d_head;

    // The new token takes the place of the one that leaves the window.
    size_t row = cache->position % cache->window;
    memcpy(cache->keys + row * width, k, width * sizeof *k);
    memcpy(cache->values + row * width, v, width * sizeof *v);
    cache->position++;

    size_t rows =
        cache->position < cache->window ? cache->position : cache->window;
    for (size_t head = 0; head < cache->n_heads; head++)
        attend(cache, rows, head, q + head * cache->d_head,
               y + head * cache->d_head, score);
}
