#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "clock.h"
#include "memory.h"
#include "report.h"
#include "tokenizer.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} verbs[] = {
    {"generate", command_generate, "continue a text"},
    {"logits", command_logits, "what the model predicts after each token"},
    {"eval", command_eval, "how well the model predicts a text"},
    {"info", command_info, "configuration, parameters, bytes"},
    {"init", command_init, "write a freshly initialised model"},
    {"scan", command_scan, "one selective scan on tensors from a file"},
    {"backends", command_backends, "the scan backends, and which can run here"},
    {"bench", command_bench, "measure the scan, attention and a model here"},
};
static const size_t n_verbs = sizeof verbs / sizeof *verbs;

static int print_help(void) {
    printf("Usage: minimamba VERB [OPTION]...\n"
           "A small, exact Mamba language model.\n\n");
    for (size_t i = 0; i < n_verbs; i++)
        printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    printf("\n'minimamba VERB --help' lists a verb's options.\n");
    return 0;
}

int command_run(int argc, char **argv) {
    Error err;
    const char *verb = argc > 1 ? argv[1] : NULL;
    if (verb && (strcmp(verb, "--help") == 0 || strcmp(verb, "help") == 0))
        return command_end(print_help() == 0, &err);
    for (size_t i = 0; verb && i < n_verbs; i++)
        if (strcmp(verbs[i].name, verb) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    fail(&err,
         "verb: wanted generate, logits, eval, info, init, scan, backends or "
         "bench, found %s%s%s",
         verb ? "'" : "", verb ? verb : "none", verb ? "'" : "");
    fprintf(stderr, "minimamba: %s (try 'minimamba --help')\n", err.text);
    return OPTIONS_WRONG;
}

int command_end(bool ok, Error *err) {
    return report_end("minimamba", ok, err);
}

int command_backend(const CommandLine *line, const char *name,
                    const ScanBackend **backend) {
    Error reason, err;
    *backend = scan_backend(name, &reason);
    if (*backend)
        return OPTIONS_CONTINUE;
    fail(&err, "--%s", reason.text);
    for (size_t i = 0; i < n_scan_backends; i++)
        if (strcmp(scan_backends[i]->name, name) == 0)
            return command_end(false, &err);
    return options_wrong(line, &err);
}

ModelChoice command_default_choice(void) {
    return (ModelChoice){.weights_name = "f32", .backend_name = "auto"};
}

Option command_model_option(ModelChoice *choice) {
    return (Option){.name = "model",
                    .letter = 'm',
                    .kind = OPTION_TEXT,
                    .target = &choice->directory,
                    .value = "DIR",
                    .help = "the model's directory (default: the one built "
                            "in)"};
}

Option command_weights_option(ModelChoice *choice) {
    return (Option){.name = "weights",
                    .letter = 'w',
                    .kind = OPTION_TEXT,
                    .target = &choice->weights_name,
                    .value = "TYPE",
                    .help = "matrices in memory: f32 (default), bf16 or int8"};
}

Option command_backend_option(ModelChoice *choice) {
    return (Option){.name = "backend",
                    .letter = 'b',
                    .kind = OPTION_TEXT,
                    .target = &choice->backend_name,
                    .value = "NAME",
                    .help = "the scan backend (default auto)"};
}

int command_choose(const CommandLine *line, ModelChoice *choice) {
    Error err;
    if (!matrix_type_find(&choice->weights, choice->weights_name)) {
        fail(&err, "--weights: wanted f32, bf16 or int8, found '%s'",
             choice->weights_name);
        return options_wrong(line, &err);
    }
    return command_backend(line, choice->backend_name, &choice->backend);
}

bool command_open(Opened *opened, const ModelChoice *choice, Error *err) {
    *opened = (Opened){0};
    if (!model_load(&opened->model, choice->directory, choice->weights, err))
        return false;
    if (session_new(&opened->session, &opened->model, 1, COMMAND_CHUNK,
                    choice->backend, err))
        return true;
    model_free(&opened->model);
    return false;
}

void command_close(Opened *opened) {
    session_free(&opened->session);
    model_free(&opened->model);
}

static const char separators[] = " ,\t\n\r\f\v";

bool command_check_ids(const char *ids, Error *err) {
    const char *next = ids + strspn(ids, separators);
    while (*next) {
        size_t digits = strspn(next, "0123456789");
        size_t blanks = strspn(next + digits, separators);
        if (digits == 0 || (blanks == 0 && next[digits]))
            return fail(err,
                        "--tokens: wanted whole numbers with blanks or commas "
                        "between them, found '%.*s'",
                        (int)strcspn(next, separators), next);
        next += digits + blanks;
    }
    return true;
}

// The id at *text, which goes on to the next.
static bool parse_id(const char **text, size_t vocab_size, int32_t *id,
                     Error *err) {
    char *end;
    errno = 0;
    unsigned long number = strtoul(*text, &end, 10);
    if (errno || number >= vocab_size)
        return fail(err, "--tokens: wanted ids from 0 to %zu, found '%.*s'",
                    vocab_size - 1, (int)(end - *text), *text);
    *id = (int32_t)number;
    *text = end + strspn(end, separators);
    return true;
}

static bool parse_ids(TokenList *tokens, const char *text, size_t vocab_size,
                      Error *err) {
    // No more ids than every second character.
    tokens->ids =
        allocate(strlen(text) / 2 + 1, sizeof(int32_t), "token ids", err);
    if (!tokens->ids)
        return false;
    text += strspn(text, separators);
    while (*text)
        if (!parse_id(&text, vocab_size, &tokens->ids[tokens->count++], err)) {
            release(tokens->ids);
            return false;
        }
    return true;
}

bool command_tokens(TokenList *tokens, const Model *model, const char *text,
                    const char *ids, Error *err) {
    *tokens = (TokenList){0};
    if (ids)
        return parse_ids(tokens, ids, model->config.vocab_size, err);
    if (!tokenizer_check(model, err))
        return false;
    tokens->count = strlen(text);
    tokens->ids =
        allocate(tokens->count, sizeof(int32_t), "the text's tokens", err);
    if (!tokens->ids)
        return false;
    tokenizer_encode(tokens->ids, text, tokens->count);
    return true;
}

Progress progress_begin(const char *unit) {
    return (Progress){
        .shown = isatty(STDERR_FILENO), .last = seconds_now(), .unit = unit};
}

void progress_show(Progress *progress, size_t done) {
    const double interval = 0.2;  // seconds
    if (!progress->shown || seconds_now() - progress->last < interval)
        return;
    progress->last = seconds_now();
    fprintf(stderr, "\r%zu %s", done, progress->unit);
}

void progress_end(Progress *progress) {
    if (progress->shown)
        fprintf(stderr, "\r%*s\r", 40, "");
}
