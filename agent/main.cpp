// SPDX-License-Identifier: Apache-2.0
//
// main.cpp: how does qnetd start and end?
//
// Status: 0 stopped by SIGTERM or SIGINT, 1 this machine does not allow it, 2 bad command line; one line says
// why.
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "agent/agent.hpp"
#include "agent/config.hpp"
#include "agent/log.hpp"

namespace {

using qnet::agent::Agent;
using qnet::agent::Refusal;

constexpr rlim_t kDescriptorsWanted = 1 << 20;
/// A message of 1 MiB comes from the heap and stays there, instead of being mapped and unmapped each time.
constexpr int kMapAboveBytes = 4 << 20;
constexpr int kTrimAboveBytes = 64 << 20;

int refuse(const Refusal& refusal) {
  if (refusal.status == 0) std::fputs(refusal.text.c_str(), stdout);
  else std::fprintf(stderr, "qnetd: %s\n", refusal.text.c_str());
  return refusal.status;
}

/// Each handle is a descriptor, at the owner and here.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  if (geteuid() == 0) {
    const rlimit wanted{std::max(limit.rlim_max, kDescriptorsWanted), std::max(limit.rlim_max, kDescriptorsWanted)};
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;
  }
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
}

void prepare_process() {
  umask(0);  // Callers' umasks come with the requests.
  std::signal(SIGPIPE, SIG_IGN);
  mallopt(M_MMAP_THRESHOLD, kMapAboveBytes);
  mallopt(M_TRIM_THRESHOLD, kTrimAboveBytes);
  raise_descriptor_limit();
}

}  // namespace

int main(int count, char** arguments) {
  qnet::agent::Config config;
  if (const auto refusal = qnet::agent::parse_command_line(count, arguments, config)) return refuse(*refusal);
  qnet::agent::set_up_log(config.log_level);
  prepare_process();

  auto belongings = qnet::agent::gather(config);
  if (!belongings) return refuse(belongings.error());
  Agent agent(config, std::move(*belongings),
              [&](qnet::agent::Config& fresh) { return qnet::agent::parse_command_line(count, arguments, fresh); });
  if (const auto refusal = agent.run()) return refuse(*refusal);
  return 0;
}
