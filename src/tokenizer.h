// Chapter 6: text as tokens. Byte-level: one byte is one token.
#ifndef TOKENIZER_H
#define TOKENIZER_H

#include "model.h"

// Can this model's tokens be read as bytes? A vocabulary of 256 and no
// tokenizer.json; otherwise err says what was found.
bool tokenizer_check(const Model *model, Error *err);

// Bytes to token ids: any byte will do, in any encoding or none.
void tokenizer_encode(int32_t *tokens,   // (size)
                      const char *text,  // (size) bytes
                      size_t size);

// A token's byte.
char tokenizer_decode(int32_t token);

#endif
