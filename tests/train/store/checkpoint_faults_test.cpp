#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "tests/train/store/checkpoint_support.h"
#include "train/store/checkpoint_store.h"

namespace cosformer::test {

using Fault = FaultyFileSystem::Fault;

namespace {

constexpr int kMoreCallsThanAny = 1000;

}  // namespace

TEST_CASE("Whichever call fails during a save, a whole checkpoint is found afterwards") {
  for (const Fault fault : {Fault::error_once, Fault::error_from_then_on}) {
    int failures = 0, reported = 0;
    for (int n = 1; n < kMoreCallsThanAny; ++n) {
      TemporaryFolder folder;
      FileSystem sound;
      // One is kept, so that deleting it too early would be noticed.
      CheckpointStore(sound, folder / "c", {.keep_last = 1, .keep_best = 0}, ignore).save(make_checkpoint(1));
      FaultyFileSystem files(n, fault);
      int warnings = 0;
      const std::string message = message_of<Error>([&] {
        CheckpointStore(files, folder / "c", {.keep_last = 1, .keep_best = 0}, [&](const std::string&) {
          ++warnings;
        }).save(make_checkpoint(2));
      });
      CAPTURE(n, message, warnings);
      const auto found = find_latest_checkpoint(folder / "c", ignore);
      REQUIRE(found);
      const Checkpoint read = read_checkpoint(*found);
      CHECK(values_of(read.parameters) == values_of(make_checkpoint(read.state.step).parameters));
      if (!files.has_failed()) {
        CHECK(message.empty());
        CHECK(warnings == 0);
        CHECK(names_in(folder / "c") == std::vector<std::string>{"latest", "step-00000002"});
        break;
      }
      ++failures;
      reported += !message.empty() || warnings > 0;
      if (message.empty()) CHECK(read.state.step == 2);
      // The next process repairs what is left.
      CheckpointStore(sound, folder / "c", {.keep_last = 1, .keep_best = 0}, ignore).save(make_checkpoint(3));
      CHECK(names_in(folder / "c") == std::vector<std::string>{"latest", "step-00000003"});
    }
    CHECK(failures >= 30);
    // The closing of a folder after its sync reports nothing that matters; everything else is told.
    CHECK(reported >= failures - 8);
  }
}

TEST_CASE("A process killed before any call of a save leaves a whole checkpoint") {
  int kills = 0;
  for (int n = 1; n < kMoreCallsThanAny; ++n) {
    TemporaryFolder folder;
    FileSystem sound;
    CheckpointStore(sound, folder / "c", {.keep_last = 1, .keep_best = 1}, ignore).save(make_checkpoint(1, 2.0));
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      FaultyFileSystem files(n, Fault::kill);
      CheckpointStore store(files, folder / "c", {.keep_last = 1, .keep_best = 1}, ignore);
      store.save(make_checkpoint(1, 1.5));  // replaces the one there is
      store.save(make_checkpoint(2, 1.0));
      ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CAPTURE(n);
    REQUIRE(WIFEXITED(status));
    const bool completed = WEXITSTATUS(status) == 1;
    CheckpointStore store(sound, folder / "c", {.keep_last = 1, .keep_best = 1}, ignore);
    const auto found = find_latest_checkpoint(folder / "c", ignore);
    REQUIRE(found);
    CHECK_NOTHROW(read_checkpoint(*found));
    for (const std::string& name : names_in(folder / "c")) {
      CHECK((name == "best" || name == "latest" || name == "step-00000001" || name == "step-00000002"));
    }
    if (completed) break;
    ++kills;
  }
  CHECK(kills >= 60);
}

}  // namespace cosformer::test
