// The weaver: fills the book's listings, outputs and values in from the code
// and its runs, and finds what no longer agrees. docs/weave/README.md says how
// a page asks for them.
#ifndef WEAVE_H
#define WEAVE_H

#include "run.h"
#include "source.h"

// What one weaving knows, and what it has found.
typedef struct {
    Arena *arena;
    Sources sources;
    const char *runs_directory;
    Run *runs;
    size_t n_runs;
    bool check;    // look, and change nothing
    bool measure;  // measured blocks too
    size_t listings, outputs, values, findings;
    // Of the page at hand: where it first quotes a measurement (a line, or 0),
    // and whether it says of which machine.
    size_t measured_at;
    bool provenance;
} Weaver;

// One page of the book.
typedef struct {
    const char *path;
    Lines lines;
} Page;

// Prints "path:line: what" on stderr, and counts.
void finding(Weaver *weaver, const char *path, size_t line, const char *format,
             ...) __attribute__((format(printf, 4, 5)));

// The run of this name, read when it is first asked for; NULL after a finding.
const Run *weaver_run(Weaver *weaver, const Page *page, size_t line,
                      const char *name);

// "../" as often as leads from the page to the repository's root.
const char *way_to_root(Weaver *weaver, const Page *page);

// blocks.c: weaves a page's listings, outputs and values. When checking,
// reports what is stale; otherwise writes the page where it has changed.
void weave_page(Weaver *weaver, const Page *page);

// listing.c: a listing's lines for what its comment asks; false after a
// finding.
bool render_listing(Text *text, Weaver *weaver, const Page *page, size_t line,
                    const char *what);

// prose.c: what a page says outside of what is woven: its links, pictures,
// names, numbers and widths.
void check_prose(Weaver *weaver, const Page *page);

// notation.c: every row of the notation table names something the headers have,
// in the shape that they give it.
void check_notation(Weaver *weaver, const Page *page);

// Runs the weaver as its command line says; its exit status.
int weave_run(int argc, char **argv);

#endif
