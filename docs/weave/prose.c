// What the weaver checks in a page beside its woven blocks: links, pictures,
// the names of functions, numbers typed by hand, widths.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "weave.h"

enum { WIDEST = 80 };

// A page's text without its fenced blocks. What has been looked at is
// overwritten with blanks, so that what remains is plain prose.
typedef struct {
    Weaver *weaver;
    const Page *page;
    char *text;
} Prose;

static size_t line_at(const Prose *prose, const char *at) {
    size_t line = 1;
    for (const char *c = prose->text; c < at; c++)
        line += *c == '\n';
    return line;
}

static void blank_out(char *begin, const char *end) {
    for (; begin < end; begin++)
        if (*begin != '\n')
            *begin = ' ';
}

// Where `wanted` next stands in the paragraph that begins here, or NULL.
static char *within_paragraph(char *begin, const char *wanted) {
    char *found = strstr(begin, wanted), *end = strstr(begin, "\n\n");
    return found && (!end || found < end) ? found : NULL;
}

// --- Headings and what links to them -----------------------------------------

// A heading's name in a link, as code hosts and pandoc make it: lower case,
// blanks as '-', other punctuation left out.
static const char *heading_name(Arena *arena, const char *heading) {
    Text name = {.arena = arena};
    text_add(&name, "", 0);
    heading += strspn(heading, "# ");
    for (const char *c = heading; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (c[0] == ']' && c[1] == '(')
            c += strcspn(c, ")");
        else if (*c == ' ')
            text_add(&name, "-", 1);
        else if (isalnum(byte) || byte >= 0x80 || strchr("-_", *c)) {
            char lower = byte < 0x80 ? (char)tolower(byte) : *c;
            text_add(&name, &lower, 1);
        }
    }
    return name.bytes;
}

// How many of the page's headings have this name.
static size_t count_headings(Arena *arena, const Lines *lines,
                             const char *name) {
    bool fenced = false;
    size_t count = 0;
    for (size_t i = 0; i < lines->count; i++) {
        const char *line = lines->line[i];
        fenced ^= begins_with(line, "```");
        if (!fenced && line[0] == '#')
            count += strcmp(heading_name(arena, line), name) == 0;
    }
    return count;
}

// The second heading of one name is name-1, the third name-2.
static bool has_heading(Arena *arena, const Lines *lines, const char *name) {
    if (count_headings(arena, lines, name) > 0)
        return true;
    const char *dash = strrchr(name, '-');
    size_t number = dash ? strtoul(dash + 1, NULL, 10) : 0;
    return number > 0 &&
           strcmp(keep_printf(arena, "-%zu", number), dash) == 0 &&
           count_headings(arena, lines,
                          keep_text(arena, name, (size_t)(dash - name))) >
               number;
}

static bool has_key(const Lines *bibliography, Arena *arena, const char *key) {
    const char *wanted = keep_printf(arena, "{%s,", key);
    for (size_t i = 0; i < bibliography->count; i++)
        if (bibliography->line[i][0] == '@' &&
            strstr(bibliography->line[i], wanted))
            return true;
    return false;
}

// The path from the root for one from the page: "a/b/../c" is "a/c". NULL where
// it leads out of the repository.
static const char *from_root(Arena *arena, const char *page, const char *path) {
    const char *slash = strrchr(page, '/');
    char *whole = keep_printf(arena, "%.*s%s",
                              (int)(slash ? slash + 1 - page : 0), page, path);
    char *part[64], *rest;
    size_t n = 0;
    for (char *name = strtok_r(whole, "/", &rest); name && n < 64;
         name = strtok_r(NULL, "/", &rest))
        if (strcmp(name, "..") == 0) {
            if (n-- == 0)
                return NULL;
        } else if (strcmp(name, ".") != 0)
            part[n++] = name;
    Text text = {.arena = arena};
    text_add(&text, n ? "" : ".", n ? 0 : 1);
    for (size_t i = 0; i < n; i++)
        text_printf(&text, "%s%s", i ? "/" : "", part[i]);
    return text.bytes;
}

static void check_fragment(const Prose *prose, size_t line, const char *path,
                           const char *fragment) {
    Error err;
    Lines lines;
    Arena *arena = prose->weaver->arena;
    const char *page = prose->page->path;
    if (!lines_read(&lines, arena, path, &err)) {
        finding(prose->weaver, page, line, "link: %s", err.text);
        return;
    }
    if (ends_with(path, ".bib") && !has_key(&lines, arena, fragment))
        finding(prose->weaver, page, line,
                "link: wanted the entry '%s' in %s, found none", fragment,
                path);
    if (ends_with(path, ".md") && !has_heading(arena, &lines, fragment))
        finding(prose->weaver, page, line,
                "link: wanted a heading '%s' in %s, found none", fragment,
                path);
}

static void check_target(const Prose *prose, size_t line, const char *target) {
    if (begins_with(target, "https://") || begins_with(target, "http://") ||
        begins_with(target, "mailto:"))
        return;
    Arena *arena = prose->weaver->arena;
    const char *page = prose->page->path;
    const char *fragment = strchr(target, '#');
    const char *path = keep_text(arena, target, strcspn(target, "#"));
    const char *file = *path ? from_root(arena, page, path) : page;
    if (!file || !file_exists(file))
        finding(prose->weaver, page, line,
                "link: wanted a file at %s, found none", target);
    else if (fragment)
        check_fragment(prose, line, file, fragment + 1);
}

// --- Pictures ----------------------------------------------------------------

static void check_alt(const Prose *prose, size_t line, const char *alt) {
    if (is_blank(alt))
        finding(prose->weaver, prose->page->path, line,
                "picture: wanted alt text, found none");
}

// A figure of timings needs their provenance on the page.
static bool is_measured_figure(const Prose *prose, const char *target) {
    Arena *arena = prose->weaver->arena;
    const char *file = from_root(arena, prose->page->path, target);
    if (!file || !ends_with(file, ".svg"))
        return false;
    const char *script =
        keep_printf(arena, "%.*s.gp", (int)strlen(file) - 4, file);
    Error err;
    Lines lines;
    return file_exists(script) && lines_read(&lines, arena, script, &err) &&
           lines.count > 0 && begins_with(lines.line[0], "# measured");
}

// ![alt](file): the alt text; the link is looked at when it is reached.
static void check_picture(const Prose *prose, char *at) {
    char *middle = within_paragraph(at, "](");
    if (!middle)
        return;
    Weaver *weaver = prose->weaver;
    size_t line = line_at(prose, at);
    check_alt(prose, line,
              keep_text(weaver->arena, at + 2, (size_t)(middle - at) - 2));
    const char *target =
        keep_text(weaver->arena, middle + 2, strcspn(middle + 2, ")"));
    if (is_measured_figure(prose, target) && !weaver->provenance)
        finding(weaver, prose->page->path, line,
                "figure %s is measured: wanted the value measured-on on this "
                "page, found none",
                target);
}

// An attribute's text in a tag that begins here, or NULL.
static const char *attribute(const Prose *prose, const char *tag,
                             const char *name) {
    const char *end = strchr(tag, '>');
    const char *wanted = keep_printf(prose->weaver->arena, "%s=\"", name);
    for (const char *found = tag; (found = strstr(found, wanted)); found++) {
        if (!end || found > end)
            return NULL;
        const char *text = found + strlen(wanted);
        if (isspace((unsigned char)found[-1]))
            return keep_text(prose->weaver->arena, text, strcspn(text, "\""));
    }
    return NULL;
}

// <img src=".." alt="..">, <a href=".."> and their like.
static void check_tag(const Prose *prose, const char *tag) {
    static const char *const links[] = {"href", "src", "srcset"};
    size_t line = line_at(prose, tag);
    if (begins_with(tag, "<img")) {
        const char *alt = attribute(prose, tag, "alt");
        check_alt(prose, line, alt ? alt : "");
    }
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        const char *target = attribute(prose, tag, links[i]);
        if (target)
            check_target(prose, line, target);
    }
}

// --- Names -------------------------------------------------------------------

// `name()` is a function of ours.
static void check_code_span(const Prose *prose, size_t line, const char *code) {
    size_t size = strspn(code, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    if (size == 0 || strcmp(code + size, "()") != 0)
        return;
    const char *name = keep_text(prose->weaver->arena, code, size);
    if (!sources_has_function(&prose->weaver->sources, name))
        finding(prose->weaver, prose->page->path, line,
                "wanted a function of the name in `%s`, found none", code);
}

// --- From the beginning to the end -------------------------------------------

// Looks at what begins at `at`, if it is no plain prose; returns where to go
// on.
static char *look_at_code(const Prose *prose, char *at) {
    size_t ticks = strspn(at, "`");
    const char *mark = keep_text(prose->weaver->arena, at, ticks);
    char *end = within_paragraph(at + ticks, mark);
    if (!end)
        return at + ticks;
    check_code_span(prose, line_at(prose, at),
                    keep_text(prose->weaver->arena, at + ticks,
                              (size_t)(end - at) - ticks));
    blank_out(at, end + ticks);
    return end + ticks;
}

static char *look_at_comment(char *at) {
    const char *closing =
        begins_with(at, "<!-- value: ") ? "<!-- /value -->" : "-->";
    char *end = strstr(at, closing);
    if (!end)
        return at + 1;
    blank_out(at, end + strlen(closing));
    return end + strlen(closing);
}

// Within a line, code hosts read Markdown before math: a backslash before a
// comma leaves the comma alone.
static void check_inline_math(const Prose *prose, const char *at,
                              const char *end) {
    for (const char *c = at; c < end; c++)
        if (c[0] == '\\' && !isalpha((unsigned char)c[1])) {
            finding(prose->weaver, prose->page->path, line_at(prose, c),
                    "formula: wanted no \\%c within a line (in a math block it "
                    "may stand), found it",
                    c[1]);
            return;
        }
}

// As pandoc reads it: no blank after the first $ or before the second, and no
// digit after that. $5 and $6 are prices.
static char *look_at_math(const Prose *prose, char *at) {
    char *end = isspace((unsigned char)at[1]) ? NULL : at;
    while (end && (end = within_paragraph(end + 1, "$")))
        if (!isspace((unsigned char)end[-1]) && end[-1] != '\\' &&
            !isdigit((unsigned char)end[1]))
            break;
    if (!end)
        return at + 1;
    check_inline_math(prose, at, end);
    blank_out(at, end + 1);
    return end + 1;
}

static char *look_at_link(const Prose *prose, char *at) {
    char *target = at + 2 + strspn(at + 2, " \n");
    size_t size = strcspn(target, ") \n");
    check_target(prose, line_at(prose, at),
                 keep_text(prose->weaver->arena, target, size));
    blank_out(at, target + size);
    return target + size;
}

static void look_at_everything(const Prose *prose) {
    for (char *at = prose->text; *at;) {
        if (*at == '`')
            at = look_at_code(prose, at);
        else if (begins_with(at, "<!--"))
            at = look_at_comment(at);
        else if (*at == '$')
            at = look_at_math(prose, at);
        else if (begins_with(at, "]("))
            at = look_at_link(prose, at);
        else {
            if (begins_with(at, "!["))
                check_picture(prose, at);
            if (*at == '<' && isalpha((unsigned char)at[1]))
                check_tag(prose, at);
            if (begins_with(at, "]["))
                finding(prose->weaver, prose->page->path, line_at(prose, at),
                        "link: wanted its target beside it, in parentheses, "
                        "found a reference");
            // A character after a backslash is only itself.
            at += at[0] == '\\' && at[1] ? 2 : 1;
        }
    }
}

// --- Numbers -----------------------------------------------------------------

// Words whose numbers are names: section 3.2 of the paper, Version 1.2.
static bool names_a_number(const char *word, size_t size) {
    static const char *const words[] = {
        "section",   "sections", "equation", "equations", "figure",
        "figures",   "table",    "tables",   "exercise",  "exercises",
        "algorithm", "theorem",  "version",  "arXiv"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (size > 0 && strlen(words[i]) == size &&
            tolower((unsigned char)word[0]) == words[i][0] &&
            strncmp(words[i] + 1, word + 1, size - 1) == 0)
            return true;
    return false;
}

// Does such a word stand before this place, with no more between than blanks
// and an opening parenthesis?
static bool is_named(const char *text, const char *at) {
    while (at > text && (isspace((unsigned char)at[-1]) || at[-1] == '('))
        at--;
    const char *end = at;
    while (at > text && isalpha((unsigned char)at[-1]))
        at--;
    return names_a_number(at, (size_t)(end - at));
}

// Does the number at `at` go on a list, as in "sections 3.1, 3.2 and 3.3",
// whose last number ends at `before`?
static bool goes_on(const char *before, const char *at) {
    char word[8] = "";
    size_t n = 0;
    for (const char *c = before; c < at; c++)
        if (isspace((unsigned char)*c) || strchr(",()", *c))
            continue;
        else if (n + 1 < sizeof word)
            word[n++] = *c;
        else
            return false;
    return n == 0 || strcmp(word, "and") == 0 || strcmp(word, "to") == 0 ||
           strcmp(word, "or") == 0;
}

static bool in_heading(const char *text, const char *at) {
    while (at > text && at[-1] != '\n')
        at--;
    return *at == '#';
}

// 0.5 in plain prose was typed: a program could have computed it.
static void check_numbers(const Prose *prose) {
    const char *named_until = NULL;
    for (const char *at = prose->text; *at;) {
        if (!isdigit((unsigned char)*at) &&
            !(*at == '.' && isdigit((unsigned char)at[1]))) {
            at++;
            continue;
        }
        size_t size = strspn(at, "0123456789.");
        const char *point = memchr(at, '.', size);
        bool decimal = point && isdigit((unsigned char)point[1]);
        bool part_of_word =
            at > prose->text && (isalpha((unsigned char)at[-1]));
        bool named = is_named(prose->text, at) ||
                     (named_until && goes_on(named_until, at));
        // A point ends the sentence, and with it the list.
        named_until = named && at[size - 1] != '.' ? at + size : NULL;
        if (decimal && !named && !part_of_word && !in_heading(prose->text, at))
            finding(prose->weaver, prose->page->path, line_at(prose, at),
                    "wanted numbers that a program computed, woven in; found "
                    "%.*s typed",
                    (int)size, at);
        at += size;
    }
}

// --- Footnotes ---------------------------------------------------------------

// Every [^note] has its text, and every text is referred to.
static void check_footnotes(const Prose *prose) {
    Arena *arena = prose->weaver->arena;
    for (char *at = prose->text; (at = strstr(at, "[^")); at += 2) {
        size_t size = strcspn(at, "]\n") + 1;
        bool is_text = at[size] == ':';
        const char *mark = keep_text(arena, at, size);
        size_t texts = 0, references = 0;
        for (char *each = prose->text; (each = strstr(each, mark)); each++)
            *(each[size] == ':' ? &texts : &references) += 1;
        size_t others = is_text ? references : texts;
        if (others == 0 || texts > 1)
            finding(prose->weaver, prose->page->path, line_at(prose, at),
                    "footnote %s: wanted %s, found %s", mark,
                    is_text && !others ? "a reference" : "its text",
                    others ? "several" : "none");
    }
}

// --- Formulas ----------------------------------------------------------------

// LaTeX that pandoc draws, but code hosts refuse to.
static void check_macros(Weaver *weaver, const Page *page) {
    static const char *const macros[] = {"\\operatorname", "\\mbox",
                                         "\\phantom", "\\newcommand", "\\def"};
    for (size_t i = 0; i < page->lines.count; i++)
        for (size_t m = 0; m < sizeof macros / sizeof *macros; m++) {
            const char *at = strstr(page->lines.line[i], macros[m]);
            if (at && !isalpha((unsigned char)at[strlen(macros[m])]))
                finding(weaver, page->path, i + 1,
                        "formula: wanted LaTeX that code hosts draw (\\mathrm "
                        "for a name), found %s",
                        macros[m]);
        }
}

// --- A page ------------------------------------------------------------------

// The prose alone; a fenced block leaves its lines empty, too wide ones are
// reported.
static char *without_fences(Weaver *weaver, const Page *page) {
    Text text = {.arena = weaver->arena};
    text_add(&text, "", 0);
    bool fenced = false;
    for (size_t i = 0; i < page->lines.count; i++) {
        const char *line = page->lines.line[i];
        bool fence = begins_with(line, "```");
        fenced ^= fence;
        if (fenced && !fence && columns(line) > WIDEST)
            finding(weaver, page->path, i + 1,
                    "wanted at most %d columns in a listing, found %zu", WIDEST,
                    columns(line));
        text_printf(&text, "%s\n", fenced || fence ? "" : line);
    }
    return text.bytes;
}

void check_prose(Weaver *weaver, const Page *page) {
    Prose prose = {weaver, page, without_fences(weaver, page)};
    look_at_everything(&prose);
    check_numbers(&prose);
    check_footnotes(&prose);
    check_macros(weaver, page);
}
