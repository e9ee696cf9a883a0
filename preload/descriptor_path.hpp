// SPDX-License-Identifier: Apache-2.0
//
// descriptor_path.hpp: what is the path that names an open descriptor?
#pragma once

#include "preload/log.hpp"

namespace qnet::preload {

/// "/proc/self/fd/N", as a C string.
class DescriptorPath {
 public:
  explicit DescriptorPath(int fd) {
    const Decimal decimal(fd);
    const std::string_view number = decimal;
    text_[kStart.size() + number.copy(text_ + kStart.copy(text_, kStart.size()), number.size())] = '\0';
  }
  const char* text() const { return text_; }

 private:
  static constexpr std::string_view kStart = "/proc/self/fd/";
  char text_[40];
};

}  // namespace qnet::preload
