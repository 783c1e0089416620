// A page's woven blocks: what stands between <!-- listing: .. --> and
// <!-- /listing -->, and likewise output and, within a line, value.
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "weave.h"

// Lines begin..end-1 of a page.
typedef struct {
    const Page *page;
    size_t begin, end;
} Range;

// The page's first measurement.
static void note_measured(Weaver *weaver, size_t line) {
    if (!weaver->measured_at)
        weaver->measured_at = line;
}

// --- Outputs -----------------------------------------------------------------

// What an output's comment asks for; from and to may be empty.
typedef struct {
    char run[64], section[128], from[256], to[256];
} OutputRequest;

// Reads ` word "text"` into text, where word is the next one.
static bool read_clause(const char **rest, const char *word, char text[256]) {
    int used = 0;
    char format[64];
    snprintf(format, sizeof format, " %s \"%%255[^\"]\"%%n", word);
    if (sscanf(*rest, format, text, &used) == 1 && used > 0)
        *rest += used;
    return text[0] != '\0';
}

static bool read_output_request(OutputRequest *request, const char *what) {
    *request = (OutputRequest){.run = ""};
    int used = 0;
    if (sscanf(what, "%63s %127s%n", request->run, request->section, &used) !=
        2)
        return false;
    const char *rest = what + used;
    read_clause(&rest, "from", request->from);
    read_clause(&rest, "to", request->to);
    return is_blank(rest);
}

// Narrows the section to the lines that were asked for.
static bool narrow(Section *section, const Lines *lines,
                   const OutputRequest *request) {
    size_t at = section->begin;
    while (at < section->end && !strstr(lines->line[at], request->from))
        at++;
    section->begin = at;
    if (request->to[0]) {
        while (at < section->end && !strstr(lines->line[at], request->to))
            at++;
        section->end = at < section->end ? at + 1 : section->begin;
    }
    return section->begin < section->end;
}

// Where the program that a reader runs for this output is, from the page.
static void add_caption(Text *text, Weaver *weaver, const Page *page,
                        const Run *run, const Section *section) {
    unsigned chapter;
    glob_t found;
    if (strcmp(run->name, "bench") == 0) {
        text_printf(text, "[`minimamba bench`](%sdocs/benchmarks.md): %s\n",
                    way_to_root(weaver, page), section->title);
        return;
    }
    if (sscanf(run->name, "chapter%u", &chapter) != 1) {
        text_printf(text, "`%s`\n", section->title);
        return;
    }
    char *pattern =
        keep_printf(weaver->arena, "chapters/%02u-*/program.c", chapter);
    if (glob(pattern, 0, NULL, &found) == 0) {
        text_printf(text, "[`make %s`](%s%s): %s\n", run->name,
                    way_to_root(weaver, page), found.gl_pathv[0],
                    section->title);
        globfree(&found);
    } else
        text_printf(text, "`make %s`: %s\n", run->name, section->title);
}

static bool render_output(Text *text, Section *quoted, Weaver *weaver,
                          const Page *page, size_t line, const char *what) {
    OutputRequest request;
    if (!read_output_request(&request, what)) {
        finding(weaver, page->path, line,
                "output: wanted RUN SECTION [from \"TEXT\"] [to \"TEXT\"], "
                "found '%s'",
                what);
        return false;
    }
    const Run *run = weaver_run(weaver, page, line, request.run);
    if (!run)
        return false;
    const Section *section = run_section(run, request.section);
    if (!section) {
        finding(weaver, page->path, line,
                "output: wanted the section '%s' of %s, found none of that "
                "name",
                request.section, request.run);
        return false;
    }
    *quoted = *section;
    if (!narrow(quoted, &run->lines, &request)) {
        finding(weaver, page->path, line,
                "output: wanted lines from \"%s\" to \"%s\" in %s %s, found "
                "none",
                request.from, request.to, request.run, request.section);
        return false;
    }
    add_caption(text, weaver, page, run, section);
    text_printf(text, "\n```text\n");
    for (size_t i = quoted->begin; i < quoted->end; i++)
        text_printf(text, "%s\n", run->lines.line[i]);
    text_printf(text, "```\n");
    weaver->outputs++;
    if (section->measured) {
        note_measured(weaver, line);
        for (size_t i = quoted->begin; i < quoted->end; i++)
            weaver->provenance |=
                begins_with(run->lines.line[i], "measured-on = ");
    }
    return true;
}

// --- Is what stands in the page still true? ----------------------------------

static bool same_lines(const Range *old, const Lines *new, bool exactly) {
    if (old->end - old->begin != new->count)
        return false;
    for (size_t i = 0; i < new->count; i++) {
        const char *one = old->page->lines.line[old->begin + i];
        if (exactly ? strcmp(one, new->line[i]) != 0
                    : !same_line(one, new->line[i]))
            return false;
    }
    return true;
}

static bool has_value(const Lines *lines, const char *name, size_t name_size) {
    for (size_t i = 0; i < lines->count; i++) {
        size_t size;
        const char *line = lines->line[i];
        if (value_text(line, &size) && size == name_size &&
            strncmp(line, name, size) == 0)
            return true;
    }
    return false;
}

static bool has_all_values(const Lines *lines, const Lines *of) {
    for (size_t i = 0; i < of->count; i++) {
        size_t size;
        if (value_text(of->line[i], &size) &&
            !has_value(lines, of->line[i], size))
            return false;
    }
    return true;
}

// Timings are another day's. They stay while they have the same caption and the
// same names, among them that of their provenance, where the new ones have one.
static bool same_measured(const Range *range, const Lines *new) {
    const Lines old = {range->page->lines.line + range->begin,
                       range->end - range->begin};
    enum { CAPTION_AND_FENCES = 4 };
    return old.count > CAPTION_AND_FENCES &&
           strcmp(old.line[0], new->line[0]) == 0 &&
           has_all_values(&old, new) && has_all_values(new, &old);
}

static bool has_digit(const char *text) {
    return strpbrk(text, "0123456789") != NULL;
}

// A measured value stays while it is there, and a number where it should be.
static bool same_measured_value(const char *old, const char *new) {
    return !is_blank(old) && has_digit(old) == has_digit(new);
}

// The first line in which they differ, for the message.
static void report_stale(Weaver *weaver, const Range *old, const Lines *new,
                         const char *kind, const char *what) {
    size_t i = 0, count = old->end - old->begin;
    while (i < count &&
           i < new->count &&strcmp(old->page->lines.line[old->begin + i],
                                   new->line[i]) ==
               0)
        i++;
    const char *found =
        i < count ? old->page->lines.line[old->begin + i] : "its end";
    const char *wanted = i < new->count ? new->line[i] : "its end";
    finding(weaver, old->page->path, old->begin + i + 1,
            "%s %s is stale: wanted '%s', found '%s'; make weave refreshes it",
            kind, what, wanted, found);
}

// --- A block -----------------------------------------------------------------

// The text after `<!-- kind: ` and before ` -->`, or NULL.
static const char *asked(Weaver *weaver, const char *line, const char *kind) {
    const char *opening = keep_printf(weaver->arena, "<!-- %s: ", kind);
    const char *end = strstr(line, " -->");
    if (!begins_with(line, opening) || !end || end < line + strlen(opening) ||
        !is_blank(end + 4))
        return NULL;
    return keep_text(weaver->arena, line + strlen(opening),
                     (size_t)(end - line) - strlen(opening));
}

// The line that closes the block which this one opens, or `begin` after a
// finding.
static size_t find_closing(Weaver *weaver, const Page *page, size_t begin,
                           const char *kind) {
    const char *closing = keep_printf(weaver->arena, "<!-- /%s -->", kind);
    for (size_t i = begin + 1; i < page->lines.count; i++) {
        if (strcmp(page->lines.line[i], closing) == 0)
            return i;
        if (begins_with(page->lines.line[i], "<!-- listing: ") ||
            begins_with(page->lines.line[i], "<!-- output: "))
            break;
    }
    finding(weaver, page->path, begin + 1, "%s: wanted %s after it, found none",
            kind, closing);
    return begin;
}

static void add_lines(Text *woven, const Range *range) {
    for (size_t i = range->begin; i < range->end; i++)
        text_printf(woven, "%s\n", range->page->lines.line[i]);
}

// Weaves the block that line `begin` opens; returns the line after it.
static size_t weave_block(Text *woven, Weaver *weaver, const Page *page,
                          size_t begin, const char *kind, const char *what) {
    size_t closing = find_closing(weaver, page, begin, kind);
    Range whole = {page, begin, closing + 1};
    if (closing == begin) {
        add_lines(woven, &whole);
        return begin + 1;
    }
    Text text = {.arena = weaver->arena};
    Section quoted = {0};
    bool listing = strcmp(kind, "listing") == 0;
    if (listing
            ? !render_listing(&text, weaver, page, begin + 1, what)
            : !render_output(&text, &quoted, weaver, page, begin + 1, what)) {
        add_lines(woven, &whole);
        return closing + 1;
    }
    Range old = {page, begin + 1, closing};
    Lines new = lines_cut(weaver->arena, text.bytes, text.size);
    bool same = quoted.measured && !weaver->measure
                    ? same_measured(&old, &new)
                    : same_lines(&old, &new, listing);
    if (!same && weaver->check)
        report_stale(weaver, &old, &new, kind, what);
    if (same) {
        add_lines(woven, &whole);
        return closing + 1;
    }
    text_printf(woven, "%s\n%s%s\n", page->lines.line[begin], text.bytes,
                page->lines.line[closing]);
    return closing + 1;
}

// --- Values ------------------------------------------------------------------

// What stands in the page for this value, or NULL after a finding.
static const char *render_value(Weaver *weaver, const Page *page, size_t line,
                                const char *what, const char *old) {
    char run_name[64], name[128], format[16] = "", more[2];
    int words =
        sscanf(what, "%63s %127s %15s %1s", run_name, name, format, more);
    if (words < 2 || words > 3) {
        finding(weaver, page->path, line,
                "value: wanted RUN NAME [FORMAT], found '%s'", what);
        return NULL;
    }
    const Run *run = weaver_run(weaver, page, line, run_name);
    if (!run)
        return NULL;
    const Value *value = run_value(run, name);
    if (!value) {
        finding(weaver, page->path, line,
                "value: wanted '%s' of %s, found no value of that name", name,
                run_name);
        return NULL;
    }
    if (value->ambiguous) {
        finding(weaver, page->path, line,
                "value: wanted one '%s' of %s, found several that differ", name,
                run_name);
        return NULL;
    }
    Error err;
    const char *new;
    if (!value_format(&new, weaver->arena, value->text, format, &err)) {
        finding(weaver, page->path, line, "value %s: %s", name, err.text);
        return NULL;
    }
    weaver->values++;
    if (strcmp(name, "measured-on") == 0)
        weaver->provenance = true;
    else if (value->measured)
        note_measured(weaver, line);
    bool same = value->measured && !weaver->measure
                    ? same_measured_value(old, new)
                    : same_line(old, new);
    if (!same && weaver->check)
        finding(weaver, page->path, line,
                "value %s is stale: wanted '%s', found '%s'; make weave "
                "refreshes it",
                name, new, old);
    return same ? old : new;
}

// Where the text of a list's item, of a quotation or of a paragraph begins.
static const char *after_marks(const char *line) {
    for (;;) {
        line += strspn(line, " >");
        size_t digits = strspn(line, "0123456789");
        const char *mark = line + digits;
        if (!*mark || !strchr(digits ? ".)" : "-*+", *mark) || mark[1] != ' ')
            return line;
        line = mark + 2;
    }
}

// What is no block that could be woven, and no value, is a mistake in one.
static void check_no_comment(Weaver *weaver, const Page *page, size_t line,
                             const char *text) {
    const char *comment = strstr(text, "<!--");
    if (comment)
        finding(weaver, page->path, line + 1,
                "comment: wanted a listing, an output or a value, opened and "
                "closed, found '%s'",
                comment);
}

// Weaves the values within one line of prose.
static void weave_line(Text *woven, Weaver *weaver, const Page *page,
                       size_t line) {
    static const char opening[] = "<!-- value: ", closing[] = "<!-- /value -->";
    const char *text = page->lines.line[line];
    if (begins_with(after_marks(text), opening))
        finding(weaver, page->path, line + 1,
                "value: wanted a word before it on its line (a line that "
                "begins with a comment ends the paragraph), found none");
    for (const char *begin; (begin = strstr(text, opening));) {
        const char *what = begin + sizeof opening - 1;
        const char *what_end = strstr(what, " -->");
        const char *end = what_end ? strstr(what_end, closing) : NULL;
        if (!end) {
            finding(weaver, page->path, line + 1,
                    "value: wanted %s on the same line, found none", closing);
            text_printf(woven, "%s\n", text);
            return;
        }
        check_no_comment(
            weaver, page, line,
            keep_text(weaver->arena, text, (size_t)(begin - text)));
        const char *old = keep_text(weaver->arena, what_end + 4,
                                    (size_t)(end - what_end) - 4);
        what = keep_text(weaver->arena, what, (size_t)(what_end - what));
        const char *new = render_value(weaver, page, line + 1, what, old);
        text_add(woven, text, (size_t)(what_end + 4 - text));
        text_printf(woven, "%s%s", new ? new : old, closing);
        text = end + sizeof closing - 1;
    }
    check_no_comment(weaver, page, line, text);
    text_printf(woven, "%s\n", text);
}

// --- A page ------------------------------------------------------------------

static bool write_page(const char *path, const Text *woven, Error *err) {
    FileWriter writer;
    if (!file_begin(&writer, path, err))
        return false;
    file_write(&writer, woven->bytes, woven->size);
    return file_commit(&writer, err);
}

static bool same_text(const Text *woven, const Page *page, Arena *arena) {
    Lines lines = lines_cut(arena, woven->bytes, woven->size);
    return same_lines(&(Range){page, 0, page->lines.count}, &lines, true);
}

// A hand-written fenced block that line `begin` opens stays as it is; returns
// the line after it.
static size_t pass_fenced(Text *woven, Weaver *weaver, const Page *page,
                          size_t begin) {
    size_t end = begin + 1;
    while (end < page->lines.count &&
           !begins_with(page->lines.line[end], "```"))
        end++;
    if (end == page->lines.count || strcmp(page->lines.line[end], "```") != 0)
        finding(weaver, page->path, begin + 1,
                "fence: wanted ``` after it, found none");
    if (end < page->lines.count)
        end++;
    add_lines(woven, &(Range){page, begin, end});
    return end;
}

static void weave_lines(Text *woven, Weaver *weaver, const Page *page) {
    for (size_t i = 0; i < page->lines.count;) {
        const char *line = page->lines.line[i];
        const char *listing = asked(weaver, line, "listing");
        const char *output = asked(weaver, line, "output");
        if (begins_with(line, "```"))
            i = pass_fenced(woven, weaver, page, i);
        else if (listing)
            i = weave_block(woven, weaver, page, i, "listing", listing);
        else if (output)
            i = weave_block(woven, weaver, page, i, "output", output);
        else
            weave_line(woven, weaver, page, i++);
    }
}

void weave_page(Weaver *weaver, const Page *page) {
    weaver->measured_at = 0;
    weaver->provenance = false;
    Text woven = {.arena = weaver->arena};
    weave_lines(&woven, weaver, page);
    if (weaver->measured_at && !weaver->provenance)
        finding(weaver, page->path, weaver->measured_at,
                "measured: wanted the value measured-on on this page, found "
                "none");
    if (weaver->check || same_text(&woven, page, weaver->arena))
        return;
    Error err;
    if (write_page(page->path, &woven, &err))
        printf("%s\n", page->path);
    else
        finding(weaver, page->path, 1, "%s", err.text);
}
