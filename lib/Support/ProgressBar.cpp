//===- ProgressBar.cpp - What takes long, and how far it is -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/ProgressBar.h"
#include "compress/Support/Format.h"

#include <algorithm>

using namespace compress;
using Clock = std::chrono::steady_clock;

ProgressBar::ProgressBar(llvm::StringRef label, int64_t total,
                         llvm::raw_fd_ostream &os)
    : label(label.str()), total(std::max<int64_t>(total, 1)), os(os),
      active(os.is_displayed()), begin(Clock::now()), last() {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::update(int64_t done, llvm::StringRef note) {
  if (!active)
    return;
  Clock::time_point now = Clock::now();
  if (drawn && now - last < std::chrono::milliseconds(100))
    return;
  last = now;
  drawn = true;
  done = std::clamp<int64_t>(done, 0, total);
  constexpr int64_t cells = 24;
  int64_t filled = done * cells / total;
  os << "\r\x1b[K" << label << " [" << std::string(filled, '=')
     << std::string(cells - filled, ' ') << "] " << done << '/' << total;
  double elapsed = std::chrono::duration<double>(now - begin).count();
  if (done > 0 && done < total && elapsed > 1)
    os << ", " << formatDuration(elapsed * (total - done) / done) << " left";
  if (!note.empty())
    os << "  " << note.take_front(40);
  os.flush();
}

void ProgressBar::finish() {
  if (drawn) {
    os << "\r\x1b[K";
    os.flush();
  }
  drawn = active = false;
}
