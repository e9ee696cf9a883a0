// SPDX-License-Identifier: Apache-2.0
//
// random_pread.cpp: how long does one pread() at a random place take?
//
//   random_pread make --file PATH --mebibytes N
//   random_pread read --file PATH [--count N] [--round N]
//
// make writes a file whose 4 KiB blocks begin with their number, read checks it. No block is read twice, within a round
// or in another round, so that a cache of the file system under test does not answer. Status 1 if a block was wrong.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <numeric>
#include <random>

#include "tests/benchmarks/measure.hpp"

namespace qnet::bench {
namespace {

constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kWarmUp = 50;  // blocks per round before the clock counts

off_t offset_of(std::uint64_t block) {
  return static_cast<off_t>(block * kBlockBytes);
}

int make_file(const std::string& path, std::int64_t mebibytes) {
  const int fd = check(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), path.c_str());
  std::vector<char> block(kBlockBytes, 'x');
  const std::uint64_t blocks = static_cast<std::uint64_t>(mebibytes) * ((1 << 20) / kBlockBytes);
  for (std::uint64_t i = 0; i < blocks; ++i) {
    std::memcpy(block.data(), &i, sizeof i);
    check(pwrite(fd, block.data(), block.size(), offset_of(i)), "pwrite");
  }
  return check(close(fd), "close");
}

int read_file(const std::string& path, std::size_t count, std::size_t round) {
  const int fd = check(open(path.c_str(), O_RDONLY), path.c_str());
  struct stat attributes;
  check(fstat(fd, &attributes), "fstat");
  std::vector<std::uint64_t> order(static_cast<std::size_t>(attributes.st_size) / kBlockBytes);
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  const std::size_t first = round * (count + kWarmUp);
  if (first + count + kWarmUp > order.size()) give_up("random_pread: the file is too short for that round");
  std::vector<char> block(kBlockBytes);
  std::vector<double> times_us;
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < count + kWarmUp; ++i) {
    const std::uint64_t wanted = order[first + i];
    const double start = now_us();
    const ssize_t got = pread(fd, block.data(), block.size(), offset_of(wanted));
    const double end = now_us();
    std::uint64_t number = 0;
    std::memcpy(&number, block.data(), sizeof number);
    if (got != static_cast<ssize_t>(block.size()) || number != wanted) ++wrong;
    if (i >= kWarmUp) times_us.push_back(end - start);
  }
  close(fd);
  std::printf("random_pread count %zu round %zu wrong %zu", count, round, wrong);
  print_times(times_us);
  std::printf("\n");
  return wrong == 0 ? 0 : 1;
}

int run(int count, char** words) {
  const std::string role = count > 1 ? words[1] : "";
  if (role != "make" && role != "read") give_up("usage: random_pread make|read …, see the head of random_pread.cpp");
  Options options(count, words, 2);
  const std::string path = options.required("file");
  if (role == "make") {
    const std::int64_t mebibytes = options.number("mebibytes", 64, 1, 1 << 20);
    options.finish();
    return make_file(path, mebibytes);
  }
  const auto reads = static_cast<std::size_t>(options.number("count", 1000, 1, 1 << 30));
  const auto round = static_cast<std::size_t>(options.number("round", 0, 0, 1 << 20));
  options.finish();
  return read_file(path, reads, round);
}

}  // namespace
}  // namespace qnet::bench

int main(int count, char** words) {
  return qnet::bench::run(count, words);
}
