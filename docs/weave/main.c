#include "weave.h"

int main(int argc, char **argv) {
    return weave_run(argc, argv);
}
