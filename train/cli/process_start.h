#pragma once
/// \file
/// What a process needs before its first line of work.

namespace cosformer {

/// Makes the process safe whatever it inherited. Call it first in `main`:
/// - Descriptors 0 to 2 are open. Otherwise the next file that is opened would be standard output, and console text would be
///   written into it. A standard output that was closed refuses every write, so that a result is not lost in silence.
/// - A file that would grow over the limit of its size (ulimit -f) is an error of the write, not the end of the process.
/// - A mapped file that shrinks, or whose disk fails, ends the process with a line that names it and exit code 2.
void prepare_process();

}  // namespace cosformer
