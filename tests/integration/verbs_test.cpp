// What train, eval and generate print and write when all is well.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

using nlohmann::json;
using test::TinyProject;

TEST_CASE("train lowers the loss and leaves the files that a run consists of") {
  const TinyProject project;
  const test::Outcome outcome = project.train("run", {}, {"--json"});
  REQUIRE(outcome.code == 0);
  const json summary = json::parse(outcome.output);
  CHECK(summary["run"] == "run");
  CHECK(summary["steps"] == 30);
  CHECK(summary["best"].get<double>() < 4.5);  // ln 256 = 5.5

  std::vector<std::string> names = test::names_in(project / "run");
  const auto events =
      std::ranges::find_if(names, [](const std::string& name) { return name.starts_with("events.out.tfevents."); });
  REQUIRE(events != names.end());
  names.erase(events);
  CHECK(names == std::vector<std::string>{".lock", "checkpoints", "config.toml", "metrics.jsonl", "run.log"});
  for (const char* name : {"latest", "best"}) {
    CHECK(test::names_in(project / "run/checkpoints" / name) ==
          std::vector<std::string>{"model.safetensors", "optimizer.safetensors", "state.json"});
  }
  std::istringstream lines(test::read_bytes(project / "run/metrics.jsonl"));
  std::string line;
  REQUIRE(std::getline(lines, line));
  const json first = json::parse(line);
  for (const char* name : {"step", "split", "loss", "learning_rate", "gradient_norm", "tokens_per_second", "wall_seconds"}) {
    INFO(name);
    CHECK(first.contains(name));
  }
}

TEST_CASE("The run's own config.toml trains the same run") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=5", "model.dropout=0.2"}).code == 0);
  REQUIRE(project.call({"train", "run/config.toml", "--run-dir", "again"}).code == 0);
  CHECK(project.result("again") == project.result("run"));
}

TEST_CASE("eval takes the best checkpoint of a run") {
  const TinyProject project;
  // Steps that are too large after a good beginning: the last checkpoint is not the best one.
  const std::vector<std::string> keys = {"schedule.name=constant", "schedule.warmup_steps=25", "optimizer.learning_rate=1",
                                         "train.eval_every=3"};
  REQUIRE(project.train("run", keys).code == 0);
  const json best = json::parse(project.call({"eval", "run", "--json"}).output);
  const json last = json::parse(project.call({"eval", "run/checkpoints/latest", "--json"}).output);
  CHECK(last["step"] == 30);
  CHECK(best["step"] != 30);
  CHECK(best["loss"].get<double>() < last["loss"].get<double>());

  double lowest = HUGE_VAL;
  std::istringstream lines(test::read_bytes(project / "run/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const json record = json::parse(line);
    if (record["split"] == "valid") lowest = std::min(lowest, record["loss"].get<double>());
  }
  CHECK(best["loss"].get<double>() == lowest);
}

TEST_CASE("A checkpoint says of no other step's metric that it was its own") {
  const TinyProject project;
  // Evaluated at 4 and 8, saved at 3, 6 and 9.
  REQUIRE(project.train("run", {"train.max_steps=9", "train.eval_every=4", "checkpoint.keep_best=false"}).code == 0);
  CHECK(json::parse(test::read_bytes(project.checkpoint("run", 6) / "state.json"))["state"]["metric"].is_null());
  CHECK(json::parse(test::read_bytes(project.checkpoint("run", 9) / "state.json"))["state"]["metric"].is_number());
}

TEST_CASE("eval scores a file of weights on any text") {
  const TinyProject project;
  REQUIRE(project.train("run").code == 0);
  const std::string text = "the sea was calm under a grey sky\n";
  test::write_bytes(project / "test.txt", text);
  std::filesystem::copy(project / "run/checkpoints/latest/model.safetensors", project / "weights.safetensors");
  const test::Outcome outcome =
      project.call({"eval", "weights.safetensors", "--set", "task.test=test.txt", "--split", "test", "--json"});
  REQUIRE(outcome.code == 0);
  const json result = json::parse(outcome.output);
  CHECK(result["split"] == "test");
  CHECK(result["tokens"] == text.size() - 1);
  CHECK(result["loss"].get<double>() > 0);
  CHECK(result["perplexity"].get<double>() == Approx(std::exp(result["loss"].get<double>())));
  CHECK(result["seconds"].get<double>() >= 0);
  CHECK(outcome.errors.empty());
}

TEST_CASE("weights of bytes are scored and continued where the training text is not") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  std::filesystem::copy(project / "run/checkpoints/latest/model.safetensors", project / "weights.safetensors");
  std::filesystem::remove(project / "train.txt");
  CHECK(project.call({"eval", "weights.safetensors", "--set", "task.test=valid.txt", "--split", "test"}).code == 0);
  CHECK(project.call({"generate", "weights.safetensors", "--tokens", "3"}).code == 0);
  const test::Outcome outcome = project.call({"eval", "weights.safetensors", "--split", "train"});
  CHECK(outcome.code == 2);
  CHECK(test::contains(outcome.errors, "train.txt: no such file or folder"));
}

TEST_CASE("generate makes a tokenizer from the training text where no folder has it") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3", "task.tokenizer=word"}).code == 0);
  const auto write = [&](const std::string& weights) {
    return project.call({"generate", weights, "--prompt", "the sea", "--tokens", "5"}).output;
  };
  const std::string text = write("run");
  CHECK(text.size() > 7);
  std::filesystem::copy(project / "run/checkpoints/best/model.safetensors", project / "weights.safetensors");
  CHECK(write("weights.safetensors") == text);
}

TEST_CASE("inspect describes whatever eval accepts") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  const auto inspect = [&](const std::string& path) {
    const test::Outcome outcome = project.call({"inspect", path, "--json"});
    REQUIRE(outcome.code == 0);
    return json::parse(outcome.output);
  };
  CHECK(inspect("run")["state"]["step"] == 3);
  std::filesystem::create_directory(project / "folder");
  std::filesystem::copy(project / "run/checkpoints/latest/model.safetensors", project / "folder");
  REQUIRE(project.call({"eval", "folder"}).code == 0);
  for (const char* path : {"folder", "folder/model.safetensors"}) {
    CHECK(inspect(path)["step"] == 3);
    CHECK_FALSE(inspect(path).contains("state"));
  }
}

TEST_CASE("Paths that are no UTF-8 do not break JSON") {
  const TinyProject project;
  const std::string run = "run\xff";
  const test::Outcome trained = project.train(run, {"train.max_steps=3"}, {"--json"});
  REQUIRE(trained.code == 0);
  CHECK(json::parse(trained.output)["run"] == "run\uFFFD");
  for (const char* verb : {"eval", "inspect"}) {
    const test::Outcome outcome = project.call({verb, run, "--json"});
    REQUIRE(outcome.code == 0);
    CHECK(json::accept(outcome.output));
  }
}

TEST_CASE("generate writes the same text for the same seed, and another for another") {
  const TinyProject project;
  REQUIRE(project.train("run", {"model.max_length=64"}).code == 0);
  const auto write = [&](const std::string& seed, const std::string& temperature) {
    const test::Outcome outcome = project.call(
        {"generate", "run", "--prompt", "the", "--tokens", "40", "--seed", seed, "--temperature", temperature, "--json"});
    REQUIRE(outcome.code == 0);
    const json result = json::parse(outcome.output);
    CHECK(result["prompt"] == "the");
    CHECK(result["tokens"] == 40);
    return result["text"].get<std::string>();
  };
  CHECK(write("1", "1.0") == write("1", "1.0"));
  CHECK(write("1", "1.0") != write("2", "1.0"));
  CHECK(write("1", "0") == write("2", "0"));
}

TEST_CASE("generate writes on behind the last learned position, and shows the text as it is made") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  const std::vector<std::string> call = {"generate", "run", "--prompt", "the", "--tokens", "60"};
  const test::Outcome plain = project.call(call);
  REQUIRE(plain.code == 0);
  CHECK(test::contains(plain.errors, "60 tokens, "));
  CHECK(test::contains(plain.errors, "the window was full 6 times and went on from its last half"));
  std::vector<std::string> with_json = call;
  with_json.emplace_back("--json");
  const json result = json::parse(project.call(with_json).output);
  CHECK(result["tokens"] == 60);
  CHECK(result["window_slides"] == 6);
  CHECK(plain.output == "the" + result["text"].get<std::string>() + "\n");
  const test::Outcome long_prompt = project.call({"generate", "run", "--prompt", std::string(40, 'a'), "--tokens", "1"});
  CHECK(long_prompt.code == 0);
  CHECK(test::contains(long_prompt.errors, "the prompt has 40 tokens; its last 16 fit into the window"));
}

TEST_CASE("config show and diff take the folder of a run") {
  const TinyProject project;
  REQUIRE(project.train("a", {"train.max_steps=2"}).code == 0);
  REQUIRE(project.train("b", {"train.max_steps=3"}).code == 0);
  const test::Outcome shown = project.call({"config", "show", "a"});
  CHECK(shown.code == 0);
  CHECK(test::contains(shown.output, "max_steps = 2  # a/config.toml:"));
  CHECK(project.call({"config", "diff", "a", "b"}).output == "train.max_steps: 2 -> 3\n");
  std::filesystem::create_directory(project / "empty");
  const test::Outcome wrong = project.call({"config", "show", "empty"});
  CHECK(wrong.code == 2);
  CHECK(wrong.errors == "error: empty: expected a config or the folder of a run, which has a config.toml\n");
}

TEST_CASE("samples of one call are the texts of consecutive seeds") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  const auto write = [&](std::vector<std::string> further) {
    std::vector<std::string> call = {"generate", "run", "--prompt", "the", "--tokens", "12", "--json"};
    call.insert(call.end(), further.begin(), further.end());
    return json::parse(project.call(call).output);
  };
  const json samples = write({"--samples", "3", "--seed", "7"})["samples"];
  REQUIRE(samples.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(samples[i]["seed"] == 7 + i);
    CHECK(samples[i]["text"] == write({"--seed", std::to_string(7 + i)})["text"]);
  }
  CHECK(samples[0]["text"] != samples[1]["text"]);
  const test::Outcome plain = project.call({"generate", "run", "--samples", "2", "--tokens", "3"});
  CHECK(test::contains(plain.output, "--- 1 of 2, seed 1 ---\n"));
  CHECK(test::contains(plain.output, "\n--- 2 of 2, seed 2 ---\n"));
}

TEST_CASE("a stop ends the text and is not shown") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  const auto write = [&](std::vector<std::string> further) {
    std::vector<std::string> call = {"generate", "run", "--prompt", "the", "--tokens", "40", "--json"};
    call.insert(call.end(), further.begin(), further.end());
    return json::parse(project.call(call).output);
  };
  const json whole = write({});
  const auto text = whole["text"].get<std::string>();
  CHECK(whole["stopped_by"] == "tokens");
  std::size_t at = text.size() / 2;
  while (at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) == 0) ++at;
  REQUIRE(at < text.size());
  const std::string stop = text.substr(at, 1);
  const json stopped = write({"--stop", stop, "--stop", "never found"});
  CHECK(stopped["text"] == text.substr(0, text.find(stop)));
  CHECK(stopped["stopped_by"] == "stop");
  CHECK(stopped["tokens"] < 40);
}

TEST_CASE("Away from a terminal, progress is plain lines") {
  const TinyProject project;
  const test::Outcome outcome = project.train("run", {"logging.progress=true", "train.max_steps=4"});
  REQUIRE(outcome.code == 0);
  CHECK(test::contains(outcome.errors, "step 4/4  loss "));
  CHECK(test::contains(outcome.errors, "run: finished after 4 steps\n"));
  CHECK_FALSE(test::contains(outcome.errors, "\r"));
  CHECK_FALSE(test::contains(outcome.errors, "\x1b"));
  CHECK(outcome.output.empty());
}

}  // namespace
}  // namespace cosformer
