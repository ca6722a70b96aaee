// Inputs that are no files, and files that are not what they seem.
#include <sys/stat.h>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

using test::contains;
using test::TinyProject;

TEST_CASE("A pipe, a device or a folder in place of a file ends in a line, not in a wait") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  REQUIRE(::mkfifo((project / "pipe").c_str(), 0600) == 0);
  REQUIRE(::mkfifo((project / "pipe.toml").c_str(), 0600) == 0);
  std::filesystem::create_directory(project / "folder");
  std::filesystem::create_directory(project / "folder.toml");
  std::filesystem::create_directory(project / "tokenizer");
  REQUIRE(::mkfifo((project / "tokenizer/vocab.json").c_str(), 0600) == 0);
  for (const std::string& path : {std::string("pipe"), std::string("/dev/zero"), std::string("folder")}) {
    const std::string config = path == "/dev/zero" ? path : path + ".toml";
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"train", config, "--run-dir", "new"},
          {"train", "tiny.toml", "--run-dir", "new", "--set", "task.train=" + path},
          {"train", "tiny.toml", "--run-dir", "new", "--set", "task.tokenizer=word", "--set", "task.train=" + path},
          {"train", "tiny.toml", "--run-dir", "new", "--set", "train.init_from=" + path},
          {"eval", "run", "--set", "task.valid=" + path},
          {"eval", path},
          {"eval", "run", "--config", config},
          {"inspect", path},
          {"inspect", config},
          {"sweep", config},
          {"report", path, "-o", "page.html"},
          {"data", "check", path}}) {
      const test::Outcome outcome = project.call(arguments);
      std::string command;
      for (const std::string& argument : arguments) command += argument + " ";
      CAPTURE(command, outcome.errors);
      CHECK(outcome.code == 2);
      CHECK(test::is_one_line(outcome.errors));
      CHECK(outcome.output.empty());
    }
  }
  const test::Outcome outcome = project.call({"train", "tiny.toml", "--run-dir", "new", "--set", "task.tokenizer=word",
                                              "--set", "task.tokenizer_folder=tokenizer"});
  CHECK(outcome.code == 2);
  CHECK(contains(outcome.errors, "tokenizer/vocab.json: is not a regular file"));
}

TEST_CASE("JSON lines that are trained on as a text are remarked on before the first step") {
  const TinyProject project;
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += "{\"text\": \"number " + std::to_string(i) + "\"}\n";
  test::write_bytes(project / "corpus.jsonl", lines);
  for (const std::vector<std::string>& further : {std::vector<std::string>{"--dry-run"}, {}}) {
    const test::Outcome outcome = project.train("run", {"task.train=corpus.jsonl", "train.max_steps=1"}, further);
    CHECK(outcome.code == 0);
    CHECK(contains(outcome.errors, "warning: corpus.jsonl: holds JSON, which is read as plain text"));
  }
}

}  // namespace
}  // namespace cosformer
