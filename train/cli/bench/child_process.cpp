#include "train/cli/bench/child_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "core/error.h"

namespace cosformer {

namespace {

enum ChildCode : int { kMeasured = 0, kFailed = 1, kInputAtFault = 2 };

void write_all(int descriptor, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    done += static_cast<std::size_t>(count);
  }
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

int measure_into(int descriptor, const std::function<nlohmann::ordered_json()>& measure) {
  try {
    write_all(descriptor, measure().dump());
    return kMeasured;
  } catch (const InputError& error) {
    write_all(descriptor, error.what());
    return kInputAtFault;
  } catch (const std::bad_alloc&) {
    write_all(descriptor, "out of memory");
  } catch (const std::exception& error) {
    write_all(descriptor, error.what());
  }
  return kFailed;
}

}  // namespace

nlohmann::ordered_json measure_in_child(const std::function<nlohmann::ordered_json()>& measure) {
  std::array<int, 2> ends{};
  check<Error>(::pipe(ends.data()) == 0, "cannot make a pipe: ", std::strerror(errno));
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    const int reason = errno;
    ::close(ends[0]);
    ::close(ends[1]);
    throw Error(concat("cannot start a process: ", std::strerror(reason)));
  }
  if (child == 0) {
    // A measurement that nobody waits for would disturb the next.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(kFailed);
    ::close(ends[0]);
    // _exit: the parent's buffered output is not the child's to write.
    ::_exit(measure_into(ends[1], measure));
  }
  ::close(ends[1]);
  const std::string answer = read_all(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  check<Error>(WIFEXITED(status), "the measuring process was ended by signal ", WTERMSIG(status),
               WTERMSIG(status) == SIGKILL ? " (is there enough memory?)" : "");
  if (WEXITSTATUS(status) == kInputAtFault) throw InputError(answer);
  check<Error>(WEXITSTATUS(status) == kMeasured, answer);
  return nlohmann::ordered_json::parse(answer);
}

}  // namespace cosformer
