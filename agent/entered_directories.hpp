// SPDX-License-Identifier: Apache-2.0
//
// entered_directories.hpp: which open directory is behind a working directory, and for how long?
//
// A shadow directory (shadow_directory.hpp) stands for a handle of the owner's directory. The handle is kept open, by
// the application's end of it, as long as the shadow directory exists for the kernel, which is as long as a process is
// in it or holds a descriptor of it: inotify tells of the end of a directory that was removed long before.
//
// A program that enters the same directory again and again gets the same one: for kAtHandTime we hold it ourselves.
//
// Threads:  the strand.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "agent/first_look.hpp"
#include "agent/local_handles.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::agent {

class EnteredDirectories final : public Watcher {
 public:
  /// Two events each, below the kernel's usual length of the queue (16384): none is lost.
  static constexpr std::size_t kDirectoriesMax = 8000;

  static constexpr Duration kAtHandTime = std::chrono::milliseconds(100);
  static constexpr std::size_t kAtHandMax = 64;

  /// What was entered: the owner's directory and its virtual path.
  struct Where {
    HandleKey key;
    Incarnation life;
    std::uint32_t user = 0;  // who opened it
    FileIdentity file;
    std::string path;
  };

  explicit EnteredDirectories(FirstLook& first_look);
  ~EnteredDirectories();

  /// Keeps `end`, the application's end of the handle, as long as `shadow` is in use. Not if there are too many or
  /// the kernel cannot watch: the handle closes, and the directory is found by its name.
  void keep(Where where, UniqueFd end, int shadow, Instant at);
  /// A descriptor of the shadow directory that stands for the same directory by the same path, perhaps by another
  /// handle, if it is at hand.
  std::optional<UniqueFd> find(const Where& where, Instant at);
  /// Is the descriptor one of a shadow directory that stands for this handle?
  bool is_shadow_of(const HandleKey& key, int descriptor);

  void on_ready(std::uint32_t events) override;
  /// When on_time() has something to do.
  std::optional<Instant> deadline() const;
  void on_time(Instant at);

  std::size_t size() const { return entered_.size(); }
  std::uint64_t not_kept() const { return not_kept_; }

 private:
  struct Entered {
    Where where;
    UniqueFd end;
    dev_t device;
    ino_t inode;
  };
  struct AtHand {
    int watch;
    UniqueFd shadow;
    Instant until;
  };
  void forget_unused();

  FirstLook& first_look_;
  UniqueFd watches_;                          // none: nothing is kept
  std::unordered_map<int, Entered> entered_;  // by watch descriptor
  std::list<AtHand> at_hand_;                 // the latest first
  std::uint64_t not_kept_ = 0;
};

}  // namespace qnet::agent
