// SPDX-License-Identifier: Apache-2.0
//
// micro.cpp: what do the paths that every operation takes cost, in nanoseconds?
//
//   qnet_micro_bench [--benchmark_filter=REGEX]
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "transport/base/net_path.hpp"
#include "transport/wire/file_ops.hpp"
#include "transport/wire/message.hpp"

namespace qnet {
namespace {

void ParsesALocalPath(benchmark::State& state) {
  const std::string path = "/usr/lib/x86_64-linux-gnu/libc.so.6";
  for (auto _ : state) benchmark::DoNotOptimize(parse_net_path(path, kDefaultPrefix));
}
BENCHMARK(ParsesALocalPath);

void ParsesARemotePath(benchmark::State& state) {
  const std::string path = "/net/node-b~preferred:en0/usr/share/doc/bash/README";
  for (auto _ : state) {
    const NetPath parsed = parse_net_path(path, kDefaultPrefix);
    benchmark::DoNotOptimize(split_target(parsed.target));
  }
}
BENCHMARK(ParsesARemotePath);

void EncodesARead(benchmark::State& state) {
  std::array<std::byte, 128> room;
  const wire::RequestHeader header{.opcode = 7, .request = 1234567, .handle = 42};
  const wire::ReadRequest read{.offset_bytes = 4096, .length_bytes = 4096};
  for (auto _ : state) {
    benchmark::DoNotOptimize(wire::encode(header, room));
    benchmark::DoNotOptimize(wire::encode(read, MutableBytes(room).subspan(wire::RequestHeader::kBytes)));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(EncodesARead);

void DecodesARead(benchmark::State& state) {
  std::array<std::byte, 128> room;
  const wire::ReadRequest read{.offset_bytes = 4096, .length_bytes = 4096};
  const ByteView header = *wire::encode(wire::RequestHeader{.opcode = 7, .request = 1}, room);
  const ByteView body = *wire::encode(read, MutableBytes(room).subspan(header.size()));
  for (auto _ : state) {
    benchmark::DoNotOptimize(wire::decode<wire::RequestHeader>(header));
    benchmark::DoNotOptimize(wire::decode<wire::ReadRequest>(body));
  }
}
BENCHMARK(DecodesARead);

void CarriesAnOpenReply(benchmark::State& state) {
  std::array<std::byte, 512> room;
  const wire::OpenReply reply{.handle = 42, .attributes = {.mode = 0100644, .size_bytes = 4096}};
  for (auto _ : state) {
    const Result<ByteView> bytes = wire::encode(reply, room);
    benchmark::DoNotOptimize(wire::decode<wire::OpenReply>(*bytes));
  }
}
BENCHMARK(CarriesAnOpenReply);

void CarriesAnOpenRequest(benchmark::State& state) {
  std::array<std::byte, 512> room;
  const wire::OpenRequest open{.path = "/usr/share/doc/bash/README"};
  for (auto _ : state) {
    const Result<ByteView> bytes = wire::encode(open, room);
    benchmark::DoNotOptimize(wire::decode<wire::OpenRequest>(*bytes));
  }
}
BENCHMARK(CarriesAnOpenRequest);

}  // namespace
}  // namespace qnet
