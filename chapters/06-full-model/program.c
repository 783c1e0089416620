// Chapter 6's program: a whole language model, from its configuration to the
// bits it needs for a text.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "checkpoint.h"
#include "clock.h"
#include "discretization.h"
#include "initialization.h"
#include "loss.h"
#include "matmul.h"
#include "memory.h"
#include "options.h"
#include "random.h"
#include "report.h"
#include "tokenizer.h"

enum { CHUNK = 256, BYTE_VALUES = 256 };

// What the command line may change.
typedef struct {
    Config config;         // of the new model
    size_t batch, length;  // of its example's input
    uint64_t seed;         // of its weights
    const char *model;     // the trained model's directory; NULL: built in
    const char *prompt;    // what the trained model reads
    const char *text;      // the file that it predicts
    size_t bytes;          // at most so many of it
    const char *tsv;
} Settings;

// What several sections use.
typedef struct {
    const Settings *settings;
    const ScanBackend *backend;
    Model fresh;      // new, of the settings' configuration
    Model trained;    // read from files
    int32_t *tokens;  // (count): the text
    double *nats;     // (count): what each byte of it costs the trained model
    size_t count;
} Given;

// --- Small tools ------------------------------------------------------------

// 129135360 as "129,135,360".
typedef struct {
    char text[32];
} Grouped;

static Grouped grouped(size_t number) {
    char digits[24];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%zu", number);
    Grouped grouped = {{0}};
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            grouped.text[used++] = ',';
        grouped.text[used++] = digits[i];
    }
    return grouped;
}

// A byte as it may be printed: itself, "\n", or "\x80"; in a table, where a
// space would not be seen, that as "' '".
typedef struct {
    char text[8];
} Shown;

static Shown show_byte(int32_t byte, bool in_table) {
    Shown shown;
    if (byte == ' ' && in_table)
        snprintf(shown.text, sizeof shown.text, "' '");
    else if (byte == '\n')
        snprintf(shown.text, sizeof shown.text, "\\n");
    else if (byte >= ' ' && byte <= '~')
        snprintf(shown.text, sizeof shown.text, "%c", (char)byte);
    else
        snprintf(shown.text, sizeof shown.text, "\\x%02x", (unsigned)byte);
    return shown;
}

// Prints a long message with breaks at its spaces.
static void print_wrapped(const char *text) {
    enum { WIDTH = 76 };
    while (*text) {
        size_t n = strlen(text);
        if (n > WIDTH) {
            n = WIDTH;
            while (n > 0 && text[n] != ' ')
                n--;
            n = n ? n : WIDTH;
        }
        printf("  %.*s\n", (int)n, text);
        text += n;
        text += *text == ' ';
    }
}

// A number that would be printed as -0.00 as 0.00.
static double tidy(double number, double half_a_digit) {
    return fabs(number) < half_a_digit ? 0 : number;
}

static double root_mean_square(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum / (double)n);
}

static size_t padded_vocab(const Model *model) {
    return config_padded_vocab_size(&model->config);
}

// A tensor's name without "backbone." and the layer.
static const char *short_name(const Parameter *parameter) {
    const char *dot = strstr(parameter->name, ".mixer.");
    if (dot)
        return dot + strlen(".mixer.");
    const char *norm = strstr(parameter->name, "norm.weight");
    if (norm)
        return norm;
    dot = strchr(parameter->name, '.');
    return dot && parameter->role != PARAMETER_LM_HEAD ? dot + 1
                                                       : parameter->name;
}

// --- The configuration ------------------------------------------------------

static void print_count(const char *key, size_t number, const char *what) {
    printf("  %-23s  %7zu  %s\n", key, number, what);
}

static void print_number(const char *key, double number, const char *what) {
    printf("  %-23s  %7g  %s\n", key, number, what);
}

static void print_word(const char *key, const char *word, const char *what) {
    printf("  %-23s  %7s  %s\n", key, word, what);
}

static void print_yes_no(const char *key, bool yes, const char *what) {
    print_word(key, yes ? "yes" : "no", what);
}

static void print_config(const Config *c) {
    printf("  %-23s  %7s  %s\n", "key", "value", "what it decides");
    print_count("d_model", c->d_model, "width of the residual stream");
    print_count("n_layer", c->n_layer, "number of blocks");
    print_count("vocab_size", c->vocab_size, "token ids that mean something");
    print_count("d_state", c->d_state, "N, the states of each channel");
    print_count("d_conv", c->d_conv, "K, the taps of the convolution");
    print_count("expand", c->expand, "d_inner = expand * d_model");
    if (c->dt_rank)
        print_count("dt_rank", c->dt_rank, "numbers from which Delta is made");
    else
        print_word("dt_rank", "auto", "numbers from which Delta is made");
    print_number("dt_min", c->dt_min, "shortest step Delta at the beginning");
    print_number("dt_max", c->dt_max, "longest step Delta at the beginning");
    print_word("dt_init", c->dt_init == DT_INIT_RANDOM ? "random" : "constant",
               "how dt_proj.weight begins");
    print_number("dt_scale", c->dt_scale, "a factor of its size");
    print_number("dt_init_floor", c->dt_init_floor, "no step begins below it");
    print_yes_no("conv_bias", c->conv_bias, "does conv1d have a bias");
    print_yes_no("bias", c->bias, "do in_proj and out_proj have one");
    print_yes_no("rms_norm", c->rms_norm, "RMSNorm, not LayerNorm");
    print_number("norm_eps", c->norm_eps, "added to the mean square");
    print_count("pad_vocab_size_multiple", c->pad_vocab_size_multiple,
                "ids are padded to a multiple of it");
    print_yes_no("tie_embeddings", c->tie_embeddings,
                 "is the head the embedding");
    printf("  %-23s  %7lld  %s\n", "eos_token_id", (long long)c->eos_token_id,
           "the token that ends a text");
}

// dt_rank where floor and ceil differ.
static void print_rank_of_odd_width(void) {
    Config config = config_default();
    config.d_model = 100;
    printf("\nThe rank is rounded up. For d_model = %zu it is %zu, where\n"
           "rounding down, as some implementations do, gives %zu and\n"
           "tensors that fit no checkpoint.\n",
           config.d_model, config_dt_rank(&config), config.d_model / 16);
}

static void configuration(const Settings *settings) {
    const Config *c = &settings->config;
    size_t V = config_padded_vocab_size(c);
    section("configuration", "All that is decided before training");
    printf("The keys by their official names. The first three make the\n"
           "size of the model; the others seldom change.\n\n");
    print_config(c);
    printf("\nWhat follows from them:\n\n");
    printf("  d_inner        %6zu = expand * d_model = %zu * %zu\n",
           config_d_inner(c), c->expand, c->d_model);
    printf(c->dt_rank ? "  dt_rank        %6zu, as given\n"
                      : "  dt_rank        %6zu = ceil(d_model / 16)\n",
           config_dt_rank(c));
    printf("  vocabulary     %6zu = vocab_size up to a multiple of %zu, so %zu "
           "ids of padding\n\n",
           V, c->pad_vocab_size_multiple, V - c->vocab_size);
    value("d-inner", (double)config_d_inner(c), 9);
    value("dt-rank", (double)config_dt_rank(c), 9);
    value("padded-vocabulary", (double)V, 9);
    print_rank_of_odd_width();
}

// --- Parameters -------------------------------------------------------------

// One row for the tensors of a role: all layers have the same shape.
static void print_role(const Model *model, const Parameter *first) {
    size_t times = 0, numbers = 0;
    for (size_t i = 0; i < model->n_parameters; i++)
        if (model->parameters[i].role == first->role) {
            times++;
            numbers += model->parameters[i].count;
        }
    char shape[64];
    shape_text(shape, sizeof shape, first->shape, first->rank);
    printf("  %-18s %16s %6zu %16s %8.2f %%\n", short_name(first), shape, times,
           grouped(numbers).text,
           100 * (double)numbers / (double)parameter_total(&model->config));
}

static void print_parts(const Model *model) {
    printf("  %-18s %16s %6s %16s %10s\n", "tensor", "shape", "times",
           "numbers", "share");
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        if (parameter->layer == 0)
            print_role(model, parameter);
    }
    printf("  %-18s %16s %6zu %16s\n\n", "all", "", model->n_parameters,
           grouped(parameter_total(&model->config)).text);
}

// The published models (Gu and Dao 2023): 50,277 ids of the GPT-NeoX tokenizer.
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

static Config published_config(const Published *shape) {
    Config config = config_default();
    config.n_layer = shape->n_layer;
    config.d_model = shape->d_model;
    config.vocab_size = 50277;
    return config;
}

static void print_published(void) {
    printf("The published models, by the same count:\n\n");
    printf("  %-8s %8s %8s %12s %16s %18s\n", "name", "n_layer", "d_model",
           "vocabulary", "parameters", "head of its own");
    for (size_t i = 0; i < n_published; i++) {
        Config config = published_config(&published[i]);
        size_t total = parameter_total(&config);
        config.tie_embeddings = false;
        printf("  %-8s %8zu %8zu %12zu %16s %18s\n", published[i].name,
               config.n_layer, config.d_model,
               config_padded_vocab_size(&config), grouped(total).text,
               grouped(parameter_total(&config)).text);
    }
    printf("\n");
    Config smallest = published_config(&published[0]);
    value("parameters-130m", (double)parameter_total(&smallest), 12);
}

static void parameters(const Given *given) {
    const Model *model = &given->fresh;
    section("parameters", "What is learned, and where most of it is");
    printf("Every tensor of a model of this configuration, in the order of\n"
           "the computation. `times` counts the layers that have it.\n\n");
    print_parts(model);
    value("parameters", (double)parameter_total(&model->config), 12);
    printf("\nThe two large projections hold most of a layer. What makes a\n"
           "Mamba a Mamba, the convolution, x_proj, dt_proj, A_log and D,\n"
           "is small beside them. The head has no numbers of its own where\n"
           "it is tied to the embedding.\n\n");
    print_published();
}

// --- Initialisation ---------------------------------------------------------

typedef struct {
    double mean, deviation, least, most;
} Statistics;

static Statistics statistics(const float *x, size_t n) {
    Statistics s = {.least = x[0], .most = x[0]};
    for (size_t i = 0; i < n; i++) {
        s.mean += x[i] / (double)n;
        s.least = fmin(s.least, x[i]);
        s.most = fmax(s.most, x[i]);
    }
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - s.mean) * (x[i] - s.mean);
    s.deviation = sqrt(sum / (double)n);
    return s;
}

// How a tensor begins: in words, and the standard deviation that follows.
typedef struct {
    char words[32];
    double deviation;  // NaN where the rule says none
} Rule;

// U(-a, a) has the standard deviation a / sqrt(3).
static Rule uniform_rule(double a) {
    Rule rule = {.deviation = a / sqrt(3)};
    snprintf(rule.words, sizeof rule.words, "U(-a, a), a = %.4f", a);
    return rule;
}

static Rule plain_rule(const char *words, double deviation) {
    Rule rule = {.deviation = deviation};
    snprintf(rule.words, sizeof rule.words, "%s", words);
    return rule;
}

// The rules of the official code.
static Rule rule_of(const Config *config, const Parameter *parameter) {
    double fan_in = (double)parameter->shape[1];
    double n_layer = (double)config->n_layer;
    double rank = (double)config_dt_rank(config);
    switch (parameter->role) {
    case PARAMETER_EMBEDDING:
        return plain_rule("N(0, 0.02)", 0.02);
    case PARAMETER_IN_PROJ_WEIGHT:
    case PARAMETER_X_PROJ_WEIGHT:
    case PARAMETER_LM_HEAD:
        return uniform_rule(1 / sqrt(fan_in));
    case PARAMETER_CONV1D_WEIGHT:
    case PARAMETER_CONV1D_BIAS:
        return uniform_rule(1 / sqrt((double)config->d_conv));
    case PARAMETER_DT_PROJ_WEIGHT:
        return uniform_rule(config->dt_scale / sqrt(rank));
    case PARAMETER_DT_PROJ_BIAS:
        return plain_rule("inverse softplus", NAN);
    case PARAMETER_A_LOG:
        return plain_rule("ln 1 .. ln N", NAN);
    case PARAMETER_OUT_PROJ_WEIGHT:
        return uniform_rule(1 / sqrt(fan_in * n_layer));
    case PARAMETER_IN_PROJ_BIAS:
    case PARAMETER_OUT_PROJ_BIAS:
        return plain_rule("0", 0);
    case PARAMETER_D:
    case PARAMETER_NORM:
    case PARAMETER_NORM_F:
        return plain_rule("1", 0);
    }
    return plain_rule("", NAN);
}

static void print_rule(const Config *config, const Parameter *parameter,
                       const float *numbers) {
    Rule rule = rule_of(config, parameter);
    Statistics s = statistics(numbers, parameter->count);
    char wanted[16] = "";
    if (!isnan(rule.deviation))
        snprintf(wanted, sizeof wanted, "%.4f", rule.deviation);
    printf("  %-17s %-20s %7s %7.4f %8.4f %7.3f %6.3f\n", short_name(parameter),
           rule.words, wanted, s.deviation, tidy(s.mean, 5e-5), s.least,
           s.most);
}

// The numbers of the tensor of this role in this layer, and how many.
static const float *find_numbers(const Model *model, ParameterRole role,
                                 size_t layer, size_t *count) {
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        if (parameter->role == role && parameter->layer == layer) {
            *count = parameter->count;
            return model->numbers[i];
        }
    }
    return NULL;
}

static void initialization(const Given *given) {
    const Model *model = &given->fresh;
    section("initialization", "How a new model begins, measured");
    printf("The tensors outside the layers and those of layer 0. `wanted`\n"
           "is the standard deviation that the rule gives, `found` the one\n"
           "of the numbers themselves.\n\n");
    printf("  %-17s %-20s %7s %7s %8s %7s %6s\n", "tensor", "rule", "wanted",
           "found", "mean", "least", "most");
    for (size_t i = 0; i < model->n_parameters; i++)
        if (model->parameters[i].layer == 0)
            print_rule(&model->config, &model->parameters[i],
                       model->numbers[i]);

    size_t count = 0;
    const float *out =
        find_numbers(model, PARAMETER_OUT_PROJ_WEIGHT, 0, &count);
    double plain = 1 / sqrt(3 * (double)model->shape.d_inner);
    printf("\nU(-a, a) has a standard deviation of a / sqrt(3).\n"
           "out_proj.weight is smaller than its width alone would make it,\n"
           "by sqrt(n_layer):\n");
    value("out-proj-shrunk-by", plain / root_mean_square(out, count), 3);
    value("root-of-n-layer", sqrt((double)model->config.n_layer), 3);
}

// --- Why out_proj begins smaller ---------------------------------------------

// The tokens of the example: a batch of random ids.
static int32_t *random_tokens(const Model *model, size_t count, uint64_t seed,
                              Error *err) {
    int32_t *tokens = allocate(count, sizeof *tokens, "random tokens", err);
    Random random = random_from_seed(seed);
    for (size_t i = 0; tokens && i < count; i++)
        tokens[i] = (int32_t)random_uniform(&random, 0,
                                            (double)model->config.vocab_size);
    return tokens;
}

// The RMS of the residual stream after the first n_layer blocks of the model,
// every out_proj.weight multiplied by a factor.
static bool residual_size(Session *session, const int32_t *tokens,
                          size_t n_layer, float factor, double *rms,
                          Error *err) {
    const Model *model = session->model;
    size_t rows = session->chunk, d_model = model->shape.d_model;
    size_t count = d_model * model->shape.d_inner;
    float *scaled = allocate(count, sizeof *scaled, "another out_proj", err);
    bool ok = scaled != NULL;
    session_reset(session);
    model_embed(model, session->r, tokens, rows);
    for (size_t layer = 0; ok && layer < n_layer; layer++) {
        BlockWeights weights = model->layers[layer];
        const float *out_proj = weights.out_proj_weight.numbers;
        for (size_t i = 0; i < count; i++)
            scaled[i] = factor * out_proj[i];
        weights.out_proj_weight.numbers = scaled;
        ok = block_forward(&model->shape, &weights, session->r,
                           session->layers[layer], 1, rows, session->backend,
                           &session->activations, err);
    }
    *rms = root_mean_square(session->r, rows * d_model);
    release(scaled);
    return ok;
}

// Models of 1, 2, 4 .. n_layer blocks: with and without the rule.
static bool residual_table(Session *session, const int32_t *tokens,
                           Error *err) {
    size_t most = session->model->config.n_layer;
    double rule = 0, none = 0;
    if (!residual_size(session, tokens, 0, 1, &rule, err))
        return false;
    printf("  %8s %26s %12s\n", "n_layer", "divided by sqrt(n_layer)",
           "not divided");
    printf("  %8d %26.3f %12.3f\n", 0, rule, rule);
    for (size_t n = 1, last = 0; n != last;
         last = n, n = 2 * n < most ? 2 * n : most) {
        // The model itself has its numbers divided by the root of `most`.
        float plain = sqrtf((float)most),
              divided = sqrtf((float)most / (float)n);
        if (!residual_size(session, tokens, n, divided, &rule, err) ||
            !residual_size(session, tokens, n, plain, &none, err))
            return false;
        printf("  %8zu %26.3f %12.3f\n", n, rule, none);
    }
    printf("\n");
    value("residual-divided", rule, 2);
    value("residual-not-divided", none, 2);
    return true;
}

static bool residual_stream(const Given *given, Error *err) {
    enum { TOKENS = 32 };
    Session session = {0};
    int32_t *tokens = random_tokens(&given->fresh, TOKENS, 1, err);
    bool ok = tokens && session_new(&session, &given->fresh, 1, TOKENS,
                                    given->backend, err);
    if (ok) {
        section("residual-stream", "Why out_proj begins smaller");
        printf("%d random tokens go through the first n_layer blocks of the\n"
               "new model. The root mean square of the residual stream at the\n"
               "end, where out_proj is U(-a, a) with a = 1 / sqrt(d_inner),\n"
               "divided by sqrt(n_layer) or not:\n\n",
               TOKENS);
        ok = residual_table(&session, tokens, err);
    }
    if (ok)
        printf("\nWhat a block adds is unrelated to what is there, so the\n"
               "squares add up, one for each block. With the division the sum\n"
               "stays the same at any depth.\n");
    session_free(&session);
    release(tokens);
    return ok;
}

// --- The first steps Delta --------------------------------------------------

enum { BINS = 8 };

// Counts the steps softplus(bias) of all layers in bins of equal width in
// ln Delta; returns how many there are, and the least and most of them.
static size_t count_steps(const Model *model, size_t bins[BINS], double *least,
                          double *most) {
    const Config *config = &model->config;
    double low = log(config->dt_min), high = log(config->dt_max);
    size_t all = 0;
    *least = INFINITY, *most = 0;
    memset(bins, 0, BINS * sizeof *bins);
    for (size_t layer = 0; layer < config->n_layer; layer++) {
        size_t n = 0;
        const float *bias =
            find_numbers(model, PARAMETER_DT_PROJ_BIAS, layer, &n);
        for (size_t i = 0; i < n; i++) {
            double delta = softplus(bias[i]);
            double place = (log(delta) - low) / (high - low) * BINS;
            bins[(size_t)fmin(fmax(place, 0), BINS - 1)]++;
            *least = fmin(*least, delta);
            *most = fmax(*most, delta);
        }
        all += n;
    }
    return all;
}

// A bar for a share: the whole width is 40 %.
static void print_bar(double share) {
    enum { WIDTH = 40 };
    for (double i = 0; i + 0.5 < fmin(share / 0.4, 1) * WIDTH; i++)
        putchar('#');
    putchar('\n');
}

static void print_bins(const Config *config, const size_t bins[BINS],
                       size_t all) {
    double low = log(config->dt_min), high = log(config->dt_max);
    printf("        Delta from .. to   share   if even\n");
    for (size_t i = 0; i < BINS; i++) {
        double from = exp(low + (high - low) * (double)i / BINS);
        double to = exp(low + (high - low) * (double)(i + 1) / BINS);
        double share = (double)bins[i] / (double)all;
        double even = (to - from) / (config->dt_max - config->dt_min);
        printf("  %11.4f .. %7.4f %5.1f %% %7.1f %%  ", from, to, 100 * share,
               100 * even);
        print_bar(share);
    }
}

static void first_steps(const Given *given) {
    const Config *config = &given->fresh.config;
    size_t bins[BINS];
    double least, most;
    size_t all = count_steps(&given->fresh, bins, &least, &most);
    section("first-steps", "The steps Delta that a new model begins with");
    printf("dt_proj.bias is drawn so that Delta = softplus(bias) is spread\n"
           "evenly over the logarithm of dt_min .. dt_max. The %zu\n"
           "channels of all layers; `if even` is what drawing Delta itself\n"
           "evenly would give.\n\n",
           all);
    print_bins(config, bins, all);
    printf("\n");
    value("least-step", least, 2);
    value("largest-step", most, 2);
    value("longest-memory", 1 / config->dt_min, 4);
    value("shortest-memory", 1 / (config->dt_max * (double)config->d_state), 3);
    printf("\nA state with A = -n forgets in about 1 / (Delta n) tokens. So\n"
           "there are channels for every time scale between these two, as\n"
           "many for the long ones as for the short ones.\n");
}

// --- Files ------------------------------------------------------------------

// A model so small that its files can be shown.
static bool small_model(Model *model, uint64_t seed, Error *err) {
    Config config = config_default();
    config.d_model = 16;
    config.n_layer = 2;
    config.vocab_size = 61;
    return model_initialize(model, &config, seed, err);
}

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

// Removes a model's two files and their directory, as far as they are there.
static void remove_model(const char *directory) {
    static const char *const names[] = {"config.json", "model.safetensors"};
    char path[PATH_BYTES];
    Error ignored;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (path_join(path, directory, names[i], &ignored))
            unlink(path);
    rmdir(directory);
}

// The text of config.json, each line indented.
static bool print_file(const char *directory, const char *name, Error *err) {
    char path[PATH_BYTES];
    FileView view;
    if (!path_join(path, directory, name, err) || !file_map(&view, path, err))
        return false;
    bool fresh_line = true;
    for (size_t i = 0; i < view.size; i++) {
        if (fresh_line)
            printf("  ");
        fresh_line = view.bytes[i] == '\n';
        putchar(view.bytes[i] == '\t' ? ' ' : view.bytes[i]);
    }
    file_unmap(&view);
    return true;
}

// The first lines of the header, and the sizes of the file's three parts.
static void print_header(const FileView *view) {
    enum { WIDTH = 72, LINES = 4 };
    uint64_t length;
    memcpy(&length, view->bytes, sizeof length);
    size_t behind = view->size - sizeof length - (size_t)length;
    printf("\nmodel.safetensors, %s bytes:\n\n", grouped(view->size).text);
    printf("  %9zu  the length of the header, as a number of 64 bits\n",
           sizeof length);
    printf("  %9llu  the header, JSON padded with spaces\n",
           (unsigned long long)length);
    printf("  %9zu  the numbers of all tensors, 4 bytes each\n\n", behind);
    printf("The header begins:\n\n");
    const char *header = (const char *)view->bytes + sizeof length;
    for (size_t line = 0; line < LINES; line++)
        printf("  %.*s%s\n", WIDTH, header + line * WIDTH,
               line + 1 == LINES ? " ..." : "");
}

// The tensors of layer 0, with the places of their bytes behind the header.
static void print_layer(const Safetensors *file, const Model *model) {
    uint64_t length;
    memcpy(&length, file->view.bytes, sizeof length);
    const unsigned char *data = file->view.bytes + sizeof length + length;
    printf("\nThe tensors of layer 0 (`from` and `to` count from the end of\n"
           "the header):\n\n");
    printf("  %-40s %-5s %-12s %6s %6s\n", "name", "type", "shape", "from",
           "to");
    for (size_t i = 0; i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        if (!strstr(parameter->name, "layers.0."))
            continue;
        const Tensor *tensor = safetensors_find(file, parameter->name);
        size_t from = (size_t)((const unsigned char *)tensor->data - data);
        char shape[64];
        shape_text(shape, sizeof shape, tensor->shape, tensor->rank);
        printf("  %-40s %-5s %-12s %6zu %6zu\n", tensor->name,
               tensor_type_name(tensor->type), shape, from,
               from + tensor->count * sizeof(float));
    }
}

static bool print_weights(const char *directory, const Model *model,
                          Error *err) {
    char path[PATH_BYTES];
    Safetensors file;
    if (!path_join(path, directory, "model.safetensors", err) ||
        !safetensors_open(&file, path, err))
        return false;
    print_header(&file.view);
    print_layer(&file, model);
    safetensors_close(&file);
    return true;
}

// How many numbers of two models of the same tensors differ in any bit.
static size_t different_bits(const Model *one, const Model *other) {
    size_t different = 0;
    for (size_t i = 0; i < one->n_parameters; i++)
        for (size_t j = 0; j < one->parameters[i].count; j++)
            different += memcmp(&one->numbers[i][j], &other->numbers[i][j],
                                sizeof(float)) != 0;
    return different;
}

// What was saved is loaded and compared.
static bool load_back(const Model *model, const char *directory, Error *err) {
    Model back;
    if (!model_load(&back, directory, MATRIX_F32, err))
        return false;
    size_t different = different_bits(model, &back);
    printf("\nLoaded back, it has a vocabulary of %zu in %zu rows again.\n"
           "Of its %s numbers, so many have changed in any bit:\n",
           back.config.vocab_size, padded_vocab(&back),
           grouped(parameter_total(&back.config)).text);
    value("numbers-that-changed", (double)different, 9);
    model_free(&back);
    return true;
}

static bool files(const Given *given, Error *err) {
    char directory[PATH_BYTES];
    Model model;
    if (!small_model(&model, given->settings->seed, err))
        return false;
    if (!temporary_directory(directory, err)) {
        model_free(&model);
        return false;
    }
    section("files", "A model as a directory");
    printf("A new model with d_model %zu, %zu layers and a vocabulary of\n"
           "%zu, saved in the two files that transformers reads.\n"
           "config.json:\n\n",
           model.config.d_model, model.config.n_layer, model.config.vocab_size);
    bool ok = model_save(&model, directory, err) &&
              print_file(directory, "config.json", err) &&
              print_weights(directory, &model, err) &&
              load_back(&model, directory, err);
    remove_model(directory);
    model_free(&model);
    return ok;
}

// --- The tokenizer ----------------------------------------------------------

// "Z", an e with two dots, a cup: characters of one, two and three bytes.
static const char *const sample = "Zo\xc3\xab, \xe2\x98\x95.";

static void print_tokens(const int32_t *tokens, size_t n) {
    printf("  character   tokens\n");
    for (size_t i = 0; i < n;) {
        // In UTF-8 the bytes after a character's first are 10xxxxxx.
        size_t size = 1;
        while (i + size < n && (tokens[i + size] & 0xc0) == 0x80)
            size++;
        printf("  ");
        for (size_t j = 0; j < size; j++)
            putchar(tokenizer_decode(tokens[i + j]));
        printf("%11s", "");
        for (size_t j = 0; j < size; j++)
            printf(" %d", (int)tokens[i + j]);
        printf("\n");
        i += size;
    }
}

static bool tokenizer(const Given *given, Error *err) {
    int32_t tokens[64];
    size_t size = strlen(sample), changed = 0;
    section("tokenizer", "Text as tokens, one for each byte");
    printf("The byte-level tokenizer has a vocabulary of %d and nothing to\n"
           "learn.\n\n",
           BYTE_VALUES);
    tokenizer_encode(tokens, sample, size);
    print_tokens(tokens, size);

    char bytes[BYTE_VALUES];
    int32_t all[BYTE_VALUES];
    for (size_t i = 0; i < BYTE_VALUES; i++)
        bytes[i] = (char)(unsigned char)i;
    tokenizer_encode(all, bytes, BYTE_VALUES);
    for (size_t i = 0; i < BYTE_VALUES; i++)
        changed += tokenizer_decode(all[i]) != bytes[i];
    printf("\nAny byte will do, whatever the encoding. Of all %d there and\n"
           "back:\n",
           BYTE_VALUES);
    value("bytes-that-changed", (double)changed, 3);

    // A model whose tokens are no bytes is refused.
    Model other;
    Error refusal = {"nothing"};
    if (!small_model(&other, given->settings->seed, err))
        return false;
    tokenizer_check(&other, &refusal);
    printf(
        "\nText for a model whose vocabulary is not the bytes is refused:\n\n");
    print_wrapped(refusal.text);
    model_free(&other);
    return true;
}

// --- Logits -----------------------------------------------------------------

// A token with its probability.
typedef struct {
    int32_t token;
    double probability;
} Guess;

enum { BEST = 5 };

// The best guesses of a row of logits (V), the likeliest first. Of each the
// probability softmax(l)_i = exp(l_i) / sum_j exp(l_j) is exp(-nats).
static void best_guesses(Guess guesses[BEST], const float *logits, size_t V,
                         size_t vocab_size) {
    size_t found = 0;
    memset(guesses, 0, BEST * sizeof *guesses);
    for (size_t i = 0; i < vocab_size; i++) {
        Guess guess = {(int32_t)i, exp(-cross_entropy(logits, V, (int32_t)i))};
        size_t place = found < BEST ? found++ : BEST;
        while (place > 0 && guesses[place - 1].probability < guess.probability)
            place--;
        for (size_t j = BEST - 1; j > place; j--)
            guesses[j] = guesses[j - 1];
        if (place < BEST)
            guesses[place] = guess;
    }
}

// The whole prompt's logits (L, V), to be released.
static float *prompt_logits(const Given *given, int32_t *tokens, size_t length,
                            Error *err) {
    const Model *model = &given->trained;
    Session session;
    float *logits = allocate(length, padded_vocab(model) * sizeof *logits,
                             "the prompt's logits", err);
    if (!logits)
        return NULL;
    bool ok = session_new(&session, model, 1, CHUNK, given->backend, err);
    if (ok)
        ok = session_feed(&session, tokens, length, logits, length, err);
    if (ok)
        session_free(&session);
    if (!ok) {
        release(logits);
        return NULL;
    }
    return logits;
}

// From logits to probabilities, for the last position.
static void print_softmax(const float *logits, size_t V, size_t vocab_size) {
    Guess guesses[BEST];
    best_guesses(guesses, logits, V, vocab_size);
    double best = logits[guesses[0].token], sum = 0, all = 0, shown = 0;
    for (size_t i = 0; i < V; i++) {
        sum += exp(logits[i] - best);
        all += exp(-cross_entropy(logits, V, (int32_t)i));
    }
    printf("   byte   logit l   exp(l - best)   probability\n");
    for (size_t i = 0; i < BEST && i < vocab_size; i++) {
        double l = logits[guesses[i].token];
        printf("  %5s   %7.2f   %13.3f   %11.3f\n",
               show_byte(guesses[i].token, true).text, l, exp(l - best),
               guesses[i].probability);
        shown += guesses[i].probability;
    }
    printf("  the others        %13.3f   %11.3f\n", sum * (1 - shown / all),
           all - shown);
    printf("  together          %13.3f   %11.3f\n", sum, all);
}

// What was read up to a position, as far as it fits, right-aligned.
static void print_context(const int32_t *tokens, size_t length) {
    enum { WIDTH = 12 };
    size_t first = length, used = 0;
    while (first > 0) {
        size_t more = strlen(show_byte(tokens[first - 1], false).text);
        if (used + more > WIDTH)
            break;
        used += more;
        first--;
    }
    printf("  %*s", (int)(WIDTH - used), "");
    for (; first < length; first++)
        printf("%s", show_byte(tokens[first], false).text);
}

static void print_guess_rows(const int32_t *tokens, size_t length,
                             const float *logits, size_t V, size_t vocab_size) {
    enum { ROWS = 16 };
    printf("  %-12s   %-44s  %-5s %5s\n", "read so far", "best guesses", "next",
           "bits");
    for (size_t t = length > ROWS ? length - ROWS : 0; t < length; t++) {
        Guess guesses[BEST];
        best_guesses(guesses, logits + t * V, V, vocab_size);
        print_context(tokens, t + 1);
        printf(" |");
        for (size_t i = 0; i < BEST; i++)
            printf(" %4s %.2f", show_byte(guesses[i].token, true).text,
                   guesses[i].probability);
        if (t + 1 < length)
            printf("  %5s %5.1f", show_byte(tokens[t + 1], true).text,
                   bits_from_nats(
                       cross_entropy(logits + t * V, V, tokens[t + 1])));
        printf("\n");
    }
}

static bool is_letter(int32_t byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

// Over the whole text: a word's first letter against those that follow it.
static void print_word_bits(const Given *given) {
    double nats[2] = {0, 0};
    size_t times[2] = {0, 0};
    for (size_t i = 1; i < given->count; i++)
        if (is_letter(given->tokens[i])) {
            bool inside = is_letter(given->tokens[i - 1]);
            nats[inside] += given->nats[i];
            times[inside]++;
        }
    if (times[false] == 0 || times[true] == 0)
        return;
    printf("\nOver the whole text of the next section, the mean bits of a\n"
           "word's first letter, and of the letters after it:\n");
    value("bits-first-letter",
          bits_from_nats(nats[false] / (double)times[false]), 3);
    value("bits-inside-word", bits_from_nats(nats[true] / (double)times[true]),
          3);
}

static bool logits(const Given *given, Error *err) {
    const Model *model = &given->trained;
    const char *prompt = given->settings->prompt;
    size_t length = strlen(prompt), V = padded_vocab(model);
    size_t vocab_size = model->config.vocab_size;
    int32_t *tokens = allocate(length, sizeof *tokens, "the prompt", err);
    if (!tokens)
        return false;
    tokenizer_encode(tokens, prompt, length);
    float *rows = prompt_logits(given, tokens, length, err);
    if (rows) {
        section("logits", "What the model says: a number for each token");
        printf("model        %s\n"
               "parameters   %s\n\n"
               "It reads the %zu bytes of the prompt. The logits have the\n"
               "shape (1, %zu, %zu): after each byte, one number for each\n"
               "byte that may come next. After the last one:\n\n",
               model->name, grouped(parameter_total(&model->config)).text,
               length, length, V);
        print_softmax(rows + (length - 1) * V, V, vocab_size);

        section("next-bytes", "The best guesses along a text");
        printf("After each of the last bytes of the prompt: the %d likeliest\n"
               "next bytes with their probabilities, the byte that did come\n"
               "next, and its bits, -log2 of its probability.\n\n",
               BEST);
        print_guess_rows(tokens, length, rows, V, vocab_size);
        print_word_bits(given);
    }
    release(rows);
    release(tokens);
    return rows != NULL;
}

// --- Bits per byte ----------------------------------------------------------

// The nats of each token (count) of the text for a model; the first has 0.
static bool evaluate(const Given *given, const Model *model, double *nats,
                     Error *err) {
    Session session;
    Evaluation evaluation;
    if (!session_new(&session, model, 1, CHUNK, given->backend, err))
        return false;
    bool ok = evaluation_new(&evaluation, &session, err);
    if (ok) {
        ok = evaluation_feed(&evaluation, given->tokens, given->count, nats,
                             err);
        evaluation_free(&evaluation);
    }
    session_free(&session);
    return ok;
}

// The mean of nats from token `first` (counted from 0) to before `end`, in
// bits.
static double mean_bits(const double *nats, size_t first, size_t end) {
    double sum = 0;
    for (size_t i = first; i < end; i++)
        sum += nats[i];
    return bits_from_nats(sum / (double)(end - first));
}

// The entropy of the bytes' frequencies, -sum_b p_b log2 p_b: what the best
// code needs that knows how often each byte occurs, and nothing else.
static double order_0_entropy(const int32_t *tokens, size_t count) {
    size_t times[BYTE_VALUES] = {0};
    double bits = 0;
    for (size_t i = 0; i < count; i++)
        times[tokens[i]]++;
    for (size_t b = 0; b < BYTE_VALUES; b++) {
        double p = (double)times[b] / (double)count;
        bits -= p > 0 ? p * log2(p) : 0;
    }
    return bits;
}

// What a small compressor needs that learns from the text as it goes: how
// often, among the last WINDOW bytes, did this byte follow the same 0, 1 ..
// ORDER bytes? Each count is mixed with the guess of the shorter context:
//     p_k = (hits_k + c p_{k-1}) / (times_k + c),  p_{-1} = 1/256
static double compressor_probability(const int32_t *tokens, size_t i) {
    enum { ORDER = 3, WINDOW = 4096 };
    const double c = 4;
    double hits[ORDER + 1] = {0}, times[ORDER + 1] = {0};
    for (size_t j = i > WINDOW ? i - WINDOW : 0; j < i; j++)
        for (size_t k = 0; k <= ORDER && k <= j; k++) {
            if (k > 0 && tokens[j - k] != tokens[i - k])
                break;
            hits[k] += tokens[j] == tokens[i];
            times[k]++;
        }
    double p = 1.0 / BYTE_VALUES;
    for (size_t k = 0; k <= ORDER; k++)
        p = (hits[k] + c * p) / (times[k] + c);
    return p;
}

static double compressor_bits(const int32_t *tokens, size_t count) {
    double bits = 0;
    for (size_t i = 1; i < count; i++)
        bits -= log2(compressor_probability(tokens, i));
    return bits / (double)(count - 1);
}

// What a new model of the trained one's shape needs.
static bool untrained_bits(const Given *given, double *bits, Error *err) {
    Model model;
    size_t count = given->count;
    double *nats = allocate(count, sizeof *nats, "the nats", err);
    bool ok = nats && model_initialize(&model, &given->trained.config,
                                       given->settings->seed, err);
    if (ok) {
        ok = evaluate(given, &model, nats, err);
        model_free(&model);
    }
    if (ok)
        *bits = mean_bits(nats, 1, count);
    release(nats);
    return ok;
}

static bool write_losses(const Given *given, Error *err) {
    Table table;
    double sum = 0, order_0 = order_0_entropy(given->tokens, given->count);
    if (!table_begin(&table, given->settings->tsv, "loss.tsv",
                     "position\tnats\tmean_nats\torder_0_bits", err))
        return false;
    for (size_t i = 1; i < given->count; i++) {
        sum += given->nats[i];
        double row[] = {(double)i + 1, given->nats[i], sum / (double)i,
                        order_0};
        table_row(&table, row, 4);
    }
    return table_end(&table, err);
}

static bool bits_per_byte(const Given *given, Error *err) {
    size_t count = given->count;
    double bits = mean_bits(given->nats, 1, count), untrained;
    if (!untrained_bits(given, &untrained, err))
        return false;
    section("bits-per-byte", "How well a text is predicted");
    printf("%zu bytes of a text. Each byte after the first is predicted\n"
           "from all before it, and costs -log2 of the probability that it\n"
           "had.\n\n",
           count);
    printf("  %-56s %s\n", "who predicts", "bits per byte");
    printf("  %-56s %10.2f\n", "all 256 bytes are equally likely", log2(256));
    printf("  %-56s %10.2f\n", "this model before training", untrained);
    printf("  %-56s %10.2f\n", "the bytes' frequencies in this very text",
           order_0_entropy(given->tokens, count));
    printf("  %-56s %10.2f\n", "a compressor that learns from this text alone",
           compressor_bits(given->tokens, count));
    printf("  %-56s %10.2f\n\n", "the trained model", bits);
    value("bits-per-byte", bits, 5);
    value("nats-per-byte", bits / bits_from_nats(1), 5);
    value("perplexity", exp(bits / bits_from_nats(1)), 3);
    value("order-0-entropy", order_0_entropy(given->tokens, count), 4);
    value("compressed-to", bits / 8, 2);
    printf("\nThe last is the size of the text, as a share of what it was,\n"
           "after an arithmetic coder with these probabilities.\n");
    return write_losses(given, err);
}

// --- What context is worth --------------------------------------------------

static void print_range(const Given *given, size_t first, size_t end) {
    printf("  %7zu .. %-7zu %12.2f\n", first + 1, end,
           mean_bits(given->nats, first, end));
}

// The text in stretches of growing length, and its end.
static void along_the_text(const Given *given) {
    enum { FIRST = 64, LAST = 1000 };
    size_t count = given->count;
    section("along-the-text", "Does it get better as it reads?");
    printf("The mean bits of the bytes from .. to:\n\n"
           "        bytes           bits per byte\n");
    size_t first = 1;
    for (size_t end = FIRST; end + end / 2 < count; first = end, end *= 4)
        print_range(given, first, end);
    print_range(given, first, count);

    size_t start = count > FIRST + LAST ? count - LAST : FIRST;
    double early = mean_bits(given->nats, 1, FIRST);
    double late = mean_bits(given->nats, start, count);
    printf("\n");
    value("bits-first-64", early, 3);
    value("bits-last-1000", late, 3);
    printf("\nThe stretches differ in difficulty too, so these numbers alone\n"
           "do not say what context does. The next section takes the same\n"
           "bytes with more and less before them.\n");
}

enum { TARGETS = 128 };

// Where target i stands: spread evenly over what lies behind `longest`.
static size_t target_place(size_t count, size_t longest, size_t i) {
    return longest + i * (count - longest) / TARGETS;
}

// The mean bits of the targets when each is predicted from `context` bytes: a
// batch of short texts, each from a state of zero.
static bool bits_with_context(const Given *given, size_t context,
                              size_t longest, double *bits, Error *err) {
    enum { STEP = 16 };
    const Model *model = &given->trained;
    size_t V = padded_vocab(model), count = given->count;
    Session session = {0};
    int32_t *tokens =
        allocate(TARGETS, context * sizeof *tokens, "contexts", err);
    float *rows = allocate(TARGETS, V * sizeof *rows, "logits", err);
    bool ok = tokens && rows &&
              session_new(&session, model, TARGETS, STEP, given->backend, err);
    for (size_t i = 0; ok && i < TARGETS; i++)
        memcpy(tokens + i * context,
               given->tokens + target_place(count, longest, i) - context,
               context * sizeof *tokens);
    ok = ok && session_feed(&session, tokens, context, rows, 1, err);
    double nats = 0;
    for (size_t i = 0; ok && i < TARGETS; i++)
        nats += cross_entropy(rows + i * V, V,
                              given->tokens[target_place(count, longest, i)]);
    *bits = bits_from_nats(nats / TARGETS);
    session_free(&session);
    release(rows);
    release(tokens);
    return ok;
}

// How many tokens the convolutions of all layers see together: each adds K - 1.
static size_t convolutions_see(const Config *config) {
    return 1 + config->n_layer * (config->d_conv - 1);
}

// The table for contexts of 1, 2, 4 .. longest; bits has one for each.
static bool context_table(const Given *given, size_t longest, double *bits,
                          Error *err) {
    Table table;
    if (!table_begin(&table, given->settings->tsv, "bits-by-context.tsv",
                     "context\tbits_per_byte\tconvolutions_see", err))
        return false;
    bool ok = true;
    printf("  bytes of context   bits per byte\n");
    for (size_t length = 1; ok && length <= longest; length *= 2, bits++) {
        ok = bits_with_context(given, length, longest, bits, err);
        double row[] = {(double)length, *bits,
                        (double)convolutions_see(&given->trained.config)};
        table_row(&table, row, 3);
        if (ok)
            printf("  %16zu   %13.2f\n", length, *bits);
    }
    if (!ok && table.open)
        file_abandon(&table.file);
    return ok && table_end(&table, err);
}

static bool context(const Given *given, Error *err) {
    enum { LONGEST = 128, ROWS = 8 };
    const Config *config = &given->trained.config;
    const double close = 0.1;
    double bits[ROWS], best = INFINITY;
    section("context", "What context is worth");
    printf("The same %d bytes of the text, each predicted from the bytes\n"
           "just before it and nothing else:\n\n",
           TARGETS);
    if (!context_table(given, LONGEST, bits, err))
        return false;
    for (size_t i = 0; i < ROWS; i++)
        best = fmin(best, bits[i]);
    size_t enough = 0;
    while (bits[enough] > best + close)
        enough++;
    size_t seen = convolutions_see(config);
    printf("\nFrom so many bytes on it is within %g bits of the best, and\n"
           "so many bytes the convolutions of all layers see together,\n"
           "1 + n_layer (K - 1):\n",
           close);
    value("context-enough", (double)((size_t)1 << enough), 9);
    value("convolutions-see", (double)seen, 9);
    printf("\nWhat lies further back can reach the prediction only\n"
           "through the state h. The bits that this saves here:\n");
    size_t beyond = 0;
    while (beyond + 1 < ROWS && (size_t)1 << beyond < seen)
        beyond++;
    value("bits-saved-by-more", tidy(bits[beyond] - bits[ROWS - 1], 5e-3), 1);
    return true;
}

// --- Far beyond the text's end ----------------------------------------------

// The largest |h| of all layers.
static double largest_state(const Session *session) {
    const BlockShape *shape = &session->model->shape;
    double most = 0;
    for (size_t i = 0; i < session->model->config.n_layer; i++)
        for (size_t k = 0; k < shape->d_inner * shape->d_state; k++)
            most = larger(most, fabsf(session->layers[i].ssm_state[k]));
    return most;
}

// The text again and again to one session, which is never reset.
static bool read_again(const Given *given, Evaluation *evaluation, double *nats,
                       Error *err) {
    enum { READINGS = 8, FIRST = 64 };
    size_t count = given->count;
    double first = 0, bits = 0;
    printf("  reading          positions   bits per byte   largest |h|\n");
    for (size_t n = 1; n <= READINGS; n++) {
        if (!evaluation_feed(evaluation, given->tokens, count, nats, err))
            return false;
        // Without the first bytes: the first time nothing stands before them.
        bits = mean_bits(nats, FIRST, count);
        first = n == 1 ? bits : first;
        if ((n & (n - 1)) == 0)
            printf("  %7zu  %7zu .. %-7zu   %13.3f   %11.1f\n", n,
                   (n - 1) * count + FIRST + 1, n * count, bits,
                   largest_state(evaluation->session));
    }
    printf("\n");
    value("first-bytes-left-out", FIRST, 9);
    value("bits-first-reading", first, 4);
    value("bits-last-reading", bits, 4);
    value("read-to-position", (double)(READINGS * count), 9);
    return true;
}

static bool far(const Given *given, Error *err) {
    double *nats = allocate(given->count, sizeof *nats, "the nats", err);
    Session session = {0};
    Evaluation evaluation = {0};
    bool ok =
        nats &&
        session_new(&session, &given->trained, 1, CHUNK, given->backend, err) &&
        evaluation_new(&evaluation, &session, err);
    section("far", "The same text again and again");
    printf("One session reads the text several times in a row; its state is\n"
           "never reset. The mean bits of its bytes from the 65th on, and the\n"
           "largest number in the state at the end of each reading.\n\n");
    ok = ok && read_again(given, &evaluation, nats, err);
    evaluation_free(&evaluation);
    session_free(&session);
    release(nats);
    return ok;
}

// --- What is missed when a part is taken away -------------------------------

typedef enum {
    NOTHING,
    SKIP,
    OLD_TAPS,
    DELTA_WEIGHT,
    DELTA_SELECTION,
    STATE,
    GATE,
    LEARNED_A,
    PARTS,
} Part;

static const char *const part_names[PARTS] = {
    [NOTHING] = "nothing",
    [SKIP] = "the skip connection: D = 0",
    [OLD_TAPS] = "the convolution's view of the past: its last tap only",
    [DELTA_WEIGHT] = "dt_proj.weight = 0: Delta = softplus(bias)",
    [DELTA_SELECTION] = "the selection of Delta: dt held at its mean",
    [STATE] = "the state: B = 0, nothing is written into h",
    [GATE] = "the gate: SiLU(z) = 1",
    [LEARNED_A] = "what A has learned: A = -1 .. -N again",
};

// A model of our own numbers, which may be changed. in_proj and out_proj get
// biases, zeros where the model has none.
static bool copy_model(Model *copy, const Model *model, Error *err) {
    Config config = model->config;
    config.bias = true;
    if (!model_new(copy, &config, model->name, err))
        return false;
    copy->storage =
        allocate(parameter_total(&config), sizeof(float), "a copy", err);
    if (!copy->storage) {
        model_free(copy);
        return false;
    }
    float *numbers = copy->storage;
    for (size_t i = 0; i < copy->n_parameters; i++) {
        copy->numbers[i] = numbers;
        numbers += copy->parameters[i].count;
    }
    return true;
}

// The model's own numbers into the copy.
static void restore_copy(Model *copy, const Model *model) {
    float *numbers = copy->storage;
    for (size_t i = 0; i < copy->n_parameters; i++) {
        const Parameter *parameter = &copy->parameters[i];
        size_t count = 0;
        const float *from =
            find_numbers(model, parameter->role, parameter->layer, &count);
        if (from)
            memcpy(numbers, from, count * sizeof *numbers);
        else
            memset(numbers, 0, parameter->count * sizeof *numbers);
        numbers += parameter->count;
    }
}

// A tensor of the copy, to be changed.
static float *own_numbers(Model *copy, ParameterRole role, size_t layer,
                          size_t *count) {
    const float *numbers = find_numbers(copy, role, layer, count);
    return copy->storage + (numbers - copy->storage);
}

static void set_all(Model *copy, ParameterRole role, size_t layer,
                    float number) {
    size_t count = 0;
    float *numbers = own_numbers(copy, role, layer, &count);
    for (size_t i = 0; i < count; i++)
        numbers[i] = number;
}

static void keep_last_tap(Model *copy, size_t layer) {
    size_t count = 0, K = copy->shape.d_conv;
    float *taps = own_numbers(copy, PARAMETER_CONV1D_WEIGHT, layer, &count);
    for (size_t i = 0; i < count; i++)
        taps[i] = i % K == K - 1 ? taps[i] : 0;
}

// Delta = softplus(W mean(dt) + bias) for every token.
static void hold_delta(Model *copy, size_t layer, const double *mean_dt) {
    size_t count = 0, R = copy->shape.dt_rank;
    const float *W = own_numbers(copy, PARAMETER_DT_PROJ_WEIGHT, layer, &count);
    float *bias = own_numbers(copy, PARAMETER_DT_PROJ_BIAS, layer, &count);
    for (size_t d = 0; d < count; d++)
        for (size_t r = 0; r < R; r++)
            bias[d] += (float)(W[d * R + r] * mean_dt[layer * R + r]);
    set_all(copy, PARAMETER_DT_PROJ_WEIGHT, layer, 0);
}

// The rows of x_proj that make B.
static void write_nothing(Model *copy, size_t layer) {
    size_t count = 0, d_inner = copy->shape.d_inner;
    float *rows = own_numbers(copy, PARAMETER_X_PROJ_WEIGHT, layer, &count);
    memset(rows + copy->shape.dt_rank * d_inner, 0,
           copy->shape.d_state * d_inner * sizeof *rows);
}

// The z with SiLU(z) = 1, by bisection: SiLU grows from z = 0 on.
static float open_gate(void) {
    float low = 0, high = 4;
    for (size_t i = 0; i < 40; i++) {
        float middle = (low + high) / 2;
        if (silu(middle) < 1)
            low = middle;
        else
            high = middle;
    }
    return high;
}

// z = bias, whatever the input.
static void hold_gate(Model *copy, size_t layer) {
    size_t count = 0, d_inner = copy->shape.d_inner;
    size_t half = d_inner * copy->shape.d_model;
    float *W = own_numbers(copy, PARAMETER_IN_PROJ_WEIGHT, layer, &count);
    memset(W + half, 0, half * sizeof *W);
    float *bias = own_numbers(copy, PARAMETER_IN_PROJ_BIAS, layer, &count);
    for (size_t d = 0; d < d_inner; d++)
        bias[d_inner + d] = open_gate();
}

static void forget_A(Model *copy, size_t layer) {
    size_t count = 0, N = copy->shape.d_state;
    float *A_log = own_numbers(copy, PARAMETER_A_LOG, layer, &count);
    for (size_t i = 0; i < count; i++)
        A_log[i] = logf((float)(i % N + 1));
}

// Takes a part out of one layer of the copy.
static void take_away(Model *copy, Part part, size_t layer,
                      const double *mean_dt) {
    switch (part) {
    case SKIP:
        set_all(copy, PARAMETER_D, layer, 0);
        return;
    case OLD_TAPS:
        keep_last_tap(copy, layer);
        return;
    case DELTA_WEIGHT:
        set_all(copy, PARAMETER_DT_PROJ_WEIGHT, layer, 0);
        return;
    case DELTA_SELECTION:
        hold_delta(copy, layer, mean_dt);
        return;
    case STATE:
        write_nothing(copy, layer);
        return;
    case GATE:
        hold_gate(copy, layer);
        return;
    case LEARNED_A:
        forget_A(copy, layer);
        return;
    case NOTHING:
    case PARTS:
        return;
    }
}

// The mean over the text of dt, from which Delta is made: mean_dt (n_layer, R).
static bool measure_dt(const Given *given, double *mean_dt, Error *err) {
    const Model *model = &given->trained;
    const BlockShape *shape = &model->shape;
    size_t R = shape->dt_rank, count = given->count;
    Session s;
    if (!session_new(&s, model, 1, CHUNK, given->backend, err))
        return false;
    bool ok = true;
    for (size_t t = 0, n; ok && t < count; t += n) {
        n = count - t < CHUNK ? count - t : CHUNK;
        model_embed(model, s.r, given->tokens + t, n);
        for (size_t layer = 0; ok && layer < model->config.n_layer; layer++) {
            ok = block_forward(shape, &model->layers[layer], s.r,
                               s.layers[layer], 1, n, s.backend, &s.activations,
                               err);
            for (size_t i = 0; ok && i < n * R; i++)
                mean_dt[layer * R + i % R] +=
                    (double)s.activations.dt[i] / (double)count;
        }
    }
    session_free(&s);
    return ok;
}

// What the text costs the copy, and a row of the table.
static bool print_without(const Given *given, Model *copy, const char *what,
                          double *nats, double whole, double *bits,
                          Error *err) {
    model_bind(copy);
    if (!evaluate(given, copy, nats, err))
        return false;
    *bits = mean_bits(nats, 1, given->count);
    printf("  %-56s %8.2f", what, *bits);
    if (whole > 0)
        printf("   %+8.2f", *bits - whole);
    printf("\n");
    return true;
}

// A row for each part, taken out of every layer; bits (PARTS).
static bool print_parts_away(const Given *given, Model *copy,
                             const double *mean_dt, double *nats, double *bits,
                             Error *err) {
    const Model *model = &given->trained;
    for (size_t part = NOTHING; part < PARTS; part++) {
        restore_copy(copy, model);
        for (size_t layer = 0; layer < model->config.n_layer; layer++)
            take_away(copy, (Part)part, layer, mean_dt);
        if (!print_without(given, copy, part_names[part], nats,
                           part == NOTHING ? 0 : bits[NOTHING], &bits[part],
                           err))
            return false;
    }
    return true;
}

// A row for each block taken out whole, or for some of many.
static bool print_blocks_away(const Given *given, Model *copy, double *nats,
                              double whole, Error *err) {
    enum { MOST = 8 };
    size_t n_layer = given->trained.config.n_layer;
    size_t step = (n_layer + MOST - 1) / MOST;
    for (size_t layer = 0; layer < n_layer; layer += step) {
        char what[80];
        double bits;
        snprintf(what, sizeof what, "block %zu of %zu: out_proj = 0", layer + 1,
                 n_layer);
        restore_copy(copy, &given->trained);
        set_all(copy, PARAMETER_OUT_PROJ_WEIGHT, layer, 0);
        set_all(copy, PARAMETER_OUT_PROJ_BIAS, layer, 0);
        if (!print_without(given, copy, what, nats, whole, &bits, err))
            return false;
    }
    return true;
}

static void explain_parts_away(const double *bits) {
    bool little = bits[STATE] - bits[NOTHING] < 0.3;
    printf("\nThis is how much this model leans on each part, having been\n"
           "trained with it. A model trained without a part would have\n"
           "learned to do with the others.\n");
    if (little)
        printf("\nThe state is missed little: this model goes by the last few\n"
               "bytes, which the convolutions see.\n");
}

static bool taken_away(const Given *given, Error *err) {
    const Model *model = &given->trained;
    double bits[PARTS] = {0};
    size_t dt_count = model->config.n_layer * model->shape.dt_rank;
    double *nats = allocate(given->count, sizeof *nats, "the nats", err);
    double *mean_dt = allocate(dt_count, sizeof *mean_dt, "means of dt", err);
    Model copy = {0};
    bool ok = nats && mean_dt && copy_model(&copy, model, err) &&
              measure_dt(given, mean_dt, err);
    section("taken-away", "What the trained model misses when a part is gone");
    printf("The same text. The numbers of one part are changed in a copy\n"
           "of the model, in every layer. `more` is what it costs.\n\n"
           "  %-56s %8s   %8s\n",
           "taken away", "bits", "more");
    ok = ok && print_parts_away(given, &copy, mean_dt, nats, bits, err) &&
         print_blocks_away(given, &copy, nats, bits[NOTHING], err);
    if (ok) {
        printf("\n");
        value("bits-without-state", bits[STATE], 3);
        value("bits-without-old-taps", bits[OLD_TAPS], 3);
        value("bits-without-selection-of-delta", bits[DELTA_SELECTION], 3);
        explain_parts_away(bits);
    }
    model_free(&copy);
    release(mean_dt);
    release(nats);
    return ok;
}

// --- Numbers of 16 bits, and one that is none --------------------------------

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// The nearest bfloat16 of a finite number, ties to even: the upper half of a
// float32.
static uint16_t to_bf16(float x) {
    uint32_t bits = bits_of(x);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// The nearest float16 of a finite number, ties to even. Above 0x1p-14 it has
// 11 significant bits, below that steps of 0x1p-24.
static uint16_t to_f16(float x) {
    uint32_t sign = bits_of(x) >> 16 & 0x8000;
    float size = fabsf(x);
    if (size >= 65520)
        return (uint16_t)(sign | 0x7c00);  // infinity
    int exponent;
    frexpf(size, &exponent);
    exponent = size < 0x1p-14f ? -13 : exponent;
    float steps = nearbyintf(ldexpf(size, 11 - exponent));
    // 1024 steps are the hidden bit, which carries into the exponent.
    return (uint16_t)(sign |
                      (((uint32_t)(exponent + 13) << 10) + (uint32_t)steps));
}

// There and back.
static float rounded(float x, TensorType type) {
    uint16_t half = type == TENSOR_F16 ? to_f16(x) : to_bf16(x);
    const Tensor tensor = {.type = type, .count = 1, .data = &half};
    float number = x;
    if (type != TENSOR_F32)
        tensor_to_float(&tensor, &number);
    return number;
}

// The trained model's weights in a file of this type. halves has room for all.
static bool save_as(const Model *model, TensorType type, const char *directory,
                    uint16_t *halves, Error *err) {
    char path[PATH_BYTES];
    if (!model_save(model, directory, err) ||
        !path_join(path, directory, "model.safetensors", err))
        return false;
    if (type == TENSOR_F32)
        return true;
    Tensor *tensors =
        allocate(model->n_parameters, sizeof *tensors, "tensors", err);
    for (size_t i = 0; tensors && i < model->n_parameters; i++) {
        const Parameter *parameter = &model->parameters[i];
        tensors[i] = (Tensor){.name = parameter->name,
                              .type = type,
                              .rank = parameter->rank,
                              .count = parameter->count,
                              .data = halves};
        memcpy(tensors[i].shape, parameter->shape, sizeof parameter->shape);
        for (size_t k = 0; k < parameter->count; k++, halves++)
            *halves = type == TENSOR_F16 ? to_f16(model->numbers[i][k])
                                         : to_bf16(model->numbers[i][k]);
    }
    bool ok = tensors && safetensors_write(path, tensors, model->n_parameters,
                                           NULL, 0, err);
    release(tensors);
    return ok;
}

// The model saved as this type and loaded again reads the text.
static bool print_stored(const Given *given, TensorType type,
                         const char *directory, uint16_t *halves, double *nats,
                         Error *err) {
    Model back;
    if (!save_as(&given->trained, type, directory, halves, err) ||
        !model_load(&back, directory, MATRIX_F32, err))
        return false;
    size_t changed = different_bits(&given->trained, &back);
    bool ok = evaluate(given, &back, nats, err);
    if (ok)
        printf("  %-9s %16s %20s %15.3f\n", tensor_type_name(type),
               grouped(back.file.view.size).text, grouped(changed).text,
               mean_bits(nats, 1, given->count));
    model_free(&back);
    return ok;
}

static bool print_stored_types(const Given *given, uint16_t *halves,
                               double *nats, Error *err) {
    static const TensorType types[] = {TENSOR_F32, TENSOR_F16, TENSOR_BF16};
    char directory[PATH_BYTES];
    if (!temporary_directory(directory, err))
        return false;
    printf("  stored as    bytes of file      numbers changed   bits per "
           "byte\n");
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof types / sizeof *types; i++)
        ok = print_stored(given, types[i], directory, halves, nats, err);
    remove_model(directory);
    return ok;
}

static void print_rounded(const char *what, float x) {
    printf("  %-24s %12.6g %12.6g %12.6g\n", what, x, rounded(x, TENSOR_F16),
           rounded(x, TENSOR_BF16));
}

// What a NaN among the weights is told as.
static bool print_nan(const Given *given, Error *err) {
    Model copy = {0};
    double *nats = allocate(given->count, sizeof *nats, "the nats", err);
    bool ok = nats && copy_model(&copy, &given->trained, err);
    if (ok) {
        Error refusal = {"nothing"};
        size_t count, layer = copy.config.n_layer / 2;
        restore_copy(&copy, &given->trained);
        own_numbers(&copy, PARAMETER_X_PROJ_WEIGHT, layer, &count)[7] = NAN;
        model_bind(&copy);
        evaluate(given, &copy, nats, &refusal);
        printf("\nOne weight of the model is NaN, and it reads the text:\n\n");
        print_wrapped(refusal.text);
    }
    model_free(&copy);
    release(nats);
    return ok;
}

static bool sixteen_bits(const Given *given, Error *err) {
    size_t total = parameter_total(&given->trained.config);
    uint16_t *halves = allocate(total, sizeof *halves, "weights", err);
    double *nats = allocate(given->count, sizeof *nats, "the nats", err);
    section("sixteen-bits", "Stored in 16 bits, computed in 32");
    printf("The trained model, its weights rounded and saved, then loaded;\n"
           "it reads the same text.\n\n");
    bool ok = halves && nats && print_stored_types(given, halves, nats, err);
    if (ok) {
        printf("\nResults that 16 bits cannot hold:\n\n"
               "  %-24s %12s %12s %12s\n",
               "", "float32", "float16", "bfloat16");
        print_rounded("exp(-0.001)", expf(-0.001f));
        print_rounded("256 + 0.5", 256.5f);
        print_rounded("300 * 300", 90000);
        ok = print_nan(given, err);
    }
    release(nats);
    release(halves);
    return ok;
}

// --- Weights kept in fewer bits ---------------------------------------------

// The trained model, its matrices kept as each type, reads the text.
static bool fewer_bits(const Given *given, Error *err) {
    static const MatrixType types[] = {MATRIX_F32, MATRIX_BF16, MATRIX_INT8};
    double *nats = allocate(given->count, sizeof *nats, "the nats", err);
    section("fewer-bits", "Kept in memory in fewer bits");
    printf("The trained model reads the same text.\n\n"
           "  --weights   bytes of weights   of float32's   bits per byte\n");
    bool ok = nats != NULL;
    for (size_t i = 0; ok && i < sizeof types / sizeof *types; i++) {
        Model model;
        ok = model_load(&model, given->settings->model, types[i], err);
        if (!ok)
            break;
        size_t bytes = parameter_bytes(&model.config, types[i]);
        size_t all = parameter_bytes(&model.config, MATRIX_F32);
        ok = evaluate(given, &model, nats, err);
        if (ok)
            printf("  %-9s %18s %12.1f %% %15.3f\n", matrix_type_name(types[i]),
                   grouped(bytes).text, 100 * (double)bytes / (double)all,
                   mean_bits(nats, 1, given->count));
        model_free(&model);
    }
    release(nats);
    return ok;
}

// --- Padded ids -------------------------------------------------------------

static bool padded_ids(const Given *given, Error *err) {
    Model model;
    Session session;
    if (!small_model(&model, given->settings->seed, err))
        return false;
    size_t vocab_size = model.config.vocab_size, V = padded_vocab(&model);
    float rows[BYTE_VALUES];
    int32_t token = 0, padded = (int32_t)vocab_size;
    bool ok = V <= BYTE_VALUES &&
              session_new(&session, &model, 1, 1, given->backend, err);
    if (ok) {
        Error refusal = {"nothing"};
        double mass = 0;
        ok = session_feed(&session, &token, 1, rows, 1, err);
        for (size_t i = vocab_size; ok && i < V; i++)
            mass += exp(-cross_entropy(rows, V, (int32_t)i));
        session_feed(&session, &padded, 1, rows, 1, &refusal);
        section("padded-ids", "Rows that mean nothing");
        printf(
            "A vocabulary of %zu is padded to %zu rows, because matrices of\n"
            "such sizes multiply faster on a GPU. The head computes a logit\n"
            "for each of the %zu rows too many, and before training they\n"
            "are as likely as any other:\n",
            vocab_size, V, V - vocab_size);
        value("probability-of-padding", mass, 2);
        value("share-of-padding", (double)(V - vocab_size) / (double)V, 2);
        printf("\nNo text contains them. One that is fed is refused:\n\n");
        print_wrapped(refusal.text);
        printf(
            "\nTraining makes them unlikely; the sampler of chapter 7 never\n"
            "looks at them.\n");
        session_free(&session);
    }
    model_free(&model);
    return ok;
}

// --- A new model at work ----------------------------------------------------

// The example of the project that this one grew out of: a new model, a batch
// of random tokens.
typedef struct {
    Session session;
    size_t batch, length, V;
    int32_t *tokens;  // (batch, length)
    float *logits;    // (batch, length, V)
} Example;

static void example_free(Example *example) {
    session_free(&example->session);
    release(example->tokens);
    release(example->logits);
}

static bool example_new(Example *example, const Given *given, Error *err) {
    const Model *model = &given->fresh;
    const Settings *settings = given->settings;
    size_t rows = settings->batch * settings->length;
    *example = (Example){.batch = settings->batch,
                         .length = settings->length,
                         .V = padded_vocab(model)};
    example->tokens = random_tokens(model, rows, settings->seed, err);
    example->logits =
        allocate(rows, example->V * sizeof(float), "the logits", err);
    if (example->tokens && example->logits &&
        session_new(&example->session, model, settings->batch, settings->length,
                    given->backend, err))
        return true;
    example_free(example);
    return false;
}

static bool example_run(Example *example, Error *err) {
    session_reset(&example->session);
    return session_feed(&example->session, example->tokens, example->length,
                        example->logits, example->length, err);
}

// The mean nats for random targets.
static double guessing_nats(const Example *example) {
    double nats = 0;
    size_t rows = example->batch * example->length;
    for (size_t i = 0; i < rows; i++)
        nats += cross_entropy(example->logits + i * example->V, example->V,
                              example->tokens[(i + 1) % rows]);
    return nats / (double)rows;
}

// A remark where the vocabulary needs no padding: multiple - V mod multiple,
// added without asking, is the whole multiple then.
static void remark_padding(const Config *config, size_t B, size_t L) {
    size_t V = config->vocab_size, multiple = config->pad_vocab_size_multiple;
    if (V % multiple != 0)
        return;
    printf("%zu is a multiple of %zu, so nothing is padded. Adding\n"
           "%zu - %zu mod %zu without asking gives one multiple too many,\n"
           "and this shape:\n\n",
           V, multiple, multiple, V, multiple);
    printf("  output shape   (%zu, %zu, %zu)\n\n", B, L,
           V + multiple - V % multiple);
}

static bool example_shapes(const Given *given, Example *example, Error *err) {
    const Model *model = &given->fresh;
    size_t B = example->batch, L = example->length, V = example->V;
    if (!example_run(example, err))
        return false;
    section("example", "A new model at work");
    printf("The new model of the configuration above reads a batch of\n"
           "random tokens.\n\n");
    printf("  parameters     %s\n",
           grouped(parameter_total(&model->config)).text);
    printf("  input shape    (%zu, %zu)\n", B, L);
    printf("  output shape   (%zu, %zu, %zu)\n", B, L, V);
    printf("  state          %s bytes for each sequence\n\n",
           grouped(session_state_count(&model->config) * sizeof(float)).text);
    remark_padding(&model->config, B, L);
    value("nats-untrained", guessing_nats(example), 3);
    value("nats-of-guessing", log((double)V), 3);
    printf("\nIt knows nothing: a random target costs it about what\n"
           "guessing costs, ln %zu. The rest is that its guesses are\n"
           "not even.\n",
           V);
    return true;
}

static int thread_count(void) {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool example_time(const Given *given, Example *example, Error *err) {
    enum { RUNS = 5 };
    double seconds[RUNS];
    size_t tokens = example->batch * example->length;
    for (size_t i = 0; i < RUNS; i++) {
        double begin = seconds_now();
        if (!example_run(example, err))
            return false;
        seconds[i] = seconds_now() - begin;
    }
    qsort(seconds, RUNS, sizeof *seconds, ascending);
    section_measured("example-time", "How long that took");
    printf("  device            CPU\n");
    printf("  threads           %d\n", thread_count());
    printf("  matrix products   %s\n", matmul_library);
    printf("  scan backend      %s\n", given->backend->name);
    printf("  input shape       (%zu, %zu)\n", example->batch, example->length);
    printf("  output shape      (%zu, %zu, %zu)\n", example->batch,
           example->length, example->V);
    printf("  time              %.4f seconds, the median of %d runs\n\n",
           seconds[RUNS / 2], RUNS);
    value("seconds", seconds[RUNS / 2], 3);
    value("tokens-per-second", (double)tokens / seconds[RUNS / 2], 3);
    return true;
}

static bool at_work(const Given *given, Error *err) {
    Example example;
    if (!example_new(&example, given, err))
        return false;
    bool ok = example_shapes(given, &example, err) &&
              example_time(given, &example, err);
    example_free(&example);
    return ok;
}

// --- The command line -------------------------------------------------------

static int read_settings(Settings *settings, int argc, char **argv) {
    Config *c = &settings->config;
    const Option options[] = {
        {"d-model", 0, OPTION_COUNT, &c->d_model, "D",
         "new model: width of the residual stream (512)", 1, 1024},
        {"n-layer", 0, OPTION_COUNT, &c->n_layer, "N",
         "new model: number of blocks (6)", 1, 32},
        {"vocab-size", 0, OPTION_COUNT, &c->vocab_size, "V",
         "new model: token ids (10000)", 1, 60000},
        {"d-state", 0, OPTION_COUNT, &c->d_state, "N",
         "new model: states of a channel (16)", 1, 256},
        {"d-conv", 0, OPTION_COUNT, &c->d_conv, "K",
         "new model: taps of the convolution (4)", 1, 64},
        {"expand", 0, OPTION_COUNT, &c->expand, "E",
         "new model: d_inner / d_model (2)", 1, 4},
        {"dt-rank", 0, OPTION_COUNT, &c->dt_rank, "R",
         "new model: 0 for ceil(d_model / 16) (0)", 0, 1024},
        {"batch", 0, OPTION_COUNT, &settings->batch, "B",
         "sequences of the example (2)", 1, 16},
        {"length", 0, OPTION_COUNT, &settings->length, "L",
         "tokens of each of them (128)", 1, 1024},
        {"seed", 0, OPTION_SEED, &settings->seed, "S",
         "of the new model and the example (1)", 0, 0},
        {"model", 0, OPTION_TEXT, &settings->model, "DIR",
         "the trained model (built in)", 0, 0},
        {"prompt", 0, OPTION_TEXT, &settings->prompt, "TEXT",
         "what it reads for the logits", 0, 0},
        {"text", 0, OPTION_TEXT, &settings->text, "FILE",
         "what it predicts (passage.txt of this chapter)", 0, 0},
        {"bytes", 0, OPTION_COUNT, &settings->bytes, "N",
         "at most so many bytes of it (65536)", 256, 16777216},
        {"tsv", 0, OPTION_TEXT, &settings->tsv, "DIR",
         "write the figures' tables here", 0, 0},
    };
    const CommandLine line = {
        .program = "chapter6",
        .summary = "A whole language model: what it is, and how well it "
                   "predicts.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    enum { LONGEST_PROMPT = 4096 };
    size_t length = strlen(settings->prompt);
    if (status == OPTIONS_CONTINUE && (length < 1 || length > LONGEST_PROMPT)) {
        fprintf(stderr, "chapter6: --prompt: wanted 1 to %d bytes, found %zu\n",
                LONGEST_PROMPT, length);
        status = OPTIONS_WRONG;
    }
    return status;
}

// The text's bytes as tokens.
static bool read_text(Given *given, Error *err) {
    enum { LEAST_BYTES = 256 };
    const Settings *settings = given->settings;
    FileView view;
    if (!file_map(&view, settings->text, err))
        return false;
    size_t count = view.size < settings->bytes ? view.size : settings->bytes;
    bool ok = count >= LEAST_BYTES;
    if (!ok)
        fail(err, "%s: wanted at least %d bytes, found %zu", settings->text,
             LEAST_BYTES, count);
    given->count = count;
    if (ok) {
        given->tokens = allocate(count, sizeof(int32_t), "the text", err);
        given->nats = allocate(count, sizeof(double), "the nats", err);
        ok = given->tokens && given->nats;
    }
    if (ok)
        tokenizer_encode(given->tokens, (const char *)view.bytes, count);
    file_unmap(&view);
    return ok;
}

static bool gather(Given *given, Error *err) {
    const Settings *settings = given->settings;
    given->backend = scan_backend("cpu", err);
    return given->backend && read_text(given, err) &&
           model_load(&given->trained, settings->model, MATRIX_F32, err) &&
           tokenizer_check(&given->trained, err) &&
           evaluate(given, &given->trained, given->nats, err) &&
           model_initialize(&given->fresh, &settings->config, settings->seed,
                            err);
}

static void scatter(Given *given) {
    model_free(&given->fresh);
    model_free(&given->trained);
    release(given->tokens);
    release(given->nats);
}

// The new model: what it is, and how it begins.
static bool show_new_model(const Given *given, Error *err) {
    configuration(given->settings);
    parameters(given);
    initialization(given);
    if (!residual_stream(given, err))
        return false;
    first_steps(given);
    return files(given, err);
}

// The trained model: what it says, and how good that is.
static bool show_trained_model(const Given *given, Error *err) {
    if (!tokenizer(given, err) || !logits(given, err) ||
        !bits_per_byte(given, err))
        return false;
    along_the_text(given);
    return context(given, err) && far(given, err) && taken_away(given, err) &&
           sixteen_bits(given, err) && fewer_bits(given, err);
}

int main(int argc, char **argv) {
    Settings settings = {.config = config_default(),
                         .batch = 2,
                         .length = 128,
                         .seed = 1,
                         .prompt = "In the beginning God created the heaven "
                                   "and the earth",
                         .text = "chapters/06-full-model/passage.txt",
                         .bytes = 65536};
    int status = read_settings(&settings, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    Given given = {.settings = &settings};
    bool ok = gather(&given, &err) && show_new_model(&given, &err) &&
              show_trained_model(&given, &err) && padded_ids(&given, &err) &&
              at_work(&given, &err);
    scatter(&given);
    return report_end("chapter6", ok, &err);
}
