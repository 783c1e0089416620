// Chapter 6: JSON read strictly. cJSON parses; here is what it lets pass.
#ifndef JSON_H
#define JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "error.h"

// Parses one object. An error unless the text is valid UTF-8, holds nothing
// behind the object, and no object in it has a key twice. The name stands in
// messages. Free the result with cJSON_Delete().
cJSON *json_parse(const char *name, const void *bytes, size_t size, Error *err);

// A whole number from least to most, for which a JSON number such as 16 or 16.0
// will do. Errors name the key.
bool json_count(const cJSON *item, const char *name, size_t least, size_t most,
                size_t *count, Error *err);

// A finite number, a boolean, a string (which stays the item's).
bool json_number(const cJSON *item, const char *name, double *number,
                 Error *err);
bool json_bool(const cJSON *item, const char *name, bool *truth, Error *err);
bool json_string(const cJSON *item, const char *name, const char **string,
                 Error *err);

// "name: key: wanted <wanted>, found <what the item is>".
bool json_fail(const cJSON *item, const char *name, const char *wanted,
               Error *err);

#endif
