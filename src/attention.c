#include "attention.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "exponential.h"
#include "matmul.h"

// A tile has so many keys and queries, enough for a product near the machine's
// best rate, and its scores stay in the cache. On the diagonal it is cut into
// strips of queries. QUERIES is no more than KEYS, and each a multiple of the
// next, so that a row of scores never ends within 2 LANES.
enum { KEYS = 256, QUERIES = 256, STRIP = 32, LANES = 16 };

// Less work than this, in multiplications and additions, is not worth waking
// threads for.
enum { LEAST_WORK = 1 << 18 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// --- Queries and their scores -----------------------------------------------

// Some queries of one head, one after the other, and all that they may look at.
// Rows begin at q, k, v and y, `stride` apart.
typedef struct {
    size_t first, rows;  // tokens: first .. first + rows - 1
    size_t d_head, stride;
    const float *q;      // the first of these rows
    const float *k, *v;  // token 0 of the head
    float *y;            // the first of these rows
} Queries;

// A block of a head: up to QUERIES queries from token `first` on.
static Queries block_at(const Attention *a, size_t head, size_t first) {
    size_t stride = a->n_heads * a->d_head, column = head * a->d_head;
    return (Queries){.first = first,
                     .rows = least(QUERIES, a->length - first),
                     .d_head = a->d_head,
                     .stride = stride,
                     .q = a->q + first * stride + column,
                     .k = a->k + column,
                     .v = a->v + column,
                     .y = a->y + first * stride + column};
}

// The strip of a block that begins r rows further on.
static Queries strip_of(const Queries *block, size_t r) {
    Queries strip = *block;
    strip.first += r;
    strip.rows = least(STRIP, block->rows - r);
    strip.q += r * block->stride;
    strip.y += r * block->stride;
    return strip;
}

static void clear(const Queries *of) {
    for (size_t t = 0; t < of->rows; t++)
        memset(of->y + t * of->stride, 0, of->d_head * sizeof *of->y);
}

// The scores of n keys from token s on, into `score`, whose rows are `width`
// apart. They are in base 2, that is times log2(e): e^x = 2^(x log2(e)), and
// powers of two cost less.
static void find_scores(const Queries *of, size_t s, size_t n, float *score,
                        size_t width) {
    // score_{t,s} = q_t . k_s / sqrt(d_head)
    float scale = 1.44269504f / sqrtf((float)of->d_head);
    matmul_tile(true, of->rows, of->d_head, n, scale, of->q, of->stride,
                of->k + s * of->stride, of->stride, 0, score, width);
}

// y_t += sum_s p_{t,s} v_s, over n keys from token s on.
static void add_values(const Queries *of, size_t s, size_t n, const float *p,
                       size_t width) {
    if (n > 0)
        matmul_tile(false, of->rows, n, of->d_head, 1, p, width,
                    of->v + s * of->stride, of->stride, 1, of->y, of->stride);
}

// --- On the diagonal --------------------------------------------------------

// How many scores row t of a block has among the block's own keys: up to the
// end of its strip, the masked ones with the others.
static size_t own_scores(size_t t) {
    return (t / STRIP + 1) * STRIP;
}

// The scores of a block for its own keys. The mask: token t does not look at
// later ones, whose scores are -infinity, and their exponentials 0. Only within
// a strip there are such scores; what lies further right is not even computed.
static void find_own_scores(const Queries *block, float *score, size_t width) {
    for (size_t r = 0; r < block->rows; r += STRIP) {
        Queries strip = strip_of(block, r);
        find_scores(&strip, block->first, r + strip.rows, score + r * width,
                    width);
        for (size_t t = r; t < r + strip.rows; t++)
            for (size_t s = t + 1; s < r + STRIP; s++)
                score[t * width + s] = -INFINITY;
    }
}

// y += p v, of n numbers.
static void add_scaled(float *restrict y, float p, const float *restrict v,
                       size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] += p * v[i];
}

// y_t += sum_{s <= t} p_{t,s} v_s, over a strip's own keys. The others are no
// part of the sum: 0 times a value that is NaN would be NaN.
static void add_triangle(const Queries *strip, const float *p, size_t width) {
    const float *v = strip->v + strip->first * strip->stride;
    for (size_t t = 0; t < strip->rows; t++)
        for (size_t s = 0; s <= t; s++)
            add_scaled(strip->y + t * strip->stride, p[t * width + s],
                       v + s * strip->stride, strip->d_head);
}

// The same over all of a block's own keys.
static void add_own_values(const Queries *block, const float *p, size_t width) {
    for (size_t r = 0; r < block->rows; r += STRIP) {
        Queries strip = strip_of(block, r);
        add_values(&strip, block->first, r, p + r * width, width);
        add_triangle(&strip, p + r * width + r, width);
    }
}

// --- Exponentials -----------------------------------------------------------

// Loops over a row of scores take 2 LANES at a time, which compilers turn into
// vectors: two, so that one does not wait for the other.
enum { PAIR = 2 * LANES };

// The largest of n scores and of `most`; n is a multiple of PAIR. NaN is not
// looked at here: its exponential is NaN as well.
static float largest_score(const float *score, size_t n, float most) {
    float lane[PAIR];
    for (size_t i = 0; i < PAIR; i++)
        lane[i] = most;
    for (size_t s = 0; s < n; s += PAIR)
        for (size_t i = 0; i < PAIR; i++)
            lane[i] = score[s + i] > lane[i] ? score[s + i] : lane[i];
    for (size_t i = 0; i < LANES; i++)
        lane[i] = lane[i + LANES] > lane[i] ? lane[i + LANES] : lane[i];
    for (size_t i = 0; i < 8; i++)
        lane[i] = lane[i + 8] > lane[i] ? lane[i + 8] : lane[i];
    for (size_t i = 0; i < 4; i++)
        lane[i] = lane[i + 4] > lane[i] ? lane[i + 4] : lane[i];
    for (size_t i = 0; i < 4; i++)
        most = lane[i] > most ? lane[i] : most;
    return most;
}

// The sum of LANES partial sums, in the order of a tree.
static float sum_lanes(float *lane) {
    for (size_t i = 0; i < 8; i++)
        lane[i] += lane[i + 8];
    for (size_t i = 0; i < 4; i++)
        lane[i] += lane[i + 4];
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

// Each of n scores becomes 2^(score - most); n is a multiple of PAIR. Returns
// their sum.
static float exponentials(float *score, size_t n, float most) {
    float lane[PAIR] = {0};
    for (size_t s = 0; s < n; s += PAIR)
        for (size_t i = 0; i < PAIR; i++) {
            score[s + i] = power_of_two(score[s + i] - most);
            lane[i] += score[s + i];
        }
    for (size_t i = 0; i < LANES; i++)
        lane[i] += lane[i + LANES];
    return sum_lanes(lane);
}

double attention_flops(const Attention *attention) {
    double L = (double)attention->length;
    return 4 * (double)attention->d_head * (double)attention->n_heads * L *
           (L + 1) / 2;
}

// --- As textbooks write it --------------------------------------------------

// Rows of scores are so wide: whole strips.
static size_t score_width(const Attention *a) {
    return (a->length + STRIP - 1) / STRIP * STRIP;
}

size_t attention_textbook_workspace(const Attention *a) {
    return a->length * score_width(a) * sizeof(float);
}

// p_{t,s} = exp(score_{t,s}) / sum_r exp(score_{t,r}), for each row of a block.
// Subtracting the largest score changes no quotient, and nothing overflows.
static void softmax(const Queries *block, float *score, size_t width) {
    for (size_t t = 0; t < block->rows; t++) {
        float *row = score + t * width;
        size_t n = block->first + own_scores(t);
        float most = largest_score(row, n, -FLT_MAX);
        float sum = exponentials(row, n, most);
        for (size_t s = 0; s < n; s++)
            row[s] /= sum;
    }
}

void attention_textbook(const Attention *a, void *workspace) {
    float *score = workspace;  // (L, width): of one head at a time
    size_t width = score_width(a);
    for (size_t head = 0; head < a->n_heads; head++) {
        // All scores.
#pragma omp parallel for schedule(dynamic) if (a->length > QUERIES)
        for (size_t t = 0; t < a->length; t += QUERIES) {
            Queries block = block_at(a, head, t);
            find_scores(&block, 0, t, score + t * width, width);
            find_own_scores(&block, score + t * width + t, width);
        }
        // All probabilities.
#pragma omp parallel for schedule(dynamic) if (a->length > QUERIES)
        for (size_t t = 0; t < a->length; t += QUERIES) {
            Queries block = block_at(a, head, t);
            softmax(&block, score + t * width, width);
        }
        // All results.
#pragma omp parallel for schedule(dynamic) if (a->length > QUERIES)
        for (size_t t = 0; t < a->length; t += QUERIES) {
            Queries block = block_at(a, head, t);
            clear(&block);
            add_values(&block, 0, t, score + t * width, width);
            add_own_values(&block, score + t * width + t, width);
        }
    }
}

// --- In tiles ---------------------------------------------------------------

// The scores of one tile, and of each row what is known of the tiles so far:
// the largest score, and the sum of 2^(score - most).
typedef struct {
    _Alignas(64) float score[QUERIES * KEYS];
    float most[QUERIES], sum[QUERIES];
} Tile;

const size_t attention_tile_bytes = sizeof(Tile);

// n more scores of each row, `width` apart, become exponentials. Where one of
// them is larger than all before, what was added up so far is too large, and is
// corrected:
//
//     m'   = max(m, max_s score_s)
//     sum' = 2^(m - m') sum + sum_s 2^(score_s - m')
//     y'   = 2^(m - m') y   + sum_s 2^(score_s - m') v_s
//
// The last sum is left for the caller.
static void online_softmax(const Queries *of, float *score, size_t width,
                           size_t n, float *most, float *sum) {
    for (size_t t = 0; t < of->rows; t++) {
        float *row = score + t * width, *y = of->y + t * of->stride;
        float before = most[t];
        most[t] = largest_score(row, n, before);
        float correction = power_of_two(before - most[t]);
        sum[t] = correction * sum[t] + exponentials(row, n, most[t]);
        for (size_t i = 0; i < of->d_head; i++)
            y[i] *= correction;
    }
}

// The last tile of a block, which the diagonal runs through.
static void attend_diagonal(const Queries *block, Tile *tile) {
    find_own_scores(block, tile->score, KEYS);
    for (size_t r = 0; r < block->rows; r += STRIP) {
        Queries strip = strip_of(block, r);
        online_softmax(&strip, tile->score + r * KEYS, KEYS, own_scores(r),
                       tile->most + r, tile->sum + r);
    }
    add_own_values(block, tile->score, KEYS);
}

// All that a block may look at, tile by tile.
static void attend(const Queries *block, Tile *tile) {
    clear(block);
    for (size_t t = 0; t < block->rows; t++)
        tile->most[t] = -FLT_MAX, tile->sum[t] = 0;
    for (size_t s = 0; s < block->first; s += KEYS) {
        size_t n = least(KEYS, block->first - s);
        find_scores(block, s, n, tile->score, KEYS);
        online_softmax(block, tile->score, KEYS, n, tile->most, tile->sum);
        add_values(block, s, n, tile->score, KEYS);
    }
    attend_diagonal(block, tile);
    for (size_t t = 0; t < block->rows; t++)
        for (size_t i = 0; i < block->d_head; i++)
            block->y[t * block->stride + i] /= tile->sum[t];
}

void attention_blocked(const Attention *a) {
    size_t blocks = (a->length + QUERIES - 1) / QUERIES;
    // The last queries have most to look at, and come first, so that at the end
    // no thread waits long for another.
#pragma omp parallel for schedule(dynamic) if (attention_flops(a) > LEAST_WORK)
    for (size_t task = 0; task < blocks * a->n_heads; task++) {
        Tile tile;
        size_t from_end = task / a->n_heads, head = task % a->n_heads;
        Queries block = block_at(a, head, (blocks - 1 - from_end) * QUERIES);
        attend(&block, &tile);
    }
}

// --- One token --------------------------------------------------------------

// The tokens of a cache are cut into pieces that threads share, of at least
// LEAST_PIECE tokens and at most MOST_PIECES of them: enough for many threads,
// and a workspace that does not grow. Within a piece STRIP tokens at a time are
// looked at.
enum { LEAST_PIECE = 64, MOST_PIECES = 64 };

static size_t piece_length(size_t length) {
    size_t tokens = (length + MOST_PIECES - 1) / MOST_PIECES;
    return tokens > LEAST_PIECE ? tokens : LEAST_PIECE;
}

size_t attention_cache_bytes(size_t n_heads, size_t d_head, size_t tokens) {
    return 2 * tokens * n_heads * d_head * sizeof(float);
}

// What a piece found: for each head y (d_head), most and sum as in a tile; and
// room for a strip of scores.
typedef struct {
    float *y;           // (n_heads, d_head)
    float *most, *sum;  // (n_heads)
    float *score;       // (n_heads, STRIP)
} Piece;

static size_t piece_size(size_t n_heads, size_t d_head) {
    return n_heads * (d_head + 2 + STRIP);
}

static Piece piece_at(const AttentionCache *cache, float *workspace, size_t i) {
    size_t n_heads = cache->n_heads, width = n_heads * cache->d_head;
    float *y = workspace + i * piece_size(n_heads, cache->d_head);
    return (Piece){.y = y,
                   .most = y + width,
                   .sum = y + width + n_heads,
                   .score = y + width + 2 * n_heads};
}

size_t attention_step_workspace(size_t n_heads, size_t d_head) {
    return MOST_PIECES * piece_size(n_heads, d_head) * sizeof(float);
}

// x . y, of n numbers.
static float dot_product(const float *x, const float *y, size_t n) {
    float lane[LANES] = {0}, rest = 0;
    size_t whole = n / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] += x[i + j] * y[i + j];
    for (size_t i = whole; i < n; i++)
        rest += x[i] * y[i];
    return sum_lanes(lane) + rest;
}

// The scores of n tokens from s on, at most STRIP; behind them -infinity.
static void score_keys(const AttentionCache *cache, const float *q, size_t s,
                       size_t n, float *score) {
    size_t d_head = cache->d_head, width = cache->n_heads * d_head;
    float scale = 1.44269504f / sqrtf((float)d_head);
    for (size_t i = 0; i < cache->n_heads * STRIP; i++)
        score[i] = -INFINITY;
    for (size_t i = 0; i < n; i++)
        for (size_t head = 0; head < cache->n_heads; head++) {
            const float *k = cache->keys + (s + i) * width + head * d_head;
            score[head * STRIP + i] =
                scale * dot_product(q + head * d_head, k, d_head);
        }
}

// y += sum_s p_s v_s, over n tokens from s on, for each head.
static void add_cached_values(const AttentionCache *cache, const float *p,
                              size_t s, size_t n, float *y) {
    size_t d_head = cache->d_head, width = cache->n_heads * d_head;
    for (size_t i = 0; i < n; i++)
        for (size_t head = 0; head < cache->n_heads; head++) {
            const float *v = cache->values + (s + i) * width + head * d_head;
            add_scaled(y + head * d_head, p[head * STRIP + i], v, d_head);
        }
}

// The new token looks at the tokens from begin to end.
static void attend_piece(const AttentionCache *cache, const float *q,
                         size_t begin, size_t end, const Piece *piece) {
    Queries heads = {.rows = cache->n_heads,
                     .d_head = cache->d_head,
                     .stride = cache->d_head,
                     .y = piece->y};
    clear(&heads);
    for (size_t head = 0; head < cache->n_heads; head++)
        piece->most[head] = -FLT_MAX, piece->sum[head] = 0;
    for (size_t s = begin; s < end; s += STRIP) {
        size_t n = least(STRIP, end - s);
        score_keys(cache, q, s, n, piece->score);
        online_softmax(&heads, piece->score, STRIP, STRIP, piece->most,
                       piece->sum);
        add_cached_values(cache, piece->score, s, n, piece->y);
    }
}

// The pieces are put together as the tiles are: each is corrected to the
// largest score of all.
static void join_pieces(const AttentionCache *cache, float *workspace,
                        size_t pieces, size_t head, float *y) {
    size_t d_head = cache->d_head;
    float most = -FLT_MAX, sum = 0;
    for (size_t i = 0; i < pieces; i++) {
        float its = piece_at(cache, workspace, i).most[head];
        most = its > most ? its : most;
    }
    for (size_t j = 0; j < d_head; j++)
        y[j] = 0;
    for (size_t i = 0; i < pieces; i++) {
        Piece piece = piece_at(cache, workspace, i);
        float correction = power_of_two(piece.most[head] - most);
        sum += correction * piece.sum[head];
        add_scaled(y, correction, piece.y + head * d_head, d_head);
    }
    for (size_t j = 0; j < d_head; j++)
        y[j] /= sum;
}

void attention_step(AttentionCache *cache, const float *q, const float *k,
                    const float *v, float *y, void *workspace) {
    size_t width = cache->n_heads * cache->d_head;
    assert(cache->length < cache->capacity);
    memcpy(cache->keys + cache->length * width, k, width * sizeof *k);
    memcpy(cache->values + cache->length * width, v, width * sizeof *v);
    size_t length = ++cache->length, tokens = piece_length(length);
    size_t pieces = (length + tokens - 1) / tokens;
#pragma omp parallel for schedule(static) if (length * width > LEAST_WORK)
    for (size_t i = 0; i < pieces; i++) {
        Piece piece = piece_at(cache, workspace, i);
        attend_piece(cache, q, i * tokens, least(length, (i + 1) * tokens),
                     &piece);
    }
    for (size_t head = 0; head < cache->n_heads; head++)
        join_pieces(cache, workspace, pieces, head, y + head * cache->d_head);
}

// --- In double precision ----------------------------------------------------

// q_t . k_s / sqrt(d_head), of one head.
static double score_in_double(const Attention *a, size_t t, size_t s,
                              size_t head) {
    const float *q = a->q + (t * a->n_heads + head) * a->d_head;
    const float *k = a->k + (s * a->n_heads + head) * a->d_head;
    double dot = 0;
    for (size_t i = 0; i < a->d_head; i++)
        dot += (double)q[i] * k[i];
    return dot / sqrt((double)a->d_head);
}

void attention_in_double(const Attention *a, double *y) {
    for (size_t t = 0; t < a->length; t++)
        for (size_t head = 0; head < a->n_heads; head++) {
            double *row = y + (t * a->n_heads + head) * a->d_head;
            double most = -INFINITY, sum = 0;
            for (size_t s = 0; s <= t; s++)
                most = fmax(most, score_in_double(a, t, s, head));
            for (size_t i = 0; i < a->d_head; i++)
                row[i] = 0;
            for (size_t s = 0; s <= t; s++) {
                const float *v = a->v + (s * a->n_heads + head) * a->d_head;
                double p = exp(score_in_double(a, t, s, head) - most);
                sum += p;
                for (size_t i = 0; i < a->d_head; i++)
                    row[i] += p * v[i];
            }
            for (size_t i = 0; i < a->d_head; i++)
                row[i] /= sum;
        }
}
