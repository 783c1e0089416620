// Listings: a definition, a part of one, or a file, as a fenced block.
#include <stdio.h>
#include <string.h>

#include "weave.h"

enum { WIDEST = 80 };

// What a listing's comment asks for: a file, a name in it, the text of a
// comment; the last two may be empty.
typedef struct {
    char path[256], name[128], comment[256];
} Request;

static bool read_request(Request *request, const char *what) {
    *request = (Request){.path = ""};
    int used = 0;
    if (sscanf(what, "%255s%n %127[^\" ]%n", request->path, &used,
               request->name, &used) < 1)
        return false;
    const char *rest = what + used;
    used = 0;
    if (request->name[0] &&
        sscanf(rest, " \"%255[^\"]\"%n", request->comment, &used) == 1 &&
        used > 0)
        rest += used;
    return is_blank(rest);
}

static const char *language(const char *path) {
    const char *ending = strrchr(path, '.');
    if (!ending)
        return "text";
    if (strcmp(ending, ".c") == 0 || strcmp(ending, ".h") == 0)
        return "c";
    return strcmp(ending, ".S") == 0 ? "asm" : ending + 1;
}

// A name that is defined again, after an #else, is quoted from the #if to the
// #endif around its definitions.
static void take_alternatives(Part *part, const Weaver *weaver,
                              const Definition *first) {
    char *const *line = part->source->lines.line;
    bool several = false;
    for (size_t i = 0; i < weaver->sources.n_definitions; i++) {
        const Definition *one = &weaver->sources.definitions[i];
        if (one->part.source != part->source || one == first ||
            strcmp(one->name, first->name) != 0 ||
            strcmp(one->kind, first->kind) != 0)
            continue;
        several = true;
        if (one->part.begin < part->begin)
            part->begin = one->part.begin;
        if (one->part.end > part->end)
            part->end = one->part.end;
    }
    while (several && part->begin > 0 && !begins_with(line[part->begin], "#if"))
        part->begin--;
    while (several && part->end < part->source->lines.count &&
           !begins_with(line[part->end - 1], "#endif"))
        part->end++;
}

// The lines that the request means.
static bool find_part(Part *part, Weaver *weaver, const Page *page, size_t line,
                      const Request *request) {
    Error err;
    const Source *source;
    if (!sources_file(&source, &weaver->sources, request->path, &err)) {
        finding(weaver, page->path, line, "listing: %s", err.text);
        return false;
    }
    bool whole_file = !request->name[0];
    const char *name = whole_file ? request->path : request->name;
    *part = (Part){source, 0, source->lines.count};
    Definition *definition = sources_find(&weaver->sources, source->path, name);
    if (definition) {
        *part = definition->part;
        if (!request->comment[0])
            take_alternatives(part, weaver, definition);
        if (!request->comment[0] && !definition->page)
            definition->page = page->path;
    } else if (!whole_file) {
        finding(weaver, page->path, line,
                "listing: wanted %s in %s, found no definition of that name",
                name, request->path);
        return false;
    }
    size_t comments =
        request->comment[0] ? part_under(part, request->comment) : 1;
    if (comments != 1)
        finding(weaver, page->path, line,
                "listing: wanted a comment with \"%s\" in %s of %s, found %s",
                request->comment, name, request->path,
                comments ? "several" : "none");
    return comments == 1;
}

// Another name of the same lines is quoted with them.
static void quote_other_names(Weaver *weaver, const Page *page,
                              const Part *part) {
    for (size_t i = 0; i < weaver->sources.n_definitions; i++) {
        Definition *one = &weaver->sources.definitions[i];
        if (one->part.source == part->source &&
            one->part.begin >= part->begin && one->part.end <= part->end &&
            !one->page)
            one->page = page->path;
    }
}

// The part's lines; one from inside a function without its indentation.
static void add_code(Text *text, Weaver *weaver, const Part *part,
                     bool inside) {
    char *const *line = part->source->lines.line;
    size_t margin = inside ? indentation(line[part->begin]) : 0;
    for (size_t i = part->begin; i < part->end; i++) {
        size_t indent = indentation(line[i]);
        text_printf(text, "%s\n",
                    line[i] + (indent < margin ? indent : margin));
        if (columns(line[i]) > WIDEST)
            finding(weaver, part->source->path, i + 1,
                    "wanted at most %d columns in a listing, found %zu", WIDEST,
                    columns(line[i]));
    }
}

bool render_listing(Text *text, Weaver *weaver, const Page *page, size_t line,
                    const char *what) {
    Request request;
    if (!read_request(&request, what)) {
        finding(weaver, page->path, line,
                "listing: wanted FILE NAME \"COMMENT\", found '%s'", what);
        return false;
    }
    Part part;
    if (!find_part(&part, weaver, page, line, &request))
        return false;
    quote_other_names(weaver, page, &part);

    text_printf(text, "[`%s`](%s%s)", request.path, way_to_root(weaver, page),
                request.path);
    if (request.comment[0])
        text_printf(text, ", in `%s()`", request.name);
    text_printf(text, "\n\n```%s\n", language(request.path));
    add_code(text, weaver, &part, request.comment[0] != '\0');
    text_printf(text, "```\n");
    weaver->listings++;
    return true;
}
