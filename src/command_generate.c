#include <stdio.h>

#include "command.h"
#include "generation.h"
#include "memory.h"
#include "tokenizer.h"

typedef struct {
    ModelChoice model;
    const char *prompt, *tokens;
    size_t n_tokens;
    SamplingOptions sampling;
} GenerateOptions;

static int parse(GenerateOptions *chosen, int argc, char **argv) {
    SamplingOptions *sampling = &chosen->sampling;
    const Option options[] = {
        command_model_option(&chosen->model),
        {"prompt", 'p', OPTION_TEXT, &chosen->prompt, "TEXT",
         "the text to continue", 0, 0},
        {"tokens", 0, OPTION_TEXT, &chosen->tokens, "IDS",
         "token ids to continue instead: \"1 2 3\"", 0, 0},
        {"n-tokens", 'n', OPTION_COUNT, &chosen->n_tokens, "N",
         "how many tokens to add (default 160)", 0, 1e9},
        {"temperature", 't', OPTION_NUMBER, &sampling->temperature, "T",
         "0 for always the best token (default), 1 to draw", 0, 1000},
        {"top-k", 'k', OPTION_COUNT, &sampling->top_k, "K",
         "draw from the K best tokens only (default 0: all)", 0, 1 << 28},
        {"top-p", 0, OPTION_NUMBER, &sampling->top_p, "P",
         "draw from the best tokens that make up P (default 1)", 0, 1},
        {"seed", 's', OPTION_SEED, &sampling->seed, "S",
         "the same seed draws the same text (default 0)", 0, 0},
        command_weights_option(&chosen->model),
        command_backend_option(&chosen->model),
    };
    const CommandLine line = {
        .program = "minimamba generate",
        .summary = "Continues a prompt, token by token, on standard output.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    if (status != OPTIONS_CONTINUE)
        return status;
    Error err;
    if (!chosen->prompt == !chosen->tokens) {
        fail(&err, "--prompt, --tokens: wanted one of them, found %s",
             chosen->prompt ? "both" : "none");
        return options_wrong(&line, &err);
    }
    if (chosen->tokens && !command_check_ids(chosen->tokens, &err))
        return options_wrong(&line, &err);
    return command_choose(&line, &chosen->model);
}

// A token as the prompt was given: a byte, or a number and a space.
static void print_token(const GenerateOptions *chosen, int32_t token) {
    if (chosen->prompt)
        putchar(tokenizer_decode(token));
    else
        printf("%ld ", (long)token);
}

// The prompt, then what the model adds to it, each token as soon as it is
// there; up to n_tokens or the end-of-text token.
static bool write_text(const GenerateOptions *chosen, Generation *generation,
                       const TokenList *prompt, Error *err) {
    if (!generation_read(generation, prompt->ids, prompt->count, err))
        return false;
    for (size_t i = 0; i < prompt->count; i++)
        print_token(chosen, prompt->ids[i]);
    fflush(stdout);
    int64_t end = generation->session->model->config.eos_token_id;
    for (size_t i = 0; i < chosen->n_tokens && !ferror(stdout); i++) {
        int32_t token;
        if (!generation_next(generation, &token, err))
            return false;
        if (token == end)
            break;
        print_token(chosen, token);
        fflush(stdout);
    }
    putchar('\n');
    return true;
}

// With a model and a prompt: a sampler, and then the text.
static bool generate(const GenerateOptions *chosen, Opened *opened,
                     const TokenList *prompt, Error *err) {
    Sampler sampler;
    Generation generation;
    size_t vocab_size = opened->model.config.vocab_size;
    if (!sampler_new(&sampler, chosen->sampling, vocab_size, err))
        return false;
    bool ok = generation_new(&generation, &opened->session, &sampler, err);
    if (ok) {
        ok = write_text(chosen, &generation, prompt, err);
        generation_free(&generation);
    }
    sampler_free(&sampler);
    return ok;
}

int command_generate(int argc, char **argv) {
    GenerateOptions chosen = {.model = command_default_choice(),
                              .n_tokens = 160,
                              .sampling = {.top_p = 1}};
    int status = parse(&chosen, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;

    Error err;
    Opened opened;
    TokenList prompt;
    if (!command_open(&opened, &chosen.model, &err))
        return command_end(false, &err);
    bool ok = command_tokens(&prompt, &opened.model, chosen.prompt,
                             chosen.tokens, &err);
    if (ok) {
        ok = generate(&chosen, &opened, &prompt, &err);
        release(prompt.ids);
    }
    command_close(&opened);
    return command_end(ok, &err);
}
