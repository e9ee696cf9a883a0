// SPDX-License-Identifier: Apache-2.0
//
// spawn_times.cpp: what does a preloaded library add to the start of a program?
//
//   spawn_times --library PATH [--program /bin/true] [--count 200]
//
// Starts the program with posix_spawn and waits for it, by turns without and with the library. Pin it with taskset.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/benchmarks/measure.hpp"

namespace qnet::bench {
namespace {

constexpr std::int64_t kWarmUp = 10;

/// Returns µs from the call of posix_spawn() to the end of the program.
double run_once(const std::string& program, const std::vector<char*>& environment) {
  char* const words[] = {const_cast<char*>(program.c_str()), nullptr};
  const double start = now_us();
  pid_t child = 0;
  const int error = posix_spawn(&child, program.c_str(), nullptr, nullptr, words, environment.data());
  if (error != 0) give_up("posix_spawn: " + std::to_string(error));
  int status = 0;
  check(waitpid(child, &status, 0), "waitpid");
  const double end = now_us();
  if (status != 0) give_up(program + " failed");
  return end - start;
}

double median(std::vector<double> times_us) {
  const auto middle = times_us.begin() + static_cast<std::ptrdiff_t>(times_us.size() / 2);
  std::nth_element(times_us.begin(), middle, times_us.end());
  return *middle;
}

int run(int count, char** words) {
  Options options(count, words, 1);
  const std::string preload = "LD_PRELOAD=" + options.required("library");
  const std::string program = options.text("program", "/bin/true");
  const std::int64_t rounds = options.number("count", 200, 1, 1000000);
  options.finish();
  if (access(preload.c_str() + preload.find('=') + 1, R_OK) != 0) give_up("no library: " + preload);

  std::vector<char*> without, with{const_cast<char*>(preload.c_str())};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).starts_with("LD_PRELOAD=")) continue;
    without.push_back(*entry);
    with.push_back(*entry);
  }
  without.push_back(nullptr);
  with.push_back(nullptr);

  std::vector<double> times_without, times_with;
  for (std::int64_t i = 0; i < kWarmUp + rounds; ++i) {
    const double plain_us = run_once(program, without);
    const double loaded_us = run_once(program, with);
    if (i < kWarmUp) continue;
    times_without.push_back(plain_us);
    times_with.push_back(loaded_us);
  }
  std::printf("spawn_times count %lld without %.1f with %.1f\n", static_cast<long long>(rounds), median(times_without),
              median(times_with));
  return 0;
}

}  // namespace
}  // namespace qnet::bench

int main(int count, char** words) {
  return qnet::bench::run(count, words);
}
