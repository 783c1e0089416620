// Errors are values: a function that can fail returns false and leaves one line
// in its caller's Error.
#ifndef ERROR_H
#define ERROR_H

#include <stdbool.h>

// What went wrong, in one line without a newline:
// "<file or flag>: <what>: wanted <this>, found <that>".
typedef struct {
    char text[768];
} Error;

// Writes the line (printf's format) into err and returns false, so that a
// caller can `return fail(err, ...)`. Whatever a hostile file put into a name
// cannot break the line or steer a terminal: control characters become '?', and
// a line too long ends in "...".
bool fail(Error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
