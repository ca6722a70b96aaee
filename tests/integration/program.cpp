#include "tests/integration/program.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>

#include "train/store/signals.h"

namespace cosformer::test {

namespace {

constexpr std::chrono::minutes kLongestRun{2};

/// Replaces the calling process, a child, by the program. Does not return.
[[noreturn]] void become_program(const std::vector<std::string>& arguments, const Surroundings& surroundings,
                                 const std::filesystem::path& output, const std::filesystem::path& errors) {
  const auto redirect = [](const std::filesystem::path& path, int descriptor) {
    ::dup2(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), descriptor);
  };
  redirect(output, STDOUT_FILENO);
  redirect(errors, STDERR_FILENO);
  if (!surroundings.folder.empty() && ::chdir(surroundings.folder.c_str()) != 0) ::_exit(127);
  ::setenv("OMP_NUM_THREADS", std::to_string(surroundings.threads).c_str(), 1);
  for (const auto& [name, value] : surroundings.environment) ::setenv(name.c_str(), value.c_str(), 1);
  if (surroundings.max_file_bytes) {
    // Without its signal, the limit shows as an error of write(2), as a full disk does.
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{*surroundings.max_file_bytes, *surroundings.max_file_bytes};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(127);
  }
  // Whoever started the tests may have had some of them ignored (nohup).
  for (const int signal : kEndingSignals) ::signal(signal, SIG_DFL);
  if (surroundings.prepare) surroundings.prepare();
  std::vector<char*> argv = {const_cast<char*>(COSFORMER_PROGRAM)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(COSFORMER_PROGRAM, argv.data());
  ::_exit(127);
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  id_ = ::fork();
  if (id_ < 0) throw Error("fork failed");
  if (id_ == 0) become_program(arguments, surroundings, captured_ / "output", captured_ / "errors");
}

Program::~Program() {
  if (!is_running()) return;
  send(SIGKILL);
  ::waitpid(id_, nullptr, 0);
}

void Program::send(int signal) const {
  if (!status_) ::kill(id_, signal);
}

bool Program::is_running() {
  int status = 0;
  if (!status_ && ::waitpid(id_, &status, WNOHANG) == id_) status_ = status;
  return !status_;
}

Outcome Program::wait() {
  if (!wait_until([&] { return !is_running(); }, kLongestRun)) throw Error("cosformer does not end");
  Outcome outcome;
  if (WIFEXITED(*status_)) outcome.code = WEXITSTATUS(*status_);
  if (WIFSIGNALED(*status_)) outcome.signal = WTERMSIG(*status_);
  outcome.output = read_bytes(captured_ / "output");
  outcome.errors = read_bytes(captured_ / "errors");
  return outcome;
}

Outcome run_program(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  return Program(arguments, surroundings).wait();
}

}  // namespace cosformer::test
