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
CHAPTERS  := 1 2 3 4 5 6 7 8
chapter_1 := 01-rmsnorm
chapter_2 := 02-conv1d
chapter_3 := 03-discretization
chapter_4 := 04-selective-scan
chapter_5 := 05-block
chapter_6 := 06-full-model
chapter_7 := 07-caching
chapter_8 := 08-scaling

floor_0 := error memory random clock file options provenance report measure
floor_1 := rmsnorm
floor_2 := exponential silu conv1d
floor_3 := discretization
floor_4 := scan scan_reference scan_ladder scan_cpu scan_parallel scan_tree \
           scan_trial
floor_5 := matmul_$(if $(filter none,$(BLAS)),plain,blas) matrix linear block \
           machine
floor_6 := json config config_json safetensors parameters model \
           initialization checkpoint embedded_model session tokenizer loss
floor_7 := cache sampling generation
floor_8 := attention attention_trial benchmark benchmark_ladder \
           benchmark_threads benchmark_scaling benchmark_context \
           benchmark_roofline benchmark_length benchmark_model \
           benchmark_weights
# Files that are not linked by the names above, and the floors they stand on.
beside_4 := scan_operator
beside_5 := matmul matmul_blas matmul_plain
command := command_generate command_logits command_eval command_info \
           command_init command_scan command_backends command_bench command

# --- How to compile -------------------------------------------------------
SYSTEM  := $(shell uname -s)
MACHINE := $(shell uname -m)

CFLAGS   ?= -O3 -g
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
STANDARD := -std=c11 -D_POSIX_C_SOURCE=200809L
# a * b + c may become one instruction, and nobody looks at the flags that
# floating-point arithmetic raises: loops with a bound in them become vectors.
# What a number or a NaN means stays as it is.
STANDARD += -ffp-contract=fast -fno-trapping-math
INCLUDE  := -iquote src
LIBS     := -lcjson -lm

ifeq ($(WERROR),1)
  WARNINGS += -Werror
endif

# Does this compiler, with these flags, build this program?
builds = $(shell printf '%s\n' '$(2)' | \
           $(CC) $(1) -x c - -o /dev/null 2>/dev/null && echo yes)

ifneq ($(ARCH),)
  ifneq ($(filter x86_64 i686 amd64,$(MACHINE)),)
    TARGET := -march=$(ARCH)
  else
    TARGET := -mcpu=$(ARCH)
  endif
  # Some compilers cannot name the processor they run on.
  ifeq ($(ARCH)$(call builds,$(TARGET),int main(void) { return 0; }),native)
    TARGET :=
  endif
endif

# Where Homebrew and Fedora keep what Debian has in the compiler's own path.
ifeq ($(SYSTEM),Darwin)
  BREW     := $(shell brew --prefix 2>/dev/null)
  STANDARD += -D_DARWIN_C_SOURCE
  ifneq ($(BREW),)
    SEARCH  := -I$(BREW)/include
    LDFLAGS += -L$(BREW)/lib
  endif
else
  SEARCH  := $(patsubst %,-I%,$(wildcard /usr/include/openblas))
  LDFLAGS += -Wl,--as-needed
endif

ifneq ($(BLAS),none)
  LIBS += $(if $(filter Darwin,$(SYSTEM)),-framework Accelerate,-lopenblas)
endif

ifeq ($(OPENMP),none)
  THREADS := -fopenmp-simd
else ifeq ($(call builds,-fopenmp,int main(void) { return 0; }),yes)
  THREADS := -fopenmp
else ifneq ($(wildcard $(BREW)/opt/libomp/lib),)
  THREADS := -Xpreprocessor -fopenmp -I$(BREW)/opt/libomp/include
  LDFLAGS += -L$(BREW)/opt/libomp/lib
  LIBS    += -lomp
else
  THREADS := -fopenmp-simd
endif

ifeq ($(DEBUG),1)
  override CFLAGS := -O1 -g -fno-omit-frame-pointer \
                     -fsanitize=address,undefined \
                     -fno-sanitize-recover=undefined -Wno-pass-failed
endif

COMPILE = $(CC) $(STANDARD) $(WARNINGS) $(CFLAGS) $(TARGET) $(THREADS) \
          $(SEARCH) $(INCLUDE) $(CPPFLAGS)
LINK    = $(CC) $(CFLAGS) $(TARGET) $(THREADS) $(LDFLAGS)

# V=1 shows the commands; make -s says nothing.
Q   := $(if $(V),,@)
say = $(if $(findstring s,$(filter-out --%,$(firstword $(MAKEFLAGS)))),, \
        @printf '  %-6s %s\n' $(1) $(2))

# Threads that wait let others work: on a busy machine, spinning ones would make
# everything ten times slower.
export OMP_WAIT_POLICY ?= passive

# --- Everything -----------------------------------------------------------
.DEFAULT_GOAL := all
.PHONY: all help clean
.DELETE_ON_ERROR:

objects  = $(patsubst %,$(BUILD)/%.o,$(1))
upto_0  := $(floor_0)
upto_1  := $(upto_0) $(floor_1)
upto_2  := $(upto_1) $(floor_2)
upto_3  := $(upto_2) $(floor_3)
upto_4  := $(upto_3) $(floor_4)
upto_5  := $(upto_4) $(floor_5)
upto_6  := $(upto_5) $(floor_6)
upto_7  := $(upto_6) $(floor_7)
upto_8  := $(upto_7) $(floor_8)
library := $(upto_8)

all: $(BUILD)/libminimamba.a $(BUILD)/minimamba \
     $(foreach k,$(CHAPTERS),$(BUILD)/chapter$(k))

# Changed flags rebuild everything: each object depends on this record of them.
$(BUILD)/flags: always
	@mkdir -p $(BUILD)/tests $(BUILD)/docs $(BUILD)/exercises
	@printf '%s\n' '$(COMPILE) $(LIBS)' | cmp -s - $@ || \
	  printf '%s\n' '$(COMPILE) $(LIBS)' > $@
.PHONY: always
always:

$(BUILD)/%.o: src/%.c $(BUILD)/flags
	$(call say,cc,$<)
	$(Q)$(COMPILE) -MMD -MP -c $< -o $@

# The reference rounds every operation, as the official one does.
$(BUILD)/scan_reference.o: CFLAGS += -ffp-contract=off

# A measurement says how the program that made it was built.
built_with := $(strip $(CFLAGS) $(TARGET))
$(BUILD)/provenance.o: CPPFLAGS += -DBUILD_FLAGS='"$(built_with)"'

# Its tables also say from which commit; a new one compiles this file alone.
$(BUILD)/commit: always
	@mkdir -p $(BUILD)
	@{ [ -e .git ] && git describe --always --dirty 2>/dev/null || \
	  echo unknown; } > $@.now
	@cmp -s $@.now $@ && rm $@.now || mv $@.now $@

$(BUILD)/command_bench.o: src/command_bench.c $(BUILD)/flags $(BUILD)/commit
	$(call say,cc,$<)
	$(Q)$(COMPILE) -DBUILD_COMMIT=\"$$(cat $(BUILD)/commit)\" \
	  -MMD -MP -c $< -o $@

# The default model, inside the program.
EMBEDDED := chapters/06-full-model/kjv-mamba
$(BUILD)/%.o: src/%.S $(BUILD)/flags $(wildcard $(EMBEDDED)/*)
	$(call say,cc,$<)
	$(Q)$(CC) -DCONFIG_FILE='"$(EMBEDDED)/config.json"' \
	  -DWEIGHTS_FILE='"$(EMBEDDED)/model.safetensors"' -c $< -o $@

$(BUILD)/libminimamba.a: $(call objects,$(library))
	$(call say,ar,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/minimamba: $(call objects,$(library) $(command) minimamba)
	$(call say,link,$@)
	$(Q)$(LINK) $^ $(LIBS) -o $@

# A chapter's program. $(1) is the chapter, $(2) its floors' files.
define chapter_rules
$(BUILD)/chapter$(1).o: chapters/$(chapter_$(1))/program.c $(BUILD)/flags
	$$(call say,cc,$$<)
	$$(Q)$$(COMPILE) -MMD -MP -c $$< -o $$@

$(BUILD)/chapter$(1): $(BUILD)/chapter$(1).o \
    $(call objects,$(2))
	$$(call say,link,$$@)
	$$(Q)$$(LINK) $$^ $$(LIBS) -o $$@

# Its tables are the reader's own; those of the figures come from the book's
# runs, with the book's arguments.
.PHONY: chapter$(1)
chapter$(1): $(BUILD)/chapter$(1)
	@$(BUILD)/chapter$(1) --tsv $(BUILD)/tables $$(ARGS)
endef
$(eval $(call chapter_rules,1,$(upto_1)))
$(eval $(call chapter_rules,2,$(upto_2)))
$(eval $(call chapter_rules,3,$(upto_3)))
$(eval $(call chapter_rules,4,$(upto_4)))
$(eval $(call chapter_rules,5,$(upto_5)))
$(eval $(call chapter_rules,6,$(upto_6)))
$(eval $(call chapter_rules,7,$(upto_7)))
$(eval $(call chapter_rules,8,$(upto_8)))

# --- Tests ------------------------------------------------------------------
# One file for one concept, under the chapter that it belongs to; tests_0 is the
# ground floor's. A chapter's tests are linked from its own floors and what they
# need of the test bench, which reads golden files, compares, and makes small
# models; the last one's also from the command.
tests_0 := error memory random options file provenance report measure
tests_1 := rmsnorm
tests_2 := exponential silu conv1d
tests_3 := discretization
tests_4 := scan
tests_5 := matrix linear block
tests_6 := json config safetensors parameters initialization checkpoint model \
           session tokenizer loss hostile
tests_7 := cache sampling generation allocation
tests_8 := attention benchmark command
bench   := golden compare failing_memory scratch toy
TESTS   := 0 $(CHAPTERS) book

tested = $(foreach name,$(1),$(BUILD)/tests/$(name).o)
# The bench reads safetensors whatever floor is tested, and its memory, which
# can be made to fail, stands in the place of the ground floor's.
linked = $(filter-out memory,$(sort $(1) file error json safetensors))

$(BUILD)/tests/%.o: tests/%.c $(BUILD)/flags
	$(call say,cc,$<)
	$(Q)$(COMPILE) -iquote tests -MMD -MP -c $< -o $@

$(BUILD)/tests/bench.a: $(call tested,$(bench))
	$(call say,ar,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

# $(1) is the chapter, $(2) the floors' files.
define test_rules
$(BUILD)/tests/chapter$(1): $(call tested,$(tests_$(1))) \
    $(call objects,$(call linked,$(2))) $(BUILD)/tests/bench.a
	$$(call say,link,$$@)
	$$(Q)$$(LINK) $$^ $$(LIBS) -lcriterion -o $$@

.PHONY: test$(1)
test$(1): $(BUILD)/tests/chapter$(1)
	@ARGS="$$(ARGS)" sh tests/run.sh $(BUILD)/tests/chapter$(1)
endef
$(eval $(call test_rules,0,$(upto_0)))
$(eval $(call test_rules,1,$(upto_1)))
$(eval $(call test_rules,2,$(upto_2)))
$(eval $(call test_rules,3,$(upto_3)))
$(eval $(call test_rules,4,$(upto_4)))
$(eval $(call test_rules,5,$(upto_5)))
$(eval $(call test_rules,6,$(upto_6)))
$(eval $(call test_rules,7,$(upto_7)))
$(eval $(call test_rules,8,$(upto_8) $(command)))

# --- The weaver, and its tests ----------------------------------------------
# It fills the book in from the code and from what the programs print.
weaver := text source run listing blocks prose notation weave
woven   = $(patsubst %,$(BUILD)/docs/%.o,$(1))

$(BUILD)/docs/%.o: docs/weave/%.c $(BUILD)/flags
	$(call say,cc,$<)
	$(Q)$(COMPILE) -MMD -MP -c $< -o $@

$(BUILD)/weaver: $(call woven,$(weaver) main) $(call objects,$(floor_0))
	$(call say,link,$@)
	$(Q)$(LINK) $^ $(LIBS) -o $@

tests_book := weave
$(BUILD)/tests/weave.o: INCLUDE += -iquote docs/weave
$(BUILD)/tests/chapterbook: $(call tested,$(tests_book)) \
    $(call woven,$(weaver)) $(call objects,$(call linked,$(floor_0))) \
    $(BUILD)/tests/bench.a
	$(call say,link,$@)
	$(Q)$(LINK) $^ $(LIBS) -lcriterion -o $@

.PHONY: testbook
testbook: $(BUILD)/tests/chapterbook
	@ARGS="$(ARGS)" sh tests/run.sh $<

# --- Exercises ----------------------------------------------------------------
# A chapter's exercise to program: a stub for the reader, the book's solution,
# and tests, which each of the two can be linked with. $(1) is the chapter,
# $(2) its folder, $(3) the floors' files, $(4) what its own tests need besides.
define exercise_rules
$(BUILD)/exercises/$(1)-%.o: $(2)/%.c $(BUILD)/flags
	$$(call say,cc,$$<)
	$$(Q)$$(COMPILE) -iquote tests -MMD -MP -c $$< -o $$@

$(BUILD)/exercises/exercise$(1) $(BUILD)/exercises/solution$(1): \
$(BUILD)/exercises/%$(1): $(BUILD)/exercises/$(1)-%.o \
    $(BUILD)/exercises/$(1)-tests.o $(call objects,$(call linked,$(3))) \
    $(BUILD)/tests/bench.a
	$$(call say,link,$$@)
	$$(Q)$$(LINK) $$^ $$(LIBS) -lcriterion -o $$@

# The chapter's own tests, with the reader's MINE in place of the book's file
# of the same name.
$(BUILD)/exercises/mine$(1): $(call tested,$(tests_$(1))) \
    $(call objects,$(filter-out $(basename $(notdir $(MINE))), \
      $(call linked,$(3) $(4)))) $(BUILD)/tests/bench.a $(MINE) always
	$$(Q)$$(COMPILE) -c $$(MINE) -o $(BUILD)/exercises/mine.o
	$$(Q)$$(LINK) $(BUILD)/exercises/mine.o $$(filter %.o %.a,$$^) $$(LIBS) \
	  -lcriterion -o $$@

$(if $(filter exercise$(1),$(MAKECMDGOALS)),$(if $(MINE), \
  $(if $(filter $(basename $(notdir $(MINE))),$(call linked,$(3) $(4))),, \
    $(error MINE: wanted the name of a file of src/ that chapter $(1) links, \
found $(MINE)))))

.PHONY: exercise$(1)
exercise$(1): $(BUILD)/exercises/$(if $(MINE),mine,exercise)$(1)
	@ARGS="$$(ARGS)" sh tests/run.sh $$<
endef
tests_link_8 := $(command)
exercises_of  = chapters/$(chapter_$(1))/exercises
$(foreach k,$(CHAPTERS),$(eval $(call exercise_rules,$(k), \
  $(call exercises_of,$(k)),$(upto_$(k)),$(tests_link_$(k)))))

stubs     := $(patsubst %,$(BUILD)/exercises/exercise%,$(CHAPTERS))
solutions := $(patsubst %,$(BUILD)/exercises/solution%,$(CHAPTERS))

.PHONY: exercises
exercises: $(stubs) $(solutions)

# --- The book -----------------------------------------------------------------
# What the programs print; a section of docs/command.sh is the command's.
RUNS  := $(BUILD)/weave
$(RUNS)/chapter%.txt: $(BUILD)/chapter%
	$(call say,run,$<)
	@mkdir -p $(RUNS)
	@$< --tsv $(BUILD)/figures > $@.part
	@mv $@.part $@

$(RUNS)/command.txt: docs/command.sh $(BUILD)/minimamba
	$(call say,run,$<)
	@mkdir -p $(RUNS)
	@sh docs/command.sh $(BUILD)/minimamba > $@.part
	@mv $@.part $@

# What the benchmarks found is kept beside chapter 8: a full run on one machine.
MEASURED := chapters/$(chapter_8)/measured
$(RUNS)/bench.txt: $(MEASURED)/results.txt | $(RUNS)/chapter8.txt
	@mkdir -p $(RUNS) $(BUILD)/figures
	@cp $(MEASURED)/*.tsv $(BUILD)/figures
	@cp $< $@

# The pages of the book in their order; CHAPTER=3 asks for one alone.
chapter_pages = $(wildcard $(patsubst %,chapters/$(chapter_$(1))/%, \
                  README.md exercises/answers.md))
BOOK  := $(wildcard docs/preface.md) \
         $(foreach k,$(CHAPTERS),$(call chapter_pages,$(k))) \
         $(wildcard docs/notation.md docs/ground-floor.md docs/files.md \
           docs/command-line.md docs/benchmarks.md)
# What else is read in the repository, and quotes nothing.
ASIDE := README.md $(wildcard docs/README.*.md docs/*/README.md) \
         $(wildcard tests/*/README.md)
PAGES := $(if $(CHAPTER),$(call chapter_pages,$(CHAPTER)),$(BOOK))
runs  := $(patsubst %,$(RUNS)/%.txt, \
           $(if $(CHAPTER),chapter$(CHAPTER), \
             $(patsubst %,chapter%,$(CHAPTERS))) \
           $(if $(filter-out 8,$(CHAPTER)),,command bench))
# MEASURE=1 measures anew: what needs a name that is no file is always made.
ifeq ($(MEASURE),1)
$(runs): measure-anew
.PHONY: measure-anew
measure-anew:
endif
ifneq ($(CHAPTER),)
  ifeq ($(filter $(CHAPTER),$(CHAPTERS)),)
    $(error CHAPTER: wanted one of $(CHAPTERS), found $(CHAPTER))
  endif
endif

.PHONY: weave figures book pdf check-book check-exercises
weave: $(BUILD)/weaver $(runs)
	@$(BUILD)/weaver --runs $(RUNS) $(if $(filter 1,$(MEASURE)),--measure) \
	  $(if $(CHAPTER),,--definitions $(RUNS)/definitions.tsv) \
	  --pages "$(PAGES)"

figures: $(runs)
	@CHAPTER='$(CHAPTER)' MEASURE='$(filter 1,$(MEASURE))' \
	  sh docs/figures.sh $(BUILD)

# The whole book: one chapter alone would not know the others' names.
ifneq ($(CHAPTER),)
  ifneq ($(filter book pdf check-book,$(MAKECMDGOALS)),)
    $(error CHAPTER: wanted none for the whole book, found $(CHAPTER))
  endif
endif

book: weave
	@BUILD='$(BUILD)' sh docs/book/book.sh $(BUILD)/book
	@echo 'The book is in $(BUILD)/book/index.html'

pdf: weave
	@BUILD='$(BUILD)' sh docs/book/pdf.sh $(BUILD)/book/minimamba.pdf
	@echo 'The PDF is $(BUILD)/book/minimamba.pdf'

# --- What a reader asks for --------------------------------------------------
# A target that needs more than make sets it up first, and then starts make
# anew, which finds what has come.
.PHONY: setup tour run-tour test run-tests plots run-plots measured
again = @$(MAKE) --no-print-directory

setup:
	@CC='$(CC)' BLAS='$(BLAS)' sh src/setup.sh build

tour: setup
	$(again) run-tour

run-tour: all
	@for k in $(CHAPTERS); do \
	  printf '\n######## Chapter %s\n' $$k; \
	  $(MAKE) -s $(RUNS)/chapter$$k.txt || exit 1; \
	  cat $(RUNS)/chapter$$k.txt; \
	done
	@printf '\n######## The model writes\n\n'
	@$(BUILD)/minimamba generate --prompt 'In the beginning' -n 400 \
	  --temperature 0.7 --seed 1
	@printf '\n######## The book\n\n'
	$(again) book
	@printf 'Run one alone, and change it: make chapter3 ARGS="--help"\n'

test: setup
	$(again) run-tests

# Where nobody has said how threads wait, those of a benchmark spin. (A make
# started by this one cannot tell who has said it.)
SPINNING := $(if $(filter file,$(origin OMP_WAIT_POLICY)), \
              env -u OMP_WAIT_POLICY)

plots: setup
	$(again) run-plots SPINNING='$(SPINNING)'

run-plots: $(BUILD)/minimamba
	@$(SPINNING) sh docs/plots.sh $(BUILD) $(if $(filter 1,$(QUICK)),--quick)

# Replaces what chapter 8 shows by a run on this machine. Chapter 4 measures its
# ladder itself.
measured: setup
	$(again) run-plots QUICK= SPINNING='$(SPINNING)'
	@mkdir -p $(MEASURED)
	@cp $(BUILD)/plots/*.tsv $(BUILD)/plots/results.txt $(MEASURED)
	@rm -f $(MEASURED)/ladder.tsv
	$(again) weave figures MEASURE=1

run-tests: $(foreach k,$(TESTS),$(BUILD)/tests/chapter$(k)) $(solutions)
	@ARGS="$(ARGS)" sh tests/run.sh $^

# --- What CI asks for --------------------------------------------------------
# Each check stands for itself; `make check` sets up what they need, runs all.
CHECKS := format floors book exercises floats builds sanitizers valgrind \
          races arm64 mutants
.PHONY: check run-checks mutants $(foreach c,$(CHECKS),check-$(c))

check:
	@sh src/setup.sh check
	$(again) run-checks

run-checks: $(foreach c,$(CHECKS),check-$(c))
	@echo 'All checks passed: $(CHECKS)'

check-format:
	@sh tests/check/format.sh

# Every file includes headers of its own and lower floors only.
check-floors:
	@sh tests/check/floors.sh '$(floor_0)' \
	  $(foreach k,$(CHAPTERS),'$(filter-out $(beside_$(k)),$(floor_$(k))) \
	  $(beside_$(k))') '$(command) minimamba'

# Every quote is fresh, every definition quoted, every link and figure there.
check-book: $(BUILD)/weaver $(runs)
	@$(BUILD)/weaver --check --all --runs $(RUNS) \
	  --definitions $(RUNS)/definitions.tsv --pages "$(BOOK) $(ASIDE)"
	@CHECK=1 sh docs/figures.sh $(BUILD)
	@BUILD='$(BUILD)' STRICT=1 sh docs/book/book.sh $(BUILD)/book
	@sh tests/check/book-pages.sh $(BUILD)/book

# A stub that passed its tests would teach nothing.
check-exercises: $(stubs)
	@sh tests/check/exercises.sh $^

# The exponentials of every float, against double precision.
check-floats:
	@sh tests/check/floats.sh $(BUILD)

check-builds:
	@sh tests/check/builds.sh $(BUILD)

check-sanitizers:
	@sh tests/check/sanitizers.sh $(BUILD)

check-valgrind:
	@sh tests/check/valgrind.sh $(BUILD)

check-races:
	@sh tests/check/races.sh $(BUILD)

check-arm64:
	@sh tests/check/arm64.sh $(BUILD)

mutants check-mutants:
	@sh tests/mutants/run.sh $(BUILD)

clean:
	rm -rf $(BUILD)

help:
	@echo 'make             build the library, minimamba and every program'
	@echo 'make tour        set up what is missing, then all chapters in order'
	@echo 'make test        set up what is missing, then all tests'
	@echo 'make chapter4    one chapter; ARGS="--help" shows what it takes'
	@echo 'make test4       the tests of one chapter (test0: the ground floor)'
	@echo 'make exercise4   the chapter'\''s exercise: your code, its tests'
	@echo '                 MINE=my/scan_cpu.c: its tests on your own file'
	@echo 'make plots       run the benchmarks and draw them, in $(BUILD)/plots/'
	@echo '                 (ten minutes; QUICK=1: one)'
	@echo 'make measured    the same, kept as what chapter 8 shows'
	@echo 'make book        the site and the EPUB, in $(BUILD)/book/'
	@echo 'make pdf         the PDF'
	@echo 'make weave       fill listings, outputs and values in (MEASURE=1:'
	@echo '                 measure anew; CHAPTER=4: one chapter alone)'
	@echo 'make figures     draw the figures anew (the same variables)'
	@echo 'make mutants     known mistakes, each of which the tests must notice'
	@echo 'make check       everything CI checks'
	@echo 'make setup       install what building and testing need'
	@echo 'make clean       remove $(BUILD)/'
	@echo
	@echo 'Variables: CC=clang  BLAS=none  OPENMP=none  DEBUG=1 (sanitizers)'
	@echo '           ARCH=x86-64-v3 (default native)  BUILD=folder  V=1'

-include $(wildcard $(BUILD)/*.d $(BUILD)/tests/*.d $(BUILD)/docs/*.d \
           $(BUILD)/exercises/*.d)
