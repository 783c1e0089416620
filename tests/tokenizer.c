// Bytes and tokens: all of them, there and back.
#include "tokenizer.h"

#include <criterion/criterion.h>
#include <string.h>

#include "checkpoint.h"
#include "compare.h"
#include "failing_memory.h"
#include "scratch.h"
#include "toy.h"

TestSuite(tokenizer, .init = scratch_begin, .fini = scratch_end);

Test(tokenizer, every_byte_is_a_token_and_back) {
    char text[256];
    int32_t tokens[256];
    for (int i = 0; i < 256; i++)
        text[i] = (char)(unsigned char)i;
    tokenizer_encode(tokens, text, sizeof text);
    for (int i = 0; i < 256; i++) {
        cr_assert_eq(tokens[i], i, "byte %d: found token %d", i, tokens[i]);
        cr_assert_eq(tokenizer_decode(tokens[i]), text[i]);
    }
}

Test(tokenizer, text_has_any_length) {
    int32_t tokens[4] = {7, 7, 7, 7};
    tokenizer_encode(tokens, "", 0);
    cr_assert_eq(tokens[0], 7);
    // NUL is a byte like others; the size says where the text ends.
    tokenizer_encode(tokens, "a\0\xff", 3);
    cr_assert(tokens[0] == 97 && tokens[1] == 0 && tokens[2] == 255);
    cr_assert_eq(tokens[3], 7);
}

Test(tokenizer, fits_the_default_model) {
    Model model;
    Error err;
    check_ok(model_load(&model, NULL, MATRIX_F32, &err), &err);
    check_ok(tokenizer_check(&model, &err), &err);
    model_free(&model);
    check_ok(model_load(&model, kjv_directory, MATRIX_F32, &err), &err);
    check_ok(tokenizer_check(&model, &err), &err);
    model_free(&model);
}

Test(tokenizer, fits_no_other_vocabulary) {
    const size_t sizes[] = {1, 11, 255, 257, 50277};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Config config = toy_config();
        config.vocab_size = sizes[i];
        Model model;
        Error err;
        toy_model(&model, &config, 1);
        Label found = label("wanted a vocabulary of 256 bytes, found %zu "
                            "tokens",
                            sizes[i]);
        check_refused("vocabulary", tokenizer_check(&model, &err), &err,
                      model.name, found.text);
        model_free(&model);
    }
}

// Padding does not make 250 tokens 256 bytes, nor does it harm 256.
Test(tokenizer, counts_no_padding) {
    Config config = toy_config();
    Model model;
    Error err;
    config.vocab_size = 250;
    toy_model(&model, &config, 1);
    cr_assert_eq(config_padded_vocab_size(&config), 256);
    cr_assert(!tokenizer_check(&model, &err));
    model_free(&model);
    config.vocab_size = 256;
    config.pad_vocab_size_multiple = 100;
    toy_model(&model, &config, 1);
    check_ok(tokenizer_check(&model, &err), &err);
    model_free(&model);
}

// 256 tokens that a file beside the model explains are not bytes.
Test(tokenizer, fits_no_model_with_a_tokenizer_of_its_own) {
    Config config = toy_config();
    config.vocab_size = 256;
    Model model;
    Error err;
    toy_model(&model, &config, 1);
    check_ok(model_save(&model, scratch("model"), &err), &err);
    model_free(&model);
    scratch_text("model/tokenizer.json", "{}");
    check_ok(model_load(&model, scratch("model"), MATRIX_F32, &err), &err);
    check_refused("tokenizer", tokenizer_check(&model, &err), &err, model.name,
                  "found a tokenizer.json");
    model_free(&model);
}
