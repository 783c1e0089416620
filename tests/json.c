// JSON read strictly: what cJSON lets pass, and what each getter wants.
#include "json.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "failing_memory.h"
#include "scratch.h"

// --- The bench ---------------------------------------------------------------

TestSuite(json, .init = test_begin, .fini = nothing_leaks);

// Parses bytes that stand in memory of just their size.
static cJSON *parse(const void *bytes, size_t size, Error *err) {
    void *exact = malloc(size);
    cr_assert(exact || size == 0);
    if (size > 0)
        memcpy(exact, bytes, size);
    cJSON *root = json_parse("a file", exact, size, err);
    free(exact);
    return root;
}

static cJSON *must_parse(const char *text) {
    Error err;
    cJSON *root = parse(text, strlen(text), &err);
    if (!root)
        cr_assert_fail("wanted this read: %s\nfound: %s", text, err.text);
    return root;
}

static void refuses_bytes(const void *bytes, size_t size, const char *part) {
    Error err;
    cJSON *root = parse(bytes, size, &err);
    check_refused((const char *)bytes, root != NULL, &err, "a file: ", part);
}

static void refuses(const char *text, const char *part) {
    refuses_bytes(text, strlen(text), part);
}

// --- What an object may be ---------------------------------------------------

Test(json, objects_are_read) {
    cJSON *root = must_parse(" \t\r\n{\"a\": 1, \"b\": [1, {\"a\": 2}],"
                             "\"c\": {\"a\": null}, \"\": \"\"} \t\r\n");
    cr_assert_eq(cJSON_GetArraySize(root), 4);
    cr_assert_eq(cJSON_GetObjectItemCaseSensitive(root, "a")->valueint, 1);
    cJSON_Delete(root);
    cJSON_Delete(must_parse("{}"));
}

Test(json, only_one_object_is_read) {
    refuses("", "wanted JSON, found an error near byte 0 of 0");
    refuses(" ", "wanted JSON");
    refuses("[]", "wanted a JSON object, found an array");
    refuses("3", "wanted a JSON object, found 3");
    refuses("\"a\"", "wanted a JSON object, found \"a\"");
    refuses("null", "wanted a JSON object, found null");
    refuses("true", "wanted a JSON object, found true");
    refuses("{} {}", "wanted one JSON object, found more at byte 3");
    refuses("{}x", "found more at byte 2");
    refuses("{}}", "found more at byte 2");
    refuses_bytes("{}\0", 3, "a file: ");
    refuses_bytes("{} \0{}", 6, "a file: ");
}

Test(json, what_is_no_json_is_refused) {
    const char *const texts[] = {"{",
                                 "}",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\":1",
                                 "{\"a\":1,}",
                                 "{\"a\" 1}",
                                 "{a:1}",
                                 "{'a':1}",
                                 "{\"a\":tru}",
                                 "{\"a\":nan}",
                                 "{\"a\":Infinity}",
                                 "{\"a\":-}",
                                 "{\"a\":--1}",
                                 "{\"a\":+1}",
                                 "{\"a\":0x10}",
                                 "{\"a\":1 2}",
                                 "{\"a\":[1,]}",
                                 "{\"a\":[1 2]}",
                                 "{\"a\":\"b}",
                                 "{\"a\":\"\\x\"}",
                                 "{\"a\":\"\\u12\"}",
                                 "{\"a\":\"\\ud800\"}",
                                 "{\"a\":\"\\udc00\"}",
                                 "{1:2}",
                                 "{,}",
                                 "{\"a\":1;}",
                                 "// {}\n{}x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        refuses(texts[i], "wanted JSON, found an error near byte");
}

Test(json, a_text_cut_anywhere_is_refused) {
    const char *text = "{\"a\": [1.5, -2e3, {\"b\": \"\\u00e9\xc3\xa9\"}], "
                       "\"c\": {\"d\": null, \"e\": true, \"f\": false}}";
    cJSON_Delete(must_parse(text));
    for (size_t size = 0; size < strlen(text); size++)
        refuses_bytes(text, size, "a file: ");
}

// --- Keys --------------------------------------------------------------------

Test(json, keys_stand_once) {
    refuses("{\"a\":1,\"a\":1}", "a: wanted this key once, found it twice");
    refuses("{\"a\":1,\"b\":2,\"c\":3,\"a\":1}", "a: wanted this key once");
    refuses("{\"x\":{\"k\":1,\"k\":2}}", "k: wanted this key once");
    refuses("{\"x\":[0,[{\"k\":1,\"k\":2}]]}", "k: wanted this key once");
    refuses("{\"\\u0061\":1,\"a\":2}", "a: wanted this key once");
    refuses("{\"\":1,\"\":2}", ": wanted this key once");
    // Other letters, other objects: other keys.
    cJSON_Delete(must_parse("{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]},\"A\":1}"));
}

// A key of n letters, twice.
static void refuses_long_key(size_t n) {
    char *text = malloc(2 * n + 20);
    cr_assert(text);
    memset(text, 'k', 2 * n + 20);
    memcpy(text, "{\"", 2);
    memcpy(text + 2 + n, "\":1,\"", 5);
    strcpy(text + 2 + n + 5 + n, "\":2}");
    refuses(text, n < 500 ? "wanted this key once" : "...");
    free(text);
}

Test(json, a_long_key_leaves_one_line) {
    for (size_t n = 1; n < 100000; n *= 3)
        refuses_long_key(n);
}

// --- Depth -------------------------------------------------------------------

// depth arrays or objects within each other, closed or not.
static char *nested(size_t depth, const char *open, const char *close) {
    char *text = malloc(20 + depth * (strlen(open) + strlen(close)));
    cr_assert(text);
    char *end = text + sprintf(text, "{\"a\":");
    for (size_t i = 0; i < depth; i++, end += strlen(open))
        strcpy(end, open);
    end += sprintf(end, "0");
    for (size_t i = 0; i < depth; i++, end += strlen(close))
        strcpy(end, close);
    strcpy(end, "}");
    return text;
}

Test(json, any_depth_is_read_or_refused) {
    const char *const brackets[][2] = {{"[", "]"}, {"{\"a\":", "}"}, {"[", ""}};
    for (size_t i = 0; i < 3; i++)
        for (size_t depth = 100000; depth > 0; depth /= 10) {
            char *text = nested(depth, brackets[i][0], brackets[i][1]);
            if (depth > 100 || i == 2)
                refuses(text, "wanted JSON, found an error near byte");
            else
                cJSON_Delete(must_parse(text));
            free(text);
        }
}

// --- Letters -----------------------------------------------------------------

// The table of well-formed byte sequences of the Unicode standard (table 3-7):
// the range of the first byte, of the second, and how many there are. A third
// and fourth byte are 80..BF.
static const struct {
    unsigned char first, first_end, second, second_end;
    size_t length;
} well_formed[] = {{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
                   {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                   {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
                   {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
                   {0xf4, 0xf4, 0x80, 0x8f, 4}};

// The length of the sequence at text, 0 where it is none.
static size_t sequence(const unsigned char *text, size_t size) {
    for (size_t i = 0; i < sizeof well_formed / sizeof *well_formed; i++) {
        if (text[0] < well_formed[i].first ||
            text[0] > well_formed[i].first_end)
            continue;
        size_t length = well_formed[i].length;
        if (length > size)
            return 0;
        if (length > 1 && (text[1] < well_formed[i].second ||
                           text[1] > well_formed[i].second_end))
            return 0;
        for (size_t j = 2; j < length; j++)
            if (text[j] < 0x80 || text[j] > 0xbf)
                return 0;
        return length;
    }
    return 0;
}

static bool is_utf8(const unsigned char *text, size_t size) {
    for (size_t i = 0, length; i < size; i += length)
        if ((length = sequence(text + i, size - i)) == 0)
            return false;
    return true;
}

// The letters stand in a string, or behind the object at the text's very end.
static void check_letters(const unsigned char *letters, size_t n) {
    char text[32] = "{\"a\":\"";
    size_t size = strlen(text);
    memcpy(text + size, letters, n);
    strcpy(text + size + n, "\"}");
    if (is_utf8(letters, n)) {
        cJSON *root = must_parse(text);
        cr_assert_eq(memcmp(root->child->valuestring, letters, n), 0);
        cJSON_Delete(root);
    } else {
        refuses(text, ": wanted UTF-8, found 0x");
    }
    refuses_bytes(text, size + n, "a file: ");
}

Test(json, is_utf8_and_nothing_else) {
    // All pairs of bytes that are not ASCII, and a letter for those that are.
    for (int a = 0x7f; a < 0x100; a++)
        for (int b = 0x7f; b < 0x100; b++)
            check_letters((unsigned char[]){a == 0x7f ? 'a' : (unsigned char)a,
                                            b == 0x7f ? 'b' : (unsigned char)b},
                          2);
    // Random ones, of which about half are right: a lead byte, and bytes that
    // are near the ends of what may follow.
    static const unsigned char lead[] = {0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
                                         0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3,
                                         0xf4, 0xf5, 0xff, 'a'};
    static const unsigned char next[] = {0x7e, 0x80, 0x8f, 0x90,
                                         0x9f, 0xa0, 0xbf, 0xc0};
    Random random = random_from_seed(1);
    for (int i = 0; i < 50000; i++) {
        unsigned char letters[5];
        letters[0] = lead[random_count(&random, 0, sizeof lead - 1)];
        for (size_t j = 1; j < 5; j++)
            letters[j] = next[random_count(&random, 0, sizeof next - 1)];
        check_letters(letters, random_count(&random, 1, 5));
    }
}

Test(json, says_where_a_bad_byte_is) {
    refuses("{\"a\":\"b\xff\"}", "byte 7: wanted UTF-8, found 0xff");
    refuses("{\"a\":\"b\xc3\"}", "byte 7: wanted UTF-8, found 0xc3");
    refuses("\xf0\x9f\x98", "byte 0: wanted UTF-8, found 0xf0");
}

// A string ends in C where its first NUL stands: behind it a name could hide
// what nobody sees.
Test(json, no_letter_is_nul) {
    refuses_bytes("{\"a\0b\":1}", 9, "a file: ");
    refuses_bytes("{\"a\":\"b\0c\"}", 11, "a file: ");
    refuses_bytes("\0{\"a\":1}", 8, "a file: ");
    refuses_bytes("{\0\"a\":1}", 8, "a file: ");
    refuses("{\"a\\u0000b\":1}", "a file: ");
    refuses("{\"a\":\"\\\\\\u0000\"}", "a file: ");
    // This is a backslash, and letters behind it.
    cJSON *root = must_parse("{\"a\":\"\\\\u0000\"}");
    cr_assert_str_eq(root->child->valuestring, "\\u0000");
    cJSON_Delete(root);
}

Test(json, control_characters_do_not_reach_the_line) {
    refuses("{\"a\\n\\u001b[2J\":1,\"a\\n\\u001b[2J\":1}",
            "a??[2J: wanted this key once");
}

// --- Getters -----------------------------------------------------------------

// One item of each kind, and what a line says was found.
static const struct {
    const char *text, *found;
    bool number, boolean, string;
} items[] = {{"{\"key\": 3}", "found 3", true, false, false},
             {"{\"key\": -0.5}", "found -0.5", true, false, false},
             {"{\"key\": true}", "found true", false, true, false},
             {"{\"key\": false}", "found false", false, true, false},
             {"{\"key\": null}", "found null", false, false, false},
             {"{\"key\": \"word\"}", "found \"word\"", false, false, true},
             {"{\"key\": \"\"}", "found \"\"", false, false, true},
             {"{\"key\": [1]}", "found an array", false, false, false},
             {"{\"key\": {\"a\": 1}}", "found an object", false, false, false}};
enum { N_ITEMS = sizeof items / sizeof *items };

// The getter's result: the value, or a line with what was wanted and found.
static void check_getter(const char *what, bool ok, bool wanted_ok,
                         const Error *err, const char *wanted,
                         const char *found) {
    cr_assert_eq(ok, wanted_ok, "%s: %s", what, found);
    if (ok)
        return;
    check_refused(what, ok, err, "a file: key: wanted ", wanted);
    check_refused(what, ok, err, "a file: key: wanted ", found);
}

Test(json, getters_want_their_kind) {
    for (size_t i = 0; i < N_ITEMS; i++) {
        cJSON *root = must_parse(items[i].text);
        const cJSON *item = root->child;
        Error err;
        double number;
        bool truth, ok;
        const char *string;
        ok = json_number(item, "a file", &number, &err);
        check_getter("number", ok, items[i].number, &err, "a finite number",
                     items[i].found);
        ok = json_bool(item, "a file", &truth, &err);
        check_getter("bool", ok, items[i].boolean, &err, "true or false",
                     items[i].found);
        ok = json_string(item, "a file", &string, &err);
        check_getter("string", ok, items[i].string, &err, "a string",
                     items[i].found);
        cJSON_Delete(root);
    }
}

Test(json, getters_give_the_value) {
    cJSON *root = must_parse("{\"a\": -2.5e-3, \"b\": true, \"c\": false,"
                             "\"d\": \"word\"}");
    const cJSON *item = root->child;
    Error err;
    double number;
    bool truth;
    const char *string;
    check_ok(json_number(item, "a file", &number, &err), &err);
    cr_assert_eq(number, -2.5e-3);
    check_ok(json_bool(item->next, "a file", &truth, &err), &err);
    cr_assert(truth);
    check_ok(json_bool(item->next->next, "a file", &truth, &err), &err);
    cr_assert(!truth);
    check_ok(json_string(item->next->next->next, "a file", &string, &err),
             &err);
    cr_assert_str_eq(string, "word");
    cJSON_Delete(root);
}

// json_count() of this number; (size_t)-1 where it is refused.
static size_t count_of(const char *number, size_t least, size_t most) {
    Label text = label("{\"key\": %s}", number);
    cJSON *root = must_parse(text.text);
    Error err;
    size_t count = 7;
    bool ok = json_count(root->child, "a file", least, most, &count, &err);
    cJSON_Delete(root);
    if (ok)
        return count;
    check_refused(number, ok, &err, "a file: key: ", "wanted a whole number");
    cr_assert_eq(count, 7, "wanted nothing written");
    return (size_t)-1;
}

Test(json, counts_are_whole_and_within_their_limits) {
    const size_t none = (size_t)-1;
    cr_assert_eq(count_of("16", 1, 20), 16);
    cr_assert_eq(count_of("16.0", 1, 20), 16);
    cr_assert_eq(count_of("1.6e1", 1, 20), 16);
    cr_assert_eq(count_of("0", 0, 20), 0);
    cr_assert_eq(count_of("-0", 0, 20), 0);
    cr_assert_eq(count_of("1", 1, 20), 1);
    cr_assert_eq(count_of("20", 1, 20), 20);
    cr_assert_eq(count_of("0", 1, 20), none);
    cr_assert_eq(count_of("21", 1, 20), none);
    cr_assert_eq(count_of("-1", 0, SIZE_MAX), none);
    cr_assert_eq(count_of("2.5", 0, SIZE_MAX), none);
    cr_assert_eq(count_of("1e-300", 0, SIZE_MAX), none);
    cr_assert_eq(count_of("1e300", 0, SIZE_MAX), none);
    cr_assert_eq(count_of("1e999", 0, SIZE_MAX), none);
    cr_assert_eq(count_of("-1e999", 0, SIZE_MAX), none);
    cr_assert_eq(count_of("\"16\"", 0, SIZE_MAX), none);
    cr_assert_eq(count_of("true", 0, SIZE_MAX), none);
    // 2^53 is the last whole number before doubles begin to skip some.
    cr_assert_eq(count_of("9007199254740992", 0, SIZE_MAX), (size_t)1 << 53);
    cr_assert_eq(count_of("9007199254740994", 0, SIZE_MAX), none);
    cr_assert_eq(count_of("18446744073709551615", 0, SIZE_MAX), none);
    cr_assert_eq(count_of("18446744073709551616", 0, SIZE_MAX), none);
}

Test(json, infinite_numbers_are_refused) {
    cJSON *root = must_parse("{\"key\": 1e999}");
    Error err;
    double number;
    check_refused("1e999", json_number(root->child, "a file", &number, &err),
                  &err, "a file: key: ", "wanted a finite number, found inf");
    cJSON_Delete(root);
}

// An array's elements have no key that a line could name.
Test(json, elements_are_refused_without_a_key) {
    cJSON *root = must_parse("{\"key\": [\"x\"]}");
    Error err;
    json_fail(root->child->child, "a file", "this", &err);
    cr_assert_str_eq(err.text, "a file: wanted this, found \"x\"");
    cJSON_Delete(root);
}
