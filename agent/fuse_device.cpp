// SPDX-License-Identifier: Apache-2.0
#include "agent/fuse_device.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <string>
#include <vector>

#include "agent/blocked_signals.hpp"
#include "transport/base/check.hpp"

namespace qnet::agent {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kRequestBytesMax = FuseDevice::kDataBytesMax + kPageBytes;
constexpr std::uint32_t kOldestMinor = 31;

Status set_text(int context, const char* key, const char* value) {
  if (fsconfig(context, FSCONFIG_SET_STRING, key, value, 0) != 0) return fail_errno("fsconfig");
  return {};
}

/// An O_PATH descriptor of the root of a mount that is attached nowhere.
Result<UniqueFd> mount_detached(int device) {
  const UniqueFd context(fsopen("fuse", FSOPEN_CLOEXEC));
  if (!context) return fail_errno("fsopen");
  const std::string number = std::to_string(device), user = std::to_string(geteuid()),
                    group = std::to_string(getegid());
  for (const auto& [key, value] :
       {std::pair{"source", "qnet"}, std::pair{"fd", number.c_str()}, std::pair{"rootmode", "40000"},
        std::pair{"user_id", user.c_str()}, std::pair{"group_id", group.c_str()}}) {
    if (const Status set = set_text(context.get(), key, value); !set) return fail(set.error());
  }
  if (fsconfig(context.get(), FSCONFIG_SET_FLAG, "allow_other", nullptr, 0) != 0) return fail_errno("fsconfig");
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return fail_errno("fsconfig create");
  UniqueFd root(fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  if (!root) return fail_errno("fsmount");
  return root;
}

}  // namespace

Result<std::unique_ptr<FuseDevice>> FuseDevice::mount(CompletionQueue& completions, Duration patience) {
  UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!device) return fail_errno("/dev/fuse");
  Result<UniqueFd> root = mount_detached(device.get());
  if (!root) return fail(root.error());
  Result<FuseWatchdog> watchdog = FuseWatchdog::start(device.get(), patience);
  if (!watchdog) return fail(watchdog.error());
  return std::unique_ptr<FuseDevice>(
      new FuseDevice(completions, std::move(device), std::move(*root), std::move(*watchdog)));
}

FuseDevice::FuseDevice(CompletionQueue& completions, UniqueFd device, UniqueFd root, FuseWatchdog watchdog)
    : completions_(completions),
      device_(std::move(device)),
      root_(std::move(root)),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      strand_(static_cast<std::uint32_t>(gettid())),
      watchdog_(std::move(watchdog)) {
  const BlockedSignals blocked;
  thread_ = std::jthread([this] { run(); });
}

FuseDevice::~FuseDevice() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
}

Result<UniqueFd> FuseDevice::open(const File& file, int flags) {
  {
    const std::lock_guard lock(mutex_);
    opening_ = file;
  }
  UniqueFd opened(::openat(root_.get(), std::to_string(file.node).c_str(), flags | O_CLOEXEC));
  if (!opened) return fail_errno("open");
  return opened;
}

FuseDevice::File FuseDevice::opening() {
  const std::lock_guard lock(mutex_);
  return opening_;
}

bool FuseDevice::reply(std::uint64_t unique, int error, ByteView body) {
  if (error != 0) body = {};
  const fuse_out_header header{
      .len = static_cast<std::uint32_t>(sizeof(fuse_out_header) + body.size()), .error = -error, .unique = unique};
  const iovec pieces[2] = {{const_cast<fuse_out_header*>(&header), sizeof header},
                           {const_cast<std::byte*>(body.data()), body.size()}};
  const bool is_wanted = ::writev(device_.get(), pieces, 2) >= 0 || errno != ENOENT;
  watchdog_.forget(unique);
  return is_wanted;
}

void FuseDevice::run() {
  std::vector<std::byte> room(kRequestBytesMax);
  for (;;) {
    const ssize_t count = ::read(device_.get(), room.data(), room.size());
    if (count >= static_cast<ssize_t>(sizeof(fuse_in_header))) {
      take(ByteView(room).first(static_cast<std::size_t>(count)));
      continue;
    }
    if (count >= 0 || errno == ENODEV) return;
    pollfd waits[3] = {{.fd = device_.get(), .events = POLLIN, .revents = 0},
                       {.fd = watchdog_.kept_requests(), .events = POLLIN, .revents = 0},
                       {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    ::poll(waits, 3, -1);
    if (waits[2].revents != 0) return;
    if ((waits[1].revents & POLLIN) == 0) continue;
    const ssize_t kept = ::recv(watchdog_.kept_requests(), room.data(), room.size(), MSG_DONTWAIT);
    if (kept >= static_cast<ssize_t>(sizeof(fuse_in_header))) {
      take(ByteView(room).first(static_cast<std::size_t>(kept)));
    }
  }
}

void FuseDevice::take(ByteView request) {
  fuse_in_header header;
  std::memcpy(&header, request.data(), sizeof header);
  if (answer_here(header, request.subspan(sizeof header))) return;
  const bool is_awaited = header.opcode != FUSE_INTERRUPT && header.opcode != FUSE_RELEASE;
  if (is_awaited) watchdog_.note(header.unique);
  completions_.push(kToken, {.error = 0, .body = Buffer(request)});
}

bool FuseDevice::answer_here(const fuse_in_header& header, ByteView arguments) {
  const bool is_own = header.pid == strand_;
  switch (header.opcode) {
    case FUSE_INIT:
      answer_init(header, arguments);
      return true;
    case FUSE_LOOKUP: {
      const File file = opening();
      // Nothing is remembered by name: neither entries nor attributes have a time to live.
      const fuse_entry_out entry{.nodeid = file.node, .attr = file.attributes};
      reply(header.unique, is_own ? 0 : ENOENT, fuse_bytes(entry));
      return true;
    }
    case FUSE_OPEN: {
      if (!is_own) return false;
      const File file = opening();
      reply(header.unique, 0, fuse_bytes(fuse_open_out{.fh = file.file, .open_flags = file.open_flags}));
      return true;
    }
    case FUSE_FLUSH:
      if (!is_own) return false;
      reply(header.unique, 0);
      return true;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
      return true;  // Has no reply.
    case FUSE_READ:
    case FUSE_WRITE:
    case FUSE_GETATTR:
    case FUSE_SETATTR:
    case FUSE_RELEASE:
    case FUSE_FSYNC:
    case FUSE_FALLOCATE:
    case FUSE_STATFS:
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
    case FUSE_INTERRUPT:
      return false;
    case FUSE_IOCTL:
      reply(header.unique, ENOTTY);
      return true;
    default:
      reply(header.unique, ENOSYS);  // The kernel does without, and does not ask again.
      return true;
  }
}

void FuseDevice::answer_init(const fuse_in_header& header, ByteView arguments) {
  const auto asked = fuse_arguments<fuse_init_in>(arguments);
  if (asked.major != FUSE_KERNEL_VERSION || asked.minor < kOldestMinor) {
    reply(header.unique, EPROTO);
    return;
  }
  const std::uint64_t offered = asked.flags | std::uint64_t{asked.flags2} << 32;
  const std::uint64_t wanted =
      offered & (std::uint64_t{FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_POSIX_LOCKS} | FUSE_FLOCK_LOCKS);
  const fuse_init_out out{.major = FUSE_KERNEL_VERSION,
                          .minor = std::min<std::uint32_t>(asked.minor, FUSE_KERNEL_MINOR_VERSION),
                          .flags = static_cast<std::uint32_t>(wanted),
                          .max_background = 64,
                          .congestion_threshold = 48,
                          .max_write = kDataBytesMax,
                          .time_gran = 1,
                          .max_pages = kDataBytesMax / kPageBytes,
                          .flags2 = static_cast<std::uint32_t>(wanted >> 32)};
  reply(header.unique, 0, fuse_bytes(out));
}

}  // namespace qnet::agent
