// SPDX-License-Identifier: Apache-2.0
#include "agent/entered_directories.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "agent/log.hpp"

namespace qnet::agent {

EnteredDirectories::EnteredDirectories(FirstLook& first_look)
    : first_look_(first_look), watches_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  const Status watched = watches_ ? first_look_.watch(watches_.get(), *this) : fail_errno("inotify_init1");
  if (watched) return;
  watches_.reset();  // Nobody would hear of an end: a handle that is kept would never close.
  spdlog::warn("working directories are known by name only: {}: {}", watched.error().where,
               std::strerror(watched.error().code));
}

EnteredDirectories::~EnteredDirectories() {
  if (watches_) first_look_.forget(watches_.get(), *this);
}

void EnteredDirectories::keep(Where where, UniqueFd end, int shadow, Instant at) {
  struct stat status;
  const std::string link = "/proc/self/fd/" + std::to_string(shadow);
  const bool has_room = watches_ && entered_.size() < kDirectoriesMax && fstat(shadow, &status) == 0;
  const int watch = has_room ? inotify_add_watch(watches_.get(), link.c_str(), IN_DELETE_SELF) : -1;
  if (watch < 0) {
    ++not_kept_;
    return;
  }
  entered_.insert_or_assign(watch, Entered{std::move(where), std::move(end), status.st_dev, status.st_ino});
  UniqueFd own(fcntl(shadow, F_DUPFD_CLOEXEC, 0));
  if (!own) return;
  at_hand_.push_front({watch, std::move(own), at + kAtHandTime});
  if (at_hand_.size() > kAtHandMax) at_hand_.pop_back();
}

std::optional<UniqueFd> EnteredDirectories::find(const Where& where, Instant at) {
  const auto found = std::ranges::find_if(at_hand_, [&](const AtHand& one) {
    const Where& entered = entered_.at(one.watch).where;
    return entered.key.node == where.key.node && entered.life == where.life && entered.user == where.user &&
           entered.file == where.file && entered.path == where.path;
  });
  if (found == at_hand_.end()) return std::nullopt;
  UniqueFd copy(fcntl(found->shadow.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return std::nullopt;
  found->until = at + kAtHandTime;
  at_hand_.splice(at_hand_.begin(), at_hand_, found);
  return copy;
}

std::optional<Instant> EnteredDirectories::deadline() const {
  if (at_hand_.empty()) return std::nullopt;
  return at_hand_.back().until;
}

void EnteredDirectories::on_time(Instant at) {
  while (!at_hand_.empty() && at_hand_.back().until <= at) at_hand_.pop_back();
}

bool EnteredDirectories::is_shadow_of(const HandleKey& key, int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return false;
  forget_unused();  // Or a new directory with the same inode number would be taken for one of them.
  return std::ranges::any_of(entered_, [&](const auto& one) {
    return one.second.where.key == key && one.second.device == status.st_dev && one.second.inode == status.st_ino;
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
      at_hand_.remove_if([&](const AtHand& one) { return one.watch == event.wd; });  // Its file system is gone.
      entered_.erase(event.wd);
      at += sizeof event + event.len;
    }
  }
}

}  // namespace qnet::agent
