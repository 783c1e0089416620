// What a chapter's program prints: formats that the book's weaver reads.
#include "report.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compare.h"
#include "failing_memory.h"
#include "provenance.h"

TestSuite(report, .fini = nothing_leaks);

Test(report, sections) {
    Captured printed;
    capture_begin(&printed);
    section("worked-example", "By hand");
    section_measured("timing", "How long it takes");
    capture_end(&printed);
    char where[256], wanted[512];
    provenance(where, sizeof where);
    snprintf(wanted, sizeof wanted,
             "\n== worked-example: By hand\n"
             "\n== timing: How long it takes (measured here)\n"
             "measured-on = %s\n",
             where);
    cr_assert_str_eq(printed.out, wanted);
    cr_assert_str_eq(printed.err, "");
}

Test(report, values_have_the_digits_asked_for) {
    Captured printed;
    capture_begin(&printed);
    value("pi", 3.14159265, 3);
    value("many", 1234567, 2);
    value("whole", 42, 4);
    value("small", 0.000012345, 3);
    value("minus", -0.5, 6);
    capture_end(&printed);
    cr_assert_str_eq(printed.out, "pi = 3.14\n"
                                  "many = 1.2e+06\n"
                                  "whole = 42\n"
                                  "small = 1.23e-05\n"
                                  "minus = -0.5\n");
}

// --- Tables ------------------------------------------------------------------

// A directory that is not there yet, inside one that is.
static void new_place(char *parent, size_t size, char *place) {
    const char *temporary = getenv("TMPDIR");
    snprintf(parent, size, "%s/minimamba-test-XXXXXX",
             temporary ? temporary : "/tmp");
    cr_assert(mkdtemp(parent));
    Error err;
    cr_assert(path_join(place, parent, "figures", &err));
}

Test(report, tables_are_tab_separated_files) {
    char parent[200], place[PATH_BYTES], path[PATH_BYTES], found[200] = "";
    new_place(parent, sizeof parent, place);
    Error err;
    Table table;
    cr_assert(table_begin(&table, place, "sin.tsv", "x\tsin x", &err), "%s",
              err.text);
    table_row(&table, (double[]){0, -1.5}, 2);
    table_row(&table, (double[]){1e-20, 1.0 / 3}, 2);
    cr_assert(path_join(path, place, "sin.tsv", &err));
    cr_assert(!file_exists(path), "wanted no file before it is whole");
    cr_assert(table_end(&table, &err));

    FILE *file = fopen(path, "r");
    cr_assert(file);
    found[fread(found, 1, sizeof found - 1, file)] = '\0';
    fclose(file);
    cr_assert_str_eq(found, "x\tsin x\n0\t-1.5\n1e-20\t0.333333333\n");
    remove(path);
    rmdir(place);
    rmdir(parent);
}

// Nine digits bring a float32 back.
Test(report, tables_keep_every_digit_of_a_float) {
    Table table;
    Error err;
    char parent[200], place[PATH_BYTES], path[PATH_BYTES];
    new_place(parent, sizeof parent, place);
    Random random = random_from_seed(3);
    enum { MANY = 500 };
    float *numbers = random_magnitudes(&random, MANY, 1);
    cr_assert(table_begin(&table, place, "t.tsv", "x", &err));
    for (size_t i = 0; i < MANY; i++)
        table_row(&table, (double[]){numbers[i]}, 1);
    cr_assert(table_end(&table, &err));

    cr_assert(path_join(path, place, "t.tsv", &err));
    FILE *file = fopen(path, "r");
    char line[100];
    cr_assert(file && fgets(line, sizeof line, file));
    for (size_t i = 0; i < MANY; i++) {
        cr_assert(fgets(line, sizeof line, file));
        float read = strtof(line, NULL);
        compare_bits("a number read back", &read, &numbers[i], 1);
    }
    fclose(file);
    free(numbers);
    remove(path);
    rmdir(place);
    rmdir(parent);
}

Test(report, no_directory_no_table) {
    Table table;
    Error err;
    Captured printed;
    capture_begin(&printed);
    bool begun = table_begin(&table, NULL, "x.tsv", "x", &err);
    table_row(&table, (double[]){1}, 1);
    bool ended = table_end(&table, &err);
    capture_end(&printed);
    cr_assert(begun && ended);
    cr_assert_str_eq(printed.out, "");
    cr_assert(!file_exists("x.tsv"));
}

Test(report, a_table_that_cannot_begin_says_so) {
    char parent[200], place[PATH_BYTES];
    new_place(parent, sizeof parent, place);
    strcat(place, "/deeper");
    Table table;
    Error err;
    cr_assert(!table_begin(&table, place, "x.tsv", "x", &err));
    cr_assert(strstr(err.text, "No such file"));
    // Whoever goes on all the same does no harm.
    table_row(&table, (double[]){1}, 1);
    cr_assert(table_end(&table, &err));
    rmdir(parent);
}

// --- The end -----------------------------------------------------------------

Test(report, a_program_that_succeeds) {
    Error err = {"left over from something else"};
    Captured printed;
    capture_begin(&printed);
    int status = report_end("chapter1", true, &err);
    capture_end(&printed);
    cr_assert_eq(status, 0);
    cr_assert_str_eq(printed.out, "");
    cr_assert_str_eq(printed.err, "");
}

Test(report, a_program_that_fails_says_why) {
    Error err;
    fail(&err, "--tsv: wanted a directory, found none");
    Captured printed;
    capture_begin(&printed);
    int status = report_end("chapter1", false, &err);
    capture_end(&printed);
    cr_assert_eq(status, 1);
    cr_assert_str_eq(printed.out, "");
    cr_assert_str_eq(printed.err,
                     "chapter1: --tsv: wanted a directory, found none\n");
}

// Files may not grow beyond 100 bytes, as on a full disk: too little for what
// is printed, enough for the line that says so.
Test(report, output_that_cannot_be_written_is_an_error) {
    struct rlimit limit, full;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    full = limit;
    full.rlim_cur = 100;

    Error err;
    Captured printed;
    capture_begin(&printed);
    setrlimit(RLIMIT_FSIZE, &full);
    for (int i = 0; i < 10; i++)
        section("lost", "Nobody reads this");
    int status = report_end("chapter1", true, &err);
    setrlimit(RLIMIT_FSIZE, &limit);
    capture_end(&printed);
    cr_assert_eq(status, 1);
    cr_assert_str_eq(printed.err, "chapter1: standard output: wanted to write, "
                                  "found: File too large\n");
}

// --- Differences -------------------------------------------------------------

Test(report, the_largest_difference_keeps_nan) {
    const float a[] = {1, 2, 3, 4}, b[] = {1, 2.5f, 1, 4};
    cr_assert_eq(largest_difference(a, b, 4), 2);
    cr_assert_eq(largest_difference(a, b, 0), 0);
    const float c[] = {1, NAN, 3, 9};
    cr_assert(isnan(largest_difference(a, c, 4)));
    cr_assert(isnan(larger(NAN, 1)) && isnan(larger(1, NAN)));
    cr_assert_eq(larger(1, 2), 2);
    cr_assert_eq(larger(2, 1), 2);
}

Test(report, below_is_checked) {
    Error err;
    Captured captured;
    capture_begin(&captured);
    bool below = check_below("error", 0.5, 1, &err);
    capture_end(&captured);
    cr_assert(below);
    cr_assert_str_eq(captured.out, "error: below 1\n");
    cr_assert(!check_below("error", 1, 1, &err));
    cr_assert_str_eq(err.text, "error: wanted below 1, found 1");
    cr_assert(!check_below("error", NAN, 1, &err));
}
