#include "train/cli/process_start.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "data/mapped_file.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

struct End {
  int code = -1;
  int signal = 0;
  std::string errors;
};

/// Runs `function` in a process whose standard error is kept.
template <class Function>
End end_of(Function&& function) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const int signal : {SIGBUS, SIGXFSZ}) ::signal(signal, SIG_DFL);
    ::dup2(::open((folder / "errors").c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    ::_exit(function());
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          read_bytes(folder / "errors")};
}

}  // namespace

TEST_CASE("Standard streams that were closed are opened on nothing, before any file takes their numbers") {
  const End end = end_of([] {
    for (const int file : {0, 1, 2}) ::close(file);
    prepare_process();
    const int next = ::open("/dev/null", O_RDONLY);
    if (next <= 2) return 1;
    char byte = 'x';
    if (::read(0, &byte, 1) != 0) return 2;
    // A result that nobody gets is an error.
    if (::write(1, &byte, 1) != -1 || errno != EBADF) return 3;
    return ::write(2, &byte, 1) == 1 ? 0 : 4;
  });
  CHECK(end.code == 0);
}

TEST_CASE("Standard streams that are open stay what they are") {
  const End end = end_of([] {
    ::close(1);
    prepare_process();
    return ::write(2, "kept", 4) == 4 ? 0 : 1;
  });
  CHECK(end.code == 0);
  CHECK(end.errors == "kept");
}

TEST_CASE("A mapped file that shrinks while it is read ends the process with a line that names it") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "data\x1b[31m \xc3\xa9";
  write_bytes(path, std::string(100'000, 'x'));
  const End end = end_of([&] {
    prepare_process();
    const MappedFile file(path);
    if (::truncate(path.c_str(), 10) != 0) return 1;
    return file.bytes()[90'000] == 'x' ? 7 : 8;
  });
  CHECK(end.code == 2);
  CHECK(end.signal == 0);
  CHECK(end.errors == "error: " + (folder / "data\\u001b[31m \xc3\xa9").string() +
                          ": became shorter, or its disk failed, while it was read\n");
}

TEST_CASE("A bus error of another origin stays one") {
  const End end = end_of([] {
    prepare_process();
    ::raise(SIGBUS);
    return 0;
  });
  CHECK(end.signal == SIGBUS);
}

TEST_CASE("A file over the limit of its size is an error of the write") {
  const TemporaryFolder folder;
  const End end = end_of([&] {
    prepare_process();
    const rlimit limit{3, 3};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    const int file = ::open((folder / "file").c_str(), O_WRONLY | O_CREAT, 0600);
    if (::write(file, "12345", 5) != 3) return 2;
    return ::write(file, "6", 1) == -1 && errno == EFBIG ? 0 : 3;
  });
  CHECK(end.code == 0);
}

}  // namespace cosformer::test
