// Chapter 6: models as Hugging Face directories, read and written.
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "model.h"

// The model in directory: config.json and model.safetensors. The weights stay
// in the mapped file where they are float32; F16 and BF16 are converted. Every
// tensor must be there, with the shape that the configuration gives it, and no
// other one. NULL is the default model, which is inside the program.
bool model_load(Model *model, const char *directory, Error *err);

// Writes config.json and model.safetensors into directory, which is made where
// it is not there. Each file is whole or as it was before.
bool model_save(const Model *model, const char *directory, Error *err);

#endif
