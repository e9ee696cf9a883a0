// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "agent/blocked_signals.hpp"
#include "agent/log.hpp"
#include "agent/stats.hpp"

namespace qnet::agent {
namespace {

/// Rounds of one settle(): events cause calls, calls cause datagrams.
constexpr int kRoundsMax = 16;
/// Should the engine ask for the same moment again and again, the loop still lets others run.
constexpr Duration kDeadlineFloor = std::chrono::microseconds(20);
/// Time for the executor to let go of what it runs; after that the process ends without it.
constexpr unsigned kShutdownSeconds = 3;

std::uint64_t random_number() {
  std::uint64_t number = 0;
  QNET_CHECK(getrandom(&number, sizeof number, 0) == sizeof number);
  return number;
}

std::unique_ptr<exec::Executor> make_executor(const exec::ExecutorConfig& config) {
  const BlockedSignals blocked;
  return std::make_unique<exec::Executor>(config);
}

std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

Agent::Agent(const Config& config, Belongings belongings, Reread reread)
    : config_(config),
      reread_(std::move(reread)),
      belongings_(std::move(belongings)),
      end_signals_(io_, SIGTERM, SIGINT),
      reload_signal_(io_, SIGHUP),
      reactor_(io_, config.busy_wait),
      engine_({.id = belongings_.identity.id, .name = config.name, .incarnation = belongings_.identity.incarnation},
              config.engine, random_number),
      pump_(reactor_, engine_),
      completions_(reactor_),
      shadows_(std::move(belongings_.shadows), completions_),
      first_look_(reactor_),
      peers_(config.name, belongings_.identity.incarnation),
      peer_settings_(engine_, pump_, peers_),
      net_root_(peers_, config.prefix),
      handles_(first_look_, belongings_.identity.incarnation.value, config.local_handles_max,
               config.executor.caller_handles_max),
      entered_(first_look_),
      executor_(make_executor(config.executor)),
      calls_(engine_, *executor_, completions_, peers_),
      owner_(engine_, *executor_, completions_, peers_, config.caller_limits),
      local_limits_(config.caller_limits),
      keeper_(handles_, calls_, net_root_, barriers_, [this] { router_.on_barrier_lowered(); }),
      locks_(first_look_, calls_, barriers_, [this] { router_.on_barrier_lowered(); }),
      kernel_files_(engine_, calls_, handles_, peers_, config.engine.call_grace),
      events_(peers_, pump_),
      own_answers_(peers_, engine_, pump_, handles_, shadows_, entered_, kernel_files_, events_,
                   [this] { return statistics(); }),
      router_({.engine = engine_,
               .nodes = peers_,
               .calls = calls_,
               .handles = handles_,
               .keeper = keeper_,
               .locks = locks_,
               .net_root = net_root_,
               .own_answers = own_answers_,
               .barriers = barriers_,
               .first_look = first_look_},
              config.engine.call_grace),
      server_(reactor_, router_, local_limits_, config.local_connections_max) {
  calls_.on_late_lock = [this](NodeRef node, Incarnation life, std::uint32_t process) {
    locks_.on_late_lock(node, life, process);
  };
}

Agent::~Agent() = default;

std::optional<Refusal> Agent::connect_peers() {
  for (std::size_t i = 0; i < config_.links.size(); ++i) {
    const LinkSetting& setting = config_.links[i];
    const bool has_mtu = setting.options.mtu_bytes != link::LinkOptions().mtu_bytes;
    const Result<LinkId> link = pump_.add({.name = setting.name, .has_crc = setting.has_crc, .is_size_fixed = has_mtu},
                                          std::move(belongings_.drivers[i]));
    if (!link) return Refusal{1, "link " + setting.name + ": " + std::strerror(link.error().code)};
  }
  if (const Status watched = pump_.watch_interfaces(); !watched) {
    spdlog::warn("no news of interfaces: {}: {}", watched.error().where, std::strerror(watched.error().code));
  }
  const auto plan = peer_settings_.plan(config_.peers);
  if (!plan) return Refusal{2, plan.error()};
  if (const auto come = peer_settings_.come(*plan, now()); !come) return Refusal{1, come.error()};
  return std::nullopt;
}

void Agent::await_reload() {
  reload_signal_.async_wait([this](const boost::system::error_code& error, int) {
    if (error) return;
    reload();
    await_reload();
  });
}

/// Takes over the peers; whatever is wrong is one line in the log, and all goes on as before.
void Agent::reload() {
  Config fresh;
  if (const std::optional<Refusal> refusal = reread_(fresh)) return spdlog::error("not reloaded: {}", refusal->text);
  const auto plan = peer_settings_.plan(fresh.peers);
  if (!plan) return spdlog::error("not reloaded: {}", plan.error());
  const Instant at = now();
  peer_settings_.leave(*plan, at);
  run_events(at);
  if (const auto come = peer_settings_.come(*plan, at); !come) spdlog::error("reload: {}", come.error());
  spdlog::info("reloaded peers={} left={} came={} changed={}", peers_.all().size() - 1, plan->leaving.size(),
               plan->coming.size(), plan->widened.size());
  reactor_.wake();
}

void Agent::mount_kernel_files() {
  if (!config_.has_fuse) return;
  Result<std::unique_ptr<FuseDevice>> device = FuseDevice::mount(completions_, config_.engine.call_grace);
  if (device) return kernel_files_.start(std::move(*device));
  spdlog::warn("no kernel descriptors for programs without the library: {}: {}", device.error().where,
               std::strerror(device.error().code));
}

std::optional<Refusal> Agent::run() {
  if (std::optional<Refusal> refusal = connect_peers()) return refusal;
  end_signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    spdlog::info("stopping signal={}", signal);
    shut_down();
  });
  await_reload();
  mount_kernel_files();
  reactor_.start([this] { return settle(); });
  if (const Status listening = server_.listen(config_.socket); !listening) {
    return Refusal{1, config_.socket + ": " + std::strerror(listening.error().code)};
  }
  spdlog::info("ready name={} incarnation={} socket={} prefix={} links={} peers={} pid={}", config_.name,
               belongings_.identity.incarnation.value, config_.socket, config_.prefix, config_.links.size(),
               config_.peers.size(), getpid());
  io_.run();
  return std::nullopt;
}

void Agent::shut_down() {
  const Instant at = now();
  engine_.say_goodbye(at);
  pump_.flush_all(at);
  reactor_.stop();
  io_.stop();
  // A worker may be stuck in a system call that nothing ends; the kernel closes its files as well as we could.
  std::signal(SIGALRM, [](int) { _exit(0); });
  alarm(kShutdownSeconds);
}

std::optional<Instant> Agent::settle() {
  ++settled_;
  Instant at = now();
  bool has_more = false;
  for (int round = 0; round < kRoundsMax; ++round) {
    bool did_something = run_completions();
    if (const auto due = engine_.deadline(); due && *due <= at) engine_.on_time(at);
    did_something |= run_events(at);
    router_.on_time(at);
    calls_.on_time(at);
    kernel_files_.on_time(at);
    entered_.on_time(at);
    has_more = pump_.flush(at);
    if (!did_something) break;
    has_more = true;
  }
  server_.bury();
  if (!completions_.may_sleep()) return at;
  if (has_more) return at;
  std::optional<Instant> deadline = engine_.deadline();
  if (deadline) deadline = std::max(*deadline, at + kDeadlineFloor);
  deadline = earlier(deadline, earlier(kernel_files_.deadline(), entered_.deadline()));
  return earlier(deadline, earlier(router_.deadline(), calls_.deadline()));
}

bool Agent::run_completions() {
  if (!completions_.take(taken_)) return false;
  for (CompletionQueue::Completion& completion : taken_) {
    ++completions_taken_;
    if (completion.token == FuseDevice::kToken) {
      kernel_files_.on_request(std::move(completion.reply.body));
    } else if ((completion.token & OwnerService::kTokenBit) != 0) {
      owner_.on_completion(completion.token, std::move(completion.reply), now());
    } else if ((completion.token & OwnAnswers::kTokenBit) != 0) {
      own_answers_.on_completion(std::move(completion));
    } else {
      calls_.on_completion(completion.token, std::move(completion.reply));
    }
  }
  taken_.clear();
  return true;
}

bool Agent::run_events(Instant at) {
  bool did_something = false;
  while (std::optional<core::Event> event = engine_.next_event()) {
    on_event(*event, at);
    did_something = true;
  }
  return did_something;
}

void Agent::on_event(core::Event& event, Instant at) {
  if (auto* message = std::get_if<core::MessageArrived>(&event)) {
    if (message->is_own) calls_.on_reply_message(std::move(*message), at);
    else owner_.on_request(std::move(*message), at);
    return;
  }
  events_.note(event);
  if (const auto* up = std::get_if<core::PeerUp>(&event)) {
    peers_.on_up(*up);
    spdlog::info("peer up node={} incarnation={}", peers_.name_of(NodeRef::peer(up->peer)), up->incarnation.value);
    calls_.on_peer_up(*up, at);
    router_.on_peer_up(up->peer);
  } else if (const auto* down = std::get_if<core::PeerDown>(&event)) {
    peers_.on_down(*down);
    spdlog::info("peer down node={} reason=\"{}\"", peers_.name_of(NodeRef::peer(down->peer)),
                 core::text_of(down->reason));
    calls_.on_peer_down(*down);
  } else if (const auto* changed = std::get_if<core::PathChanged>(&event)) {
    log_path(*changed);
  } else if (const auto* lost = std::get_if<core::ConnectionLost>(&event)) {
    calls_.on_connection_lost(*lost, at);
  } else if (const auto* gone = std::get_if<core::PeerGone>(&event)) {
    calls_.on_peer_gone(*gone);
    owner_.on_peer_gone(*gone);
  }
}

/// What others see happen is worth a line; a suspicion comes and goes.
void Agent::log_path(const core::PathChanged& changed) const {
  const bool is_suspicion = changed.is == core::LinkState::kSuspect || changed.was == core::LinkState::kSuspect;
  const bool is_loss = changed.is == core::LinkState::kDown;
  spdlog::log(is_suspicion && !is_loss ? spdlog::level::debug : spdlog::level::info,
              "link {} node={} link={} reason=\"{}\"", core::text_of(changed.is),
              peers_.name_of(NodeRef::peer(changed.peer)), pump_.name_of(changed.link), core::text_of(changed.reason));
}

std::string Agent::statistics() const {
  return statistics_text({{"agent",
                           {{"incarnation", belongings_.identity.incarnation.value},
                            {"wakeups", settled_},
                            {"completions", completions_taken_}}},
                          of(engine_.statistics()),
                          of(pump_),
                          of(executor_->statistics()),
                          of(handles_, keeper_, locks_, barriers_),
                          of(kernel_files_),
                          of(router_),
                          of(calls_),
                          of(owner_),
                          of(server_),
                          of("local_limits", local_limits_),
                          of("served_limits", owner_.limits())});
}

}  // namespace qnet::agent
