#include "train/cli/verbs.h"

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "core/communicator.h"
#include "core/error.h"
#include "core/nearest_name.h"

namespace cosformer {

namespace {

constexpr Verb kVerbs[] = {
    {"config", "list and explain the keys of configs, show and compare configs", run_config_verb},
    {"data", "make and check data sets", run_data_verb},
    {"train", "train a model, or continue a run", run_train, false, true},
    {"sweep", "train and score every combination of a sweep file, and compare", run_sweep},
    {"eval", "score a checkpoint", run_eval, false, true},
    {"generate", "write text from a decoder", run_generate, true},
    {"import", "make a checkpoint of another program's model", run_import},
    {"export", "write a decoder for another program", run_export},
    {"inspect", "what a config asks for, or what a checkpoint holds", run_inspect},
    {"report", "tables, curves and attention matrices of runs and sweeps", run_report},
    {"bench", "measure this machine, an attention or a training step", run_bench_verb},
    {"doctor", "what this machine offers and what is missing", run_doctor},
};

void print_verbs(std::ostream& stream, std::string_view program, std::string_view description, std::span<const Verb> verbs) {
  stream << description << "\n\nUsage: " << program << " VERB [arguments]\n\n";
  std::size_t width = 0;
  for (const Verb& verb : verbs) width = std::max(width, std::string_view(verb.name).size());
  for (const Verb& verb : verbs) {
    const std::string_view name = verb.name;
    stream << "  " << name << std::string(width - name.size() + 2, ' ') << verb.help << '\n';
  }
  stream << "\n\"" << program << " VERB --help\" says more.\n";
}

}  // namespace

int run_verb(std::string_view program, std::string_view description, std::span<const Verb> verbs, int argc, char** argv) {
  if (argc < 2) {
    print_verbs(std::cerr, program, description, verbs);
    return 2;
  }
  const std::string_view name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") {
    print_verbs(std::cout, program, description, verbs);
    return 0;
  }
  std::vector<std::string_view> names;
  for (const Verb& verb : verbs) {
    if (name == verb.name) {
      check<InputError>(verb.on_ranks || launched_ranks() == 1, program, ' ', name, " runs in one process, not as one of ",
                        launched_ranks(), " ranks; `train` and `eval` run on several");
      return verb.run(argc - 1, argv + 1);
    }
    names.push_back(verb.name);
  }
  throw InputError(concat(program, ": error: unknown verb '", name, "'", name_hint(name, names)));
}

std::span<const Verb> program_verbs() { return kVerbs; }

bool is_text_wanted(int argc, char** argv) {
  return argc >= 2 && std::ranges::any_of(kVerbs, [&](const Verb& verb) {
           return verb.writes_text && argv[1] == std::string_view(verb.name);
         });
}

int run_program(int argc, char** argv) {
  if (argc >= 2 && std::string_view(argv[1]) == "--version") {
    const std::string mpi = mpi_library();
    std::cout << "cosformer " << COSFORMER_VERSION << (mpi.empty() ? ", without MPI" : ", " + mpi) << '\n';
    return 0;
  }
  return run_verb("cosformer", "Trains transformers with linear attention on multicore CPUs.", kVerbs, argc, argv);
}

}  // namespace cosformer
