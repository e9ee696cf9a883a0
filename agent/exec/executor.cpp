// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/executor.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <mutex>
#include <unordered_map>

#include "agent/exec/dispatch.hpp"
#include "agent/exec/interrupt.hpp"
#include "agent/exec/io_exec.hpp"
#include "agent/exec/request_table.hpp"
#include "agent/exec/statx.hpp"

namespace qnet::exec {

class Executor::Implementation {
 public:
  explicit Implementation(ExecutorConfig config);
  ~Implementation();

  void submit(Request request, OnReply on_reply);
  bool cancel(ClientId client, std::uint64_t request);
  void drop_client(ClientId client);
  ExecutorStatistics statistics() const;

 private:
  std::shared_ptr<ClientLife> life_of(ClientId client);
  void find_root();
  void give_to_pool(const JobPointer& job);
  void wake(JobPointer job);
  void cancel_jobs(const std::vector<JobPointer>& jobs);
  void end_waits(const ClientLife& client, HandleId handle);
  void do_elsewhere(std::function<void()> chore);

  Context context_;
  RequestTable requests_;
  std::mutex mutex_;
  std::unordered_map<ClientId, std::shared_ptr<ClientLife>> clients_;
  std::atomic<std::uint64_t> submitted_ = 0, cancelled_ = 0;
};

Executor::Implementation::Implementation(ExecutorConfig config)
    : context_(std::move(config)), requests_(context_.config.requests_max) {
  prepare_interrupts();
  ::umask(0);  // Threads that create take on the caller's.
  find_root();
  context_.end_waits = [this](const ClientLife& client, HandleId handle) { end_waits(client, handle); };
  context_.waiter = std::make_unique<Waiter>([this](JobPointer job) { wake(std::move(job)); },
                                             [this] { return context_.pool->look_for_stall(); });
  const auto execute = [this](const JobPointer& job, Status identity) -> std::optional<Reply> {
    if (!identity) return Reply{.error = identity.error().code, .body = {}};
    if (!job->chore) return run(context_, job);
    job->chore();
    return std::nullopt;
  };
  context_.pool = std::make_unique<WorkerPool>(
      context_.config.workers_max, execute, [this](Job& job, Reply reply) { requests_.answer(job, std::move(reply)); },
      [this] { context_.waiter->watch_queue(); });
}

Executor::Implementation::~Implementation() {
  cancel_jobs(requests_.collect([](const Job&) { return true; }));
  context_.pool->stop();
  context_.waiter->stop();
  // Who was woken when the pool had stopped already.
  for (const JobPointer& job : requests_.collect([](const Job&) { return true; })) {
    requests_.answer(*job, interrupted_reply(*job));
  }
}

/// What ".." must not leave.
void Executor::Implementation::find_root() {
  struct statx root;
  if (::statx(AT_FDCWD, "/", AT_NO_AUTOMOUNT, kAttributesMask | STATX_MNT_ID, &root) != 0) return;
  context_.root = key_of(root);
  context_.root_mount = (root.stx_mask & STATX_MNT_ID) != 0 ? root.stx_mnt_id : 0;
}

std::shared_ptr<ClientLife> Executor::Implementation::life_of(ClientId client) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<ClientLife>& life = clients_[client];
  if (!life) life = std::make_shared<ClientLife>(client);
  return life;
}

void Executor::Implementation::submit(Request request, OnReply on_reply) {
  submitted_.fetch_add(1, std::memory_order_relaxed);
  const std::shared_ptr<ClientLife> client = life_of(request.client);
  if (Reply reply; answer_at_once(context_, *client, request, reply)) {
    return on_reply(std::move(reply));
  }
  const Need need = need_of(static_cast<wire::Opcode>(request.header.opcode));
  const auto job = std::make_shared<Job>(std::move(request), std::move(on_reply), client, need);
  if (const Status known = requests_.insert(job); !known) {
    requests_.failed.fetch_add(1, std::memory_order_relaxed);
    return job->on_reply(Reply{.error = known.error().code, .body = {}});
  }
  give_to_pool(job);
}

void Executor::Implementation::give_to_pool(const JobPointer& job) {
  const Status given = context_.pool->submit(job);
  if (!given) requests_.answer(*job, Reply{.error = given.error().code, .body = {}});
}

/// On the waiter's thread. A FIFO that is ready and a poll never wait: no other thread need be woken for them.
void Executor::Implementation::wake(JobPointer job) {
  bool never_waits = job->opcode() == wire::Opcode::kPoll;
  if (!never_waits) {
    const auto file = context_.handles.find(*job->client, HandleId{job->request.header.handle});
    never_waits = file && (*file)->kind == wire::HandleKind::kStream;
  }
  if (!never_waits) return give_to_pool(job);
  if (std::optional<Reply> reply = run(context_, job)) requests_.answer(*job, std::move(*reply));
}

bool Executor::Implementation::cancel(ClientId client, std::uint64_t request) {
  const JobPointer job = requests_.find(client, request);
  if (job) cancel_jobs({job});
  return job != nullptr;
}

/// The flag comes first: wherever a job moves from now on, it is seen there.
void Executor::Implementation::cancel_jobs(const std::vector<JobPointer>& jobs) {
  if (jobs.empty()) return;
  for (const JobPointer& job : jobs) job->is_cancelled.store(true);
  cancelled_.fetch_add(jobs.size(), std::memory_order_relaxed);
  for (const JobPointer& job : context_.pool->withdraw([](const Job& queued) { return queued.is_cancelled.load(); })) {
    requests_.answer(*job, interrupted_reply(*job));
  }
  for (const JobPointer& job : jobs) {
    if (context_.waiter->withdraw(*job)) requests_.answer(*job, interrupted_reply(*job));
    else context_.waiter->interrupt_until_left(job);
  }
}

void Executor::Implementation::end_waits(const ClientLife& client, HandleId handle) {
  cancel_jobs(requests_.collect([&](const Job& job) {
    return job.client->id == client.id && job.request.header.handle == handle.value &&
           job.opcode() != wire::Opcode::kClose;
  }));
}

void Executor::Implementation::drop_client(ClientId id) {
  std::shared_ptr<ClientLife> client;
  {
    const std::lock_guard lock(mutex_);
    const auto found = clients_.find(id);
    if (found == clients_.end()) return;
    client = std::move(found->second);
    clients_.erase(found);
  }
  auto dropped = context_.handles.drop(*client);
  cancel_jobs(requests_.collect([id](const Job& job) { return job.client->id == id; }));
  // Closing may take its time: a terminal drains, a network file system flushes.
  do_elsewhere([this, client, files = std::move(dropped)]() mutable {
    context_.locks.release(*client);
    files.clear();
  });
}

void Executor::Implementation::do_elsewhere(std::function<void()> chore) {
  auto job = std::make_shared<Job>(Request{}, OnReply{}, nullptr, Need::kNothing);
  job->chore = std::move(chore);
  if (!context_.pool->submit(job)) job->chore();
}

ExecutorStatistics Executor::Implementation::statistics() const {
  return {.requests = submitted_.load(),
          .replies_failed = requests_.failed.load(),
          .cancelled = cancelled_.load(),
          .handles_open = context_.handles.size(),
          .handles_opened = context_.handles.opened(),
          .workers = context_.pool->workers(),
          .identity_changes = context_.pool->identity_changes(),
          .locks_held = context_.locks.size()};
}

Executor::Executor(ExecutorConfig config) : implementation_(std::make_unique<Implementation>(std::move(config))) {}
Executor::~Executor() = default;

void Executor::submit(Request request, OnReply on_reply) {
  implementation_->submit(std::move(request), std::move(on_reply));
}
bool Executor::cancel(ClientId client, std::uint64_t request) {
  return implementation_->cancel(client, request);
}
void Executor::drop_client(ClientId client) {
  implementation_->drop_client(client);
}
ExecutorStatistics Executor::statistics() const {
  return implementation_->statistics();
}

}  // namespace qnet::exec
