#include "train/store/file_lock.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "tests/train/store/race_support.h"
#include "train/store/lock_owner.h"

namespace cosformer::test {

namespace {

/// A file system without flock(2).
class LocklessFileSystem : public FileSystem {
 public:
  explicit LocklessFileSystem(int code = ENOSYS) : code_(code) {}
  int lock(int) override {
    errno = code_;
    return -1;
  }

 private:
  int code_;
};

/// Runs `function` in a process that then ends without any destructor, as a crash does.
template <class Function>
void crash_after(Function&& function) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    function();
    ::_exit(0);
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
}

std::string refusal(FileSystem& files, const std::filesystem::path& path) {
  return message_of<InputError>([&] { const FileLock lock(files, path); });
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("The system's lock needs no note, and a lock that was given back names nobody") {
  const TemporaryFolder folder;
  FileSystem files;
  {
    const FileLock lock(files, folder / ".lock");
    CHECK(lock.note().empty());
    CHECK(read_lock_owner(folder / ".lock") == this_process());
  }
  CHECK(read_bytes(folder / ".lock").empty());
  CHECK(names_in(folder.path()) == std::vector<std::string>{".lock"});
}

TEST_CASE("Where the file system has no locks a file keeps others out, the user is told, and nothing is left behind") {
  const int code = GENERATE(ENOSYS, ENOLCK, EOPNOTSUPP);
  const TemporaryFolder folder;
  LocklessFileSystem files(code);
  {
    FileLock first(files, folder / ".lock");
    const FileLock lock = std::move(first);
    CHECK(contains(lock.note(), "has no locks"));
    CHECK(contains(lock.note(), ".lock.owner"));
    CHECK(is_owned_by_file(folder / ".lock"));
    CHECK(contains(refusal(files, folder / ".lock"), "process " + std::to_string(::getpid())));
  }
  CHECK_FALSE(is_owned_by_file(folder / ".lock"));
  CHECK(names_in(folder.path()) == std::vector<std::string>{".lock"});
  CHECK_NOTHROW(FileLock(files, folder / ".lock"));
}

TEST_CASE("Another error of the lock is no reason to go on without one") {
  const TemporaryFolder folder;
  LocklessFileSystem files(EIO);
  CHECK_THROWS_AS(FileLock(files, folder / ".lock"), Error);
}

TEST_CASE("What a killed process of this machine has left is taken over, what another machine has left is not") {
  const TemporaryFolder folder;
  LocklessFileSystem files;
  crash_after([&] { new FileLock(files, folder / ".lock"); });
  REQUIRE(names_in(folder.path()) == std::vector<std::string>{".lock", ".lock.owner"});
  CHECK_NOTHROW(FileLock(files, folder / ".lock"));

  LockOwner other = this_process();
  other.host = "elsewhere";
  other.boot = "another";
  write_bytes(folder / ".lock.owner", to_line(other));
  const std::string message = refusal(files, folder / ".lock");
  CHECK(contains(message, " of elsewhere is writing this run"));
  CHECK(contains(message, "if that process has ended, remove " + (folder / ".lock.owner").string()));
  CHECK(read_lock_owner(folder / ".lock.owner") == other);
}

TEST_CASE("An id that was used again is not the process that had it") {
  LockOwner owner = this_process();
  CHECK_FALSE(has_ended(owner));
  owner.start += "0";
  CHECK(has_ended(owner));
  owner.space = "pid:[1]";
  CHECK_FALSE(has_ended(owner));
}

TEST_CASE("A lock of the system and a lock by a file respect each other") {
  const TemporaryFolder folder;
  FileSystem with;
  LocklessFileSystem without;
  {
    const FileLock lock(with, folder / ".lock");
    CHECK(contains(refusal(without, folder / ".lock"), "process " + std::to_string(::getpid())));
    CHECK(names_in(folder.path()) == std::vector<std::string>{".lock"});
  }
  {
    const FileLock lock(without, folder / ".lock");
    CHECK(contains(refusal(with, folder / ".lock"), "process " + std::to_string(::getpid())));
  }
  crash_after([&] { new FileLock(with, folder / ".lock"); });
  CHECK_NOTHROW(FileLock(without, folder / ".lock"));
  crash_after([&] { new FileLock(without, folder / ".lock"); });
  CHECK_NOTHROW(FileLock(with, folder / ".lock"));
}

TEST_CASE("Nonsense in a lock file is no owner, and never part of a path") {
  const TemporaryFolder folder;
  for (const std::string& text :
       {std::string(), std::string("7\n"), std::string("../x a b c d\n"), std::string(5000, '7')}) {
    write_bytes(folder / "owner", text);
    CHECK_FALSE(read_lock_owner(folder / "owner").has_value());
  }
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_FALSE(read_lock_owner(folder / "pipe").has_value());
}

TEST_CASE("Of eight processes that find a killed one's file at once exactly one gets the lock") {
  for (int round = 0; round < 10; ++round) {
    const TemporaryFolder folder;
    LocklessFileSystem files;
    crash_after([&] { new FileLock(files, folder / ".lock"); });
    check_one_of_eight_gets_it([&] { return std::make_shared<const FileLock>(files, folder / ".lock"); });
    CHECK(names_in(folder.path()) == std::vector<std::string>{".lock"});
  }
}

}  // namespace cosformer::test
