#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool fail(Error *err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);

    // A line that did not fit says so.
    if (wanted >= (int)sizeof err->text)
        memcpy(err->text + sizeof err->text - 4, "...", 4);

    // One line stays one line: no control characters, of ASCII or in UTF-8 of
    // U+0080 to U+009F.
    for (char *c = err->text; *c; c++) {
        unsigned char byte = (unsigned char)c[0], next = (unsigned char)c[1];
        if (byte < 0x20 || byte == 0x7f)
            c[0] = '?';
        else if (byte == 0xc2 && next >= 0x80 && next < 0xa0)
            c[0] = c[1] = '?';
    }
    return false;
}
