#include "train/loop/rank_checks.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/checksum.h"
#include "core/error.h"
#include "core/simd/instruction_set.h"
#include "train/loop/rank_agreement.h"

namespace cosformer {

namespace {

using nlohmann::json;

/// What a rank says of itself.
struct Introduction {
  std::string name;  ///< "rank 3 on node17"
  RankFacts facts;
};

std::string encode(const Communicator& ranks, const RankFacts& facts) {
  return json({{"name", describe_rank(ranks)},
               {"version", facts.version},
               {"config", to_json(facts.config)},
               {"identity", to_json(facts.identity)},
               {"weights", facts.weights}})
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Introduction decode(const std::string& text, const std::string& own_version) {
  const json source = json::parse(text);
  const std::string name = source.at("name");
  // A config of another version need not be readable here.
  RankFacts facts{source.at("version"), {}, run_identity_from_json(source.at("identity"), name), source.at("weights")};
  if (facts.version == own_version) facts.config = config_from_json(source.at("config").get<std::string>(), {}, name);
  return {name, std::move(facts)};
}

std::string describe(const Digest& content) { return concat(content.bytes, " bytes, XXH3 ", content.xxh3_128); }

/// As texts, in the order of the splits: "train 12 bytes, XXH3 …".
std::string data_difference(const RunIdentity& first, const RunIdentity& other) {
  if (first.data.size() != other.data.size())
    return concat("has read ", other.data.size(), " data files, rank 0 ", first.data.size());
  for (std::size_t i = 0; i < first.data.size(); ++i) {
    const DataFile &a = first.data[i], &b = other.data[i];
    if (a.content == b.content) continue;
    return concat("task.", b.split, ": ", b.path, " holds ", describe(b.content), "; rank 0 has read ", describe(a.content));
  }
  return {};
}

}  // namespace

std::string first_difference(const RankFacts& first, const RankFacts& other) {
  if (first.version != other.version) return concat("is cosformer ", other.version, ", rank 0 is ", first.version);
  if (first.identity.arithmetic != other.identity.arithmetic)
    return concat("computes with ", describe(other.identity.arithmetic), ", rank 0 with ",
                  describe(first.identity.arithmetic), " (COSFORMER_ISA and OPENBLAS_CORETYPE choose)");
  if (std::string data = data_difference(first.identity, other.identity); !data.empty()) return data;
  if (first.identity.tokenizer != other.identity.tokenizer) return "has another vocabulary (tokenizer files) than rank 0";
  for (const ConfigDifference& difference : differences(first.config, other.config)) {
    // How many threads compute changes no bits.
    if (difference.key == "train.threads") continue;
    return concat(difference.key, " is ", difference.second, ", on rank 0 it is ", difference.first);
  }
  return first.weights == other.weights ? "" : "begins with other weights than rank 0";
}

std::string weights_checksum(const Model& model) {
  Checksum checksum;
  for (const Parameter& parameter : model.parameters()) {
    const Tensor value = parameter.variable.value().contiguous();
    dispatch_float(value.dtype(), [&]<class T>(T) { checksum.update(std::as_bytes(value.span<T>())); });
  }
  return checksum.hex();
}

void check_same_start(Communicator& ranks, const RankFacts& own) {
  if (ranks.is_alone()) return;
  const std::vector<std::string> messages = ranks.gather_all(encode(ranks, own));
  on_first_rank(ranks, [&] {
    const Introduction first = decode(messages.front(), own.version);
    for (const std::string& message : messages) {
      const Introduction other = decode(message, own.version);
      const std::string difference = first_difference(first.facts, other.facts);
      check<InputError>(difference.empty(), other.name, ": ", difference);
    }
  });
}

void agree_on_instruction_set(Communicator& ranks, const std::function<void(const std::string&)>& warn) {
  if (ranks.is_alone()) return;
  std::string own;
  together(ranks, [&] { own = upcoming_instruction_set(); });
  std::string common = own, names;
  bool differ = false;
  for (const std::string& other : ranks.gather_all(own)) {
    differ = differ || other != own;
    if (names.find(other) == std::string::npos) names += (names.empty() ? "" : " and ") + other;
    common = common_instruction_set(common, other);
  }
  if (!differ) return;
  ::setenv("COSFORMER_ISA", common.c_str(), 1);
  warn(concat("the ranks' processors offer ", names, ": all use ", common));
}

std::string find_bound_ranks(Communicator& ranks, int threads, int usable_processors) {
  if (ranks.is_alone()) return {};
  std::string own;
  if (threads > usable_processors)
    own = concat(describe_rank(ranks), " has ", threads, " threads and may run on ", usable_processors,
                 usable_processors == 1 ? " processor" : " processors");
  for (const std::string& note : ranks.gather_all(own)) {
    if (note.empty()) continue;
    return concat(note, ": bind it to more with `mpirun --map-by slot:PE=", threads, "` or `--bind-to none`, or `srun ",
                  "--cpus-per-task=", threads, "`");
  }
  return {};
}

}  // namespace cosformer
