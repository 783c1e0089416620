// The weaver: what it fills into a page, and every failure it must notice, each
// provoked in a small book of the test's own.
#include "weave.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "scratch.h"

// --- A small book ------------------------------------------------------------

static const char thing_h[] = "// A thing.\n"
                              "#ifndef THING_H\n"
                              "#define THING_H\n"
                              "\n"
                              "// What a thing is made of.\n"
                              "typedef struct {\n"
                              "    const float *delta;  // (L, d_inner)\n"
                              "} Thing;\n"
                              "\n"
                              "// Twice the number.\n"
                              "int twice(int number);\n"
                              "\n"
                              "#endif\n";

static const char thing_c[] = "#include \"thing.h\"\n"
                              "\n"
                              "enum { LEAST = 1, MOST = 9 };\n"
                              "\n"
                              "// How often.\n"
                              "#define OFTEN 2\n"
                              "\n"
                              "static const int table[] = {\n"
                              "    1,\n"
                              "    2,\n"
                              "};\n"
                              "\n"
                              "int twice(int number) {\n"
                              "    enum { LOCAL = 3 };\n"
                              "    // The sum\n"
                              "    // of two.\n"
                              "    int sum = number;\n"
                              "    if (sum)\n"
                              "        sum += number;\n"
                              "\n"
                              "    // And back.\n"
                              "    return sum;\n"
                              "}\n";

static const char test_c[] = "Test(thing, doubles) {\n"
                             "    check(twice(2) == 4);\n"
                             "}\n";

static const char printed[] = "seed = 16294208416658607535\n"
                              "\n"
                              "== by-hand: Two numbers\n"
                              "\n"
                              "  x     twice\n"
                              "  2     4.00001\n"
                              "the-sum = 6.25\n"
                              "parameters = 129135360\n"
                              "tiny = 0.0000123\n"
                              "word = a sentence\n"
                              "least = 1.25e-08\n"
                              "\n"
                              "== timing: How long (measured here)\n"
                              "measured-on = a machine\n"
                              "seconds = 1.5\n"
                              "\n"
                              "== other: The rest\n"
                              "the-end = 1\n"
                              "the-end = 2\n"
                              "no-number = one\n";

#define WHOLE_SOURCE                                                           \
    "<!-- listing: src/thing.c -->\n<!-- /listing -->\n"                       \
    "<!-- listing: src/thing.h Thing -->\n<!-- /listing -->\n"

static void make_directory(const char *name) {
    cr_assert(mkdir(scratch(name), 0777) == 0, "cannot make %s", name);
}

static void book_begin(void) {
    scratch_begin();
    static const char *const directories[] = {
        "src", "tests", "chapters", "chapters/01-thing", "runs", "docs"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        make_directory(directories[i]);
    scratch_text("src/thing.h", thing_h);
    scratch_text("src/thing.c", thing_c);
    scratch_text("tests/thing.c", test_c);
    scratch_text("chapters/01-thing/program.c", "int main(void) {\n}\n");
    scratch_text("runs/chapter1.txt", printed);
    scratch_text("docs/books.bib", "@book{key1,\n title = {T}}\n");
    cr_assert(chdir(scratch("")) == 0);
}

static void book_end(void) {
    cr_assert(chdir("/") == 0);
    scratch_end();
}

TestSuite(weave, .init = book_begin, .fini = book_end);

static const char readme[] = "chapters/01-thing/README.md";

// The weaver's status; what it prints goes to *said.
static int weave(Captured *said, const char *option, const char *pages) {
    char *argv[] = {"weave",       "--runs",       "runs", "--pages",
                    (char *)pages, (char *)option, NULL};
    capture_begin(said);
    int status = weave_run(option ? 6 : 5, argv);
    capture_end(said);
    return status;
}

// Weaves this page, which must go well, and returns what it has become; free().
static char *woven(const char *page) {
    Captured said;
    scratch_text(readme, page);
    cr_assert_eq(weave(&said, NULL, readme), 0, "%s", said.err);
    size_t size;
    return read_bytes(scratch(readme), &size);
}

static void check_woven(const char *page, const char *wanted) {
    char *found = woven(page);
    cr_assert_str_eq(found, wanted);
    free(found);
}

// This page must pass the checks.
static void check_passes(const char *page) {
    Captured said;
    scratch_text(readme, page);
    cr_assert_eq(weave(&said, "--check", readme), 0, "%s", said.err);
    cr_assert_str_eq(said.err, "");
}

// It must not, and the finding names the place and has this part.
static void check_finds_in(const char *path, const char *page, unsigned line,
                           const char *part) {
    Captured said;
    scratch_text(readme, page);
    cr_assert_eq(weave(&said, "--check", readme), 1, "found nothing");
    char place[128];
    snprintf(place, sizeof place, "%s:%u: ", path, line);
    cr_assert(strstr(said.err, place), "wanted %s, found: %s", place, said.err);
    cr_assert(strstr(said.err, part), "wanted %s, found: %s", part, said.err);
    cr_assert(strstr(said.err, "weave: 1 findings"), "found: %s", said.err);
}

static void check_finds(const char *page, unsigned line, const char *part) {
    check_finds_in(readme, page, line, part);
}

// --- Listings ----------------------------------------------------------------

#define FROM_C "[`src/thing.c`](../../src/thing.c)"
#define FROM_H "[`src/thing.h`](../../src/thing.h)"

Test(weave, fills_a_function_in) {
    check_woven("# T\n\n<!-- listing: src/thing.c twice -->\n"
                "<!-- /listing -->\n\nEnd\n",
                "# T\n\n<!-- listing: src/thing.c twice -->\n" FROM_C
                "\n\n```c\nint twice(int number) {\n    enum { LOCAL = 3 };\n  "
                "  // The sum\n"
                "    // of two.\n    int sum = number;\n    if (sum)\n"
                "        sum += number;\n\n    // And back.\n"
                "    return sum;\n}\n```\n<!-- /listing -->\n\nEnd\n");
}

Test(weave, takes_the_comment_above_along) {
    check_woven("<!-- listing: src/thing.h Thing -->\n<!-- /listing -->\n",
                "<!-- listing: src/thing.h Thing -->\n" FROM_H
                "\n\n```c\n// What a thing is made of.\ntypedef struct {\n"
                "    const float *delta;  // (L, d_inner)\n} Thing;\n```\n"
                "<!-- /listing -->\n");
}

Test(weave, finds_prototypes_in_headers) {
    check_woven("<!-- listing: src/thing.h twice -->\n<!-- /listing -->\n",
                "<!-- listing: src/thing.h twice -->\n" FROM_H
                "\n\n```c\n// Twice the number.\nint twice(int number);\n"
                "```\n<!-- /listing -->\n");
}

Test(weave, finds_an_enum_by_its_members) {
    check_woven("<!-- listing: src/thing.c MOST -->\n<!-- /listing -->\n",
                "<!-- listing: src/thing.c MOST -->\n" FROM_C
                "\n\n```c\nenum { LEAST = 1, MOST = 9 };\n```\n"
                "<!-- /listing -->\n");
}

Test(weave, finds_macros_and_tables) {
    char *page = woven("<!-- listing: src/thing.c OFTEN -->\n"
                       "<!-- /listing -->\n"
                       "<!-- listing: src/thing.c table -->\n"
                       "<!-- /listing -->\n");
    cr_assert(strstr(page, "// How often.\n#define OFTEN 2\n```\n"), "%s",
              page);
    cr_assert(strstr(page, "static const int table[] = {\n    1,\n    2,\n"
                           "};\n```\n"),
              "%s", page);
    free(page);
}

Test(weave, finds_tests_by_suite_and_name) {
    char *page = woven("<!-- listing: tests/thing.c thing.doubles -->\n"
                       "<!-- /listing -->\n");
    cr_assert(strstr(page, "```c\nTest(thing, doubles) {\n"
                           "    check(twice(2) == 4);\n}\n```\n"),
              "%s", page);
    free(page);
}

Test(weave, takes_the_part_under_a_comment) {
    char *page = woven("<!-- listing: src/thing.c twice \"of two\" -->\n"
                       "<!-- /listing -->\n"
                       "<!-- listing: src/thing.c twice \"back\" -->\n"
                       "<!-- /listing -->\n");
    cr_assert(strstr(page, FROM_C ", in `twice()`\n\n```c\n// The sum\n"
                                  "// of two.\nint sum = number;\nif (sum)\n"
                                  "    sum += number;\n```\n"),
              "%s", page);
    cr_assert(strstr(page, "```c\n// And back.\nreturn sum;\n```\n"), "%s",
              page);
    free(page);
}

Test(weave, takes_a_whole_file) {
    char *page = woven("<!-- listing: src/thing.c -->\n<!-- /listing -->\n");
    cr_assert(strstr(page, thing_c), "%s", page);
    free(page);
}

Test(weave, weaving_again_changes_nothing) {
    char *once = woven(WHOLE_SOURCE "<!-- output: chapter1 by-hand -->\n"
                                    "<!-- /output -->\n\nIt is "
                                    "<!-- value: chapter1 the-sum -->"
                                    "<!-- /value -->.\n");
    Captured said;
    cr_assert_eq(weave(&said, NULL, readme), 0, "%s", said.err);
    cr_assert_null(strstr(said.out, readme), "written: %s", said.out);
    size_t size;
    char *twice = read_bytes(scratch(readme), &size);
    cr_assert_str_eq(once, twice);
    check_passes(once);
    free(once);
    free(twice);
}

Test(weave, notices_a_stale_listing) {
    char *page = woven("<!-- listing: src/thing.c twice -->\n"
                       "<!-- /listing -->\n");
    char *code = replaced(thing_c, "sum += number", "sum *= number");
    scratch_text("src/thing.c", code);
    check_finds(page, 11, "wanted '        sum *= number;'");
    free(page);
    free(code);
}

Test(weave, notices_a_name_that_is_gone) {
    check_finds("<!-- listing: src/thing.c thrice -->\n<!-- /listing -->\n", 1,
                "wanted thrice in src/thing.c");
}

Test(weave, a_table_begins_with_its_struct) {
    scratch_text("src/other.c", "// Words.\nstatic const struct {\n"
                                "    int n;\n} words[] = {\n    {1},\n};\n");
    char *page = woven("<!-- listing: src/other.c words -->\n"
                       "<!-- /listing -->\n");
    cr_assert(strstr(page, "```c\n// Words.\nstatic const struct {\n"
                           "    int n;\n} words[] = {\n    {1},\n};\n```"),
              "%s", page);
    free(page);
}

Test(weave, quotes_both_definitions_of_one_name) {
    scratch_text("src/other.c", "#ifdef X\nint one = 1;\n#else\n"
                                "int one = 2;\n#endif\n");
    char *page = woven("<!-- listing: src/other.c one -->\n"
                       "<!-- /listing -->\n");
    cr_assert(strstr(page, "```c\n#ifdef X\nint one = 1;\n#else\n"
                           "int one = 2;\n#endif\n```\n"),
              "%s", page);
    free(page);
}

// A file of this code, and what its listing of this name has become.
static void check_quoted(const char *code, const char *name,
                         const char *wanted) {
    scratch_text("src/other.c", code);
    char request[128], block[512];
    snprintf(request, sizeof request,
             "<!-- listing: src/other.c %s -->\n<!-- /listing -->\n", name);
    snprintf(block, sizeof block, "```c\n%s```\n", wanted);
    char *page = woven(request);
    cr_assert(strstr(page, block), "wanted %s, found: %s", block, page);
    free(page);
}

Test(weave, a_comment_behind_the_code_does_not_lengthen_it) {
    const char *code = "typedef int (*Callback)(int);  // for later\n"
                       "enum {\n    ONE,\n    TWO  // };\n};  // both\n"
                       "static const char first[] = \"//{\";  // {\n"
                       "static char second = '\"';  // a quote\n"
                       "static int third = 3;\n";
    check_quoted(code, "Callback",
                 "typedef int (*Callback)(int);  // for later\n");
    check_quoted(code, "TWO",
                 "enum {\n    ONE,\n    TWO  // };\n};  // both\n");
    check_quoted(code, "first", "static const char first[] = \"//{\";  // {\n");
    check_quoted(code, "second", "static char second = '\"';  // a quote\n");
    check_quoted(code, "third", "static int third = 3;\n");
}

Test(weave, quotes_whatever_way_it_is_laid_out) {
    check_quoted("struct node {\n    struct node *next;\n};\n"
                 "// Returns the next.\nstatic struct node *\n"
                 "next(struct node *from)\n{\n    char c = '}';\n"
                 "    struct pair { int a; } pair = {c};\n#if X\n"
                 "    if (pair.a) {\n#else\n    if (c) {\n#endif\n"
                 "        return from;\n    }\n    return from->next;\n}",
                 "next",
                 "// Returns the next.\nstatic struct node *\n"
                 "next(struct node *from)\n{\n    char c = '}';\n"
                 "    struct pair { int a; } pair = {c};\n#if X\n"
                 "    if (pair.a) {\n#else\n    if (c) {\n#endif\n"
                 "        return from;\n    }\n    return from->next;\n}\n");
    check_quoted("#define LOOP(x) \\\n    do {        \\\n"
                 "        (x)++;  \\\n    } while (0)\nint a;\n",
                 "LOOP",
                 "#define LOOP(x) \\\n    do {        \\\n"
                 "        (x)++;  \\\n    } while (0)\n");
    check_quoted("static const int matrix[2][2] = {{1, 2},\n"
                 "                                 {3, 4}};\n",
                 "matrix",
                 "static const int matrix[2][2] = {{1, 2},\n"
                 "                                 {3, 4}};\n");
}

Test(weave, notices_a_comment_that_two_parts_have) {
    scratch_text("src/other.c", "int f(void) {\n    // Add.\n    int a = 1;\n"
                                "    // Add more.\n    return a;\n}\n");
    check_finds("<!-- listing: src/other.c f \"Add\" -->\n<!-- /listing -->\n",
                1, "a comment with \"Add\" in f of src/other.c, found several");
}

Test(weave, a_name_inside_a_function_is_its_own) {
    check_finds("<!-- listing: src/thing.c LOCAL -->\n<!-- /listing -->\n", 1,
                "wanted LOCAL in src/thing.c");
}

Test(weave, notices_a_file_that_is_gone) {
    check_finds("<!-- listing: src/other.c thrice -->\n<!-- /listing -->\n", 1,
                "src/other.c");
}

Test(weave, notices_a_comment_that_is_gone) {
    check_finds("<!-- listing: src/thing.c twice \"the difference\" -->\n"
                "<!-- /listing -->\n",
                1, "a comment with \"the difference\" in twice");
}

Test(weave, notices_a_listing_that_is_not_closed) {
    check_finds("<!-- listing: src/thing.c twice -->\n\nText\n", 1,
                "wanted <!-- /listing --> after it");
    check_finds("a\n<!-- listing: src/thing.c twice -->\n"
                "<!-- output: chapter1 by-hand from \"x\" to \"twice\" -->\n"
                "[`make chapter1`](../../chapters/01-thing/program.c): "
                "Two numbers\n\n```text\n  x     twice\n```\n"
                "<!-- /output -->\n",
                2, "wanted <!-- /listing --> after it");
}

Test(weave, notices_a_request_it_cannot_read) {
    check_finds("<!-- listing: src/thing.c twice and more -->\n"
                "<!-- /listing -->\n",
                1, "wanted FILE NAME");
    check_finds("<!-- listing: src/thing.c twice \"of two\" x -->\n"
                "<!-- /listing -->\n",
                1, "wanted FILE NAME");
    check_finds("<!-- listing: src/thing.c twice \"of two -->\n"
                "<!-- /listing -->\n",
                1, "wanted FILE NAME");
}

// What is almost a block would stay as it is, and be true for ever.
Test(weave, notices_a_block_that_is_misspelt) {
    static const char *const openings[] = {
        "<!-- listing: src/thing.c twice -->\r",
        "<!-- listing: src/thing.c twice-->",
        " <!-- listing: src/thing.c twice -->",
        "<!-- listing src/thing.c twice -->",
        "<!-- output: chapter1 by-hand from \"a --> b\" -->",
        "a <!-- value:chapter1 the-sum -->6",
        "a <!-- hidden"};
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        char page[256];
        snprintf(page, sizeof page, "# T\n\n%s\n", openings[i]);
        check_finds(page, 3, "wanted a listing, an output or a value, opened");
    }
    check_finds("a\n<!-- /listing -->\n", 2, "found '<!-- /listing -->'");
}

Test(weave, notices_a_fence_that_is_not_closed) {
    check_finds("```text\na\n\n<!-- listing: src/thing.c thrice -->\n", 1,
                "fence: wanted ``` after it, found none");
    check_finds("\n```text\na\n\n```text\n", 2, "fence: wanted ```");
}

Test(weave, notices_a_wide_listing) {
    char *code = replaced(thing_c, "    1,\n",
                          "    1,  // xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
    scratch_text("src/thing.c", code);
    char *page = "<!-- listing: src/thing.c table -->\n<!-- /listing -->\n";
    Captured said;
    scratch_text(readme, page);
    cr_assert_eq(weave(&said, NULL, readme), 1);
    cr_assert(strstr(said.err, "src/thing.c:9: wanted at most 80 columns"),
              "%s", said.err);
    free(code);
}

Test(weave, notices_a_wide_block_of_its_own) {
    check_finds("```text\n12345678901234567890123456789012345678901234567890"
                "1234567890123456789012345678901\n```\n",
                2, "wanted at most 80 columns in a listing, found 81");
}

// --- Outputs -----------------------------------------------------------------

#define MADE_BY "[`make chapter1`](../../chapters/01-thing/program.c): "

Test(weave, fills_an_output_in) {
    check_woven("<!-- output: chapter1 by-hand -->\n<!-- /output -->\n",
                "<!-- output: chapter1 by-hand -->\n" MADE_BY
                "Two numbers\n\n```text\n  x     twice\n  2     4.00001\n"
                "the-sum = 6.25\nparameters = 129135360\ntiny = 0.0000123\n"
                "word = a sentence\nleast = 1.25e-08\n```\n"
                "<!-- /output -->\n");
}

Test(weave, fills_a_part_of_an_output_in) {
    check_woven(
        "<!-- output: chapter1 by-hand from \"  2\" to \"sum\" -->\n"
        "<!-- /output -->\n",
        "<!-- output: chapter1 by-hand from \"  2\" to \"sum\" -->\n" MADE_BY
        "Two numbers\n\n```text\n  2     4.00001\n"
        "the-sum = 6.25\n```\n<!-- /output -->\n");
}

// The benchmarks' caption leads to their appendix.
Test(weave, fills_an_output_of_the_benchmarks_in) {
    scratch_text("runs/bench.txt", "== race: Who wins\nthe hare\n");
    check_woven("<!-- output: bench race -->\n<!-- /output -->\n",
                "<!-- output: bench race -->\n"
                "[`minimamba bench`](../../docs/benchmarks.md): Who wins\n\n"
                "```text\nthe hare\n```\n<!-- /output -->\n");
}

// The page with an output in it, one part of it replaced.
static char *changed_output(const char *section, const char *find,
                            const char *by) {
    char opening[64];
    snprintf(opening, sizeof opening,
             "<!-- output: chapter1 %s -->\n<!-- /output -->\n", section);
    char *page = woven(opening), *changed = replaced(page, find, by);
    free(page);
    return changed;
}

Test(weave, notices_a_stale_text_in_an_output) {
    char *page = changed_output("by-hand", "a sentence", "no sentence");
    check_finds(page, 10, "wanted 'word = a sentence', found 'word = no");
    free(page);
}

Test(weave, notices_a_stale_number_in_an_output) {
    char *page = changed_output("by-hand", "4.00001", "4.01001");
    check_finds(page, 6, "is stale");
    free(page);
    page = changed_output("by-hand", "129135360", "129135361");
    check_finds(page, 8, "is stale");
    free(page);
}

Test(weave, notices_a_line_too_many_in_an_output) {
    char *page = changed_output("by-hand", "the-sum", "\nthe-sum");
    check_finds(page, 7, "is stale");
    free(page);
}

Test(weave, compares_every_digit_of_a_whole_number) {
    check_finds("a <!-- value: chapter1 seed -->16294208416658607536"
                "<!-- /value -->\n",
                1, "value seed is stale");
}

Test(weave, notices_a_stale_small_number) {
    check_finds("a <!-- value: chapter1 least -->1.3e-08<!-- /value -->\n", 1,
                "value least is stale");
    check_finds("a <!-- value: chapter1 least -->0<!-- /value -->\n", 1,
                "value least is stale");
    check_passes("a <!-- value: chapter1 least -->1.2501e-08<!-- /value -->\n");
}

Test(weave, lets_rounding_pass) {
    char *page = changed_output("by-hand", "     4.00001", "  4.00002");
    check_passes(page);
    // And leaves it as it is.
    check_woven(page, page);
    free(page);
}

Test(weave, notices_a_section_that_is_gone) {
    check_finds("<!-- output: chapter1 by-foot -->\n<!-- /output -->\n", 1,
                "wanted the section 'by-foot' of chapter1");
}

Test(weave, notices_lines_that_are_gone) {
    check_finds("<!-- output: chapter1 by-hand from \"thrice\" -->\n"
                "<!-- /output -->\n",
                1, "wanted lines from \"thrice\"");
    check_finds("<!-- output: chapter1 by-hand to \"thrice\" -->\n"
                "<!-- /output -->\n",
                1, "to \"thrice\"");
}

Test(weave, notices_a_run_that_is_missing) {
    check_finds("<!-- output: chapter9 by-hand -->\n<!-- /output -->\n", 1,
                "runs/chapter9.txt");
}

Test(weave, notices_two_sections_of_one_name) {
    scratch_text("runs/chapter1.txt", "== a: One\n1\n\n== a: Two\n2\n");
    check_finds("<!-- output: chapter1 a -->\n<!-- /output -->\n", 1,
                "wanted one section 'a', found two");
}

// --- Measurements ------------------------------------------------------------

Test(weave, measured_output_stays_until_asked_for) {
    char *page = changed_output("timing", "1.5", "2.75");
    check_passes(page);
    check_woven(page, page);
    Captured said;
    cr_assert_eq(weave(&said, "--measure", readme), 0, "%s", said.err);
    size_t size;
    char *anew = read_bytes(scratch(readme), &size);
    cr_assert(strstr(anew, "seconds = 1.5\n"), "%s", anew);
    free(page);
    free(anew);
}

Test(weave, notices_a_measured_output_that_has_lost_its_provenance) {
    char *page = changed_output("timing", "measured-on = a machine\n", "");
    check_finds(page, 5, "is stale");
    free(page);
}

Test(weave, notices_a_measured_output_with_other_names) {
    char *page = changed_output("timing", "seconds", "minutes");
    check_finds(page, 6, "is stale");
    free(page);
    page = changed_output("timing", "seconds", "minutes = 2\nseconds");
    check_finds(page, 6, "is stale");
    free(page);
}

Test(weave, notices_a_measured_output_with_another_caption) {
    char *page = changed_output("timing", "How long", "How often");
    check_finds(page, 2, "wanted '[`make chapter1`]");
    free(page);
}

Test(weave, notices_a_measured_value_without_provenance) {
    check_finds("It took <!-- value: chapter1 seconds -->1.4<!-- /value -->.\n",
                1, "wanted the value measured-on on this page");
    check_passes("It took <!-- value: chapter1 seconds -->1.4<!-- /value -->\n"
                 "on <!-- value: chapter1 measured-on -->that<!-- /value -->."
                 "\n");
}

Test(weave, notices_a_measured_value_that_is_missing) {
    check_finds("It took <!-- value: chapter1 seconds --><!-- /value -->\n"
                "on <!-- value: chapter1 measured-on -->that<!-- /value -->."
                "\n",
                1, "value seconds is stale");
    check_finds("It took <!-- value: chapter1 seconds -->long<!-- /value -->\n"
                "on <!-- value: chapter1 measured-on -->that<!-- /value -->."
                "\n",
                1, "value seconds is stale");
}

Test(weave, notices_a_measured_figure_without_provenance) {
    scratch_text("chapters/01-thing/time.gp", "# measured\nplot x\n");
    scratch_text("chapters/01-thing/time.svg", "<svg/>\n");
    check_finds("![Time grows](time.svg)\n", 1,
                "figure time.svg is measured: wanted the value measured-on");
    check_passes("![Time grows](time.svg)\n\nOn "
                 "<!-- value: chapter1 measured-on -->that<!-- /value -->.\n");
}

// --- Values ------------------------------------------------------------------

#define VALUE(what, text) "a <!-- value: " what " -->" text "<!-- /value --> b"

Test(weave, fills_values_in) {
    check_woven(VALUE("chapter1 the-sum", "") "\n",
                VALUE("chapter1 the-sum", "6.25") "\n");
    check_woven(VALUE("chapter1 word", "") "\n",
                VALUE("chapter1 word", "a sentence") "\n");
}

Test(weave, fills_two_values_of_a_line_in) {
    check_woven("a <!-- value: chapter1 word -->old<!-- /value --> and "
                "<!-- value: chapter1 the-sum --><!-- /value -->\n",
                "a <!-- value: chapter1 word -->a sentence<!-- /value --> and "
                "<!-- value: chapter1 the-sum -->6.25<!-- /value -->\n");
}

// The value in this format is this text.
static void check_format(const char *value, const char *format,
                         const char *wanted) {
    char page[256], filled[256];
    snprintf(page, sizeof page,
             "a <!-- value: chapter1 %s %s --><!-- /value -->\n", value,
             format);
    snprintf(filled, sizeof filled,
             "a <!-- value: chapter1 %s %s -->%s<!-- /value -->\n", value,
             format, wanted);
    check_woven(page, filled);
}

Test(weave, gives_values_a_readers_form) {
    check_format("the-sum", "%.1f", "6.2");
    check_format("the-sum", "%.2g", "6.2");
    check_format("parameters", "%'d", "129,135,360");
    check_format("tiny", "%.2g", "1.2·10⁻⁵");
    check_format("parameters", "%.1e", "1.3·10⁸");
}

Test(weave, notices_a_stale_value) {
    check_finds(VALUE("chapter1 the-sum", "6.35") "\n", 1,
                "value the-sum is stale: wanted '6.25', found '6.35'");
    check_finds(VALUE("chapter1 parameters %'d", "129,135,361") "\n", 1,
                "is stale");
    check_finds(VALUE("chapter1 tiny %.2g", "1.2·10⁻⁴") "\n", 1, "is stale");
    check_finds(VALUE("chapter1 word", "") "\n", 1, "is stale");
}

Test(weave, notices_a_value_that_is_gone) {
    check_finds(VALUE("chapter1 the-product", "1") "\n", 1,
                "wanted 'the-product' of chapter1");
}

Test(weave, notices_a_value_printed_twice) {
    check_finds(VALUE("chapter1 the-end", "1") "\n", 1,
                "wanted one 'the-end' of chapter1, found several");
}

Test(weave, notices_a_format_that_does_not_fit) {
    check_finds(VALUE("chapter1 no-number %.2f", "1") "\n", 1,
                "wanted a number for the format %.2f, found 'one'");
    check_finds(VALUE("chapter1 the-sum %s", "1") "\n", 1, "wanted a format");
    check_finds(VALUE("chapter1 the-sum %.2fx", "1") "\n", 1,
                "wanted a format");
}

Test(weave, notices_a_value_that_is_not_closed) {
    check_finds("a <!-- value: chapter1 the-sum -->\n", 1,
                "wanted <!-- /value --> on the same line");
}

Test(weave, notices_a_value_that_begins_its_line) {
    static const char *const marks[] = {"", "  ", "- ", "> ", "12. "};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        char page[128];
        snprintf(page, sizeof page,
                 "%s<!-- value: chapter1 the-sum -->6.25<!-- /value -->\n",
                 marks[i]);
        check_finds(page, 1, "wanted a word before it on its line");
    }
    check_passes("| 12 <!-- value: chapter1 the-sum -->6.25<!-- /value --> |\n"
                 "12 <!-- value: chapter1 the-sum -->6.25<!-- /value -->\n");
}

// --- Coverage ----------------------------------------------------------------

Test(weave, demands_every_definition) {
    Captured said;
    scratch_text(readme, "<!-- listing: src/thing.c twice -->\n"
                         "<!-- /listing -->\n"
                         "<!-- listing: src/thing.c twice \"back\" -->\n"
                         "<!-- /listing -->\n");
    cr_assert_eq(weave(&said, "--all", readme), 1);
    cr_assert(strstr(said.err, "src/thing.c:3: wanted the enumerator LEAST "
                               "quoted in the book, found it nowhere\n"),
              "%s", said.err);
    cr_assert(strstr(said.err, "src/thing.c:6: wanted the macro OFTEN"), "%s",
              said.err);
    cr_assert(strstr(said.err, "src/thing.c:8: wanted the variable table"),
              "%s", said.err);
    cr_assert(strstr(said.err, "src/thing.h:8: wanted the typedef Thing"), "%s",
              said.err);
    cr_assert(strstr(said.err, "weave: 4 findings"), "%s", said.err);
    cr_assert(strstr(said.out, "definitions quoted: 1 of 5, 20 %\n"), "%s",
              said.out);
}

Test(weave, is_content_with_all_of_them) {
    Captured said;
    scratch_text(readme, WHOLE_SOURCE);
    cr_assert_eq(weave(&said, "--all", readme), 0, "%s", said.err);
    cr_assert(strstr(said.out, "definitions quoted: 5 of 5, 100 %\n"), "%s",
              said.out);
}

Test(weave, a_part_is_not_the_whole) {
    Captured said;
    scratch_text(readme, "<!-- listing: src/thing.c twice \"back\" -->\n"
                         "<!-- /listing -->\n");
    cr_assert_eq(weave(&said, "--all", readme), 1);
    cr_assert(strstr(said.err, "src/thing.c:13: wanted the function twice"),
              "%s", said.err);
}

Test(weave, writes_where_each_definition_is_quoted) {
    Captured said;
    scratch_text(readme, WHOLE_SOURCE);
    cr_assert_eq(weave(&said, "--definitions=table.tsv", readme), 0, "%s",
                 said.err);
    size_t size;
    char *table = read_bytes(scratch("table.tsv"), &size);
    cr_assert(strstr(table, "name\tkind\tfile\tpage\tlisting\n"), "%s", table);
    cr_assert(strstr(table, "twice\tfunction\tsrc/thing.c\t"
                            "chapters/01-thing/README.md\tsrc/thing.c"),
              "%s", table);
    cr_assert_null(strstr(table, "__anon"), "%s", table);
    free(table);
}

// --- Prose -------------------------------------------------------------------

Test(weave, notices_a_dead_link) {
    check_finds("# T\n\nSee [it](gone.md).\n", 3,
                "wanted a file at gone.md, found none");
    check_finds("See [it](../../../outside.md).\n", 1, "wanted a file at");
    check_finds("See [it](\ngone.md).\n", 1, "wanted a file at gone.md");
    check_finds("<a class=\"x\"\nhref=\"gone.md\">it</a>\n", 1,
                "wanted a file at gone.md");
    check_finds("See [it][there].\n", 1, "wanted its target beside it");
    check_finds("For \\$5 [it](gone.md) or \\$6.\n", 1, "a file at gone.md");
    check_finds("For $5 [it](gone.md) or $6.\n", 1, "a file at gone.md");
    check_passes("See [it](program.c), [that](https://example.org/x), "
                 "[src](../../src/thing.c), [here](../01-thing).\n");
}

Test(weave, notices_a_dead_heading) {
    check_finds("# The `first` one\n\n[a](#the-second-one)\n", 3,
                "wanted a heading 'the-second-one'");
    check_passes("# The `first` one, (again)!\n\n## Twice\n\n## Twice\n\n"
                 "[a](#the-first-one-again) [b](README.md#twice-1)\n");
    check_passes("## Scan\n\n## Scan in parallel\n\n## Scan 1\n\n"
                 "[a](#scan-in-parallel) [b](#scan-1)\n");
    check_finds("## Twice\n\n## Twice\n\n[b](#twice-2)\n", 5,
                "wanted a heading 'twice-2'");
}

Test(weave, a_heading_in_a_listing_is_none) {
    check_finds("# T\n\n```sh\n# a comment\n```\n\n[b](#a-comment)\n", 7,
                "wanted a heading 'a-comment'");
}

Test(weave, notices_a_dead_reference) {
    check_finds("[A 1999](../../docs/books.bib#key2)\n", 1,
                "wanted the entry 'key2' in docs/books.bib");
    check_passes("[A 1999](../../docs/books.bib#key1)\n");
}

Test(weave, notices_a_dead_figure) {
    check_finds("![A curve](curve.svg)\n", 1,
                "wanted a file at curve.svg, found none");
    check_finds("<img src=\"curve.svg\" alt=\"A curve\">\n", 1,
                "wanted a file at curve.svg, found none");
}

Test(weave, notices_a_picture_without_alt_text) {
    scratch_text("chapters/01-thing/curve.svg", "<svg/>\n");
    check_finds("# T\n\n![](curve.svg)\n", 3, "wanted alt text, found none");
    check_finds("![ ](curve.svg)\n", 1, "wanted alt text, found none");
    check_finds("<img src=\"curve.svg\">\n", 1, "wanted alt text, found none");
    check_finds("<img src=\"curve.svg\" alt=\"\">\n", 1, "wanted alt text");
    check_passes("![A curve\nthat rises](curve.svg)\n");
}

Test(weave, notices_a_function_that_is_renamed) {
    check_finds("It calls `thrice()`.\n", 1,
                "wanted a function of the name in `thrice()`");
    check_passes("It calls `twice()` and `libc_function` and `f(x)`.\n");
}

Test(weave, notices_a_number_typed_by_hand) {
    check_finds("# T\n\nThe error is 0.25 here.\n", 3, "found 0.25");
    check_finds("| a | 1.5 |\n", 1, "found 1.5");
    check_finds("It is .5 of it.\n", 1, "found .5");
    check_finds("In the table, 0.25 is wrong.\n", 1, "found 0.25");
    check_finds("| Table | 0.25 |\n", 1, "found 0.25");
    check_finds("As in figure 2. 0.25 is wrong.\n", 1, "found 0.25");
    check_finds("Section 3.2 has it between the old one and 0.25.\n", 1,
                "found 0.25");
    check_passes("Sections 3.1, 3.2 and 3.3, equations (2.1) and (2.2),\n"
                 "figures 1.1 to\n1.3, and $x_{0.5}$ for \\$2.\n");
    check_passes("## 1.2 In a heading\n\nIn section 3.2, equations (2.1) and "
                 "2.2, `0.5`, $0.5 + x$,\nversion 1.2, figure 1.1; "
                 "[it](https://example.org/1.5), and 16 of 20.\n\n"
                 "```text\n0.25\n```\n");
    check_passes("It is <!-- value: chapter1 the-sum -->6.25<!-- /value -->."
                 "\n");
}

Test(weave, notices_a_footnote_without_its_text) {
    check_finds("A word[^note].\n", 1, "[^note]: wanted its text");
    check_finds("A word.\n\n[^note]: Text.\n", 3,
                "[^note]: wanted a reference");
    check_passes("A word[^note].\n\n[^note]: Text.\n");
    scratch_text(readme, "A word[^n].\n\n[^n]: Text.\n\n[^n]: Another.\n");
    Captured said;
    cr_assert_eq(weave(&said, "--check", readme), 1);
    cr_assert(strstr(said.err, "README.md:5: footnote [^n]: wanted its text, "
                               "found several"),
              "%s", said.err);
}

Test(weave, notices_a_formula_that_code_hosts_refuse) {
    check_finds("# T\n\n```math\n\\operatorname{SiLU}(x)\n```\n", 4,
                "wanted LaTeX that code hosts draw");
    check_passes("# T\n\n```math\n\\mathrm{SiLU}(x)\n```\n");
}

Test(weave, notices_a_backslash_that_code_hosts_swallow) {
    check_finds("# T\n\nThe step $a\\,b$ is one.\n", 3,
                "formula: wanted no \\, within a line");
    check_passes("# T\n\nThe step $a \\cdot b$.\n\n```math\na\\,b\n```\n");
}

// --- Notation ----------------------------------------------------------------

static const char notation[] = "docs/notation.md";

static int check_table(Captured *said, const char *table) {
    scratch_text(notation, table);
    return weave(said, "--check", notation);
}

Test(weave, accepts_the_notation_that_headers_have) {
    Captured said;
    cr_assert_eq(check_table(&said, "| code | shape |\n|---|---|\n"
                                    "| `delta` | `(L, d_inner)` |\n"
                                    "| `Thing` | |\n"),
                 0, "%s", said.err);
}

Test(weave, notices_a_symbol_that_is_gone) {
    Captured said;
    cr_assert_eq(check_table(&said, "| `delta`, `gamma` | |\n"), 1);
    cr_assert(strstr(said.err, "docs/notation.md:1: notation: wanted gamma"),
              "%s", said.err);
}

Test(weave, notices_a_shape_that_is_another) {
    Captured said;
    cr_assert_eq(check_table(&said, "\n| `delta` | `(L, N)` |\n"), 1);
    cr_assert(strstr(said.err, "docs/notation.md:2: notation: wanted delta"),
              "%s", said.err);
}

Test(weave, notices_a_symbol_without_a_name) {
    Captured said;
    cr_assert_eq(check_table(&said, "| `` | |\n"), 1);
    cr_assert(strstr(said.err, "docs/notation.md:1: notation: wanted"), "%s",
              said.err);
}

Test(weave, notices_a_table_without_rows) {
    Captured said;
    cr_assert_eq(check_table(&said, "# Notation\n"), 1);
    cr_assert(strstr(said.err, "wanted rows"), "%s", said.err);
}

// --- The command line --------------------------------------------------------

Test(weave, wants_pages) {
    Captured said;
    char *argv[] = {"weave", NULL};
    capture_begin(&said);
    int status = weave_run(1, argv);
    capture_end(&said);
    cr_assert_eq(status, 2);
    cr_assert(strstr(said.err, "--pages: wanted pages"), "%s", said.err);
    cr_assert_eq(weave(&said, NULL, " "), 2);
    cr_assert(strstr(said.err, "--pages: wanted pages"), "%s", said.err);
}

Test(weave, names_a_page_that_is_missing) {
    Captured said;
    cr_assert_eq(weave(&said, NULL, "docs/gone.md"), 1);
    cr_assert(strstr(said.err, "docs/gone.md"), "%s", said.err);
}

Test(weave, refuses_a_page_that_is_no_text) {
    Captured said;
    scratch_write(readme, "a\0b\n", 4);
    cr_assert_eq(weave(&said, NULL, readme), 1);
    cr_assert(strstr(said.err, "README.md: wanted text"), "%s", said.err);
}

// A ctags that finds nothing would have nothing quoted.
Test(weave, wants_names_from_ctags) {
    Captured said;
    scratch_text("ctags", "#!/bin/sh\n");
    cr_assert_eq(chmod(scratch("ctags"), 0755), 0);
    char path[4096];
    snprintf(path, sizeof path, "%s:%s", scratch(""), getenv("PATH"));
    cr_assert_eq(setenv("PATH", path, 1), 0);
    cr_assert_eq(weave(&said, "--all", readme), 1);
    cr_assert(strstr(said.err, "ctags: wanted names"), "%s", said.err);
    scratch_text("ctags", "#!/bin/sh\nexit 1\n");
    cr_assert_eq(chmod(scratch("ctags"), 0755), 0);
    cr_assert_eq(weave(&said, "--all", readme), 1);
    cr_assert(strstr(said.err, "universal-ctags"), "%s", said.err);
}

Test(weave, checking_changes_nothing) {
    Captured said;
    const char *page = "<!-- listing: src/thing.c twice -->\n"
                       "<!-- /listing -->\n";
    scratch_text(readme, page);
    cr_assert_eq(weave(&said, "--check", readme), 1);
    size_t size;
    char *after = read_bytes(scratch(readme), &size);
    cr_assert_str_eq(after, page);
    free(after);
}
