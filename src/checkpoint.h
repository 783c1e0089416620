// Chapter 6: models as Hugging Face directories, read and written.
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "model.h"

// The model in directory: config.json and model.safetensors. Its matrices are
// kept as `weights` says, all else as float32. What the file holds in the same
// type stays there, mapped; the rest is converted. Every tensor must be there,
// with the shape that the configuration gives it, and no other one; for int8
// the matrices must be finite. NULL is the default model, which is inside the
// program.
bool model_load(Model *model, const char *directory, MatrixType weights,
                Error *err);

// Writes config.json and model.safetensors into directory, which is made where
// it is not there. Each file is whole or as it was before. The model's weights
// are all float32.
bool model_save(const Model *model, const char *directory, Error *err);

#endif
