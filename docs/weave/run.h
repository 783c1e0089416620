// What a program printed: its sections and values (src/report.h), and whether
// another run printed the same.
#ifndef WEAVE_RUN_H
#define WEAVE_RUN_H

#include "text.h"

// Lines begin..end-1 under the heading "== name: title".
typedef struct {
    const char *name, *title;
    bool measured;  // "(measured here)": its numbers are this machine's
    size_t begin, end;
} Section;

// A line "name = text" of a section. It is ambiguous where the program printed
// another text under the same name.
typedef struct {
    const char *name, *text;
    bool measured, ambiguous;
} Value;

typedef struct {
    const char *name;  // "chapter1"
    Lines lines;
    Section *sections;
    Value *values;
    size_t n_sections, n_values;
} Run;

// Reads directory/name.txt. Two sections of one name are an error: a quote
// could mean either.
bool run_read(Run *run, Arena *arena, const char *directory, const char *name,
              Error *err);

const Section *run_section(const Run *run, const char *name);
const Value *run_value(const Run *run, const char *name);

// Is it one of src/report.h's "name = text" lines? Then where the text begins.
const char *value_text(const char *line, size_t *name_size);

// A value's text in a reader's form: "%.3g" and its like for f, g and e (the
// latter as 1.2·10⁻⁵), "%'d" for 129,135,360; "" leaves it as it is. An error
// where the format is none of these or the text is no number.
bool value_format(const char **formatted, Arena *arena, const char *text,
                  const char *format, Error *err);

// The same text, the same whole numbers, and others that differ by at most a
// thousandth of their size, or by 1e-6 where they are written without an
// exponent: what another compiler or processor may change. Blanks may differ,
// where numbers are wider.
bool same_line(const char *one, const char *other);

#endif
