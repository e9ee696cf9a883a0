// SPDX-License-Identifier: Apache-2.0
#include "agent/local_handles.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace qnet::agent {
namespace {

/// A stray read() on the application's end fails at once instead of hanging (reference: probes 1.1).
constexpr timeval kStrayReadTimeout{.tv_sec = 0, .tv_usec = 1};

Status bind_abstract(int fd, const wire::HandleName& name) {
  std::array<char, wire::HandleName::kBytesMax> text;
  const std::size_t length = wire::format_handle_name(name, text);
  if (length == 0) return fail(ENAMETOOLONG, "handle name");
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::memcpy(address.sun_path + 1, text.data(), length);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) return fail_errno("bind");
  return {};
}

std::uint64_t cookie_of(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

}  // namespace

LocalHandles::~LocalHandles() {
  for (const auto& [key, handle] : handles_) first_look_.forget(handle->end.get(), *handle);
}

Result<LocalHandles::Place> LocalHandles::reserve(std::uint32_t user) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return errno == EMFILE ? fail(ENFILE, "socketpair") : fail_errno("socketpair");  // Ours, not the program's.
  }
  Place place{.share = {}, .agent_end = UniqueFd(ends[0]), .application_end = UniqueFd(ends[1])};
  Result<exec::HandleQuota::Share> share = quota_.take(user, ends[1]);
  if (!share) return fail(share.error());
  place.share = std::move(*share);
  return place;
}

Result<UniqueFd> LocalHandles::create(Place place, const Opened& opened, HandleEvents& events) {
  if (handles_.contains(opened.key)) return fail(EPROTO, "handle is open already");
  const Status bound = bind_abstract(
      place.agent_end.get(),
      {.agent_instance = agent_instance_, .handle = opened.key.handle, .kind = opened.kind, .target = opened.target});
  if (!bound) return fail(bound.error());
  const int application_end = place.application_end.get();
  if (setsockopt(application_end, SOL_SOCKET, SO_RCVTIMEO, &kStrayReadTimeout, sizeof kStrayReadTimeout) != 0) {
    return fail_errno("SO_RCVTIMEO");
  }
  auto handle = std::make_unique<LocalHandle>();
  handle->events = &events;
  handle->key = opened.key;
  handle->life = opened.life;
  handle->kind = opened.kind;
  handle->file = opened.file;
  handle->opener = *opened.opener;
  handle->share = std::move(place.share);
  handle->end = std::move(place.agent_end);
  handle->cookie = cookie_of(application_end);
  if (const Status watched = first_look_.watch(handle->end.get(), *handle); !watched) return fail(watched.error());
  handles_.emplace(opened.key, std::move(handle));
  ++created_;
  return std::move(place.application_end);
}

LocalHandle* LocalHandles::find(const HandleKey& key) {
  const auto found = handles_.find(key);
  return found == handles_.end() ? nullptr : found->second.get();
}

void LocalHandles::remove(const HandleKey& key) {
  const auto found = handles_.find(key);
  if (found == handles_.end()) return;
  first_look_.forget(found->second->end.get(), *found->second);
  handles_.erase(found);
}

bool LocalHandles::is_end_of(const LocalHandle& handle, int descriptor) {
  const std::uint64_t cookie = cookie_of(descriptor);
  return cookie != 0 && cookie == handle.cookie;
}

}  // namespace qnet::agent
