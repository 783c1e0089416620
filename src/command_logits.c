#include <stdio.h>

#include "command.h"
#include "memory.h"

typedef struct {
    ModelChoice model;
    const char *text, *tokens;
} LogitsOptions;

static int parse(LogitsOptions *chosen, int argc, char **argv) {
    const Option options[] = {
        command_model_option(&chosen->model),
        {"tokens", 0, OPTION_TEXT, &chosen->tokens, "IDS",
         "token ids: \"1 2 3\"", 0, 0},
        {"text", 0, OPTION_TEXT, &chosen->text, "TEXT",
         "a text instead, for a byte-level model", 0, 0},
        command_weights_option(&chosen->model),
        command_backend_option(&chosen->model),
    };
    const CommandLine line = {
        .program = "minimamba logits",
        .summary = "Prints a line of V logits after each token, separated by "
                   "tabs.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    if (status != OPTIONS_CONTINUE)
        return status;
    Error err;
    if (!chosen->text == !chosen->tokens) {
        fail(&err, "--tokens, --text: wanted one of them, found %s",
             chosen->text ? "both" : "none");
        return options_wrong(&line, &err);
    }
    if (chosen->tokens && !command_check_ids(chosen->tokens, &err))
        return options_wrong(&line, &err);
    return command_choose(&line, &chosen->model);
}

static void print_rows(const float *logits, size_t rows, size_t V) {
    for (size_t i = 0; i < rows * V; i++)
        printf("%.9g%c", (double)logits[i], (i + 1) % V ? '\t' : '\n');
}

// Feeds the tokens chunk by chunk and prints each chunk's logits.
static bool print_logits(Session *session, const TokenList *tokens,
                         Error *err) {
    size_t V = config_padded_vocab_size(&session->model->config);
    float *logits = allocate(session->chunk, V * sizeof *logits, "logits", err);
    if (!logits)
        return false;
    bool ok = true;
    for (size_t t = 0, step; ok && t < tokens->count; t += step) {
        size_t left = tokens->count - t;
        step = left < session->chunk ? left : session->chunk;
        ok = session_feed(session, tokens->ids + t, step, logits, step, err);
        if (ok)
            print_rows(logits, step, V);
    }
    release(logits);
    return ok;
}

int command_logits(int argc, char **argv) {
    LogitsOptions chosen = {.model = command_default_choice()};
    int status = parse(&chosen, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    Opened opened;
    TokenList tokens;
    if (!command_open(&opened, &chosen.model, &err))
        return command_end(false, &err);
    bool ok = command_tokens(&tokens, &opened.model, chosen.text, chosen.tokens,
                             &err);
    if (ok) {
        ok = print_logits(&opened.session, &tokens, &err);
        release(tokens.ids);
    }
    command_close(&opened);
    return command_end(ok, &err);
}
