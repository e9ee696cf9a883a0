// SPDX-License-Identifier: Apache-2.0
//
// resolve.hpp: where on this node is the path of a request, or does it lead elsewhere in /net? (design D5)
//
// The kernel walks; here is only what it cannot know: that ".." above this node's root is the caller's /net, that the
// prefix in a path means the caller's network again, and that a symlink which points below the prefix is not broken.
// On the thread that is the caller.
#pragma once

#include <string_view>

#include "agent/exec/context.hpp"

namespace qnet::exec {

/// A place as the *at() calls want it. About 4 KiB: lives on the stack.
class Place {
 public:
  int directory() const { return directory_; }
  const char* name() const { return name_; }
  /// An empty path with a handle: the open thing itself.
  bool is_open_thing() const { return file_ != nullptr && name_[0] == '\0'; }
  OpenFile& file() const { return *file_; }
  std::string_view text() const { return {name_, size_}; }
  /// For system calls that take no directory: makes name() usable alone, through /proc where there is one.
  /// Errors: ENAMETOOLONG.
  [[nodiscard]] Status make_absolute();

 private:
  friend Status locate(Call&, HandleId, std::string_view, unsigned, Place&);

  void set(std::string_view text);

  OpenFilePointer file_;
  int directory_ = -1;
  std::size_t size_ = 0;
  char name_[wire::kPathBytesMax + 1];
};

/// Fills `place`; "" without a handle is the root directory. `which` path of the request it is: 0 or 1.
/// Errors: ESTALE, EBADF for the handle; kRedirected, already filled in, where the text alone leads elsewhere.
[[nodiscard]] Status locate(Call& call, HandleId base, std::string_view path, unsigned which, Place& place);

/// What to say after a system call on `place` failed with `error`: kRedirected if a symlink into the prefix is the
/// reason, else the error itself.
[[nodiscard]] Error explain(Call& call, const Place& place, int error, bool follow_last, unsigned which,
                            const char* where);

/// The descriptor's path below /proc, of the calling process. At most 32 bytes with the NUL.
struct ProcessPath {
  explicit ProcessPath(int fd);
  char text[32];
};

}  // namespace qnet::exec
