#include "train/cli/data_verb.h"

#include "train/cli/verbs.h"

namespace cosformer {

namespace {

constexpr Verb kVerbs[] = {
    {"make", "write a synthetic data set in the released format", run_data_make},
    {"check", "read a data set and say what is in it", run_data_check},
    {"tokenize", "make the token cache of a config's texts", run_data_tokenize},
};

}  // namespace

int run_data_verb(int argc, char** argv) {
  return run_verb("cosformer data", "Data sets of labelled sequences and of sentence pairs, and plain texts.", kVerbs, argc,
                  argv);
}

}  // namespace cosformer
