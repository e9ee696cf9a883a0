// SPDX-License-Identifier: Apache-2.0
#include "agent/node_identity.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>

#include "agent/directories.hpp"

namespace qnet::agent {
namespace {

constexpr std::size_t kFileBytesMax = 256;

struct Stored {
  NodeId id;
  std::uint64_t incarnation = 0;
};

std::optional<Stored> parse(std::string_view text) {
  constexpr std::string_view kIdKey = "id=";
  constexpr std::string_view kIncarnationKey = "\nincarnation=";
  Stored stored;
  if (!text.starts_with(kIdKey)) return std::nullopt;
  text.remove_prefix(kIdKey.size());
  if (text.size() < 2 * stored.id.bytes.size()) return std::nullopt;
  for (std::byte& b : stored.id.bytes) {
    std::uint8_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + 2, value, 16);
    if (error != std::errc() || end != text.data() + 2) return std::nullopt;
    b = static_cast<std::byte>(value);
    text.remove_prefix(2);
  }
  if (!text.starts_with(kIncarnationKey)) return std::nullopt;
  text.remove_prefix(kIncarnationKey.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), stored.incarnation);
  if (error != std::errc() || end == text.data() + text.size() || *end != '\n') return std::nullopt;
  return stored;
}

/// Nothing if there is no file yet.
Result<std::optional<Stored>> load(int directory) {
  const UniqueFd file(openat(directory, "node", O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return std::optional<Stored>();
    return fail_errno("open node");
  }
  char text[kFileBytesMax];
  const ssize_t count = read(file.get(), text, sizeof text);
  if (count < 0) return fail_errno("read node");
  const std::optional<Stored> stored = parse({text, static_cast<std::size_t>(count)});
  if (!stored) return fail(EBADMSG, "node: not an identity file");
  return stored;
}

Status store(int directory, const Stored& stored) {
  const std::string text = "id=" + text_of(stored.id) + "\nincarnation=" + std::to_string(stored.incarnation) + "\n";
  UniqueFd file(openat(directory, "node.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return fail_errno("create node.new");
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return fail_errno("write");
  if (fsync(file.get()) != 0) return fail_errno("fsync");
  if (renameat(directory, "node.new", directory, "node") != 0) return fail_errno("rename");
  if (fsync(directory) != 0) return fail_errno("fsync");
  return {};
}

}  // namespace

std::string text_of(const NodeId& id) {
  std::string text;
  for (const std::byte b : id.bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", std::to_integer<unsigned>(b));
    text += digits;
  }
  return text;
}

Result<NodeIdentity> begin_life(const std::string& state_directory) {
  if (const Status made = make_directories(state_directory, 0700); !made) return fail(made.error());
  const UniqueFd directory(open(state_directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail_errno("open");

  UniqueFd lock(openat(directory.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return fail_errno("create lock");
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK ? fail(EBUSY, "flock") : fail_errno("flock");

  const Result<std::optional<Stored>> loaded = load(directory.get());
  if (!loaded) return fail(loaded.error());
  Stored life;
  if (*loaded) {
    life = **loaded;
  } else if (getrandom(life.id.bytes.data(), life.id.bytes.size(), 0) != static_cast<ssize_t>(life.id.bytes.size())) {
    return fail_errno("getrandom");
  }

  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  const auto now_us = std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count();
  life.incarnation = std::max(life.incarnation + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(now_us, 1)));
  if (const Status stored = store(directory.get(), life); !stored) return fail(stored.error());
  return NodeIdentity{life.id, Incarnation{life.incarnation}, std::move(lock)};
}

}  // namespace qnet::agent
