#include "tokenizer.h"

enum { BYTE_VALUES = 256 };

bool tokenizer_check(const Model *model, Error *err) {
    if (model->tokenizer_file)
        return fail(err,
                    "%s: text: wanted a byte-level model, found a "
                    "tokenizer.json beside it (give token ids instead)",
                    model->name);
    if (model->config.vocab_size != BYTE_VALUES)
        return fail(err,
                    "%s: text: wanted a vocabulary of %d bytes, found %zu "
                    "tokens (give token ids instead)",
                    model->name, BYTE_VALUES, model->config.vocab_size);
    return true;
}

void tokenizer_encode(int32_t *tokens, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        tokens[i] = (unsigned char)text[i];
}

char tokenizer_decode(int32_t token) {
    return (char)(unsigned char)token;
}
