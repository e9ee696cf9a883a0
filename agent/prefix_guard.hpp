// SPDX-License-Identifier: Apache-2.0
//
// prefix_guard.hpp: may the name space lie at this prefix, and how do programs learn of another one than /net?
//
// The prefix needs no directory. It must not hide anything either: a mount point (but one of qnetfs) or a directory
// with content is refused. Another prefix than the default is told by the symlink "<socket>.prefix".
//
// Threads:  the main one, at start and end.
#pragma once

#include <string>
#include <utility>

#include "transport/base/result.hpp"

namespace qnet::agent {

/// Empty: it may. Else why not, in words.
std::string reason_against_prefix(const std::string& prefix);

class PrefixLink {
 public:
  /// Removes what an agent that was killed left; links only what is not the default.
  static Result<PrefixLink> create(const std::string& socket_path, const std::string& prefix);
  ~PrefixLink();
  PrefixLink(PrefixLink&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  PrefixLink& operator=(PrefixLink&&) = delete;

 private:
  explicit PrefixLink(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: nothing to remove
};

}  // namespace qnet::agent
