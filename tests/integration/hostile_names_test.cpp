// Names from outside that are commands to a terminal: none reaches it, whatever the verb.
#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <thread>

#include "core/utf8.h"
#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::TinyProject;

/// A title, a colour in the 7-bit form, in the 8-bit form as UTF-8 and raw, a deletion, a return and a line of its own.
const std::string kHostile =
    "x\x1b]0;owned\x07\x1b[31m\u009b31m\x9b"
    "31m\x7f\r\nerror: fake";
/// The same without what is no UTF-8: TOML and JSON refuse that anyway.
const std::string kHostileText = "x\x1b]0;owned\x07\x1b[31m\u009b31m\x7f\r\nerror: fake";

/// True without control characters, in both encodings, but for line breaks and tabs.
bool is_harmless(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text.substr(0, 4));
    if (length == 0) return false;
    const char32_t code = utf8_decode(text.substr(0, length));
    if ((code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0)) return false;
    text.remove_prefix(length);
  }
  return true;
}

/// `text` without the line breaks of CSV.
std::string without_returns(std::string text) {
  for (std::size_t at; (at = text.find("\r\n")) != std::string::npos;) text.erase(at, 1);
  return text;
}

/// `text` as a JSON or TOML string.
std::string as_string(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      quoted += concat("\\u00", "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

void write_safetensors(const fs::path& path, const std::string& name) {
  const std::string header = concat("{", as_string(name), R"(:{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})");
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i));
  test::write_bytes(path, bytes + header + std::string(4, '\0'));
}

TEST_CASE("Names from outside reach no terminal as commands, whatever the verb") {
  const TinyProject project;
  REQUIRE(project.train(kHostile, {"train.max_steps=4"}).code == 0);
  test::write_bytes(project / "key.toml", as_string(kHostileText) + " = 1\n");
  test::write_bytes(project / "value.toml",
                    "extends = \"tiny.toml\"\n[attention]\nkind = " + as_string(kHostileText) + "\n");
  test::write_bytes(project / "path.toml", "extends = \"tiny.toml\"\n[task]\ntrain = " + as_string(kHostileText) + "\n");
  test::write_bytes(project / ("s" + kHostile + ".toml"),
                    "question = " + as_string(kHostileText) + "\nbase = \"tiny.toml\"\n");
  test::write_bytes(project / "t.toml",
                    "question = \"?\"\nbase = \"tiny.toml\"\n[axes]\n" + as_string(kHostileText) + " = [1, 2]\n");
  test::write_bytes(project / (kHostile + ".toml"), test::read_bytes(project / "tiny.toml"));
  write_safetensors(project / "weights.safetensors", kHostileText);
  write_safetensors(project / (kHostile + ".safetensors"), "w");
  fs::create_directory(project / "vocabulary");
  test::write_bytes(project / "vocabulary/vocab.json", concat("{", as_string(kHostileText), ": 0}"));
  fs::create_directory(project / kHostile / "data");
  test::write_bytes(project / kHostile / "data/basic_train.tsv", "Source\tTarget\n( [MAX 1 " + kHostile + " ] )\t1\n");
  const std::string config = kHostile + ".toml", run = kHostile;
  const std::vector<std::vector<std::string>> calls = {
      {kHostile},
      {"config", kHostile},
      {"config", "show", "key.toml"},
      {"config", "show", "value.toml"},
      {"config", "show", "path.toml"},
      {"config", "show", "path.toml", "--json"},
      {"config", "show", config},
      {"config", "diff", "tiny.toml", "path.toml"},
      {"config", "diff", "tiny.toml", "path.toml", "--json"},
      {"config", "explain", kHostile},
      {"config", "show", "tiny.toml", "--set", "task.train=" + kHostile},
      {"data", "check", run},
      {"data", "check", (fs::path(kHostile) / "data").string()},
      {"data", "check", (fs::path(kHostile) / "data").string(), "--json"},
      {"data", "make", kHostile},
      {"data", "make", "copy", kHostile + "-made", "--json"},
      {"data", "make", "copy", kHostile + "-made2"},
      {"data", "make", "copy", kHostile},
      {"train", config, "--dry-run"},
      {"train", "tiny.toml", "--run-dir", run},
      {"train", "tiny.toml", "--run-dir", run, "--resume", "--json"},
      {"train", "tiny.toml", "--run-dir", kHostile + "2", "--set", "train.max_steps=2"},
      {"train", "key.toml", "--run-dir", "r1"},
      {"train", "value.toml", "--run-dir", "r2"},
      {"train", "path.toml", "--run-dir", "r3"},
      {"train", "tiny.toml", "--set", kHostile + "=1"},
      {"train", "tiny.toml", "--set", "attention.kind=" + kHostile},
      {"train", "tiny.toml", "--set", "train.init_from=" + kHostile + "none"},
      {"train", "tiny.toml", "--run-dir", "r4", "--set", "task.tokenizer=char", "--set", "task.tokenizer_folder=vocabulary"},
      {"train", "tiny.toml", "--run-dir", "r5", "--set", "task.tokenizer=bpe", "--set", "task.tokenizer_folder=vocabulary"},
      {"train", "tiny.toml", "--run-dir", "r6", "--set", "task.tokenizer=word", "--set", "task.tokenizer_folder=vocabulary"},
      {"train", "tiny.toml", "--" + kHostile},
      {"eval", run},
      {"eval", run, "--json"},
      {"eval", run, "--split", kHostile},
      {"eval", kHostile + "none"},
      {"eval", "weights.safetensors", "--config", "tiny.toml"},
      {"generate", kHostile + "none"},
      {"generate", run, "--tokens", kHostile},
      {"inspect", run},
      {"inspect", run, "--json"},
      {"inspect", "weights.safetensors"},
      {"inspect", "weights.safetensors", "--json"},
      {"inspect", kHostile + ".safetensors"},
      {"inspect", config},
      {"report", run, "--format", "md"},
      {"report", run, "--format", "csv"},
      {"report", run, "--format", "json"},
      {"report", run, "-o", kHostile + ".html"},
      {"report", kHostile + "none"},
      {"sweep", "s" + kHostile + ".toml", "--dry-run"},
      {"sweep", "s" + kHostile + ".toml", "--sweep-dir", "sw", "--launcher", "slurm"},
      {"sweep", "s" + kHostile + ".toml", "--sweep-dir", "sw2"},
      {"sweep", "t.toml", "--dry-run"},
      {"bench", kHostile},
      {"bench", "step", kHostile},
      {"bench", "attention", "--kind", kHostile},
      {"doctor", kHostile},
  };
  for (const auto& call : calls) {
    const test::Outcome outcome = project.call(call);
    INFO(call[0] << ' ' << (call.size() > 1 ? call[1] : "") << "\n" << outcome.output << outcome.errors);
    CHECK(outcome.signal == 0);
    CHECK_FALSE((outcome.output.empty() && outcome.errors.empty()));
    CHECK(is_harmless(without_returns(outcome.output)));
    CHECK(is_harmless(outcome.errors));
    // A line of its own is a name's attack too.
    if (outcome.code == 2) CHECK(test::is_one_line(outcome.errors));
    CHECK_FALSE(contains("\n" + outcome.errors, "\nerror: fake"));
  }
  // People read the log on a terminal.
  const std::string log = test::read_bytes(project / run / "run.log");
  CHECK(is_harmless(log));
  CHECK_FALSE(contains(log, "\nerror: fake"));
  CHECK(contains(log, "\\u001b"));
}

/// What the program writes to a terminal.
std::string shown_on_terminal(const std::vector<std::string>& arguments, test::Surroundings surroundings) {
  int master = -1, slave = -1;
  REQUIRE(::openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
  surroundings.prepare = [&] {
    ::dup2(slave, STDOUT_FILENO);
    ::close(master);
  };
  test::Program program(arguments, surroundings);
  ::close(slave);
  std::string text;
  std::array<char, 4096> block{};
  for (ssize_t count; (count = ::read(master, block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<std::size_t>(count));
  CHECK(program.wait().code == 0);
  ::close(master);
  // A terminal writes them so.
  return without_returns(text);
}

TEST_CASE("Generated text reaches a pipe as it is and a terminal without commands") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=2"}).code == 0);
  const std::string prompt = "a\x1b[31m\u009b";
  const std::vector<std::string> call = {"generate", "run", "--tokens", "0", "--prompt", prompt};
  CHECK(contains(project.call(call).output, prompt));
  const std::string shown = shown_on_terminal(call, project.surroundings());
  CHECK(is_harmless(shown));
  CHECK(contains(shown, "a\\u001b[31m\\u009b"));
}

}  // namespace
}  // namespace cosformer
