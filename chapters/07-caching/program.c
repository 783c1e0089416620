// Chapter 7's program: what a model remembers of a text, used, kept, forked,
// and got wrong.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"
#include "checkpoint.h"
#include "clock.h"
#include "conv1d.h"
#include "generation.h"
#include "linear.h"
#include "loss.h"
#include "memory.h"
#include "options.h"
#include "random.h"
#include "report.h"
#include "tokenizer.h"

enum { BYTE_VALUES = 256, CHUNK = 128 };

// What the command line may change.
typedef struct {
    const char *model;   // a directory; NULL: built in
    const char *prompt;  // what the model continues
    size_t n_tokens;     // by how many bytes
    SamplingOptions sampling;
    const char *text;  // a file, for the mistakes
    size_t longest;    // context that is timed
    const char *tsv;
} Settings;

// What several sections use.
typedef struct {
    const Settings *settings;
    const ScanBackend *backend;
    Model model;
    size_t V;         // its padded vocabulary
    int32_t *prompt;  // (n_prompt)
    size_t n_prompt;
    int32_t *text;  // (n_text)
    size_t n_text;
} Given;

// --- Small tools ------------------------------------------------------------

// A row that says that a difference is below its bound. Where it is not, the
// program ends.
static bool check(const char *what, double difference, double bound,
                  Error *err) {
    if (!(difference < bound))
        return fail(err, "%s: wanted below %g, found %g", what, bound,
                    difference);
    printf("  %-28s below %g\n", what, bound);
    return true;
}

static double root_mean_square(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return n ? sqrt(sum / (double)n) : 0;
}

// A byte as it may be printed: itself, "\n", "\x80", or "' '".
typedef struct {
    char text[8];
} Shown;

static Shown show_byte(int32_t byte) {
    Shown shown;
    if (byte == '\n')
        snprintf(shown.text, sizeof shown.text, "\\n");
    else if (byte > ' ' && byte <= '~')
        snprintf(shown.text, sizeof shown.text, "%c", (char)byte);
    else if (byte == ' ')
        snprintf(shown.text, sizeof shown.text, "' '");
    else
        snprintf(shown.text, sizeof shown.text, "\\x%02x", (unsigned)byte);
    return shown;
}

// Text of tokens on lines of their own, quoted, with \n and \x80 for what
// cannot be printed.
static void print_text(const int32_t *tokens, size_t n) {
    enum { WIDTH = 72 };
    size_t column = 0;
    printf("    \"");
    for (size_t i = 0; i < n; i++) {
        const char *shown = tokens[i] == ' ' ? " " : show_byte(tokens[i]).text;
        if (column + strlen(shown) > WIDTH) {
            printf("\n     ");
            column = 0;
        }
        column += (size_t)printf("%s", shown);
    }
    printf("\"\n");
}

static bool new_session(Session *session, const Given *given, size_t batch,
                        Error *err) {
    return session_new(session, &given->model, batch, CHUNK, given->backend,
                       err);
}

// The probabilities softmax(logits), (n).
static void softmax(double *p, const float *logits, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = exp(-cross_entropy(logits, n, (int32_t)i));
}

// How far two distributions are apart: the total variation distance, half the
// sum of |p - q|; 0 for the same, 1 for nothing in common.
static double distance(const float *logits, const float *others, size_t n) {
    double p[BYTE_VALUES], q[BYTE_VALUES], sum = 0;
    softmax(p, logits, n);
    softmax(q, others, n);
    for (size_t i = 0; i < n; i++)
        sum += fabs(p[i] - q[i]);
    return sum / 2;
}

// The greedy continuation (n) of what a session has read. logits are those
// after its last token, and are used up.
static bool write_greedily(Session *session, float *logits, int32_t *tokens,
                           size_t n, Error *err) {
    for (size_t i = 0; i < n; i++) {
        tokens[i] = best_token(logits, session->model->config.vocab_size);
        if (!session_feed(session, &tokens[i], 1, logits, 1, err))
            return false;
    }
    return true;
}

// --- The state and its bytes ------------------------------------------------

static void print_state(const char *name, const char *letters, size_t a,
                        size_t b) {
    const size_t shape[] = {a, b};
    char numbers[64];
    shape_text(numbers, sizeof numbers, shape, 2);
    printf("  %-11s %-16s %-12s %8zu %8zu\n", name, letters, numbers, a * b,
           a * b * sizeof(float));
}

static void state_bytes(const Given *given) {
    const Config *config = &given->model.config;
    size_t d_inner = config_d_inner(config), N = config->d_state;
    size_t K = config->d_conv, layers = config->n_layer;
    section("state-bytes", "All that a model remembers of a text");
    printf("For each sequence, in each of %zu layers:\n\n", layers);
    printf("  %-11s %-16s %-12s %8s %8s\n", "state", "shape", "", "numbers",
           "bytes");
    print_state("conv_state", "(K-1, d_inner)", K - 1, d_inner);
    print_state("ssm_state", "(d_inner, N)", d_inner, N);
    printf("\n");
    value("state-bytes", (double)cache_bytes(config), 12);
    printf("\nconv_state holds the last K-1 inputs of the convolution,\n"
           "ssm_state the h of every channel. That is all, after a\n"
           "sentence as after a million tokens.\n");
}

// The published models (Gu and Dao 2023).
typedef struct {
    const char *name;
    size_t n_layer, d_model;
} Published;

static const Published published[] = {{"130m", 24, 768},
                                      {"370m", 48, 1024},
                                      {"790m", 48, 1536},
                                      {"1.4b", 48, 2048},
                                      {"2.8b", 64, 2560}};
static const size_t n_published = sizeof published / sizeof *published;

// Attention keeps a key and a value, d_model numbers each, of every token in
// every layer.
static double key_value_bytes(const Config *config, double tokens) {
    return tokens * 2 * (double)config->n_layer * (double)config->d_model *
           sizeof(float);
}

static const double megabyte = 1e6;
static const double contexts[] = {64, 2048, 131072};
static const size_t n_contexts = sizeof contexts / sizeof *contexts;

// One model's state, beside the keys and values of so many attention layers.
static void print_state_row(const char *name, const Config *config) {
    double state = (double)cache_bytes(config);
    printf("  %-5s %7zu %8zu %8.2f", name, config->n_layer, config->d_model,
           state / megabyte);
    for (size_t i = 0; i < n_contexts; i++)
        printf(" %10.1f", key_value_bytes(config, contexts[i]) / megabyte);
    printf(" %10.0f\n", state / key_value_bytes(config, 1));
}

static bool state_table(const Given *given, Error *err) {
    const Config *config = &given->model.config;
    Table table;
    if (!table_begin(&table, given->settings->tsv, "state-bytes.tsv",
                     "tokens\tstate_bytes\tkey_value_bytes", err))
        return false;
    for (double tokens = 1; tokens <= 1048576; tokens *= 2) {
        double row[] = {tokens, (double)cache_bytes(config),
                        key_value_bytes(config, tokens)};
        table_row(&table, row, 3);
    }
    return table_end(&table, err);
}

static bool against_attention(const Given *given, Error *err) {
    const Config *own = &given->model.config;
    section("against-attention", "The state against a key-value cache");
    printf("Megabytes for one sequence, in float32. Attention of the\n"
           "same width and depth keeps a key and a value of every\n"
           "token. `equal at` is where they are as large as the state.\n\n");
    printf("  %33s%s\n", "", "after so many tokens:");
    printf("  model n_layer  d_model    state");
    for (size_t i = 0; i < n_contexts; i++)
        printf(" %10.0f", contexts[i]);
    printf("   equal at\n");
    print_state_row("ours", own);
    for (size_t i = 0; i < n_published; i++) {
        Config config = config_default();
        config.n_layer = published[i].n_layer;
        config.d_model = published[i].d_model;
        print_state_row(published[i].name, &config);
    }
    double tokens = (double)cache_bytes(own) / key_value_bytes(own, 1);
    printf("\n");
    value("equal-at-tokens", tokens, 3);
    value("equal-at-tokens-half-as-deep", 2 * tokens, 3);
    printf("\nThey are equal at expand (N + K-1) / 2 tokens, whatever the\n"
           "width and the depth. A transformer of as many parameters\n"
           "has about half as many attention layers, between its MLPs:\n"
           "then it is twice as far.\n");
    return state_table(given, err);
}

// --- Cutting changes nothing ------------------------------------------------

// Reads the tokens in pieces of the given lengths, over and over, and keeps
// every logit (n, V).
static bool read_in_pieces(Session *session, const int32_t *tokens, size_t n,
                           const size_t *lengths, size_t n_lengths,
                           float *logits, Error *err) {
    size_t V = config_padded_vocab_size(&session->model->config);
    session_reset(session);
    for (size_t t = 0, piece = 0, step; t < n; t += step, piece++) {
        step = lengths[piece % n_lengths];
        step = step < n - t ? step : n - t;
        if (!session_feed(session, tokens + t, step, logits + t * V, step, err))
            return false;
    }
    return true;
}

enum { CUT_TOKENS = 96, CUTS = 4, MOST_PIECES = 5 };

static const struct {
    const char *name;
    size_t lengths[MOST_PIECES], n;
} cuts[CUTS] = {{"one token at a time", {1}, 1},
                {"chunks of 7", {7}, 1},
                {"1, 2, 3, 5, 8, 1, 2 ..", {1, 2, 3, 5, 8}, 5},
                {"a prompt of 40, then steps", {40, 1, 1, 1, 1}, 5}};

// Logits are about 10 in size, and float32 has 7 digits.
static const double logit_bound = 1e-4;

// Each cut against the whole; logits and others hold CUT_TOKENS rows.
static bool compare_cuts(Session *session, const int32_t *tokens, float *logits,
                         float *others, Error *err) {
    size_t V = config_padded_vocab_size(&session->model->config);
    const size_t whole = CUT_TOKENS;
    if (!read_in_pieces(session, tokens, CUT_TOKENS, &whole, 1, logits, err))
        return false;
    for (size_t i = 0; i < CUTS; i++) {
        if (!read_in_pieces(session, tokens, CUT_TOKENS, cuts[i].lengths,
                            cuts[i].n, others, err) ||
            !check(cuts[i].name,
                   largest_difference(logits, others, CUT_TOKENS * V),
                   logit_bound, err))
            return false;
    }
    return true;
}

// A prompt of n tokens and then the rest in one call, against the whole.
static bool compare_short_prompts(Session *session, const int32_t *tokens,
                                  const float *logits, float *others,
                                  Error *err) {
    size_t V = config_padded_vocab_size(&session->model->config);
    for (size_t n = 0; n <= session->model->shape.d_conv && n <= 4; n++) {
        char what[64];
        snprintf(what, sizeof what, "a prompt of %zu", n);
        session_reset(session);
        if (!session_feed(session, tokens, n, others, n, err) ||
            !session_feed(session, tokens + n, CUT_TOKENS - n, others + n * V,
                          CUT_TOKENS - n, err) ||
            !check(what, largest_difference(logits, others, CUT_TOKENS * V),
                   logit_bound, err))
            return false;
    }
    return true;
}

static bool cutting(const Given *given, Error *err) {
    size_t V = given->V;
    Session session = {0};
    float *logits = allocate(2 * CUT_TOKENS, V * sizeof *logits, "logits", err);
    bool ok = logits && new_session(&session, given, 1, err);
    if (ok) {
        section("cuts", "Cutting a text changes nothing");
        printf("%d bytes are read in one call, and then in pieces. The\n"
               "largest difference of any of the %zu logits:\n\n",
               CUT_TOKENS, CUT_TOKENS * V);
        ok = compare_cuts(&session, given->text, logits,
                          logits + CUT_TOKENS * V, err);
    }
    if (ok) {
        printf("\nThe same where the first call, the prompt, is shorter\n"
               "than the convolution's %zu taps:\n\n",
               given->model.shape.d_conv);
        ok = compare_short_prompts(&session, given->text, logits,
                                   logits + CUT_TOKENS * V, err);
    }
    if (ok)
        printf("\nThere is one code path. A prompt, a chunk and a single\n"
               "token are calls of it with a different length.\n");
    session_free(&session);
    release(logits);
    return ok;
}

// --- Sampling ---------------------------------------------------------------

static const struct {
    const char *name;
    SamplingOptions options;
} ways[] = {
    {"greedy", {.temperature = 0, .top_p = 1}},
    {"temperature 0.5", {.temperature = 0.5, .top_p = 1}},
    {"temperature 1", {.temperature = 1, .top_p = 1}},
    {"temperature 1.5", {.temperature = 1.5, .top_p = 1}},
    {"temperature 1, top_k 5", {.temperature = 1, .top_k = 5, .top_p = 1}},
    {"temperature 1, top_p 0.9", {.temperature = 1, .top_p = 0.9}}};
static const size_t n_ways = sizeof ways / sizeof *ways;

// What a way of sampling leaves of a distribution.
typedef struct {
    size_t candidates;  // how many may be drawn
    double mass;        // the probability that they had together
    double best;        // the best one's probability now
    double entropy;     // in bits, now
} Draw;

static int descending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static double sum_of(const double *p, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

// How many of the ranked p (n) stay: the top_k best, and of these as many as it
// takes to reach top_p of their sum.
static size_t candidates_left(const double *p, size_t n,
                              const SamplingOptions *options) {
    size_t k = options->top_k && options->top_k < n ? options->top_k : n;
    if (options->temperature == 0)
        return 1;
    double wanted = options->top_p * sum_of(p, k), sum = 0;
    size_t kept = 0;
    while (kept < k && (kept == 0 || sum < wanted))
        sum += p[kept++];
    return options->top_p < 1 ? kept : k;
}

static Draw describe_draw(const float *logits, size_t n,
                          const SamplingOptions *options) {
    double p[BYTE_VALUES], warm[BYTE_VALUES];
    double temperature = options->temperature > 0 ? options->temperature : 1;
    double best = logits[best_token(logits, n)];
    for (size_t i = 0; i < n; i++)
        warm[i] = exp((logits[i] - best) / temperature);
    softmax(p, logits, n);
    qsort(p, n, sizeof *p, descending);
    qsort(warm, n, sizeof *warm, descending);

    Draw draw = {.candidates = candidates_left(warm, n, options)};
    double sum = sum_of(warm, draw.candidates);
    draw.mass = sum_of(p, draw.candidates);
    draw.best = warm[0] / sum;
    for (size_t i = 0; i < draw.candidates; i++)
        draw.entropy -= warm[i] > 0 ? warm[i] / sum * log2(warm[i] / sum) : 0;
    return draw;
}

static void print_draw(const char *name, const float *logits, size_t n,
                       const SamplingOptions *options) {
    Draw draw = describe_draw(logits, n, options);
    printf("  %-26s %10zu %12.3f %10.3f %9.2f\n", name, draw.candidates,
           draw.mass, draw.best, fabs(draw.entropy));
}

static void candidates(const Given *given, const float *logits) {
    size_t n = given->model.config.vocab_size;
    section("candidates", "What each setting leaves to chance");
    printf("The next byte after the prompt. `candidates` may be drawn;\n"
           "`had` is the probability that the model gives them,\n"
           "`best now` that of the likeliest when all is done, and\n"
           "`entropy` the bits of chance that remain.\n\n");
    printf("  %-26s %10s %12s %10s %9s\n", "setting", "candidates", "had",
           "best now", "entropy");
    for (size_t i = 0; i < n_ways; i++)
        print_draw(ways[i].name, logits, n, &ways[i].options);
    print_draw("yours", logits, n, &given->settings->sampling);
    printf("\nA temperature below 1 sharpens the distribution, one above\n"
           "1 flattens it. top_k cuts after a number of candidates,\n"
           "top_p after a share of the probability.\n");
}

// What a way of sampling makes of five words whose probabilities are easy to
// halve.
static void print_words(const char *name, const double *p, size_t n,
                        const SamplingOptions *options) {
    double weights[8];
    double temperature = options->temperature > 0 ? options->temperature : 1;
    for (size_t i = 0; i < n; i++)
        weights[i] = pow(p[i], 1 / temperature);
    size_t kept = candidates_left(weights, n, options);
    double sum = sum_of(weights, kept);
    printf("  %-26s", name);
    for (size_t i = 0; i < n; i++)
        if (i < kept)
            printf(" %6.3f", weights[i] / sum);
        else
            printf(" %6s", "-");
    printf("\n");
}

static void by_hand(void) {
    static const double p[] = {8 / 16., 4 / 16., 2 / 16., 1 / 16., 1 / 16.};
    static const struct {
        const char *name;
        SamplingOptions options;
    } settings[] = {
        {"as the model says", {.temperature = 1, .top_p = 1}},
        {"greedy", {.temperature = 0, .top_p = 1}},
        {"temperature 0.5", {.temperature = 0.5, .top_p = 1}},
        {"temperature 2", {.temperature = 2, .top_p = 1}},
        {"top_k 2", {.temperature = 1, .top_k = 2, .top_p = 1}},
        {"top_p 0.7", {.temperature = 1, .top_p = 0.7}},
        {"top_k 2, top_p 0.6", {.temperature = 1, .top_k = 2, .top_p = 0.6}},
        {"temperature 0.5, top_p 0.7", {.temperature = 0.5, .top_p = 0.7}}};
    section("sampling-by-hand", "Five words, and what each setting leaves");
    printf("  %-26s %6s %6s %6s %6s %6s\n", "setting", "the", "a", "his", "no",
           "all");
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        print_words(settings[i].name, p, sizeof p / sizeof *p,
                    &settings[i].options);
}

// Draws many times: how often each of the best candidates comes.
static bool draws(const Given *given, const float *logits, Error *err) {
    enum { DRAWS = 5000, SHOWN = 5 };
    size_t n = given->model.config.vocab_size, drawn[BYTE_VALUES] = {0};
    SamplingOptions options = {.temperature = 1, .top_k = SHOWN, .top_p = 1};
    Sampler sampler;
    options.seed = given->settings->sampling.seed;
    if (!sampler_new(&sampler, options, n, err))
        return false;
    for (size_t i = 0; i < DRAWS; i++)
        drawn[sample(&sampler, logits)]++;
    section("draws", "The sampler draws what the probabilities say");
    printf("%d draws with temperature 1 and top_k %d:\n\n"
           "   byte   probability    drawn\n",
           DRAWS, SHOWN);
    double sum = 0;
    for (size_t i = 0; i < SHOWN && i < n; i++)
        sum += sampler.candidates[i].weight;
    size_t others = DRAWS;
    for (size_t i = 0; i < SHOWN && i < n; i++) {
        const Candidate *candidate = &sampler.candidates[i];
        others -= drawn[candidate->token];
        printf("  %5s   %11.2f   %6.2f\n", show_byte(candidate->token).text,
               candidate->weight / sum,
               (double)drawn[candidate->token] / DRAWS);
    }
    printf("\n");
    value("draws-of-others", (double)others, 6);
    sampler_free(&sampler);
    return true;
}

// Ids above the vocabulary are padding. Here they get the largest logits.
static bool padding_draws(const Given *given, Error *err) {
    enum { DRAWS = 1000, VOCABULARY = 61, PADDED = 64 };
    float logits[PADDED];
    Sampler sampler;
    SamplingOptions options = {.temperature = 1, .top_p = 1};
    options.seed = given->settings->sampling.seed;
    for (size_t i = 0; i < PADDED; i++)
        logits[i] = i < VOCABULARY ? 0 : 100;
    if (!sampler_new(&sampler, options, VOCABULARY, err))
        return false;
    size_t padding = 0;
    for (size_t i = 0; i < DRAWS; i++)
        padding += sample(&sampler, logits) >= VOCABULARY;
    printf("\nA vocabulary of %d, padded to %d, where the padding has a\n"
           "logit of %g and all else %g. Of %d draws:\n",
           VOCABULARY, PADDED, (double)logits[VOCABULARY], (double)logits[0],
           DRAWS);
    value("draws-of-padding", (double)padding, 6);
    sampler_free(&sampler);
    return true;
}

// --- Texts ------------------------------------------------------------------

// Reads the prompt and writes n tokens; bits is what the model itself would
// have needed for each, in the mean.
static bool write_text(const Given *given, SamplingOptions options,
                       int32_t *tokens, size_t n, double *bits, Error *err) {
    Session session = {0};
    Sampler sampler = {0};
    Generation generation = {0};
    double nats = 0;
    bool ok =
        new_session(&session, given, 1, err) &&
        sampler_new(&sampler, options, given->model.config.vocab_size, err) &&
        generation_new(&generation, &session, &sampler, err) &&
        generation_read(&generation, given->prompt, given->n_prompt, err);
    float before[BYTE_VALUES];
    for (size_t i = 0; ok && i < n; i++) {
        memcpy(before, generation.logits, given->V * sizeof *before);
        ok = generation_next(&generation, &tokens[i], err);
        if (ok)
            nats += cross_entropy(before, given->V, tokens[i]);
    }
    *bits = n ? bits_from_nats(nats / (double)n) : 0;
    generation_free(&generation);
    sampler_free(&sampler);
    session_free(&session);
    return ok;
}

static bool print_way(const Given *given, const char *name,
                      SamplingOptions options, int32_t *tokens, Error *err) {
    double bits;
    if (!write_text(given, options, tokens, given->settings->n_tokens, &bits,
                    err))
        return false;
    printf("  %s: %.2f bits per byte\n", name, bits);
    print_text(tokens, given->settings->n_tokens);
    return true;
}

static bool texts(const Given *given, Error *err) {
    const Settings *settings = given->settings;
    int32_t *tokens =
        allocate(settings->n_tokens, sizeof *tokens, "a text", err);
    if (!tokens)
        return false;
    section("texts", "One prompt, several ways to go on");
    printf("The prompt:\n");
    print_text(given->prompt, given->n_prompt);
    printf("\nWhat the model writes, seed %llu, and how surprised it is by\n"
           "it, -log2 of the probability of what was drawn:\n\n",
           (unsigned long long)settings->sampling.seed);
    bool ok = true;
    for (size_t i = 0; ok && i < n_ways; i++) {
        SamplingOptions options = ways[i].options;
        options.seed = settings->sampling.seed;
        ok = print_way(given, ways[i].name, options, tokens, err);
    }
    char yours[96];
    snprintf(yours, sizeof yours, "yours (temperature %g, top_k %zu, top_p %g)",
             settings->sampling.temperature, settings->sampling.top_k,
             settings->sampling.top_p);
    ok = ok && print_way(given, yours, settings->sampling, tokens, err);
    release(tokens);
    return ok;
}

static bool sampling(const Given *given, Error *err) {
    Session session;
    float logits[BYTE_VALUES];
    if (!new_session(&session, given, 1, err))
        return false;
    bool ok =
        session_feed(&session, given->prompt, given->n_prompt, logits, 1, err);
    session_free(&session);
    if (!ok)
        return false;
    by_hand();
    candidates(given, logits);
    return draws(given, logits, err) && padding_draws(given, err) &&
           texts(given, err);
}

// --- Keeping a state in a file ----------------------------------------------

// A directory of our own for files that shall not stay.
static bool temporary_directory(char path[PATH_BYTES], Error *err) {
    const char *parent = getenv("TMPDIR");
    if (!path_join(path, parent && *parent ? parent : "/tmp",
                   "minimamba-XXXXXX", err))
        return false;
    if (!mkdtemp(path))
        return fail(err, "%s: wanted to make this directory, found: %s", path,
                    strerror(errno));
    return true;
}

static bool print_state_file(const char *path, Error *err) {
    Safetensors file;
    if (!safetensors_open(&file, path, err))
        return false;
    printf("The file has %zu bytes. Its tensors, of the layers only the\n"
           "first one's:\n\n",
           file.view.size);
    for (size_t i = 0; i < file.count; i++) {
        const Tensor *tensor = &file.tensors[i];
        char shape[64];
        if (strncmp(tensor->name, "layers.", 7) == 0 &&
            strncmp(tensor->name, "layers.0.", 9) != 0)
            continue;
        shape_text(shape, sizeof shape, tensor->shape, tensor->rank);
        printf("  %-22s %-4s %s\n", tensor->name,
               tensor_type_name(tensor->type), shape);
    }
    safetensors_close(&file);
    return true;
}

// Two sessions read the same last token and write on.
static bool write_both(const Given *given, Session *session, Session *restored,
                       Error *err) {
    enum { MOST = 60 };
    int32_t tokens[2][MOST];
    size_t n = given->settings->n_tokens;
    n = n < MOST ? n : MOST;
    float logits[BYTE_VALUES];
    Session *sessions[2] = {session, restored};
    for (size_t i = 0; i < 2; i++)
        if (!session_feed(sessions[i], given->prompt + given->n_prompt - 1, 1,
                          logits, 1, err) ||
            !write_greedily(sessions[i], logits, tokens[i], n, err))
            return false;
    printf("\nThe session that went on:\n");
    print_text(tokens[0], n);
    printf("The session that was restored:\n");
    print_text(tokens[1], n);
    printf("\n");
    value("bytes-that-differ",
          (double)(memcmp(tokens[0], tokens[1], n * sizeof **tokens) != 0), 1);
    return true;
}

// The file is refused by a session of another shape.
static bool refuse(const Given *given, const char *path, Error *err) {
    Session two;
    Error refusal = {"nothing"};
    if (!new_session(&two, given, 2, err))
        return false;
    cache_restore(&two, path, &refusal);
    session_free(&two);
    const char *message = refusal.text;
    if (strncmp(message, path, strlen(path)) == 0)
        message += strlen(path) + 2;
    printf("\nA session of two sequences refuses the file:\n  %s\n", message);
    return true;
}

static bool save_and_restore(const Given *given, const char *path, Error *err) {
    Session session = {0}, restored = {0};
    size_t n = given->n_prompt - 1;
    bool ok = new_session(&session, given, 1, err) &&
              new_session(&restored, given, 1, err) &&
              session_feed(&session, given->prompt, n, NULL, 0, err) &&
              cache_save(&session, path, err) && print_state_file(path, err) &&
              cache_restore(&restored, path, err);
    if (ok) {
        printf("\n");
        value("position-restored", (double)restored.position, 9);
        ok = write_both(given, &session, &restored, err) &&
             refuse(given, path, err);
    }
    session_free(&session);
    session_free(&restored);
    return ok;
}

static bool saving(const Given *given, Error *err) {
    char directory[PATH_BYTES], path[PATH_BYTES];
    section("saving", "A state kept in a file");
    printf("The model reads the prompt without its last byte, and the\n"
           "state is saved. A new session restores it; both read the\n"
           "last byte and go on. (One byte is kept back because logits\n"
           "come of reading, and are not in the file.)\n\n");
    if (!temporary_directory(directory, err))
        return false;
    bool ok = path_join(path, directory, "state.safetensors", err) &&
              save_and_restore(given, path, err);
    unlink(path);
    rmdir(directory);
    return ok;
}

// --- One prompt, several continuations --------------------------------------

enum { FORKS = 4, FORK_TOKENS = 60 };

// A batch of FORKS sequences goes on, each with a sampler of its own.
static bool write_forks(Session *batch, Sampler *samplers, float *logits,
                        int32_t tokens[FORKS][FORK_TOKENS], Error *err) {
    size_t V = config_padded_vocab_size(&batch->model->config);
    for (size_t t = 0; t < FORK_TOKENS; t++) {
        int32_t next[FORKS];
        for (size_t i = 0; i < FORKS; i++)
            next[i] = tokens[i][t] = sample(&samplers[i], logits + i * V);
        if (!session_feed(batch, next, 1, logits, 1, err))
            return false;
    }
    return true;
}

// Reads the prompt once and copies the state and the logits to all.
static bool fork_prompt(const Given *given, Session *batch, float *logits,
                        Error *err) {
    Session one;
    size_t V = given->V;
    if (!new_session(&one, given, 1, err))
        return false;
    bool ok =
        session_feed(&one, given->prompt, given->n_prompt, logits, 1, err);
    for (size_t i = 0; ok && i < FORKS; i++) {
        cache_fork(batch, i, &one, 0);
        memmove(logits + i * V, logits, V * sizeof *logits);
    }
    session_free(&one);
    return ok;
}

static SamplingOptions fork_options(const Given *given, size_t i) {
    SamplingOptions options = given->settings->sampling;
    options.seed += i;
    return options;
}

// Prints each continuation, and counts those that a session of its own writes
// as well.
static bool print_forks(const Given *given, int32_t tokens[FORKS][FORK_TOKENS],
                        Error *err) {
    size_t same = 0;
    for (size_t i = 0; i < FORKS; i++) {
        int32_t alone[FORK_TOKENS];
        double bits;
        SamplingOptions options = fork_options(given, i);
        if (!write_text(given, options, alone, FORK_TOKENS, &bits, err))
            return false;
        same += memcmp(alone, tokens[i], sizeof alone) == 0;
        printf("  seed %llu\n", (unsigned long long)options.seed);
        print_text(tokens[i], FORK_TOKENS);
    }
    printf("\n");
    value("prompt-tokens-read", (double)given->n_prompt, 9);
    value("prompt-tokens-read-without-fork", (double)(FORKS * given->n_prompt),
          9);
    value("bytes-copied-for-each", (double)cache_bytes(&given->model.config),
          12);
    value("texts-as-if-alone", (double)same, 3);
    return true;
}

static bool forking(const Given *given, Error *err) {
    int32_t tokens[FORKS][FORK_TOKENS];
    Session batch = {0};
    Sampler samplers[FORKS] = {{.vocab_size = 0}};
    float *logits = allocate(FORKS, given->V * sizeof *logits, "logits", err);
    bool ok = logits && new_session(&batch, given, FORKS, err) &&
              fork_prompt(given, &batch, logits, err);
    for (size_t i = 0; ok && i < FORKS; i++)
        ok = sampler_new(&samplers[i], fork_options(given, i),
                         given->model.config.vocab_size, err);
    if (ok) {
        section("forking", "One prompt, read once, continued in a batch");
        printf("The prompt's state is copied to the %d sequences of a batch\n"
               "with cache_fork(); each goes on with a seed of its own.\n\n",
               FORKS);
        ok = write_forks(&batch, samplers, logits, tokens, err) &&
             print_forks(given, tokens, err);
    }
    for (size_t i = 0; i < FORKS; i++)
        sampler_free(&samplers[i]);
    session_free(&batch);
    release(logits);
    return ok;
}

// --- The state as numbers ---------------------------------------------------

// The states of a session that has read the prompt.
static void print_states(const Session *session) {
    const BlockShape *shape = &session->model->shape;
    size_t conv = (shape->d_conv - 1) * shape->d_inner;
    size_t ssm = shape->d_inner * shape->d_state;
    printf("  layer   RMS of conv_state   RMS of ssm_state   largest |h|\n");
    for (size_t i = 0; i < session->model->config.n_layer; i++) {
        const BlockState *state = &session->layers[i];
        double largest = 0;
        for (size_t j = 0; j < ssm; j++)
            largest = fmax(largest, fabs((double)state->ssm_state[j]));
        printf("  %5zu %19.3f %18.4f %13.2f\n", i,
               root_mean_square(state->conv_state, conv),
               root_mean_square(state->ssm_state, ssm), largest);
    }
}

// Starts a session from a state whose h was multiplied by a factor, reads one
// more byte, and returns the logits.
static bool start_from(const Session *from, Session *to, float factor,
                       int32_t token, float *logits, Error *err) {
    memcpy(to->state, from->state, from->state_count * sizeof *to->state);
    to->position = from->position;
    const BlockShape *shape = &from->model->shape;
    for (size_t i = 0; i < from->model->config.n_layer; i++)
        for (size_t j = 0; j < shape->d_inner * shape->d_state; j++)
            to->layers[i].ssm_state[j] *= factor;
    return session_feed(to, &token, 1, logits, 1, err);
}

static bool print_factors(const Given *given, const Session *from, Session *to,
                          Error *err) {
    static const float factors[] = {1, 0.5f, 0, 2, -1};
    float right[BYTE_VALUES], logits[BYTE_VALUES];
    int32_t last = given->prompt[given->n_prompt - 1];
    printf("\n  h times   best guess   distance\n");
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        if (!start_from(from, to, factors[i], last, logits, err))
            return false;
        if (i == 0)
            memcpy(right, logits, given->V * sizeof *right);
        int32_t best = best_token(logits, given->model.config.vocab_size);
        printf("  %7g   %10s   %8.3f\n", factors[i], show_byte(best).text,
               distance(right, logits, given->V));
    }
    return true;
}

// The distance of what the prompt's last bytes alone would say, as many as the
// convolutions of all layers see together.
static bool print_last_bytes(const Given *given, Session *session, Error *err) {
    const Config *config = &given->model.config;
    size_t seen = 1 + config->n_layer * (config->d_conv - 1);
    size_t n = seen < given->n_prompt ? seen : given->n_prompt;
    float whole[BYTE_VALUES], last[BYTE_VALUES];
    session_reset(session);
    if (!session_feed(session, given->prompt, given->n_prompt, whole, 1, err))
        return false;
    session_reset(session);
    if (!session_feed(session, given->prompt + given->n_prompt - n, n, last, 1,
                      err))
        return false;
    printf("\nThe prompt's last bytes alone, as many as the convolutions of\n"
           "all layers see together, 1 + n_layer (K - 1):\n\n");
    value("convolutions-see", (double)seen, 9);
    value("distance-of-last-bytes", distance(whole, last, given->V), 3);
    return true;
}

static bool reading(const Given *given, Error *err) {
    Session session = {0}, other = {0};
    bool ok = new_session(&session, given, 1, err) &&
              new_session(&other, given, 1, err) &&
              session_feed(&session, given->prompt, given->n_prompt - 1, NULL,
                           0, err);
    if (ok) {
        section("reading-the-state", "The state is numbers, to read and set");
        printf("After the prompt without its last byte:\n\n");
        print_states(&session);
        printf("\nA second session starts from these numbers, with h\n"
               "multiplied by a factor, and reads the last byte. `distance`\n"
               "is that of the two distributions of the next byte: half\n"
               "the sum of |p - q|.\n");
        ok = print_factors(given, &session, &other, err) &&
             print_last_bytes(given, &other, err);
    }
    session_free(&session);
    session_free(&other);
    return ok;
}

// --- The residual stream ----------------------------------------------------

// Reads the first n bytes of the prompt block by block, and prints the stream
// of the last one behind each number of blocks.
static bool walk(const Given *given, Session *session, size_t n, Error *err) {
    const Model *model = session->model;
    size_t d_model = model->shape.d_model;
    session_reset(session);
    model_embed(model, session->r, given->prompt, n);
    for (size_t i = 0;; i++) {
        const float *last = session->r + (n - 1) * d_model;
        printf("  %6zu   %13.3f\n", i, root_mean_square(last, d_model));
        if (i == model->config.n_layer)
            return true;
        if (!block_forward(&model->shape, &model->layers[i], session->r,
                           session->layers[i], 1, n, session->backend,
                           &session->activations, err))
            return false;
    }
}

static bool reading_stream(const Given *given, Error *err) {
    Session walked = {0}, fed = {0};
    size_t n = given->n_prompt < CHUNK ? given->n_prompt : CHUNK;
    section("reading-the-stream", "The residual stream behind each block");
    printf("Block by block, and for comparison by session_feed():\n\n"
           "  blocks   RMS of stream\n");
    bool ok = new_session(&walked, given, 1, err) &&
              new_session(&fed, given, 1, err) &&
              walk(given, &walked, n, err) &&
              session_feed(&fed, given->prompt, n, NULL, 0, err);
    double worst = 0;
    for (size_t i = 0; ok && i < n * given->model.shape.d_model; i++)
        worst = fmax(worst, fabs((double)walked.r[i] - fed.r[i]));
    if (ok) {
        printf("\n");
        ok = check("difference from session.r", worst, logit_bound, err);
    }
    session_free(&walked);
    session_free(&fed);
    return ok;
}

// --- Padding ----------------------------------------------------------------

// The logits after n bytes of padding and the prompt.
static bool read_padded(const Given *given, Session *session, int32_t pad,
                        size_t n, float *logits, Error *err) {
    session_reset(session);
    for (size_t i = 0; i < n; i++)
        if (!session_feed(session, &pad, 1, NULL, 0, err))
            return false;
    return session_feed(session, given->prompt, given->n_prompt, logits, 1,
                        err);
}

static bool left_padding(const Given *given, Session *session, Error *err) {
    static const int32_t pads[] = {0, ' ', '\n'};
    static const size_t lengths[] = {0, 1, 4, 16, 64};
    float right[BYTE_VALUES], logits[BYTE_VALUES];
    if (!read_padded(given, session, 0, 0, right, err))
        return false;
    printf("  bytes of padding     byte 0      space    newline\n");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        printf("  %16zu", lengths[i]);
        for (size_t j = 0; j < sizeof pads / sizeof *pads; j++) {
            if (!read_padded(given, session, pads[j], lengths[i], logits, err))
                return false;
            printf(" %10.3f", distance(right, logits, given->V));
        }
        printf("\n");
    }
    return true;
}

// Padding behind the prompt: the logits at the prompt's end are right, the
// state is not.
static bool right_padding(const Given *given, Session *session, Error *err) {
    enum { PADDING = 4 };
    float right[BYTE_VALUES], behind[BYTE_VALUES];
    int32_t zeros[PADDING] = {0}, next = ' ';
    if (!read_padded(given, session, 0, 0, right, err) ||
        !session_feed(session, &next, 1, right, 1, err) ||
        !read_padded(given, session, 0, 0, behind, err) ||
        !session_feed(session, zeros, PADDING, NULL, 0, err) ||
        !session_feed(session, &next, 1, behind, 1, err))
        return false;
    printf("\n");
    value("distance-after-right-padding", distance(right, behind, given->V), 2);
    return true;
}

static bool padding(const Given *given, Error *err) {
    Session session;
    if (!new_session(&session, given, 1, err))
        return false;
    section("padding", "What padding does to the state");
    printf("Bytes put before the prompt, as one does to bring prompts\n"
           "to one length. The distance of the next byte's distribution\n"
           "from that without them:\n\n");
    bool ok = left_padding(given, &session, err);
    if (ok) {
        printf("\nPadding is text, and the state has read it. Behind the\n"
               "prompt it leaves the logits before it alone, but then the\n"
               "state is that of a padded text. The distance after four\n"
               "zeros behind the prompt and one space:\n");
        ok = right_padding(given, &session, err);
    }
    if (ok)
        printf("\nSo texts of different lengths get a session each, or are\n"
               "cut to one length.\n");
    session_free(&session);
    return ok;
}

// --- The mistakes -----------------------------------------------------------

// What a prefill, the call that reads the prompt, may get wrong.
typedef enum { RIGHT, NO_SSM_STATE, CONV_OUTPUTS, BOTH, MISTAKES } Mistake;

static const char *const mistake_names[MISTAKES] = {
    [RIGHT] = "right",
    [NO_SSM_STATE] = "h not written",
    [CONV_OUTPUTS] = "outputs in conv_state",
    [BOTH] = "both",
};

// Puts the convolution's outputs where its last inputs belong, for a layer that
// has just read `length` tokens from the beginning.
static void keep_conv_outputs(Session *session, size_t layer, size_t length) {
    const BlockShape *shape = &session->model->shape;
    const BlockWeights *weights = &session->model->layers[layer];
    const BlockActivations *act = &session->activations;
    size_t d_inner = shape->d_inner, rows = shape->d_conv - 1;
    for (size_t b = 0; b < session->batch; b++) {
        float *state = session->layers[layer].conv_state + b * rows * d_inner;
        // The block is done with Delta: its place serves for the outputs.
        float *outputs = act->delta + b * length * d_inner;
        memset(state, 0, rows * d_inner * sizeof *state);
        conv1d(outputs, act->x_raw + b * length * d_inner,
               weights->conv1d_weight, weights->conv1d_bias, state, length,
               d_inner, shape->d_conv);
        memcpy(state, outputs + (length - rows) * d_inner,
               rows * d_inner * sizeof *state);
    }
}

static void forget_h(Session *session, size_t layer) {
    const BlockShape *shape = &session->model->shape;
    memset(session->layers[layer].ssm_state, 0,
           session->batch * shape->d_inner * shape->d_state * sizeof(float));
}

// Reads a prompt of K-1 to CHUNK tokens (batch, length) into a new session,
// layer by layer, with a mistake. The logits after it (batch, V) are right:
// only what is remembered is wrong.
static bool prefill(Session *session, const int32_t *tokens, size_t length,
                    Mistake mistake, float *logits, Error *err) {
    const Model *model = session->model;
    size_t V = config_padded_vocab_size(&model->config);
    size_t batch = session->batch, d_model = model->shape.d_model;
    session_reset(session);
    model_embed(model, session->r, tokens, batch * length);
    for (size_t i = 0; i < model->config.n_layer; i++) {
        if (!block_forward(&model->shape, &model->layers[i], session->r,
                           session->layers[i], batch, length, session->backend,
                           &session->activations, err))
            return false;
        if (mistake == CONV_OUTPUTS || mistake == BOTH)
            keep_conv_outputs(session, i, length);
        if (mistake == NO_SSM_STATE || mistake == BOTH)
            forget_h(session, i);
    }
    session->position = length;
    for (size_t b = 0; b < batch; b++)
        model_head(model, logits + b * V,
                   session->r + ((b + 1) * length - 1) * d_model,
                   session->activations.u, 1);
    return true;
}

// Windows of the text, all read at once: a prompt of PREFIX bytes, then
// single steps.
enum { WINDOWS = 32, PREFIX = 64, STEPS = 64, RANGES = 3 };

// The columns of the table: which bytes after the prompt. The first one is
// predicted by the prefill itself and so not among them.
static const size_t range_ends[RANGES + 1] = {1, 4, 16, STEPS};

static size_t window_start(const Given *given, size_t i) {
    return i * (given->n_text - PREFIX - STEPS) / WINDOWS;
}

// The windows' tokens at place t after their start, (WINDOWS).
static void window_column(const Given *given, size_t t, int32_t *column) {
    for (size_t i = 0; i < WINDOWS; i++)
        column[i] = given->text[window_start(given, i) + t];
}

// The mean bits of the bytes after the prompts, in RANGES ranges.
static bool bits_after(const Given *given, Session *session, Mistake mistake,
                       float *logits, double *bits, Error *err) {
    int32_t prompts[WINDOWS * PREFIX], column[WINDOWS];
    for (size_t i = 0; i < WINDOWS; i++)
        memcpy(prompts + i * PREFIX, given->text + window_start(given, i),
               PREFIX * sizeof *prompts);
    if (!prefill(session, prompts, PREFIX, mistake, logits, err))
        return false;
    memset(bits, 0, RANGES * sizeof *bits);
    for (size_t t = 0, range = 0; t + 1 < STEPS; t++) {
        window_column(given, PREFIX + t, column);
        if (!session_feed(session, column, 1, logits, 1, err))
            return false;
        window_column(given, PREFIX + t + 1, column);
        range += t + 1 >= range_ends[range + 1];
        for (size_t i = 0; i < WINDOWS; i++)
            bits[range] += bits_from_nats(
                cross_entropy(logits + i * given->V, given->V, column[i]));
    }
    for (size_t i = 0; i < RANGES; i++)
        bits[i] /= (double)(WINDOWS * (range_ends[i + 1] - range_ends[i]));
    return true;
}

static bool mistake_bits(const Given *given, Error *err) {
    Session session = {0};
    double bits[MISTAKES][RANGES];
    float *logits = allocate(WINDOWS, given->V * sizeof *logits, "logits", err);
    bool ok = logits && new_session(&session, given, WINDOWS, err);
    section("mistake-states", "A prefill that leaves the wrong state");
    printf("%d times a prompt of %d bytes is read in one call, and the\n"
           "%d bytes after it in single steps. The prompt's own logits\n"
           "are always right. Two mistakes in what is kept of it: h is\n"
           "not written and stays zero; conv_state gets the\n"
           "convolution's outputs, not its inputs. The bits per byte:\n\n",
           WINDOWS, PREFIX, STEPS);
    printf("  %-22s", "bytes after the prompt");
    for (size_t i = 0; i < RANGES; i++)
        printf(" %5zu .. %3zu", range_ends[i] + 1, range_ends[i + 1]);
    printf("\n");
    for (size_t m = RIGHT; ok && m < MISTAKES; m++) {
        ok = bits_after(given, &session, (Mistake)m, logits, bits[m], err);
        printf("  %-22s", mistake_names[m]);
        for (size_t i = 0; ok && i < RANGES; i++)
            printf(" %12.3f", bits[m][i]);
        printf("\n");
    }
    if (ok) {
        printf("\n");
        value("bits-right", bits[RIGHT][0], 3);
        value("bits-without-h", bits[NO_SSM_STATE][0], 3);
        value("bits-with-conv-outputs", bits[CONV_OUTPUTS][0], 3);
        printf(
            "\nThe wrong rows of conv_state are gone after %zu bytes. The h\n"
            "that was not written is missed until the text has filled it\n"
            "again: little in the mean, as much as the model leans on h.\n",
            given->model.shape.d_conv - 1);
    }
    session_free(&session);
    release(logits);
    return ok;
}

// What is written after the prompt with each mistake: all of the prompt but
// its last byte is the prefill, that byte a step.
static bool mistake_texts(const Given *given, Error *err) {
    enum { TOKENS = 60 };
    Session session;
    float logits[BYTE_VALUES];
    size_t n = given->n_prompt - 1 < CHUNK ? given->n_prompt - 1 : CHUNK;
    const int32_t *last = given->prompt + given->n_prompt - 1;
    if (n + 1 < given->model.shape.d_conv)
        return true;
    if (!new_session(&session, given, 1, err))
        return false;
    section("mistake-texts", "What a model writes from a wrong state");
    printf("The prompt without its last byte is read in one call, that byte\n"
           "in a step. Then the greedy text:\n\n");
    bool ok = true;
    for (size_t m = RIGHT; ok && m < MISTAKES; m++) {
        int32_t tokens[TOKENS];
        ok = prefill(&session, last - n, n, (Mistake)m, logits, err) &&
             session_feed(&session, last, 1, logits, 1, err) &&
             write_greedily(&session, logits, tokens, TOKENS, err);
        if (ok) {
            printf("  %s\n", mistake_names[m]);
            print_text(tokens, TOKENS);
        }
    }
    session_free(&session);
    return ok;
}

// --- A prompt shorter than the window ---------------------------------------

static bool mistake_short_prompt(const Given *given, Error *err) {
    const BlockShape *shape = &given->model.shape;
    size_t K = shape->d_conv, d_inner = shape->d_inner;
    Session session;
    if (!new_session(&session, given, 1, err))
        return false;
    section("mistake-short-prompt", "A prompt shorter than the window");
    printf("Copying x[-K:], the last K = %zu rows of a prompt, into a\n"
           "cache of K rows fails where the prompt has fewer. The\n"
           "library keeps K-1 rows that begin as zeros, and moves them\n"
           "up. The RMS of each row of layer 0, oldest first:\n\n",
           K);
    printf("  prompt   x[-K:] has   wanted   rows of conv_state\n");
    bool ok = true;
    for (size_t n = 0; ok && n <= K && n <= given->n_text; n++) {
        session_reset(&session);
        ok = session_feed(&session, given->text, n, NULL, 0, err);
        printf("  %6zu   %10zu   %6zu  ", n, n < K ? n : K, K);
        for (size_t j = 0; j + 1 < K && j < 8; j++)
            printf(" %5.2f",
                   root_mean_square(session.layers[0].conv_state + j * d_inner,
                                    d_inner));
        printf("\n");
    }
    session_free(&session);
    return ok;
}

// --- One token with a cache -------------------------------------------------

static bool mistake_one_token(const Given *given, Error *err) {
    const BlockShape *shape = &given->model.shape;
    size_t d_inner = shape->d_inner, K = shape->d_conv;
    section("mistake-one-token", "One axis too many");
    printf("A step of one token that multiplies the cached rows with the\n"
           "taps and sums over them, keeping the axis that it summed:\n\n");
    printf("  conv_state * weight       (1, %zu, %zu)\n", d_inner, K);
    printf("  sum over the taps, kept   (1, %zu, 1)\n", d_inner);
    printf("  a time axis in front      (1, 1, %zu, 1)\n", d_inner);
    printf("  wanted by x_proj          (1, 1, %zu)\n\n", d_inner);
    printf("x_proj takes the last axis for its input: it wants %zu numbers\n"
           "in each row, and finds %zu rows of 1. Where shapes are checked\n"
           "this stops with an error. Where they are not, as in C, the\n"
           "last row would be read up to this index, of so many numbers:\n",
           d_inner, d_inner);
    value("index-read", (double)(d_inner * d_inner - 1), 12);
    value("numbers-there", (double)d_inner, 12);

    Session session;
    float logits[2][BYTE_VALUES];
    if (!new_session(&session, given, 1, err))
        return false;
    bool ok = true;
    for (size_t t = 0; ok && t < 2; t++)
        ok = session_feed(&session, given->prompt + t, 1, logits[0], 1, err);
    session_reset(&session);
    ok = ok && session_feed(&session, given->prompt, 2, logits[1], 1, err);
    session_free(&session);
    if (!ok)
        return false;
    printf("\nHere one token is a text of length 1, by the same code. Two\n"
           "calls of one token against one call of two:\n");
    return check("logits", largest_difference(logits[0], logits[1], given->V),
                 logit_bound, err);
}

// --- Tokens that are cut off ------------------------------------------------

// The mean bits of the bytes that follow when, after the prompts, `gap` bytes
// come in one call, of which the last `kept` reach the model.
static bool bits_behind_gap(const Given *given, Session *session, size_t gap,
                            size_t kept, float *logits, double *bits,
                            Error *err) {
    enum { FOLLOWING = 16 };
    int32_t column[WINDOWS];
    double nats = 0;
    session_reset(session);
    for (size_t t = 0; t < PREFIX + gap + FOLLOWING; t++) {
        bool cut_off = t >= PREFIX && t < PREFIX + gap - kept;
        window_column(given, t, column);
        for (size_t i = 0; i < WINDOWS && t >= PREFIX + gap; i++)
            nats += cross_entropy(logits + i * given->V, given->V, column[i]);
        if (!cut_off && !session_feed(session, column, 1, logits, 1, err))
            return false;
    }
    *bits = bits_from_nats(nats / (WINDOWS * FOLLOWING));
    return true;
}

static bool cut_off_bits(const Given *given, Error *err) {
    enum { GAP = 8 };
    Session session = {0};
    double right, wrong;
    float *logits = allocate(WINDOWS, given->V * sizeof *logits, "logits", err);
    bool ok = logits && new_session(&session, given, WINDOWS, err) &&
              bits_behind_gap(given, &session, GAP, GAP, logits, &right, err) &&
              bits_behind_gap(given, &session, GAP, 1, logits, &wrong, err);
    session_free(&session);
    release(logits);
    if (!ok)
        return false;
    printf("\n%d times %d bytes, then %d in one call: the mean bits of the\n"
           "bytes after that, where all of them arrive and where one does:\n",
           WINDOWS, PREFIX, GAP);
    value("bits-all-arrive", right, 3);
    value("bits-last-arrives", wrong, 3);
    return true;
}

// The prompt in two calls, of the second only its last byte.
static bool cut_off_text(const Given *given, Error *err) {
    enum { TOKENS = 60 };
    size_t n = given->n_prompt, half = n - n / 4;
    const int32_t *prompt = given->prompt;
    int32_t tokens[TOKENS];
    float logits[BYTE_VALUES];
    Session session;
    if (!new_session(&session, given, 1, err))
        return false;
    printf("  first call:\n");
    print_text(prompt, half);
    printf("  second call:\n");
    print_text(prompt + half, n - half);
    bool ok = session_feed(&session, prompt, n, logits, 1, err) &&
              write_greedily(&session, logits, tokens, TOKENS, err);
    if (ok) {
        printf("  the text after it, where all of it arrives:\n");
        print_text(tokens, TOKENS);
    }
    session_reset(&session);
    ok = ok && session_feed(&session, prompt, half, NULL, 0, err) &&
         session_feed(&session, prompt + n - 1, 1, logits, 1, err) &&
         write_greedily(&session, logits, tokens, TOKENS, err);
    if (ok) {
        printf("  where only the last byte does:\n");
        print_text(tokens, TOKENS);
    }
    session_free(&session);
    return ok;
}

static bool mistake_cut_off(const Given *given, Error *err) {
    section("mistake-cut-off", "After a prefill, only the last token");
    printf("Code that takes every call after the first for a step, and\n"
           "keeps the last of the tokens that it is given, loses the rest\n"
           "without a word. The prompt in two calls:\n\n");
    return cut_off_text(given, err) && cut_off_bits(given, err);
}

// --- A test that cannot fail ------------------------------------------------

// The logits after the prompts of the windows and one step.
static bool step_after(const Given *given, Session *session, Mistake mistake,
                       float *logits, Error *err) {
    int32_t prompt[PREFIX];
    memcpy(prompt, given->text, sizeof prompt);
    return prefill(session, prompt, PREFIX, mistake, logits, err) &&
           session_feed(session, given->text + PREFIX, 1, logits, 1, err);
}

static bool mistake_self_test(const Given *given, Error *err) {
    float whole[BYTE_VALUES], cached[BYTE_VALUES], again[BYTE_VALUES];
    Session session;
    if (!new_session(&session, given, 1, err))
        return false;
    section("mistake-self-test", "A test that compares wrong with wrong");
    printf("A prompt of %d bytes and one step. The logits of the cached\n"
           "path against the same path once more, and against one call\n"
           "without a cache:\n\n",
           PREFIX);
    printf("  %-22s %14s %17s\n", "cached path", "against itself",
           "against one call");
    bool ok = session_feed(&session, given->text, PREFIX + 1, whole, 1, err);
    for (size_t m = RIGHT; ok && m < MISTAKES; m++) {
        ok = step_after(given, &session, (Mistake)m, cached, err) &&
             step_after(given, &session, (Mistake)m, again, err);
        double difference = largest_difference(cached, whole, given->V);
        printf("  %-22s %14g", mistake_names[m],
               largest_difference(cached, again, given->V));
        if (difference < logit_bound)
            printf("      below %.0e\n", logit_bound);
        else
            printf(" %16.2f\n", difference);
    }
    session_free(&session);
    if (ok)
        printf("\nThe first column is zero for right and wrong alike. Only\n"
               "the second one tests the cache.\n");
    return ok;
}

// --- Work per token ---------------------------------------------------------

// Multiplications for one token: in the blocks, without norms, D and the gate,
// and in the head.
static double block_work(const Config *config) {
    double d_model = (double)config->d_model;
    double d_inner = (double)config_d_inner(config);
    double N = (double)config->d_state, K = (double)config->d_conv;
    double R = (double)config_dt_rank(config);
    double projections = 3 * d_model * d_inner + (2 * R + 2 * N) * d_inner;
    // For each state: Delta A, exp(..) h, (Delta u) B, C h.
    double scan = 4 * N * d_inner;
    return (double)config->n_layer * (projections + K * d_inner + scan);
}

static double head_work(const Config *config) {
    return (double)config->d_model * (double)config_padded_vocab_size(config);
}

// As many attention layers: four projections, and a key and a value of each
// token so far.
static double attention_work(const Config *config, double tokens) {
    double d_model = (double)config->d_model;
    return (double)config->n_layer *
               (4 * d_model * d_model + 2 * tokens * d_model) +
           head_work(config);
}

static void work(const Given *given) {
    static const double tokens[] = {1, 64, 1024, 16384, 262144, 4194304};
    const Config *config = &given->model.config;
    double step = block_work(config) + head_work(config);
    section("work-per-token", "Multiplications for the next token");
    printf("After so many tokens: one step from the state; the whole text\n"
           "once more, for those who keep no state; one step of as many\n"
           "attention layers without MLPs, with their keys and values kept.\n"
           "The output matrix is counted for all, norms, D and the gate for\n"
           "none.\n\n");
    printf("  %10s %12s %14s %12s\n", "context", "with state", "without",
           "attention");
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        printf("  %10.0f %12.2e %14.2e %12.2e\n", tokens[i], step,
               tokens[i] * block_work(config) + head_work(config),
               attention_work(config, tokens[i]));
    double per_token = attention_work(config, 1) - attention_work(config, 0);
    printf("\n");
    value("multiplications-per-step", step, 9);
    value("parameters", (double)parameter_total(config), 9);
    value("attention-costs-more-from",
          floor((step - attention_work(config, 0)) / per_token) + 1, 9);
    printf("\nA step multiplies about once for each parameter, whatever the\n"
           "context.\n");
}

// --- Time per token ---------------------------------------------------------

// As many attention layers as the model has blocks, one attention head each,
// without MLPs: what a step of them costs when `capacity` tokens are kept.
typedef struct {
    size_t n_layer, d_model, capacity;
    float *weights;        // (n_layer, 4, d_model, d_model): q, k, v, out
    float *keys, *values;  // (n_layer, capacity, d_model)
    float *x, *q, *out;    // (d_model)
    float *scores;         // (capacity)
} Attention;

static void attention_free(Attention *attention) {
    release(attention->weights);
    release(attention->keys);
    release(attention->values);
    release(attention->x);
    release(attention->q);
    release(attention->out);
    release(attention->scores);
}

static void fill_random(float *x, size_t n, double bound, Random *random) {
    for (size_t i = 0; i < n; i++)
        x[i] = (float)random_uniform(random, -bound, bound);
}

static bool attention_new(Attention *a, const Config *config, size_t capacity,
                          Error *err) {
    size_t d = config->d_model, layers = config->n_layer;
    *a = (Attention){.n_layer = layers, .d_model = d, .capacity = capacity};
    a->weights = allocate(layers * 4 * d, d * sizeof(float), "weights", err);
    a->keys = allocate(layers * capacity, d * sizeof(float), "keys", err);
    a->values = allocate(layers * capacity, d * sizeof(float), "values", err);
    a->x = allocate(d, sizeof(float), "attention", err);
    a->q = allocate(d, sizeof(float), "attention", err);
    a->out = allocate(d, sizeof(float), "attention", err);
    a->scores = allocate(capacity, sizeof(float), "scores", err);
    if (!a->weights || !a->keys || !a->values || !a->x || !a->q || !a->out ||
        !a->scores) {
        attention_free(a);
        return false;
    }
    Random random = random_from_seed(1);
    fill_random(a->weights, layers * 4 * d * d, 1 / sqrt((double)d), &random);
    fill_random(a->keys, layers * capacity * d, 1, &random);
    fill_random(a->values, layers * capacity * d, 1, &random);
    fill_random(a->x, d, 1, &random);
    return true;
}

// softmax of n numbers, in place.
static void soften(float *scores, size_t n) {
    float largest = scores[best_token(scores, n)], sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += scores[i] = expf(scores[i] - largest);
    for (size_t i = 0; i < n; i++)
        scores[i] /= sum;
}

// x = x + W_out sum_i softmax_i(q . k_i / sqrt(d)) v_i over `tokens` tokens, of
// which the last is this one; then the model's head, as behind its blocks.
static void attention_step(Attention *a, size_t tokens, const Model *model,
                           float *logits) {
    size_t d = a->d_model;
    float scale = 1 / sqrtf((float)d);
    for (size_t layer = 0; layer < a->n_layer; layer++) {
        const float *W = a->weights + layer * 4 * d * d;
        float *keys = a->keys + layer * a->capacity * d;
        float *values = a->values + layer * a->capacity * d;
        float *key = keys + (tokens - 1) * d, *value = values + (key - keys);
        linear(a->q, a->x, matrix_f32(W, d, d), NULL, 1);
        linear(key, a->x, matrix_f32(W + d * d, d, d), NULL, 1);
        linear(value, a->x, matrix_f32(W + 2 * d * d, d, d), NULL, 1);

        linear(a->scores, a->q, matrix_f32(keys, tokens, d), NULL, 1);
        for (size_t i = 0; i < tokens; i++)
            a->scores[i] *= scale;
        soften(a->scores, tokens);
        memset(a->q, 0, d * sizeof *a->q);
        for (size_t i = 0; i < tokens; i++)
            for (size_t j = 0; j < d; j++)
                a->q[j] += a->scores[i] * values[i * d + j];
        linear(a->out, a->q, matrix_f32(W + 3 * d * d, d, d), NULL, 1);
        for (size_t j = 0; j < d; j++)
            a->x[j] += a->out[j];
    }
    model_head(model, logits, a->x, a->out, 1);
}

enum { STEP_RUNS = 25, WHOLE_RUNS = 5, TIMES = 3 };

// The fastest of n runs: what else the machine does only makes a run slower.
static double fastest(const double *seconds, size_t n) {
    double least = seconds[0];
    for (size_t i = 1; i < n; i++)
        least = seconds[i] < least ? seconds[i] : least;
    return least;
}

// Microseconds for one more token after `context`: by a step, by reading
// everything again, by attention.
static bool time_context(const Given *given, Session *session,
                         Attention *attention, size_t context,
                         double microseconds[TIMES], Error *err) {
    const int32_t *tokens = given->text;
    double step[STEP_RUNS], whole[WHOLE_RUNS], attend[STEP_RUNS];
    float logits[BYTE_VALUES];
    for (size_t i = 0; i < WHOLE_RUNS; i++) {
        double begin = seconds_now();
        session_reset(session);
        for (size_t t = 0, n; t < context; t += n) {
            n = context - t < given->n_text ? context - t : given->n_text;
            if (!session_feed(session, tokens, n, logits, 1, err))
                return false;
        }
        whole[i] = seconds_now() - begin;
    }
    for (size_t i = 0; i < STEP_RUNS; i++) {
        double begin = seconds_now();
        if (!session_feed(session, tokens + i, 1, logits, 1, err))
            return false;
        double middle = seconds_now();
        attention_step(attention, context, &given->model, logits);
        attend[i] = seconds_now() - middle;
        step[i] = middle - begin;
    }
    microseconds[0] = 1e6 * fastest(step, STEP_RUNS);
    microseconds[1] = 1e6 * fastest(whole, WHOLE_RUNS);
    microseconds[2] = 1e6 * fastest(attend, STEP_RUNS);
    return true;
}

static bool time_table(const Given *given, Session *session,
                       Attention *attention, Error *err) {
    Table table;
    if (!table_begin(&table, given->settings->tsv, "time-per-token.tsv",
                     "context\twith_state\twithout\tattention", err))
        return false;
    bool ok = true;
    printf("  %8s %12s %12s %12s\n", "context", "with state", "without",
           "attention");
    double first = 0, row[1 + TIMES] = {0};
    for (size_t context = 16; ok && context <= attention->capacity;
         context *= 4) {
        row[0] = (double)context;
        ok = time_context(given, session, attention, context, row + 1, err);
        first = first > 0 ? first : row[1];
        printf("  %8zu %12.1f %12.1f %12.1f\n", context, row[1], row[2],
               row[3]);
        table_row(&table, row, 1 + TIMES);
    }
    if (!ok && table.open)
        file_abandon(&table.file);
    if (!ok || !table_end(&table, err))
        return false;
    printf("\n");
    value("step-last-over-first", row[1] / first, 2);
    value("without-over-with", row[2] / row[1], 3);
    value("microseconds-per-step", row[1], 2);
    value("microseconds-per-token-read", row[2] / row[0], 2);
    value("bytes-per-second", 1e6 / row[1], 2);
    return true;
}

// Microseconds for the exponentials of one step: exp(Delta A) for each state.
static double time_exponentials(const Config *config) {
    size_t n = config->n_layer * config_d_inner(config) * config->d_state;
    double seconds[STEP_RUNS];
    volatile float result;
    for (size_t run = 0; run < STEP_RUNS; run++) {
        double begin = seconds_now();
        float sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += expf(-(float)(i % 100) / 10);
        result = sum;
        seconds[run] = seconds_now() - begin;
    }
    (void)result;
    return 1e6 * fastest(seconds, STEP_RUNS);
}

static bool timing(const Given *given, Error *err) {
    const Config *config = &given->model.config;
    Attention attention;
    Session session = {0};
    if (!attention_new(&attention, config, given->settings->longest, err))
        return false;
    bool ok = new_session(&session, given, 1, err);
    section_measured("time-per-token", "Time for the next token");
    printf("Microseconds, the fastest of %d runs (of %d without the state).\n"
           "Attention is %zu layers of width %zu, without MLPs, and the same\n"
           "output matrix.\n\n",
           STEP_RUNS, WHOLE_RUNS, config->n_layer, config->d_model);
    ok = ok && time_table(given, &session, &attention, err);
    if (ok)
        value("microseconds-of-exponentials", time_exponentials(config), 2);
    session_free(&session);
    attention_free(&attention);
    return ok;
}

// --- The command line -------------------------------------------------------

static int read_settings(Settings *settings, int argc, char **argv) {
    SamplingOptions *sampling = &settings->sampling;
    const Option options[] = {
        {"model", 0, OPTION_TEXT, &settings->model, "DIR",
         "the model (built in)", 0, 0},
        {"prompt", 0, OPTION_TEXT, &settings->prompt, "TEXT",
         "what the model continues", 0, 0},
        {"n-tokens", 'n', OPTION_COUNT, &settings->n_tokens, "N",
         "bytes to write (64)", 0, 10000},
        {"temperature", 0, OPTION_NUMBER, &sampling->temperature, "T",
         "0 for the likeliest byte (0.8)", 0, 100},
        {"top-k", 0, OPTION_COUNT, &sampling->top_k, "K",
         "draw from the K best; 0 for all (0)", 0, BYTE_VALUES},
        {"top-p", 0, OPTION_NUMBER, &sampling->top_p, "P",
         "draw from the best that make up P (0.95)", 0, 1},
        {"seed", 0, OPTION_SEED, &sampling->seed, "S", "of what is drawn (2)",
         0, 0},
        {"text", 0, OPTION_TEXT, &settings->text, "FILE",
         "for the mistakes (chapter 6's passage.txt)", 0, 0},
        {"longest", 0, OPTION_COUNT, &settings->longest, "L",
         "the longest context that is timed (4096)", 16, 65536},
        {"tsv", 0, OPTION_TEXT, &settings->tsv, "DIR",
         "write the figures' tables here", 0, 0},
    };
    const CommandLine line = {
        .program = "chapter7",
        .summary = "What a model remembers: used, kept, forked, got wrong.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    enum { LEAST = 2, MOST = 4096 };
    size_t length = strlen(settings->prompt);
    if (status == OPTIONS_CONTINUE && (length < LEAST || length > MOST)) {
        fprintf(stderr,
                "chapter7: --prompt: wanted %d to %d bytes, found %zu\n", LEAST,
                MOST, length);
        status = OPTIONS_WRONG;
    }
    return status;
}

// The beginning of the text as tokens.
static bool read_text(Given *given, Error *err) {
    enum { LEAST = 256, MOST = 65536 };
    const char *path = given->settings->text;
    FileView view;
    if (!file_map(&view, path, err))
        return false;
    size_t n = view.size < MOST ? view.size : MOST;
    bool ok = n >= LEAST;
    if (!ok)
        fail(err, "%s: wanted at least %d bytes, found %zu", path, LEAST, n);
    given->n_text = n;
    if (ok) {
        given->text = allocate(n, sizeof(int32_t), "the text", err);
        ok = given->text != NULL;
    }
    if (ok)
        tokenizer_encode(given->text, (const char *)view.bytes, n);
    file_unmap(&view);
    return ok;
}

// The model is one of bytes, without padding, and its window no longer than a
// prompt of ours.
static bool check_model(const Given *given, Error *err) {
    const Model *model = &given->model;
    if (!tokenizer_check(model, err))
        return false;
    if (given->V != BYTE_VALUES)
        return fail(err, "%s: wanted a vocabulary without padding, found %zu",
                    model->name, given->V);
    if (model->shape.d_conv > PREFIX)
        return fail(err, "%s: d_conv: wanted at most %d, found %zu",
                    model->name, PREFIX, model->shape.d_conv);
    return true;
}

static bool gather(Given *given, Error *err) {
    const Settings *settings = given->settings;
    given->backend = scan_backend("cpu", err);
    if (!given->backend || !read_text(given, err) ||
        !model_load(&given->model, settings->model, MATRIX_F32, err))
        return false;
    given->V = config_padded_vocab_size(&given->model.config);
    given->n_prompt = strlen(settings->prompt);
    given->prompt =
        allocate(given->n_prompt, sizeof(int32_t), "the prompt", err);
    if (!given->prompt)
        return false;
    tokenizer_encode(given->prompt, settings->prompt, given->n_prompt);
    return check_model(given, err);
}

static void scatter(Given *given) {
    model_free(&given->model);
    release(given->prompt);
    release(given->text);
}

// What the state is, what it does, and what can be done with it.
static bool show_state(const Given *given, Error *err) {
    state_bytes(given);
    return against_attention(given, err) && cutting(given, err) &&
           sampling(given, err) && saving(given, err) && forking(given, err) &&
           reading(given, err) && reading_stream(given, err) &&
           padding(given, err);
}

static bool show_mistakes(const Given *given, Error *err) {
    return mistake_bits(given, err) && mistake_texts(given, err) &&
           mistake_short_prompt(given, err) && mistake_one_token(given, err) &&
           mistake_cut_off(given, err) && mistake_self_test(given, err);
}

static bool show_cost(const Given *given, Error *err) {
    work(given);
    return timing(given, err);
}

int main(int argc, char **argv) {
    Settings settings = {
        .prompt = "And the LORD said unto Moses, ",
        .n_tokens = 64,
        .sampling = {.temperature = 0.8, .top_p = 0.95, .seed = 2},
        .text = "chapters/06-full-model/passage.txt",
        .longest = 4096};
    int status = read_settings(&settings, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    Given given = {.settings = &settings};
    bool ok = gather(&given, &err) && show_state(&given, &err) &&
              show_mistakes(&given, &err) && show_cost(&given, &err);
    scatter(&given);
    return report_end("chapter7", ok, &err);
}
