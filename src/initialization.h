// Chapter 6: a new model, as the official code initialises one.
#ifndef INITIALIZATION_H
#define INITIALIZATION_H

#include "model.h"

// A model of this configuration with random weights. The same seed gives the
// same weights, whatever the machine.
bool model_initialize(Model *model, const Config *config, uint64_t seed,
                      Error *err);

#endif
