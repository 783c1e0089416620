// Chapter 6: the configuration as config.json.
#ifndef CONFIG_JSON_H
#define CONFIG_JSON_H

#include "config.h"

// Reads either of the two formats in use: that of transformers (model_type
// "mamba", hidden_size, num_hidden_layers ..), whose vocab_size is padded
// already, or the original one (d_model, n_layer, ssm_cfg ..), whose vocab_size
// is to be padded. What is missing has its default there; a key that neither
// knows is an error, because it may be a misspelt one. The name stands in
// messages. The result passes config_check().
bool config_read(Config *config, const char *name, const void *bytes,
                 size_t size, Error *err);

// Writes the format of transformers; the file is whole or not there. One key of
// our own, unpadded_vocab_size, keeps what that format does not know.
bool config_write(const Config *config, const char *path, Error *err);

#endif
