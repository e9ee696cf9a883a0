// SPDX-License-Identifier: Apache-2.0
#include "preload/remote_file.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>

#include "agent/client/brought.hpp"
#include "preload/remote_call.hpp"
#include "transport/base/net_path.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {
namespace {

/// Gives out the memory of a call in portions that fit into one request.
class Portions {
 public:
  explicit Portions(std::span<const iovec> pieces) : pieces_(pieces) {}

  /// The next portion, never more than kDataBytesMax bytes in kPiecesMax pieces; empty at the end.
  std::span<const iovec> next() {
    std::size_t count = 0;
    size_bytes_ = 0;
    const std::size_t most = std::min(wire::kDataBytesMax, left_bytes_);
    while (at_ < pieces_.size() && count < portion_.size() && size_bytes_ < most) {
      const iovec& piece = pieces_[at_];
      const std::size_t here = std::min(piece.iov_len - used_, most - size_bytes_);
      if (here != 0) portion_[count++] = {static_cast<char*>(piece.iov_base) + used_, here};
      size_bytes_ += here;
      used_ += here;
      if (used_ == piece.iov_len) {
        ++at_;
        used_ = 0;
      }
    }
    left_bytes_ -= size_bytes_;
    return {portion_.data(), count};
  }
  std::size_t size_bytes() const { return size_bytes_; }

 private:
  std::span<const iovec> pieces_;
  std::array<iovec, client::kPiecesMax> portion_;
  std::size_t at_ = 0, used_ = 0, size_bytes_ = 0;
  std::size_t left_bytes_ = kTransferBytesMax;
};

client::Place place_of(const RemoteFd& file) {
  return {file.target(), file.handle, {}};
}

/// Files deliver until the end or an error; streams and devices once.
bool may_continue(const RemoteFd& file) {
  return file.is_file();
}

Result<std::size_t> read_portion(const RemoteFd& file, std::span<const iovec> into, std::size_t size_bytes,
                                 std::int64_t offset, bool may_block) {
  client::SmallExchange exchange;
  const wire::ReadRequest request{offset, static_cast<std::uint32_t>(size_bytes),
                                  static_cast<std::uint8_t>(may_block ? 1 : 0)};
  const Result<ByteView> body = wire::encode(request, exchange.request);
  if (!body) return fail(EINVAL, "read");
  client::CallOptions options;
  options.prove_fd = file.fd;
  options.data_in = into;
  options.may_wait_long = !file.is_file();
  const Result<ByteView> reply = client::call_raw(wire::Opcode::kRead, place_of(file), *body, exchange, options);
  if (!reply) return fail(reply.error());
  return options.received_bytes;
}

Result<std::size_t> write_portion(const RemoteFd& file, std::span<const iovec> from, std::int64_t offset,
                                  bool may_block) {
  client::CallOptions options;
  options.prove_fd = file.fd;
  options.data_out = from;
  options.may_wait_long = !file.is_file();
  const wire::WriteRequest request{offset, static_cast<std::uint8_t>(may_block ? 1 : 0), {}};
  client::SmallExchange exchange;
  const auto reply = client::call<wire::WriteReply>(wire::Opcode::kWrite, place_of(file), request, exchange, options);
  if (!reply) return fail(reply.error());
  return std::size_t{reply->written_bytes};
}

timespec to_timespec(const wire::Timestamp& time) {
  return {static_cast<time_t>(time.seconds), static_cast<long>(time.nanoseconds)};
}

statx_timestamp to_statx_timestamp(const wire::Timestamp& time) {
  statx_timestamp result{};
  result.tv_sec = time.seconds;
  result.tv_nsec = time.nanoseconds;
  return result;
}

}  // namespace

Result<std::size_t> read_remote(const RemoteFd& file, std::span<const iovec> pieces, std::int64_t offset,
                                bool may_block) {
  if (file.error != 0) return fail(file.error, "handle");
  if (const auto brought = client::brought::read(file.handle, pieces, offset)) {
    if (*brought < 0) return fail(static_cast<int>(-*brought), "read");
    return static_cast<std::size_t>(*brought);
  }
  Portions portions(pieces);
  std::size_t done_bytes = 0;
  for (bool is_first = true;; is_first = false) {
    const std::span<const iovec> portion = portions.next();
    if (portion.empty() && !is_first) return done_bytes;
    const std::int64_t from = offset < 0 ? offset : offset + static_cast<std::int64_t>(done_bytes);
    const Result<std::size_t> got = read_portion(file, portion, portions.size_bytes(), from, may_block);
    if (!got) {
      if (done_bytes != 0) return done_bytes;
      return got;
    }
    done_bytes += *got;
    if (*got < portions.size_bytes() || !may_continue(file)) return done_bytes;
  }
}

Result<std::size_t> write_remote(const RemoteFd& file, std::span<const iovec> pieces, std::int64_t offset,
                                 bool may_block) {
  if (file.error != 0) return fail(file.error, "handle");
  Portions portions(pieces);
  std::size_t done_bytes = 0;
  for (bool is_first = true;; is_first = false) {
    const std::span<const iovec> portion = portions.next();
    if (portion.empty() && !is_first) return done_bytes;
    const std::int64_t to = offset < 0 ? offset : offset + static_cast<std::int64_t>(done_bytes);
    const Result<std::size_t> put = write_portion(file, portion, to, may_block);
    if (!put) {
      if (put.error().code == EPIPE) {
        raw_syscall(SYS_tgkill, raw_syscall(SYS_getpid), raw_syscall(SYS_gettid), SIGPIPE);
      }
      if (done_bytes != 0) return done_bytes;
      return put;
    }
    done_bytes += *put;
    if (*put < portions.size_bytes()) return done_bytes;
  }
}

Result<wire::Attributes> attributes_of(const RemoteFd& file) {
  wire::Attributes brought;
  if (file.error == 0 && client::brought::attributes(file.handle, brought)) return brought;
  return ask_handle<wire::GetAttributesReply>(file, wire::Opcode::kGetAttributes, wire::GetAttributesRequest{});
}

DeviceNumber device_on(std::string_view target, const wire::Attributes& attributes) {
  // FNV-1a, folded to 16 bits. Local device numbers have 12 bits for the major number.
  std::uint32_t hash = 2166136261U;
  for (const char c : split_target(target).node) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  hash = (hash ^ hash >> 16) & 0xffff;
  // The 32 bits that the kernel makes of a device number.
  const std::uint32_t minor_bits = attributes.device_minor;
  const std::uint32_t folded = (minor_bits & 0xff) | attributes.device_major << 8 | (minor_bits & ~0xffU) << 12;
  return {4096 + hash, folded};
}

void to_stat(std::string_view target, const wire::Attributes& attributes, struct stat& status) {
  const DeviceNumber device = device_on(target, attributes);
  std::memset(&status, 0, sizeof status);
  status.st_dev = makedev(device.major_number, device.minor_number);
  status.st_ino = attributes.inode;
  status.st_mode = attributes.mode;
  status.st_nlink = attributes.link_count;
  status.st_uid = attributes.user;
  status.st_gid = attributes.group;
  status.st_rdev = makedev(attributes.special_major, attributes.special_minor);
  status.st_size = static_cast<off_t>(attributes.size_bytes);
  status.st_blksize = static_cast<blksize_t>(attributes.block_size);
  status.st_blocks = static_cast<blkcnt_t>(attributes.blocks_512);
  status.st_atim = to_timespec(attributes.accessed);
  status.st_mtim = to_timespec(attributes.modified);
  status.st_ctim = to_timespec(attributes.changed);
}

void to_statx(std::string_view target, const wire::Attributes& attributes, struct statx& status) {
  const DeviceNumber device = device_on(target, attributes);
  std::memset(&status, 0, sizeof status);
  status.stx_mask = attributes.mask;
  status.stx_blksize = attributes.block_size;
  status.stx_attributes = attributes.flags;
  status.stx_attributes_mask = attributes.flags_mask;
  status.stx_nlink = attributes.link_count;
  status.stx_uid = attributes.user;
  status.stx_gid = attributes.group;
  status.stx_mode = static_cast<std::uint16_t>(attributes.mode);
  status.stx_ino = attributes.inode;
  status.stx_size = attributes.size_bytes;
  status.stx_blocks = attributes.blocks_512;
  status.stx_atime = to_statx_timestamp(attributes.accessed);
  status.stx_btime = to_statx_timestamp(attributes.born);
  status.stx_ctime = to_statx_timestamp(attributes.changed);
  status.stx_mtime = to_statx_timestamp(attributes.modified);
  status.stx_rdev_major = attributes.special_major;
  status.stx_rdev_minor = attributes.special_minor;
  status.stx_dev_major = device.major_number;
  status.stx_dev_minor = device.minor_number;
}

bool is_same_node(std::string_view target, std::string_view other) {
  return split_target(target).node == split_target(other).node;
}

}  // namespace qnet::preload
