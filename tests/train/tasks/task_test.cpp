#include "train/tasks/task.h"

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "train/config/schema.h"

namespace cosformer::test {

TEST_CASE("A path that leads nowhere is refused with its key") {
  for (const char* name : {"language_modeling", "listops", "pathfinder", "sst2"}) {
    Config config;
    config.task.name = name;
    config.task.train = "/nowhere/train";
    CHECK(input_error_of([&] { make_task(config); }) == "task.train: /nowhere/train: no such file or folder");
    config.task.train.clear();
    config.task.valid = "/nowhere/valid";
    CHECK(input_error_of([&] { make_task(config); }) == "task.valid: /nowhere/valid: no such file or folder");
    config.task.valid.clear();
    config.task.tokenizer_folder = "/nowhere";
    CHECK(input_error_of([&] { make_task(config); }) == "task.tokenizer_folder: /nowhere: no such folder");
  }
}

TEST_CASE("The help of task.name names every task") {
  const std::string_view help = find_field("task.name")->help;
  for (const std::string_view name : task_names()) {
    CAPTURE(name);
    CHECK(help.find(name) != std::string_view::npos);
  }
}

}  // namespace cosformer::test
