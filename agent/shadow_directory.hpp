// SPDX-License-Identifier: Apache-2.0
//
// shadow_directory.hpp: what is the kernel's working directory of a process that is in /net/b/etc?
//
// A deleted directory whose path ends with the virtual one: stray relative names find nothing (ENOENT) instead of some
// local file, nothing can be created in it, and /proc/self/cwd tells every later program where it is.
//
//   <socket>.d/.qnet-cwd/<handle>/net/b/etc (deleted)
//
// <handle> is the owner's open directory (entered_directories.hpp), 0 for the list of nodes, which needs none.
//
// Threads:  the strand.
#pragma once

#include <string>
#include <string_view>

#include "transport/base/ids.hpp"
#include "transport/base/result.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::agent {

class ShadowDirectory {
 public:
  /// Creates <own directory>/.qnet-cwd, emptying what an agent that was killed left there. No other agent may use
  /// `own_directory` (whoever holds the SocketLock names it after the socket); it is removed at the end.
  static Result<ShadowDirectory> create(const std::string& own_directory);
  ~ShadowDirectory();
  ShadowDirectory(ShadowDirectory&&) = default;
  ShadowDirectory& operator=(ShadowDirectory&&) = delete;

  /// An O_PATH descriptor of such a directory. `path` is virtual, absolute and without "." and ".." (EINVAL).
  /// ENAMETOOLONG for a component above 255 bytes.
  Result<UniqueFd> enter(std::string_view path, HandleId handle);

 private:
  ShadowDirectory(std::string own_directory, std::string base_path, UniqueFd base)
      : own_directory_(std::move(own_directory)), base_path_(std::move(base_path)), base_(std::move(base)) {}

  std::string own_directory_;
  std::string base_path_;
  UniqueFd base_;
};

}  // namespace qnet::agent
