// SPDX-License-Identifier: Apache-2.0
//
// kernel_files.hpp: how does a program without libqnet.so use a remote file that it has inherited? (design D2)
//
// Through a kernel descriptor: a file of the FuseDevice that stands for a handle. It keeps the application's end of
// that handle, so the owner's file is closed when neither kind of descriptor is left. Each request of the kernel
// becomes one of ours, in the name of the handle's opener.
//
// The offset. The owner's counts, because the programs that share the handle through libqnet.so use that one; the
// kernel keeps one of its own for each kernel descriptor. A request at the offset that the kernel is known to have is a
// plain read or write: it is done at the owner's offset. Any other is a pread, or follows an lseek: the kernel's offset
// itself tells which (/proc/self/fdinfo of an epoll set shows it without holding the file). An lseek without a transfer
// after it is noticed at the next close of the descriptor, so before anyone who waits for the program goes on.
//
// Threads:  the strand.
// Not here: reading /dev/fuse (fuse_device.hpp); when a descriptor is wanted (preload/kernel_descriptors.hpp).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/fuse_device.hpp"
#include "agent/local_session.hpp"
#include "agent/node_calls.hpp"
#include "transport/wire/agent_ops.hpp"
#include "transport/wire/attr_ops.hpp"

namespace qnet::agent {

class KernelFiles {
 public:
  static constexpr std::size_t kFilesMax = 16384;

  struct Statistics {
    std::uint64_t opened = 0, requests = 0, interrupted = 0;
  };

  /// `device` may be null: then every request for a descriptor is refused with EOPNOTSUPP.
  KernelFiles(core::Engine& engine, NodeCalls& calls, LocalHandles& handles, const PeerTable& nodes,
              Duration call_grace);

  void start(std::unique_ptr<FuseDevice> device) { device_ = std::move(device); }

  /// Answers GetKernelDescriptor.
  void give(LocalSession& session, const HandleKey& key, LocalRequest request);
  /// The session wants no answer any more.
  void on_closed(const LocalSession& session);
  /// A request of the kernel.
  void on_request(Buffer request);

  /// When on_time() has something to do.
  std::optional<Instant> deadline() const;
  void on_time(Instant at);

  bool is_available() const { return device_ != nullptr; }
  std::size_t open() const { return files_.size(); }
  const Statistics& statistics() const { return statistics_; }

 private:
  using FileId = std::uint64_t;  // fuse_open_out::fh
  using OnReply = NodeCalls::OnReply;

  struct File {
    HandleKey key;
    Incarnation life;
    wire::Caller opener;
    std::string target;
    UniqueFd share;     // the application's end of the handle; none: the handle is this file's own
    UniqueFd position;  // an epoll set that contains the kernel's file
    std::uint64_t node = 0;
    std::int64_t kernel_offset = 0;  // that the kernel is known to have
    std::int64_t offset_before = 0;  // the last read or write, which was `mover`'s
    std::uint32_t mover = 0;         // a thread; 0: the kernel has noted the offset since
    bool has_offset = true;          // false: a stream or a device
    bool is_positional = false;      // opened anew: every request says where
    std::unordered_set<std::uint64_t> lock_owners;
    ConnectionSet connections;
  };
  /// A descriptor that is being made.
  struct Giving {
    LocalSession* session = nullptr;  // null: closed meanwhile
    unsigned waits_for = 0;           // replies
    int error = 0;                    // of one of them
    std::uint32_t flags = 0;
    std::int64_t offset = 0;
    wire::Attributes attributes;
    std::unique_ptr<File> file;
  };
  struct InFlight {
    FileId file = 0;
    RequestId call;
    std::uint32_t thread = 0;           // that waits
    bool may_wait_long = false;         // a signal ends it
    std::optional<Instant> give_up_at;  // set when a signal came
  };
  /// A request of the kernel, decoded so far.
  struct Asked {
    fuse_in_header header;
    ByteView arguments;
  };

  // kernel_files.cpp
  template <class Request>
  Status ask(File& file, wire::Opcode opcode, const Request& request, OnReply on_reply);
  Status start_call(File& file, wire::Opcode opcode, const wire::Caller& caller, Buffer body, OnReply on_reply,
                    RequestId* call);
  template <class Reply, class Request, class Take>
  void ask_for(std::uint64_t number, wire::Opcode opcode, const Request& request, Take take);
  void finish_giving(std::uint64_t number);
  void fail_giving(std::uint64_t number, int error);
  Result<UniqueFd> make_descriptor(Giving& giving);
  static std::uint32_t open_flags_of(const File& file);
  void release(FileId id);

  // kernel_requests.cpp
  void serve(const Asked& asked, Buffer& request);
  void on_read(const Asked& asked);
  void on_write(const Asked& asked, Buffer& request);
  void on_get_attributes(const Asked& asked);
  void on_set_attributes(const Asked& asked);
  void on_open(const Asked& asked);
  void on_sync(const Asked& asked);
  void on_allocate(const Asked& asked);
  void on_file_system(const Asked& asked);
  void on_lock(const Asked& asked);
  void on_flush(const Asked& asked);
  void on_interrupt(const Asked& asked);
  struct Step {
    wire::Opcode opcode;
    Buffer body;
  };
  using Steps = std::shared_ptr<std::vector<Step>>;
  void run_steps(const fuse_in_header& header, FileId id, Steps steps, std::size_t next);
  void answer_attributes(const fuse_in_header& header, FileId id);
  void lock_whole(const fuse_in_header& header, const fuse_lk_in& in);
  /// Makes the request, and answers the kernel with what `then(reply)` makes of a good reply.
  template <class Request, class Then>
  void forward(const fuse_in_header& header, FileId id, wire::Opcode opcode, const Request& request, Then then);
  void forward_body(const fuse_in_header& header, FileId id, wire::Opcode opcode, Buffer body,
                    std::function<void(const NodeReply&)> then);
  /// Calls `then(offset)` with the offset to ask the owner for, once the owner's is where the kernel's is.
  void at_offset(const fuse_in_header& header, FileId id, std::int64_t offset, std::function<void(std::int64_t)> then);
  void advance(const fuse_in_header& header, FileId id, std::int64_t from, std::int64_t to);
  /// False: it was given up meanwhile.
  bool answer(std::uint64_t unique, int error, ByteView body = {});
  File* find(FileId id);
  /// A file of that node; 0: none.
  FileId find_node(std::uint64_t node) const;
  wire::Caller caller_of(const fuse_in_header& header, const File& file) const;

  core::Engine& engine_;
  NodeCalls& calls_;
  LocalHandles& handles_;
  const PeerTable& nodes_;
  const Duration call_grace_;
  std::unique_ptr<FuseDevice> device_;
  std::unordered_map<FileId, std::unique_ptr<File>> files_;
  std::unordered_map<std::uint64_t, InFlight> in_flight_;  // by fuse_in_header::unique
  RequestTable<Giving> giving_;                            // at most one per session
  std::uint64_t next_id_ = FUSE_ROOT_ID + 1;               // of files and nodes
  Statistics statistics_;
};

}  // namespace qnet::agent
