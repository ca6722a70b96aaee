#include "train/cli/bench/measure_in_child.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "core/error.h"
#include "train/store/child_process.h"

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
  ChildProcess child([&](int output) { return measure_into(output, measure); });
  const ProcessEnd end = child.wait();
  const std::string answer = child.output();
  check<Error>(end.signal == 0, "the measuring process was ended by signal ", end.signal,
               end.signal == SIGKILL ? " (is there enough memory?)" : "");
  if (end.code == kInputAtFault) throw InputError(answer);
  check<Error>(end.code == kMeasured, answer);
  return nlohmann::ordered_json::parse(answer);
}

}  // namespace cosformer
