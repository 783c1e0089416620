#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "loss.h"
#include "tokenizer.h"

typedef struct {
    ModelChoice model;
    const char *text;
} EvalOptions;

static int parse(EvalOptions *chosen, int argc, char **argv) {
    const Option options[] = {
        command_model_option(&chosen->model),
        {"text", 0, OPTION_TEXT, &chosen->text, "FILE",
         "the text, of any length; - for standard input", 0, 0},
        command_weights_option(&chosen->model),
        command_backend_option(&chosen->model),
    };
    const CommandLine line = {
        .program = "minimamba eval",
        .summary = "Prints how well the model predicts each token of a text "
                   "from those before it.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    if (status != OPTIONS_CONTINUE)
        return status;
    Error err;
    if (!chosen->text) {
        fail(&err, "--text: wanted a file, found none");
        return options_wrong(&line, &err);
    }
    return command_choose(&line, &chosen->model);
}

// The whole stream through the model, a chunk in memory at a time.
static bool evaluate_stream(Evaluation *evaluation, FILE *stream,
                            const char *name, Error *err) {
    char bytes[COMMAND_CHUNK];
    int32_t tokens[COMMAND_CHUNK];
    Progress progress = progress_begin("tokens");
    bool ok = true;
    size_t n;
    while (ok && (n = fread(bytes, 1, sizeof bytes, stream)) > 0) {
        tokenizer_encode(tokens, bytes, n);
        ok = evaluation_feed(evaluation, tokens, n, NULL, err);
        progress_show(&progress, evaluation->tokens);
    }
    progress_end(&progress);
    if (ok && ferror(stream))
        ok = fail(err, "%s: wanted to read this file, found: %s", name,
                  strerror(errno));
    if (ok && evaluation->tokens < 2)
        ok = fail(err, "%s: wanted at least 2 tokens, found %zu", name,
                  evaluation->tokens);
    return ok;
}

static bool evaluate_file(Evaluation *evaluation, const char *name,
                          Error *err) {
    if (strcmp(name, "-") == 0)
        return evaluate_stream(evaluation, stdin, "standard input", err);
    FILE *stream = fopen(name, "rb");
    if (!stream)
        return fail(err, "%s: wanted to read this file, found: %s", name,
                    strerror(errno));
    bool ok = evaluate_stream(evaluation, stream, name, err);
    fclose(stream);
    return ok;
}

static void print_evaluation(const Evaluation *evaluation) {
    double nats = evaluation_mean(evaluation);
    printf("tokens\t%zu\n", evaluation->tokens);
    printf("nats_per_token\t%.9g\n", nats);
    printf("perplexity\t%.9g\n", exp(nats));
    printf("bits_per_byte\t%.9g\n", bits_from_nats(nats));
}

int command_eval(int argc, char **argv) {
    EvalOptions chosen = {.model = command_default_choice()};
    int status = parse(&chosen, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    Opened opened;
    Evaluation evaluation;
    if (!command_open(&opened, &chosen.model, &err))
        return command_end(false, &err);
    bool ok = tokenizer_check(&opened.model, &err) &&
              evaluation_new(&evaluation, &opened.session, &err);
    if (ok) {
        ok = evaluate_file(&evaluation, chosen.text, &err);
        if (ok)
            print_evaluation(&evaluation);
        evaluation_free(&evaluation);
    }
    command_close(&opened);
    return command_end(ok, &err);
}
