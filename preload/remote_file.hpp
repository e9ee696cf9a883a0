// SPDX-License-Identifier: Apache-2.0
//
// remote_file.hpp: what do POSIX calls on a remote descriptor mean?
//
// The offset, O_APPEND and the flags live in the owner's open file description, so each function here is one request or
// a few. Nothing is cached.
// Threads:  any; signal-safe.
// Not here: whether a descriptor is remote (fd_table.hpp); paths (route.hpp).
#pragma once

#include <sys/stat.h>
#include <sys/uio.h>

#include <span>

#include "agent/client/client.hpp"
#include "preload/fd_table.hpp"

namespace qnet::preload {

/// What the kernel moves at most in one read or write.
inline constexpr std::size_t kTransferBytesMax = 0x7ffff000;

/// `offset` kCurrentOffset: read(2), else pread(2). Cuts into requests; stops at the first short one.
Result<std::size_t> read_remote(const RemoteFd& file, std::span<const iovec> pieces,
                                std::int64_t offset = wire::ReadRequest::kCurrentOffset, bool may_block = true);
/// The same for write(2) and pwrite(2). EPIPE comes with SIGPIPE.
Result<std::size_t> write_remote(const RemoteFd& file, std::span<const iovec> pieces,
                                 std::int64_t offset = wire::ReadRequest::kCurrentOffset, bool may_block = true);

/// fstat(2): asks the owner, unless the open has just brought them along.
Result<wire::Attributes> attributes_of(const RemoteFd& file);

/// st_dev of the owner, made distinct per node: the same for every process and every run.
struct DeviceNumber {
  std::uint32_t major_number = 0, minor_number = 0;
};
DeviceNumber device_on(std::string_view target, const wire::Attributes& attributes);

void to_stat(std::string_view target, const wire::Attributes& attributes, struct stat& status);
void to_statx(std::string_view target, const wire::Attributes& attributes, struct statx& status);

/// Two targets that name one node, whatever the policy.
bool is_same_node(std::string_view target, std::string_view other);

}  // namespace qnet::preload
