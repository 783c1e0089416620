# MiniMamba. `make help` lists what can be asked for.

# --- What may be chosen on the command line -------------------------------
CC    ?= cc
BUILD ?= build
# The processor to build for: native, x86-64-v3, ...; empty for the compiler's
# own choice.
ARCH  ?= native
# BLAS=none multiplies matrices with src/matmul_plain.c.
# OPENMP=none builds without threads. DEBUG=1 builds with sanitizers.
# WERROR=1 makes every warning an error.

# --- The floors -----------------------------------------------------------
# The chapters, in the order in which they may use each other: the program of
# chapter k is linked from the objects of floors 0 to k, and nothing else.
CHAPTERS  := 1 2 3 4 5 6 7
chapter_1 := 01-rmsnorm
chapter_2 := 02-conv1d
chapter_3 := 03-discretization
chapter_4 := 04-selective-scan
chapter_5 := 05-block
chapter_6 := 06-full-model
chapter_7 := 07-caching

floor_0 := error memory random clock file options report
floor_1 := rmsnorm
floor_2 := silu conv1d
floor_3 := discretization
floor_4 := scan scan_reference scan_cpu scan_parallel scan_tree
floor_5 := matmul_$(if $(filter none,$(BLAS)),plain,blas) linear block
floor_6 := json config config_json safetensors parameters model \
           initialization checkpoint embedded_model session tokenizer loss
floor_7 := cache sampling generation
command := command_generate command_logits command_eval command_info \
           command_init command_scan command_backends command

# --- How to compile -------------------------------------------------------
SYSTEM  := $(shell uname -s)
MACHINE := $(shell uname -m)

CFLAGS   ?= -O3 -g
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
STANDARD := -std=c11 -D_POSIX_C_SOURCE=200809L
INCLUDE  := -iquote src
LIBS     := -lcjson -lm

ifneq ($(ARCH),)
  ifneq ($(filter x86_64 i686 amd64,$(MACHINE)),)
    TARGET := -march=$(ARCH)
  else
    TARGET := -mcpu=$(ARCH)
  endif
endif

ifeq ($(WERROR),1)
  WARNINGS += -Werror
endif

# Does this compiler, with these flags, build this program?
builds = $(shell printf '%s\n' '$(2)' | \
           $(CC) $(1) -x c - -o /dev/null 2>/dev/null && echo yes)

# Where Homebrew and Fedora keep what Debian has in the compiler's own path.
ifeq ($(SYSTEM),Darwin)
  BREW     := $(shell brew --prefix 2>/dev/null)
  STANDARD += -D_DARWIN_C_SOURCE
  ifneq ($(BREW),)
    SEARCH := -I$(BREW)/include -L$(BREW)/lib
  endif
else
  SEARCH := $(patsubst %,-I%,$(wildcard /usr/include/openblas))
endif

ifneq ($(BLAS),none)
  LIBS += $(if $(filter Darwin,$(SYSTEM)),-framework Accelerate,-lopenblas)
endif

ifeq ($(OPENMP),none)
  THREADS := -fopenmp-simd
else ifeq ($(call builds,-fopenmp,int main(void) { return 0; }),yes)
  THREADS := -fopenmp
else ifneq ($(wildcard $(BREW)/opt/libomp/lib),)
  THREADS := -Xpreprocessor -fopenmp -I$(BREW)/opt/libomp/include \
             -L$(BREW)/opt/libomp/lib
  LIBS    += -lomp
else
  THREADS := -fopenmp-simd
endif

ifeq ($(DEBUG),1)
  override CFLAGS := -O1 -g -fno-omit-frame-pointer \
                     -fsanitize=address,undefined \
                     -fno-sanitize-recover=undefined
endif

COMPILE = $(CC) $(STANDARD) $(WARNINGS) $(CFLAGS) $(TARGET) $(THREADS) \
          $(SEARCH) $(INCLUDE) $(CPPFLAGS)
LINK    = $(CC) $(CFLAGS) $(TARGET) $(THREADS) $(SEARCH) $(LDFLAGS)

# --- Everything -----------------------------------------------------------
.DEFAULT_GOAL := all
.PHONY: all tour run-tour test run-tests mutants check setup help clean
.DELETE_ON_ERROR:

objects  = $(patsubst %,$(BUILD)/%.o,$(1))
upto_0  := $(floor_0)
library := $(floor_0) $(foreach k,$(CHAPTERS),$(floor_$(k)))

all: $(BUILD)/libminimamba.a $(BUILD)/minimamba \
     $(foreach k,$(CHAPTERS),$(BUILD)/chapter$(k))

# Changed flags rebuild everything: each object depends on this record of them.
$(BUILD)/flags: always
	@mkdir -p $(BUILD)/tests
	@printf '%s\n' '$(COMPILE) $(LIBS)' | cmp -s - $@ || \
	  printf '%s\n' '$(COMPILE) $(LIBS)' > $@
.PHONY: always
always:

$(BUILD)/%.o: src/%.c $(BUILD)/flags
	$(COMPILE) -MMD -MP -c $< -o $@

# The default model, inside the program.
EMBEDDED := chapters/06-full-model/kjv-mamba
$(BUILD)/%.o: src/%.S $(BUILD)/flags $(wildcard $(EMBEDDED)/*)
	$(CC) -DCONFIG_FILE='"$(EMBEDDED)/config.json"' \
	  -DWEIGHTS_FILE='"$(EMBEDDED)/model.safetensors"' -c $< -o $@

$(BUILD)/libminimamba.a: $(call objects,$(library))
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/minimamba: $(call objects,$(library) $(command) minimamba)
	$(LINK) $^ $(LIBS) -o $@

# A chapter's program and its tests. $(1) is the chapter, $(2) the one before.
define chapter_rules
upto_$(1) := $(upto_$(2)) $(floor_$(1))

$(BUILD)/chapter$(1).o: chapters/$(chapter_$(1))/program.c $(BUILD)/flags
	$$(COMPILE) -MMD -MP -c $$< -o $$@

$(BUILD)/chapter$(1): $(BUILD)/chapter$(1).o \
    $$(call objects,$$(upto_$(1)))
	$$(LINK) $$^ $$(LIBS) -o $$@

.PHONY: chapter$(1)
chapter$(1): $(BUILD)/chapter$(1)
	@mkdir -p $(BUILD)/figures
	$(BUILD)/chapter$(1) --tsv $(BUILD)/figures $$(ARGS)
endef
$(eval $(call chapter_rules,1,0))
$(eval $(call chapter_rules,2,1))
$(eval $(call chapter_rules,3,2))
$(eval $(call chapter_rules,4,3))
$(eval $(call chapter_rules,5,4))
$(eval $(call chapter_rules,6,5))
$(eval $(call chapter_rules,7,6))

# --- Tests ------------------------------------------------------------------
# One file for one concept, under the chapter that it belongs to. tests_0 is for
# the ground floor. A chapter's tests are linked from its own floors and the
# test bench: what the tests themselves need to read golden files and compare.
tests_0 := error memory random options file report
tests_1 := rmsnorm
tests_2 := silu conv1d
tests_3 := discretization
tests_4 := scan
tests_5 := linear block
tests_6 := json config safetensors parameters initialization checkpoint model \
           session tokenizer loss hostile
tests_7 := cache sampling generation command allocation
bench   := golden compare failing_memory
TESTS   := 0 $(CHAPTERS)

tested = $(foreach name,$(1),$(BUILD)/tests/$(name).o)
# The bench reads safetensors, whatever floor is tested, and its memory can be
# made to fail, so it stands in the place of the ground floor's.
tools  = $(filter-out memory,$(sort $(1) file error json safetensors))

$(BUILD)/tests/%.o: tests/%.c $(BUILD)/flags
	$(COMPILE) -iquote tests -MMD -MP -c $< -o $@

define test_rules
$(BUILD)/tests/chapter$(1): $$(call tested,$$(tests_$(1)) $$(bench)) \
    $$(call objects,$$(call tools,$$(upto_$(1)) $$(if $$(filter 7,$(1)),\
      $$(command))))
	$$(LINK) $$^ $$(LIBS) -lcriterion -o $$@

.PHONY: test$(1)
test$(1): $(BUILD)/tests/chapter$(1) $(if $(filter 7,$(1)),$(BUILD)/minimamba)
	$(BUILD)/tests/chapter$(1) $$(ARGS)
endef
$(foreach k,$(TESTS),$(eval $(call test_rules,$(k))))

-include $(wildcard $(BUILD)/*.d $(BUILD)/tests/*.d)
