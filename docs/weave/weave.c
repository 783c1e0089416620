#include "weave.h"

#include <stdio.h>
#include <string.h>

#include "file.h"
#include "options.h"

void finding(Weaver *weaver, const char *path, size_t line, const char *format,
             ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%zu: %s\n", path, line, text);
    weaver->findings++;
}

const Run *weaver_run(Weaver *weaver, const Page *page, size_t line,
                      const char *name) {
    for (size_t i = 0; i < weaver->n_runs; i++)
        if (strcmp(weaver->runs[i].name, name) == 0)
            return &weaver->runs[i];
    Error err;
    Run run;
    if (!run_read(&run, weaver->arena, weaver->runs_directory, name, &err)) {
        finding(weaver, page->path, line, "%s", err.text);
        return NULL;
    }
    weaver->runs = keep_more(weaver->arena, weaver->runs, weaver->n_runs,
                             sizeof *weaver->runs);
    weaver->runs[weaver->n_runs++] = run;
    return &weaver->runs[weaver->n_runs - 1];
}

const char *way_to_root(Weaver *weaver, const Page *page) {
    Text way = {.arena = weaver->arena};
    text_add(&way, "", 0);
    for (const char *c = page->path; *c; c++)
        if (*c == '/')
            text_printf(&way, "../");
    return way.bytes;
}

// --- All pages ---------------------------------------------------------------

// Prints where each wanted definition that no page quotes stands, and how many
// there are of all.
static void check_coverage(Weaver *weaver) {
    size_t wanted = 0, quoted = 0;
    for (size_t i = 0; i < weaver->sources.n_definitions; i++) {
        const Definition *one = &weaver->sources.definitions[i];
        wanted += one->wanted;
        quoted += one->wanted && one->page;
        if (one->wanted && !one->page)
            finding(weaver, one->part.source->path, one->line,
                    "wanted the %s %s quoted in the book, found it nowhere",
                    one->kind, one->name);
    }
    // Rounded down: 100 only when nothing is missing.
    printf("definitions quoted: %zu of %zu, %zu %%\n", quoted, wanted,
           wanted ? 100 * quoted / wanted : 100);
}

// The table that the site links identifiers by.
static bool write_definitions(const Weaver *weaver, const char *path,
                              Error *err) {
    FileWriter writer;
    if (!file_begin(&writer, path, err))
        return false;
    fprintf(writer.stream, "name\tkind\tfile\tpage\tlisting\n");
    for (size_t i = 0; i < weaver->sources.n_definitions; i++) {
        const Definition *one = &weaver->sources.definitions[i];
        if (!one->page || begins_with(one->name, "__anon") ||
            strcmp(one->kind, "file") == 0)
            continue;
        fprintf(writer.stream, "%s\t%s\t%s\t%s\t%s %s\n", one->name, one->kind,
                one->part.source->path, one->page, one->part.source->path,
                one->name);
    }
    return file_commit(&writer, err);
}

typedef struct {
    const char *pages, *runs, *definitions;
    bool check, measure, all;
} Arguments;

static bool read_page(Page *page, Arena *arena, const char *path, Error *err) {
    page->path = path;
    return lines_read(&page->lines, arena, path, err);
}

// Each page that is named, in order.
static bool weave_pages(Weaver *weaver, const char *pages, Error *err) {
    char *names = keep_text(weaver->arena, pages, strlen(pages));
    char *rest;
    for (char *name = strtok_r(names, " ", &rest); name;
         name = strtok_r(NULL, " ", &rest)) {
        Page page;
        if (!read_page(&page, weaver->arena, name, err))
            return false;
        weave_page(weaver, &page);
        if (!weaver->check)
            continue;
        check_prose(weaver, &page);
        if (strcmp(name, "docs/notation.md") == 0)
            check_notation(weaver, &page);
    }
    return true;
}

static bool run(Weaver *weaver, const Arguments *chosen, Error *err) {
    if (!sources_read(&weaver->sources, weaver->arena, err) ||
        !weave_pages(weaver, chosen->pages, err))
        return false;
    if (chosen->all)
        check_coverage(weaver);
    if (chosen->definitions &&
        !write_definitions(weaver, chosen->definitions, err))
        return false;
    printf("woven: %zu listings, %zu outputs, %zu values\n", weaver->listings,
           weaver->outputs, weaver->values);
    if (weaver->findings)
        return fail(err, "%zu findings", weaver->findings);
    return true;
}

// OPTIONS_CONTINUE, or the status to end with.
static int read_arguments(Arguments *chosen, int argc, char **argv) {
    *chosen = (Arguments){.runs = "build/weave"};
    const Option options[] = {
        {"pages", 'p', OPTION_TEXT, &chosen->pages, "FILES",
         "the pages, with blanks between them", 0, 0},
        {"runs", 'r', OPTION_TEXT, &chosen->runs, "DIR",
         "where the programs' outputs are (default build/weave)", 0, 0},
        {"definitions", 'd', OPTION_TEXT, &chosen->definitions, "FILE",
         "write which page quotes which definition", 0, 0},
        {"check", 'c', OPTION_FLAG, &chosen->check, NULL,
         "change nothing; report what is stale or wrong", 0, 0},
        {"all", 'a', OPTION_FLAG, &chosen->all, NULL,
         "the pages are all there are: demand every definition of src/", 0, 0},
        {"measure", 'm', OPTION_FLAG, &chosen->measure, NULL,
         "refresh measured blocks, too", 0, 0},
    };
    const CommandLine line = {
        .program = "weave",
        .summary = "Fills the book's listings, outputs and values in.",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int status = options_parse(&line, argc, argv, NULL);
    if (status == OPTIONS_CONTINUE &&
        (!chosen->pages || is_blank(chosen->pages))) {
        Error err;
        fail(&err, "--pages: wanted pages to weave, found none");
        return options_wrong(&line, &err);
    }
    return status;
}

int weave_run(int argc, char **argv) {
    Arguments chosen;
    int status = read_arguments(&chosen, argc, argv);
    if (status != OPTIONS_CONTINUE)
        return status;
    Arena arena = {0};
    Weaver weaver = {.arena = &arena,
                     .runs_directory = chosen.runs,
                     .check = chosen.check,
                     .measure = chosen.measure};
    Error err;
    bool ok = run(&weaver, &chosen, &err);
    if (!ok)
        fprintf(stderr, "weave: %s\n", err.text);
    arena_free(&arena);
    return ok ? 0 : 1;
}
