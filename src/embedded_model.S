/* The bytes of the default model, as the assembler finds them in its files.
   The Makefile defines CONFIG_FILE and WEIGHTS_FILE. */

#ifdef __APPLE__
#define SYMBOL(name) _##name
    .const
#else
#define SYMBOL(name) name
    .section .rodata
#endif

    .balign 64
    .globl SYMBOL(embedded_weights)
SYMBOL(embedded_weights):
    .incbin WEIGHTS_FILE
embedded_weights_end:

    .balign 8
    .globl SYMBOL(embedded_config)
SYMBOL(embedded_config):
    .incbin CONFIG_FILE
embedded_config_end:

    .balign 8
    .globl SYMBOL(embedded_weights_size)
SYMBOL(embedded_weights_size):
    .quad embedded_weights_end - SYMBOL(embedded_weights)
    .globl SYMBOL(embedded_config_size)
SYMBOL(embedded_config_size):
    .quad embedded_config_end - SYMBOL(embedded_config)

#ifndef __APPLE__
    .section .note.GNU-stack, "", %progbits
#endif
