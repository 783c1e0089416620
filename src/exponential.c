#include "exponential.h"

const ExponentialRange power_of_two_range = {.least = -127, .most = 128};
const ExponentialRange exponential_range = {.least = -88.1f, .most = 88.7f};
