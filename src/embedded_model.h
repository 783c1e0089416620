// Chapter 6: the default model, inside the program (embedded_model.S).
#ifndef EMBEDDED_MODEL_H
#define EMBEDDED_MODEL_H

#include <stdint.h>

// The files config.json and model.safetensors of the default model.
extern const unsigned char embedded_config[];
extern const uint64_t embedded_config_size;
extern const unsigned char embedded_weights[];
extern const uint64_t embedded_weights_size;

#endif
