#pragma once
/// \file
/// Commands by name: `cosformer VERB …`, and `cosformer VERB SUBVERB …` in the same way.

#include <span>
#include <string_view>

namespace cosformer {

struct Verb {
  const char* name;
  const char* help;                   ///< one line
  int (*run)(int argc, char** argv);  ///< argv[0] is the verb; returns the exit code
  bool writes_text = false;           ///< its output is text for others to read as it is, not tables about something
  bool on_ranks = false;              ///< several ranks may run it together
};

/// Calls the verb that argv[1] names with the arguments from there on. `--help` and `help` print the list of verbs; without
/// any argument the list goes to standard error and the exit code is 2. Throws InputError for an unknown verb.
int run_verb(std::string_view program, std::string_view description, std::span<const Verb> verbs, int argc, char** argv);

/// All verbs of the program.
std::span<const Verb> program_verbs();

/// True if these arguments are those of a verb that writes text.
bool is_text_wanted(int argc, char** argv);

/// The whole program but for what `main` catches; also knows `--version`.
int run_program(int argc, char** argv);

int run_bench_verb(int argc, char** argv);   // bench_verb.cpp
int run_config_verb(int argc, char** argv);  // config_verb.cpp
int run_data_verb(int argc, char** argv);    // data_verb.cpp
int run_doctor(int argc, char** argv);       // doctor.cpp
int run_eval(int argc, char** argv);         // eval_verb.cpp
int run_export(int argc, char** argv);       // export_verb.cpp
int run_generate(int argc, char** argv);     // generate_verb.cpp
int run_import(int argc, char** argv);       // import_verb.cpp
int run_inspect(int argc, char** argv);      // inspect_verb.cpp
int run_report(int argc, char** argv);       // report_verb.cpp
int run_sweep(int argc, char** argv);        // sweep_verb.cpp
int run_train(int argc, char** argv);        // train_verb.cpp

}  // namespace cosformer
