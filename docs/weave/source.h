// The C files that the book quotes, and what is defined in them.
#ifndef WEAVE_SOURCE_H
#define WEAVE_SOURCE_H

#include "text.h"

// One file, read whole.
typedef struct {
    char *path;
    Lines lines;
} Source;

// Lines begin..end-1 of a file, counted from 0.
typedef struct {
    const Source *source;
    size_t begin, end;
} Part;

// A named definition with the comment above it. kind is ctags' word for it
// (function, struct, enum, enumerator, typedef, macro, variable, and prototype
// and externvar, which only declare), or test for Criterion's, whose name is
// suite.test, or file for one that is no C.
typedef struct {
    const char *name, *kind;
    Part part;
    size_t line;       // where the name stands, counted from 1
    bool local;        // inside a function, and so nobody else's business
    bool wanted;       // in src/, and so to be quoted
    const char *page;  // the first page that quotes it whole, or NULL
} Definition;

typedef struct {
    Arena *arena;
    Source **files;
    Definition *definitions;
    size_t n_files, n_definitions;
} Sources;

// Reads src/, tests/ and the chapters' programs and exercises below the working
// directory, and finds what they define with universal-ctags.
bool sources_read(Sources *sources, Arena *arena, Error *err);

// Finds a file by its path, reading it where nothing has yet.
bool sources_file(const Source **source, Sources *sources, const char *path,
                  Error *err);

// Finds the definition of this name in this file. In a header, a type before a
// prototype.
Definition *sources_find(Sources *sources, const char *path, const char *name);

// Is there a function, or a macro, of this name anywhere?
bool sources_has_function(const Sources *sources, const char *name);

// Narrows the part to what stands under the comment that contains this text,
// down to the next comment of the same indentation, or the end of its block.
// Returns how many comments contain it; where that is not 1, nothing changes.
size_t part_under(Part *part, const char *comment);

#endif
