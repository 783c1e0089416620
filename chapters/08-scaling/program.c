// Chapter 8: attention by hand, in tiles and one token at a time, counted and
// measured beside the scan, and got wrong.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention.h"
#include "attention_trial.h"
#include "benchmark.h"
#include "machine.h"
#include "measure.h"
#include "memory.h"
#include "options.h"
#include "random.h"
#include "report.h"
#include "scan_trial.h"

// What the command line may change.
typedef struct {
    size_t length, n_heads, d_head;  // of the attentions that are compared
    size_t d_inner, d_state;         // of the scan that is counted
    uint64_t seed;
    size_t longest;  // text that is timed
    bool full;       // measure as long as `minimamba bench` does
    const char *tsv;
} Settings;

// --- By hand ----------------------------------------------------------------

// Three tokens with vectors of two numbers. Queries are multiples of sqrt(2)
// and keys of ln 2, so that every exp(q . k / sqrt(2)) is a power of two.
enum { HAND_TOKENS = 3, HAND_D = 2 };
static const float root = 1.41421356f, ln_2 = 0.693147181f;

typedef struct {
    float q[HAND_TOKENS * HAND_D], k[HAND_TOKENS * HAND_D];
    float v[HAND_TOKENS * HAND_D];
} Hand;

// The rows of q / sqrt(2), k / ln 2 and v.
static const Hand hand_units = {.q = {1, 0, 1, 1, 1, 2},
                                .k = {1, 0, 0, 1, 2, 0},
                                .v = {10, 0, 0, 10, 5, 5}};

static Hand hand_make(void) {
    Hand hand = hand_units;
    for (size_t i = 0; i < HAND_TOKENS * HAND_D; i++)
        hand.q[i] *= root, hand.k[i] *= ln_2;
    return hand;
}

static void print_hand_inputs(void) {
    printf("%5s%16s%14s%10s\n", "t", "q / sqrt(2)", "k / ln 2", "v");
    for (size_t t = 0; t < HAND_TOKENS; t++) {
        const float *q = hand_units.q + t * HAND_D;
        const float *k = hand_units.k + t * HAND_D;
        const float *v = hand_units.v + t * HAND_D;
        printf("%5zu%12g%4g%10g%4g%7g%3g\n", t + 1, (double)q[0], (double)q[1],
               (double)k[0], (double)k[1], (double)v[0], (double)v[1]);
    }
}

// Row t: exp(score) of every key that it may look at, their sum, and y.
static void print_hand_row(const Hand *hand, size_t t, double *y) {
    double sum = 0, part[HAND_D] = {0, 0};
    printf("%5zu", t + 1);
    for (size_t s = 0; s < HAND_TOKENS; s++) {
        // score = q_t . k_s / sqrt(2)
        double score = 0;
        for (size_t i = 0; i < HAND_D; i++)
            score += (double)hand->q[t * HAND_D + i] * hand->k[s * HAND_D + i];
        double e = exp(score / sqrt(2));
        if (s > t) {
            printf("%8s", "-");
            continue;
        }
        printf("%8.4g", e);
        sum += e;
        for (size_t i = 0; i < HAND_D; i++)
            part[i] += e * hand->v[s * HAND_D + i];
    }
    printf("%8.4g", sum);
    for (size_t i = 0; i < HAND_D; i++) {
        y[t * HAND_D + i] = part[i] / sum;
        printf("%8.4g", y[t * HAND_D + i]);
    }
    printf("\n");
}

static bool by_hand(Error *err) {
    Hand hand = hand_make();
    float found[HAND_TOKENS * HAND_D];
    double y[HAND_TOKENS * HAND_D], worst = 0;
    section("by-hand", "Attention on paper");
    printf("One head with d_head = 2. The units are chosen so that exp(score) "
           "is a power\nof two: a score is a product of rows, times ln 2.\n\n");
    print_hand_inputs();
    printf("\nexp(score) for the key of each token up to t, their sum, and "
           "y_t, the values\nweighted with exp(score) / sum:\n\n");
    printf("%5s%8s%8s%8s%8s%8s%8s\n", "t", "key 1", "key 2", "key 3", "sum",
           "y_1", "y_2");
    for (size_t t = 0; t < HAND_TOKENS; t++)
        print_hand_row(&hand, t, y);
    Attention a = {.length = HAND_TOKENS,
                   .n_heads = 1,
                   .d_head = HAND_D,
                   .q = hand.q,
                   .k = hand.k,
                   .v = hand.v,
                   .y = found};
    attention_blocked(&a);
    for (size_t i = 0; i < HAND_TOKENS * HAND_D; i++)
        worst = larger(worst, fabs(found[i] - y[i]));
    printf("\nThe first token has only itself to look at. The second fits both "
           "keys alike, and\ngets the mean of their values.\n");
    return check_below("Largest difference of attention_blocked() from this y",
                       worst, 1e-5, err);
}

// --- The softmax in tiles, by hand ------------------------------------------

// One row of four scores, ln 1, ln 4, ln 8 and ln 2, and a number as the value
// of each key, in two tiles of two keys.
enum { ROW_KEYS = 4, ROW_TILE = 2 };
static const double row_e[ROW_KEYS] = {1, 4, 8, 2};
static const double row_v[ROW_KEYS] = {16, 8, 4, 2};

// What is known of a row after some of its tiles: e^most is printed, not most.
typedef struct {
    double most, sum, y;
} Running;

// Takes one more tile of n scores and their values into account. Where
// `corrected` is not, it forgets what a new largest score means for the rest.
static Running take_tile(Running before, const double *score, const double *v,
                         size_t n, bool corrected) {
    // m' = max(m, scores)
    Running after = before;
    for (size_t s = 0; s < n; s++)
        after.most = fmax(after.most, score[s]);
    // What was added up with e^(-m) in it wants e^(-m') instead.
    double correction = corrected ? exp(before.most - after.most) : 1;
    after.sum *= correction;
    after.y *= correction;
    for (size_t s = 0; s < n; s++) {
        double p = exp(score[s] - after.most);
        after.sum += p;
        after.y += p * v[s];
    }
    return after;
}

static const Running nothing = {.most = -INFINITY, .sum = 0, .y = 0};

static bool online(Error *err) {
    double score[ROW_KEYS], all = 0, wanted = 0;
    section("online", "The softmax, tile by tile");
    printf("One row of four scores, in two tiles of two keys:\n\n");
    printf("%14s%8s%8s%8s%8s\n", "key", "1", "2", "3", "4");
    printf("%14s", "exp(score)");
    for (size_t s = 0; s < ROW_KEYS; s++)
        printf("%8g", row_e[s]);
    printf("\n%14s", "value");
    for (size_t s = 0; s < ROW_KEYS; s++) {
        score[s] = log(row_e[s]);
        all += row_e[s];
        wanted += row_e[s] * row_v[s];
        printf("%8g", row_v[s]);
    }
    printf("\n\nAll at once: y = %g / %g = %g. In tiles, m is the largest "
           "score so far, and the\nsums are of exp(score - m):\n\n",
           wanted, all, wanted / all);
    printf("%14s%10s%14s%10s%10s%10s\n", "", "exp(m)", "correction", "sum",
           "sum of pv", "y");
    Running row = nothing;
    for (size_t s = 0; s < ROW_KEYS; s += ROW_TILE) {
        double before = row.most;
        row = take_tile(row, score + s, row_v + s, ROW_TILE, true);
        printf("  after tile %zu%10g%14g%10g%10g%10g\n", s / ROW_TILE + 1,
               exp(row.most), exp(before - row.most), row.sum, row.y,
               row.y / row.sum);
    }
    printf("\nTile 2 has a larger score, and exp(m) doubles. All that tile 1 "
           "left was divided\nby the old exp(m) and wants the new one: it is "
           "halved, and tile 2 is added.\n");
    return check_below("Difference of the y in tiles from the y at once",
                       fabs(row.y / row.sum - wanted / all), 1e-12, err);
}

// --- Operations and bytes, counted ------------------------------------------

// What a token costs: multiplications, exponentials, and bytes that are kept of
// all tokens before it.
typedef struct {
    double multiplications, exps, bytes;
} Cost;

// Of a scan. For each state Delta A, a h, (Delta u) B and C h, and exp(Delta
// A); for each channel Delta u and D u.
static Cost scan_cost(double d_inner, double d_state) {
    return (Cost){.multiplications = d_inner * (4 * d_state + 2),
                  .exps = d_inner * d_state,
                  .bytes = d_inner * d_state * sizeof(float)};
}

// Of attention, for a token that looks at `context` tokens. For each of them
// and each number of a head one multiplication for the score and one for the
// value, and for each head one exponential.
static Cost attention_cost(double n_heads, double d_head, double context) {
    return (Cost){.multiplications = 2 * n_heads * d_head * context,
                  .exps = n_heads * context,
                  .bytes = (double)attention_cache_bytes(
                      (size_t)n_heads, (size_t)d_head, (size_t)context)};
}

static void print_cost(const char *name, Cost cost) {
    printf("  %-26s%16.0f%12.0f%14.0f\n", name, cost.multiplications, cost.exps,
           cost.bytes);
}

static bool counted_table(const Settings *settings, Error *err) {
    Table table;
    if (!table_begin(&table, settings->tsv, "counted.tsv",
                     "context\tscan\tattention\tscan_bytes\tattention_bytes",
                     err))
        return false;
    double H = (double)settings->n_heads, d = (double)settings->d_head;
    Cost scan = scan_cost((double)settings->d_inner, (double)settings->d_state);
    for (double context = 1; context <= 131072; context *= 2) {
        Cost attention = attention_cost(H, d, context);
        table_row(&table,
                  (double[]){context, scan.multiplications,
                             attention.multiplications, scan.bytes,
                             attention.bytes},
                  5);
    }
    return table_end(&table, err);
}

// Attention's costs are proportional to the context: where do they reach the
// scan's?
static void print_crossings(Cost scan, Cost one_token) {
    printf("\nAttention costs as much as the scan where the context, in "
           "tokens, is\n\n");
    value("equal-multiplications",
          scan.multiplications / one_token.multiplications, 4);
    value("equal-exps", scan.exps / one_token.exps, 4);
    value("equal-bytes", scan.bytes / one_token.bytes, 4);
}

static bool counted(const Settings *settings, Error *err) {
    static const double contexts[] = {32, 512, 2048, 131072};
    double H = (double)settings->n_heads, d = (double)settings->d_head;
    Cost scan = scan_cost((double)settings->d_inner, (double)settings->d_state);
    section("counted", "A token, counted");
    printf("What one token costs a scan with d_inner %zu, N %zu, and causal "
           "attention with\n%zu heads of %zu that looks at so many tokens. "
           "Neither has its projections here:\n\n",
           settings->d_inner, settings->d_state, settings->n_heads,
           settings->d_head);
    printf("  %-26s%16s%12s%14s\n", "", "multiplications", "exps",
           "bytes kept");
    print_cost("scan", scan);
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
        char name[40];
        snprintf(name, sizeof name, "attention, context %.0f", contexts[i]);
        print_cost(name, attention_cost(H, d, contexts[i]));
    }
    print_crossings(scan, attention_cost(H, d, 1));
    printf("\nIn letters, at a context of t tokens:\n\n"
           "  multiplications  d_inner (4 N + 2)  against  2 n_heads d_head t\n"
           "  exps             d_inner N          against  n_heads t\n"
           "  numbers kept     d_inner N          against  2 n_heads d_head t"
           "\n\n"
           "Over a whole text of L tokens the context is L / 2 on average: two "
           "prompts cost\nthe same at twice these lengths.\n");
    return counted_table(settings, err);
}

// --- What must be stored ----------------------------------------------------

static void stored(const Settings *settings) {
    section("stored", "Scores that are stored, and scores that are not");
    printf("Bytes that each attention needs besides its inputs and its result, "
           "for a text of\nL tokens; the blocked one for each thread:\n\n");
    printf("%10s%20s%14s%18s\n", "L", "textbook", "blocked", "keys and values");
    for (size_t L = 128; L <= 131072; L *= 4) {
        Attention a = {.length = L,
                       .n_heads = settings->n_heads,
                       .d_head = settings->d_head};
        printf("%10zu%20zu%14zu%18zu\n", L, attention_textbook_workspace(&a),
               attention_tile_bytes,
               attention_cache_bytes(a.n_heads, a.d_head, L));
    }
    printf("\n");
    value("tile-bytes", (double)attention_tile_bytes, 9);
}

// --- All agree --------------------------------------------------------------

// Random queries, keys and values, and room for results.
typedef struct {
    Attention a;
    float *numbers;   // q, k, v, y
    double *truth;    // (L, n_heads, d_head)
    void *workspace;  // of the textbook's, or of a step
} Example;

static void example_free(Example *example) {
    release(example->numbers);
    release(example->truth);
    release(example->workspace);
}

static bool example_make(Example *example, const Settings *settings,
                         Error *err) {
    *example = (Example){.a = {.length = settings->length,
                               .n_heads = settings->n_heads,
                               .d_head = settings->d_head}};
    Attention *a = &example->a;
    size_t count = a->length * a->n_heads * a->d_head;
    size_t textbook = attention_textbook_workspace(a);
    size_t step = attention_step_workspace(a->n_heads, a->d_head);
    example->numbers = allocate(count, 4 * sizeof(float), "an example", err);
    example->truth = example->numbers
                         ? allocate(count, sizeof(double), "its truth", err)
                         : NULL;
    example->workspace =
        example->truth
            ? allocate(textbook > step ? textbook : step, 1, "its scores", err)
            : NULL;
    if (!example->workspace) {
        example_free(example);
        return false;
    }
    Random random = random_from_seed(settings->seed);
    for (size_t i = 0; i < 3 * count; i++)
        example->numbers[i] = (float)random_normal(&random, 0, 1);
    a->q = example->numbers;
    a->k = a->q + count;
    a->v = a->k + count;
    a->y = example->numbers + 3 * count;
    return true;
}

// The largest difference of y from the truth; y is then spoilt, so that nobody
// can pass with another's result.
static double example_error(Example *example) {
    const Attention *a = &example->a;
    size_t count = a->length * a->n_heads * a->d_head;
    double worst = 0;
    for (size_t i = 0; i < count; i++) {
        worst = larger(worst, fabs(a->y[i] - example->truth[i]));
        a->y[i] = NAN;
    }
    return worst;
}

// Every token alone, through a cache that grows.
static bool run_steps(Example *example, Error *err) {
    const Attention *a = &example->a;
    size_t width = a->n_heads * a->d_head;
    float *room =
        allocate(a->length * width, 2 * sizeof *room, "keys and values", err);
    if (!room)
        return false;
    AttentionCache cache = {.n_heads = a->n_heads,
                            .d_head = a->d_head,
                            .capacity = a->length,
                            .keys = room,
                            .values = room + a->length * width};
    for (size_t t = 0; t < a->length; t++)
        attention_step(&cache, a->q + t * width, a->k + t * width,
                       a->v + t * width, a->y + t * width, example->workspace);
    release(room);
    return true;
}

static bool agree(const Settings *settings, Error *err) {
    Example example;
    section("agree", "Three programs, one formula");
    printf("Random numbers, L %zu, %zu heads of %zu, against the formula in "
           "double precision:\n\n",
           settings->length, settings->n_heads, settings->d_head);
    if (!example_make(&example, settings, err))
        return false;
    attention_in_double(&example.a, example.truth);
    attention_textbook(&example.a, example.workspace);
    bool ok = check_below("Largest error of attention_textbook()",
                          example_error(&example), 1e-5, err);
    if (ok) {
        attention_blocked(&example.a);
        ok = check_below("Largest error of attention_blocked()",
                         example_error(&example), 1e-5, err);
    }
    ok = ok && run_steps(&example, err) &&
         check_below("Largest error of attention_step(), token by token",
                     example_error(&example), 1e-5, err);
    example_free(&example);
    return ok;
}

// --- A mistake: exponentials of the scores themselves -----------------------

// The softmax weight of one of two equal scores, in float32: a half.
static double weight(float score, float subtracted) {
    float e = expf(score - subtracted);
    return e / (e + e);
}

static void mistake_overflow(void) {
    static const float scores[] = {1, 80, 89, 1000, -80, -105};
    section("mistake-overflow", "A mistake seen: the softmax as it is written");
    printf("Two keys with the same score share the weight: 1/2 each. In "
           "float32:\n\n");
    printf("%10s%14s%24s%20s\n", "score", "exp(score)", "exp(score) / sum",
           "largest subtracted");
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        double naive = weight(scores[i], 0);
        printf("%10g%14.3g", (double)scores[i], (double)expf(scores[i]));
        if (isnan(naive))
            printf("%24s", "not a number");
        else
            printf("%24g", naive);
        printf("%20g\n", weight(scores[i], scores[i]));
    }
    printf("\nAbove 88.7 exp() is infinite, and infinity / infinity is no "
           "number; below -104\nit is 0, and 0 / 0 is none either. "
           "Subtracting the largest score multiplies all\nexponentials by the "
           "same factor, which changes no quotient.\n");
}

// --- A mistake: no correction -----------------------------------------------

enum { MISTAKE_KEYS = 64, MISTAKE_TILE = 16 };

// How the scores of the row are ordered.
typedef enum { LARGEST_FIRST, LARGEST_LAST, ANY_ORDER, ORDERS } Order;
static const char *const order_names[ORDERS] = {
    "the largest score first", "the largest score last", "in any order"};

// The error of y for one random row, with and without the correction.
static double row_error(Order order, bool corrected, uint64_t seed) {
    double score[MISTAKE_KEYS], v[MISTAKE_KEYS], wanted = 0, sum = 0;
    Random random = random_from_seed(seed);
    size_t most = 0;
    for (size_t s = 0; s < MISTAKE_KEYS; s++) {
        score[s] = random_normal(&random, 0, 3);
        v[s] = random_uniform(&random, -1, 1);
        most = score[s] > score[most] ? s : most;
    }
    size_t place = order == LARGEST_FIRST  ? 0
                   : order == LARGEST_LAST ? MISTAKE_KEYS - 1
                                           : most;
    double swapped = score[place];
    score[place] = score[most];
    score[most] = swapped;
    for (size_t s = 0; s < MISTAKE_KEYS; s++) {
        wanted += exp(score[s]) * v[s];
        sum += exp(score[s]);
    }
    Running row = nothing;
    for (size_t s = 0; s < MISTAKE_KEYS; s += MISTAKE_TILE)
        row = take_tile(row, score + s, v + s, MISTAKE_TILE, corrected);
    return fabs(row.y / row.sum - wanted / sum);
}

static bool mistake_correction(const Settings *settings, Error *err) {
    enum { ROWS = 1000 };
    double worst = 0;
    section("mistake-correction", "A mistake seen: forgetting the correction");
    printf("%d rows of %d random scores, in tiles of %d keys, values between "
           "-1 and 1. The\nmean error of y where tiles are added up without "
           "the correction:\n\n",
           ROWS, MISTAKE_KEYS, MISTAKE_TILE);
    for (Order order = LARGEST_FIRST; order < ORDERS; order++) {
        double wrong = 0;
        for (uint64_t i = 0; i < ROWS; i++) {
            uint64_t seed = settings->seed + i;
            wrong += row_error(order, false, seed) / ROWS;
            worst = larger(worst, row_error(order, true, seed));
        }
        if (wrong < 1e-12)
            printf("  %-28s%16s\n", order_names[order], "below 1e-12");
        else
            printf("  %-28s%16.2g\n", order_names[order], wrong);
    }
    printf(
        "\nNothing looks wrong about such a y: it is a mean of values, with "
        "weights that\nare positive and sum to one. And where the first tile "
        "has the largest score, it\nis right. A test needs rows whose largest "
        "score comes late.\n");
    return check_below("Largest error with the correction", worst, 1e-12, err);
}

// --- Measured ---------------------------------------------------------------

// One scan and two attentions of the same length and, with 24 heads of 64 and
// 1536 channels, of the same width; and a matrix product beside them.
enum { SCAN, BLOCKED, TEXTBOOK, PRODUCT, RIVALS };
typedef struct {
    ScanTrial scan;
    ScanRun run;
    AttentionTrial attention;
    Product product;
} Rivals;

static void rivals_free(Rivals *rivals) {
    product_free(&rivals->product);
    attention_trial_free(&rivals->attention);
    scan_run_free(&rivals->run);
    scan_trial_free(&rivals->scan);
}

static bool rivals_new(Rivals *rivals, const Settings *settings, size_t length,
                       Error *err) {
    enum { SIDE = 1024 };
    memset(rivals, 0, sizeof *rivals);
    const ScanBackend *cpu = scan_backend("cpu", err);
    return cpu &&
           scan_trial_new(&rivals->scan, length, settings->d_inner,
                          settings->d_state, err) &&
           scan_run_new(&rivals->run, &rivals->scan, cpu, 0, err) &&
           attention_trial_new(&rivals->attention, length, settings->n_heads,
                               true, err) &&
           product_new(&rivals->product, SIDE, SIDE, SIDE, err);
}

// The seconds that each takes for a text of this length; the product as if it
// had as many multiplications as attention.
static bool time_rivals(const Settings *settings, size_t length,
                        double seconds[RIVALS], Error *err) {
    Rivals rivals;
    Timing timings[RIVALS];
    const Work works[RIVALS] = {
        [SCAN] = {scan_run, &rivals.run},
        [BLOCKED] = {attention_blocked_run, &rivals.attention},
        [TEXTBOOK] = {attention_textbook_run, &rivals.attention},
        [PRODUCT] = {product_run, &rivals.product}};
    bool ok = rivals_new(&rivals, settings, length, err) &&
              measure(timings, works, RIVALS, 0.4, err);
    for (size_t i = 0; ok && i < RIVALS; i++)
        seconds[i] = timings[i].median;
    if (ok)
        seconds[PRODUCT] *= attention_flops(&rivals.attention.attention) /
                            product_flops(&rivals.product);
    rivals_free(&rivals);
    return ok;
}

static bool timing(const Settings *settings, Error *err) {
    double seconds[RIVALS] = {0}, faster_from = NAN;
    section_measured("timing", "The scan against attention");
    printf("Microseconds for each token of a text of L tokens. Scan: d_inner "
           "%zu, N %zu.\nAttention: %zu heads of %d. Least: what its "
           "multiplications would take at\nthe rate of a large matrix "
           "product.\n\n",
           settings->d_inner, settings->d_state, settings->n_heads, TRIAL_HEAD);
    printf("%10s%12s%12s%12s%12s\n", "L", "scan", "blocked", "textbook",
           "least");
    for (size_t L = 64; L <= settings->longest; L *= 4) {
        if (!time_rivals(settings, L, seconds, err))
            return false;
        printf("%10zu", L);
        for (size_t i = 0; i < RIVALS; i++)
            printf("%12.3g", 1e6 * seconds[i] / (double)L);
        printf("\n");
        if (!(seconds[SCAN] < seconds[BLOCKED]))
            faster_from = NAN;
        else if (isnan(faster_from))
            faster_from = (double)L;
    }
    printf("\nFrom which of these lengths on the scan is faster; and in the "
           "last row, blocked\nover scan, textbook over blocked, least over "
           "blocked:\n");
    value("scan-faster-from", faster_from, 6);
    value("blocked-over-scan", seconds[BLOCKED] / seconds[SCAN], 2);
    value("textbook-over-blocked", seconds[TEXTBOOK] / seconds[BLOCKED], 2);
    value("least-over-blocked", seconds[PRODUCT] / seconds[BLOCKED], 2);
    return true;
}

// --- Where the lines cross --------------------------------------------------

enum { CROSS_STATES = 3, CROSS_LENGTHS = 7, CROSS_SHORTEST = 32 };
static const size_t cross_states[CROSS_STATES] = {4, 16, 64};

// How many times as long as each scan attention takes, for a text of L tokens,
// with one thread: of the shortest times, since short works are easily
// disturbed.
static bool time_ratios(const Settings *settings, size_t L,
                        double ratio[CROSS_STATES], Error *err) {
    enum { ATTENTION = CROSS_STATES, WORKS };
    const ScanBackend *cpu = scan_backend("cpu", err);
    AttentionTrial attention = {.numbers = NULL};
    ScanTrial trials[CROSS_STATES] = {{.numbers = NULL}};
    ScanRun runs[CROSS_STATES] = {{.workspace = NULL}};
    Work works[WORKS] = {[ATTENTION] = {attention_blocked_run, &attention}};
    Timing timings[WORKS];
    bool ok = cpu != NULL &&
              attention_trial_new(&attention, L, settings->n_heads, false, err);
    for (size_t i = 0; ok && i < CROSS_STATES; i++) {
        ok = scan_trial_new(&trials[i], L, settings->d_inner, cross_states[i],
                            err) &&
             scan_run_new(&runs[i], &trials[i], cpu, 1, err);
        works[i] = (Work){scan_run, &runs[i]};
    }
    size_t threads = threads_use(1);
    ok = ok && measure(timings, works, WORKS, 0.2, err);
    threads_use(threads);
    for (size_t i = 0; i < CROSS_STATES; i++) {
        if (ok)
            ratio[i] = timings[ATTENTION].least / timings[i].least;
        scan_run_free(&runs[i]);
        scan_trial_free(&trials[i]);
    }
    attention_trial_free(&attention);
    return ok;
}

// The length at which attention takes `times` as long as the scan, of n
// lengths, on the straight line between two of them, in logarithms; 0 where it
// does already for the shortest, infinity where it never does.
static double crossing(const double ratio[CROSS_LENGTHS], size_t n,
                       double times) {
    if (ratio[0] >= times)
        return 0;
    for (size_t i = 1; i < n; i++)
        if (ratio[i] >= times) {
            double way =
                log(times / ratio[i - 1]) / log(ratio[i] / ratio[i - 1]);
            return CROSS_SHORTEST * exp2((double)i - 1 + way);
        }
    return INFINITY;
}

// Two digits of it, since more would be another run's.
static void print_crossing(double length) {
    if (length == 0)
        printf("%8s%4d", "below", CROSS_SHORTEST);
    else if (isinf(length))
        printf("%12s", "not seen");
    else {
        double unit = pow(10, floor(log10(length)) - 1);
        printf("%12.0f", round(length / unit) * unit);
    }
}

static bool crossings(const Settings *settings, Error *err) {
    double ratios[CROSS_STATES][CROSS_LENGTHS];
    section_measured("crossings", "Where the lines cross");
    printf("The length of a text for which both take as long, with one thread. "
           "Counted: 11 N.\nIn a model two blocks, each with a scan twice as "
           "wide as attention, stand for one\nlayer: four times the "
           "scan.\n\n");
    size_t lengths = 0;
    for (size_t L = CROSS_SHORTEST;
         lengths < CROSS_LENGTHS && L <= settings->longest; L *= 2, lengths++) {
        double ratio[CROSS_STATES];
        if (!time_ratios(settings, L, ratio, err))
            return false;
        for (size_t n = 0; n < CROSS_STATES; n++)
            ratios[n][lengths] = ratio[n];
    }
    printf("%5s%12s%12s%20s%12s\n", "N", "counted", "measured",
           "in a model, counted", "measured");
    for (size_t n = 0; n < CROSS_STATES; n++) {
        printf("%5zu%12zu", cross_states[n], 11 * cross_states[n]);
        print_crossing(crossing(ratios[n], lengths, 1));
        printf("%20zu", 44 * cross_states[n]);
        print_crossing(crossing(ratios[n], lengths, 4));
        printf("\n");
    }
    return true;
}

// Those of `minimamba bench` that this chapter is about; their tables go where
// the others go.
static bool benchmarked(const Settings *settings, Error *err) {
    static const char *const names[] = {"context", "scaling", "roofline"};
    Bench bench = bench_new(!settings->full);
    bench.directory = settings->tsv;
    size_t n = settings->full ? sizeof names / sizeof *names : 1;
    for (size_t i = 0; i < n; i++)
        if (!benchmark_run(&bench, names[i], err))
            return false;
    return true;
}

// --- The command line -------------------------------------------------------

static int read_settings(Settings *settings, int argc, char **argv) {
    const Option options[] = {
        {"length", 0, OPTION_COUNT, &settings->length, "L",
         "tokens of the comparison (600)", 1, 8192},
        {"n-heads", 0, OPTION_COUNT, &settings->n_heads, "H",
         "heads of attention (24)", 1, 128},
        {"d-head", 0, OPTION_COUNT, &settings->d_head, "D",
         "numbers in each head (64)", 1, 1024},
        {"d-inner", 0, OPTION_COUNT, &settings->d_inner, "D",
         "channels of the scan that is counted (1536)", 1, 65536},
        {"d-state", 0, OPTION_COUNT, &settings->d_state, "N",
         "states of it (16)", 1, 1024},
        {"longest", 0, OPTION_COUNT, &settings->longest, "L",
         "tokens of the longest text that is timed (4096)", 64, 32768},
        {"seed", 0, OPTION_SEED, &settings->seed, "S",
         "what the random numbers start from (1)", 0, 0},
        {"full", 0, OPTION_FLAG, &settings->full, NULL,
         "more of what `minimamba bench` measures, and longer", 0, 0},
        {"tsv", 0, OPTION_TEXT, &settings->tsv, "DIR",
         "write the tables for the figures there", 0, 0},
    };
    const CommandLine line = {.program = "chapter8",
                              .summary = "The scan against attention.",
                              .options = options,
                              .n_options = sizeof options / sizeof *options};
    return options_parse(&line, argc, argv, NULL);
}

int main(int argc, char **argv) {
    Settings settings = {.length = 600,
                         .n_heads = 24,
                         .d_head = 64,
                         .d_inner = 1536,
                         .d_state = 16,
                         .longest = 4096,
                         .seed = 1};
    int status = read_settings(&settings, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    bool ok = by_hand(&err) && online(&err) && counted(&settings, &err);
    if (ok)
        stored(&settings);
    ok = ok && agree(&settings, &err);
    if (ok)
        mistake_overflow();
    ok = ok && mistake_correction(&settings, &err) && timing(&settings, &err) &&
         crossings(&settings, &err) && benchmarked(&settings, &err);
    return report_end("chapter8", ok, &err);
}
