#include "train/store/run_directory.h"

#include <sys/wait.h>

#include <csignal>

#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "tests/train/store/race_support.h"

namespace cosformer::test {

namespace fs = std::filesystem;
using Mode = RunDirectory::Mode;

namespace {

/// Opens the run in a child process; the pipe tells when, and the child stays until it is killed.
class Holder {
 public:
  explicit Holder(const fs::path& path) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      FileSystem files;
      const RunDirectory run = RunDirectory::open(files, path, Mode::resume);
      if (::write(ends[1], "x", 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char byte = 0;
    REQUIRE(::read(ends[0], &byte, 1) == 1);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  ~Holder() { kill(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  pid_t id() const { return child_; }
  void kill() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = 0;
  }

 private:
  pid_t child_ = 0;
};

}  // namespace

TEST_CASE("A new run gets its folder, also below folders that are missing") {
  TemporaryFolder folder;
  FileSystem files;
  const RunDirectory run = RunDirectory::open(files, folder / "a/b", Mode::create);
  CHECK(run.is_new());
  run.write_config("seed = 1\n");
  CHECK(read_bytes(folder / "a/b/config.toml") == "seed = 1\n");
  CHECK(run.metrics_file() == folder / "a/b/metrics.jsonl");
  CHECK(names_in(folder / "a/b") == std::vector<std::string>{".lock", "config.toml"});
}

TEST_CASE("A folder with a run is refused without resume, and the message gives the commands that work") {
  TemporaryFolder folder;
  FileSystem files;
  const std::string path = (folder / "run").string();
  RunDirectory::open(files, path, Mode::create).write_config("");
  const std::string message = message_of<InputError>([&] { RunDirectory::open(files, path, Mode::create); });
  CHECK(message == path + ": holds a run already; continue it with `" + continue_command(path) +
                       "` or start beside it with `--run-dir " + path + "-2`");
  CHECK(continue_command(path).ends_with(" train " + path + " --resume"));
  CHECK(continue_command("my run").ends_with(" train 'my run' --resume"));
  const RunDirectory resumed = RunDirectory::open(files, path, Mode::resume);
  CHECK_FALSE(resumed.is_new());
}

TEST_CASE("A folder with other files is refused and left alone") {
  TemporaryFolder folder;
  FileSystem files;
  write_bytes(folder / "thesis.txt", "x");
  CHECK(message_of<InputError>([&] { RunDirectory::open(files, folder.path(), Mode::create); }).find("holds other files") !=
        std::string::npos);
  CHECK(message_of<InputError>([&] { RunDirectory::open(files, folder.path(), Mode::resume); }).find("is no run") !=
        std::string::npos);
  CHECK(message_of<InputError>([&] {
          RunDirectory::open(files, folder / "thesis.txt", Mode::create);
        }).find("expected a folder") != std::string::npos);
  CHECK(names_in(folder.path()) == std::vector<std::string>{"thesis.txt"});
}

TEST_CASE("Restarting removes what training has made and leaves the rest") {
  TemporaryFolder folder;
  FileSystem files;
  fs::create_directories(folder / "run/checkpoints/step-00000001");
  fs::create_directories(folder / "run/tokenizer");
  for (const char* name : {"config.toml", "metrics.jsonl", "run.log", "events.out.tfevents.1.0.host", "notes.txt"}) {
    write_bytes(folder / "run" / name, "x");
  }
  RunDirectory run = RunDirectory::open(files, folder / "run", Mode::restart);
  CHECK_FALSE(run.is_new());
  run.clear("tokenizer");
  CHECK(run.is_new());
  CHECK(names_in(folder / "run") == std::vector<std::string>{".lock", "config.toml", "notes.txt", "run.log"});
  CHECK(message_of<InputError>([&] { RunDirectory::check_usable(folder.path(), Mode::restart); }).find("is no run") !=
        std::string::npos);
}

TEST_CASE("Resuming what has not begun begins it") {
  TemporaryFolder folder;
  FileSystem files;
  CHECK(RunDirectory::open(files, folder / "run", Mode::resume).is_new());
  // The lock alone, and half a config from a crash, are no run yet.
  write_bytes(folder / "run/config.toml.tmp-123", "x");
  CHECK(RunDirectory::open(files, folder / "run", Mode::create).is_new());
  CHECK(names_in(folder / "run") == std::vector<std::string>{".lock"});
}

TEST_CASE("A run folder may be a link to another disk, and its name may end in a slash") {
  TemporaryFolder folder;
  FileSystem files;
  fs::create_directories(folder / "disk");
  fs::create_directory_symlink(folder / "disk", folder / "run");
  RunDirectory::open(files, (folder / "run").string() + "/", Mode::create).write_config("seed = 2\n");
  CHECK(read_bytes(folder / "disk/config.toml") == "seed = 2\n");
  const std::string message = message_of<InputError>([&] { RunDirectory::open(files, folder / "run/", Mode::create); });
  CHECK(message.find((folder / "run-2").string()) != std::string::npos);
}

TEST_CASE("A second process is refused with the id of the first, and let in when that has been killed") {
  TemporaryFolder folder;
  FileSystem files;
  RunDirectory::open(files, folder / "run", Mode::create).write_config("");
  Holder holder(folder / "run");
  const std::string message = message_of<InputError>([&] { RunDirectory::open(files, folder / "run", Mode::resume); });
  CHECK(message == (folder / "run").string() + ": process " + std::to_string(holder.id()) +
                       " is writing this run, wait for it or choose another --run-dir");
  holder.kill();
  CHECK_NOTHROW(RunDirectory::open(files, folder / "run", Mode::resume));
}

TEST_CASE("Of eight processes that start on one folder at once exactly one gets it") {
  for (int round = 0; round < 10; ++round) {
    const TemporaryFolder folder;
    FileSystem files;
    check_one_of_eight_gets_it(
        [&] { return std::make_shared<const RunDirectory>(RunDirectory::open(files, folder / "run", Mode::create)); });
  }
}

}  // namespace cosformer::test
