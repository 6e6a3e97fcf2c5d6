//===- QualityCommand.cpp - Quality by the user's program -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "QualityCommand.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace compress;
using llvm::StringRef;
using llvm::Twine;

/// The last line that is not empty.
static StringRef getLastLine(StringRef text) {
  return text.rtrim().rsplit('\n').second.empty()
             ? text.trim()
             : text.rtrim().rsplit('\n').second.trim();
}

/// Waits for a process group; the status, or nothing after `timeout` seconds.
static std::optional<int> waitFor(pid_t child, double timeout) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin = Clock::now();
  auto pause = std::chrono::milliseconds(2);
  for (;;) {
    int status = 0;
    pid_t done = waitpid(child, &status, WNOHANG);
    if (done == child)
      return status;
    if (done < 0 && errno != EINTR)
      return -1;
    if (std::chrono::duration<double>(Clock::now() - begin).count() > timeout) {
      kill(-child, SIGKILL);
      waitpid(child, &status, 0);
      return std::nullopt;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(100));
  }
}

llvm::Expected<double> compress::runQualityCommand(StringRef command,
                                                   StringRef folder,
                                                   double timeout) {
  llvm::SmallString<128> output;
  int file = -1;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile(
          "compress-quality", "txt", file, output))
    return llvm::createStringError("no temporary file: " + code.message());
  llvm::scope_exit remove([&] {
    close(file);
    llvm::sys::fs::remove(output);
  });

  // Nothing may be allocated between fork and exec.
  std::string script = (command + " \"$1\"").str(), argument = folder.str();
  pid_t child = fork();
  if (child < 0)
    return llvm::createStringError("'" + command +
                                   "' cannot be started: " + strerror(errno));
  if (child == 0) {
    setpgid(0, 0);
    int input = open("/dev/null", O_RDONLY);
    if (input >= 0)
      dup2(input, STDIN_FILENO);
    dup2(file, STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", script.c_str(), "sh", argument.c_str(),
          static_cast<char *>(nullptr));
    _exit(127);
  }
  // Both sides set it, whoever is first.
  setpgid(child, child);
  std::optional<int> status = waitFor(child, timeout);
  if (!status)
    return llvm::createStringError("'" + command + "' ran for more than " +
                                   formatDuration(timeout) +
                                   " and was ended (--quality-timeout)");
  if (WIFSIGNALED(*status))
    return llvm::createStringError("'" + command + "' was ended by signal " +
                                   Twine(WTERMSIG(*status)));
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0)
    return llvm::createStringError(
        "'" + command + "' failed with exit code " +
        Twine(WIFEXITED(*status) ? WEXITSTATUS(*status) : -1));
  auto text = llvm::MemoryBuffer::getFile(output);
  if (!text)
    return llvm::createStringError("its output cannot be read: " +
                                   text.getError().message());
  StringRef line = getLastLine((*text)->getBuffer());
  double value;
  if (line.getAsDouble(value) || !std::isfinite(value))
    return llvm::createStringError(
        "'" + command + "': the last line of its output is no number but '" +
        line.take_front(80) + "'");
  return value;
}
