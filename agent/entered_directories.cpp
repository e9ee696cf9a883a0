// SPDX-License-Identifier: Apache-2.0
#include "agent/entered_directories.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace qnet::agent {

EnteredDirectories::EnteredDirectories(FirstLook& first_look)
    : first_look_(first_look), watches_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (watches_) static_cast<void>(first_look_.watch(watches_.get(), *this));
}

EnteredDirectories::~EnteredDirectories() {
  if (watches_) first_look_.forget(watches_.get(), *this);
}

void EnteredDirectories::keep(const HandleKey& key, UniqueFd end, int shadow) {
  struct stat status;
  const std::string link = "/proc/self/fd/" + std::to_string(shadow);
  const bool has_room = watches_ && entered_.size() < kDirectoriesMax && fstat(shadow, &status) == 0;
  const int watch = has_room ? inotify_add_watch(watches_.get(), link.c_str(), IN_DELETE_SELF) : -1;
  if (watch < 0) {
    ++not_kept_;
    return;
  }
  entered_.insert_or_assign(watch, Entered{key, std::move(end), status.st_dev, status.st_ino});
}

bool EnteredDirectories::is_shadow_of(const HandleKey& key, int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return false;
  forget_unused();  // Or a new directory with the same inode number would be taken for one of them.
  return std::ranges::any_of(entered_, [&](const auto& one) {
    return one.second.key == key && one.second.device == status.st_dev && one.second.inode == status.st_ino;
  });
}

void EnteredDirectories::on_ready(std::uint32_t) {
  forget_unused();
  first_look_.again(watches_.get(), *this);
}

void EnteredDirectories::forget_unused() {
  alignas(inotify_event) std::array<char, 4096> memory;
  for (ssize_t size; (size = read(watches_.get(), memory.data(), memory.size())) > 0;) {
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event;
      std::memcpy(&event, memory.data() + at, sizeof event);
      entered_.erase(event.wd);
      at += sizeof event + event.len;
    }
  }
}

}  // namespace qnet::agent
