// Errors: one line, whatever is put into it.
#include "error.h"

#include <criterion/criterion.h>
#include <string.h>

#include "failing_memory.h"

TestSuite(error, .fini = nothing_leaks);

Test(error, writes_the_line_and_returns_false) {
    Error err;
    cr_assert(!fail(&err, "%s: %s: wanted %d, found %zu", "a.json", "d_model",
                    64, (size_t)65));
    cr_assert_str_eq(err.text, "a.json: d_model: wanted 64, found 65");
}

Test(error, an_empty_line_is_empty) {
    Error err;
    cr_assert(!fail(&err, "%s", ""));
    cr_assert_str_eq(err.text, "");
}

Test(error, control_characters_become_question_marks) {
    for (int c = 1; c < 256; c++) {
        char name[] = {'a', (char)c, 'b', '\0'};
        Error err;
        fail(&err, "%s", name);
        bool control = c < 0x20 || c == 0x7f;
        char wanted[] = {'a', control ? '?' : (char)c, 'b', '\0'};
        cr_assert_str_eq(err.text, wanted, "wanted byte 0x%02x as \"%s\"", c,
                         wanted);
    }
}

Test(error, the_format_too_is_one_line) {
    Error err;
    fail(&err, "two\nlines\r\tand \033[31mred%c", 7);
    cr_assert_str_eq(err.text, "two?lines??and ?[31mred?");
}

// A line of length letters in an Error that is full of something else, with
// what stands behind it.
static void fail_with(Error *err, size_t length) {
    char letters[2 * sizeof err->text];
    memset(letters, 'x', length);
    letters[length] = '\0';
    memset(err, '!', sizeof *err);
    fail(err, "%s", letters);
}

Test(error, the_longest_line_that_fits_is_whole) {
    Error err;
    size_t longest = sizeof err.text - 1;
    fail_with(&err, longest);
    cr_assert_eq(strlen(err.text), longest);
    cr_assert_eq(err.text[longest - 1], 'x');
}

Test(error, a_longer_line_ends_in_dots) {
    Error err;
    size_t longest = sizeof err.text - 1;
    for (size_t length = longest + 1; length < longest + 400; length += 133) {
        fail_with(&err, length);
        cr_assert_eq(strlen(err.text), longest);
        cr_assert_str_eq(err.text + longest - 4, "x...");
    }
}

Test(error, a_control_character_far_into_a_long_line_is_found) {
    Error err;
    char letters[2 * sizeof err.text];
    memset(letters, '\n', sizeof letters - 1);
    letters[sizeof letters - 1] = '\0';
    fail(&err, "%s", letters);
    cr_assert_eq(strchr(err.text, '\n'), NULL);
    cr_assert_eq(strspn(err.text, "?"), sizeof err.text - 4);
}
