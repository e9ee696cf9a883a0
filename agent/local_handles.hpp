// SPDX-License-Identifier: Apache-2.0
//
// local_handles.hpp: which descriptors have been handed out on this node, and who may use them? (design D1)
//
// A handle is a stream socketpair: the application holds one end, however often it is duplicated, inherited or sent;
// the agent keeps the other, bound to the name that says what it is (wire/handle_name.hpp). End of file on the agent's
// end is the last close; bytes on it are a stray raw write. Both are told to the HandleKeeper.
//
// Threads:  the strand.
// Not here: what a handle is at its owner (agent/exec).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "agent/exec/handle_quota.hpp"
#include "agent/first_look.hpp"
#include "agent/peer_table.hpp"
#include "transport/base/unique_fd.hpp"
#include "transport/wire/handle_name.hpp"
#include "transport/wire/message.hpp"

namespace qnet::agent {

struct HandleKey {
  NodeRef node;
  HandleId handle;
  constexpr auto operator<=>(const HandleKey&) const = default;
};

}  // namespace qnet::agent

template <>
struct std::hash<qnet::agent::HandleKey> {
  std::size_t operator()(const qnet::agent::HandleKey& key) const noexcept {
    return key.handle.value ^ (std::size_t{key.node.value} << 32);  // Handles are random.
  }
};

namespace qnet::agent {

class LocalHandle;

/// Which file it is at its owner, as long as it is open there.
struct FileIdentity {
  std::uint32_t device_major = 0, device_minor = 0;
  std::uint64_t inode = 0;
  constexpr auto operator<=>(const FileIdentity&) const = default;
};

/// Learns of what happens at the agent's end of a handle.
class HandleEvents {
 public:
  /// Bytes or the end of file: read from handle.descriptor(), then again() or LocalHandles::remove().
  virtual void on_handle_ready(LocalHandle& handle) = 0;

 protected:
  ~HandleEvents() = default;
};

class LocalHandle final : public Watcher {
 public:
  void on_ready(std::uint32_t) override { events->on_handle_ready(*this); }

  HandleEvents* events = nullptr;
  HandleKey key;
  Incarnation life;  // of the node that owns it
  wire::HandleKind kind = wire::HandleKind::kFile;
  FileIdentity file;
  wire::Caller opener;
  exec::HandleQuota::Share share;
  UniqueFd end;              // the agent's
  std::uint64_t cookie = 0;  // SO_COOKIE of the application's end
  bool has_locks = false;    // its Close lets others go on: later requests wait for it
};

class LocalHandles {
 public:
  LocalHandles(FirstLook& first_look, std::uint64_t agent_instance, std::size_t handles_max,
               std::size_t caller_handles_max)
      : first_look_(first_look), agent_instance_(agent_instance), quota_(handles_max, caller_handles_max) {}
  ~LocalHandles();

  /// What a handle needs here, had before its owner is asked to open anything.
  struct Place {
    exec::HandleQuota::Share share;
    UniqueFd agent_end, application_end;
  };
  /// Errors: those of HandleQuota::take(); ENFILE when descriptors are out; what socketpair(2) says.
  Result<Place> reserve(std::uint32_t user);

  struct Opened {
    HandleKey key;
    Incarnation life;
    wire::HandleKind kind;
    FileIdentity file;
    std::string_view target;  // with its policy, so that later operations keep it
    const wire::Caller* opener;
  };
  /// Returns the application's end of a place that reserve() gave. Errors: EPROTO for a handle that is open already;
  /// what bind(2) and epoll_ctl(2) say.
  Result<UniqueFd> create(Place place, const Opened& opened, HandleEvents& events);

  LocalHandle* find(const HandleKey& key);
  void again(LocalHandle& handle) { first_look_.again(handle.end.get(), handle); }
  void remove(const HandleKey& key);

  /// Is `descriptor` an end of that very handle?
  static bool is_end_of(const LocalHandle& handle, int descriptor);

  std::size_t size() const { return handles_.size(); }
  std::uint64_t created() const { return created_; }

 private:
  FirstLook& first_look_;
  const std::uint64_t agent_instance_;
  exec::HandleQuota quota_;
  std::unordered_map<HandleKey, std::unique_ptr<LocalHandle>> handles_;
  std::uint64_t created_ = 0;
};

}  // namespace qnet::agent
