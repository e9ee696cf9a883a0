// SPDX-License-Identifier: Apache-2.0
//
// messages_fuzz.cpp: does every decoder of an operation refuse what it did not understand completely?
//
// First byte: which message. What a decoder takes must encode to the same bytes again.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "transport/base/check.hpp"
#include "transport/wire/agent_ops.hpp"
#include "transport/wire/attr_ops.hpp"
#include "transport/wire/control.hpp"
#include "transport/wire/dir_ops.hpp"
#include "transport/wire/errno_wire.hpp"
#include "transport/wire/file_ops.hpp"
#include "transport/wire/xattr_ops.hpp"

namespace qnet::wire {
namespace {

template <class Message>
void check_decoder(ByteView input) {
  const Result<Message> message = decode<Message>(input);
  if (!message) return;
  std::vector<std::byte> room(input.size() + 16);
  const Result<ByteView> again = encode(*message, room);
  QNET_CHECK(again.has_value() && std::ranges::equal(*again, input));
}

/// Entries one behind the other, as the library and the command read them.
template <class Entry>
void check_entries(ByteView input) {
  Reader in(input);
  for (std::size_t left = input.size() + 1; !in.rest().empty() && !in.has_failed(); --left) {
    QNET_CHECK(left > 0);  // Each takes at least a byte.
    Entry entry;
    get_field(in, entry);
  }
}

void check_envelope(ByteView input) {
  Reader in(input);
  RequestHeader header;
  Caller caller;
  get_field(in, header);
  get_field(in, caller);
  if (in.has_failed()) return;
  QNET_CHECK(caller.group_count <= Caller::kGroupsMax);
  QNET_CHECK(in.rest().size() <= input.size());
}

void check_errors(ByteView input) {
  std::uint16_t number = 0;
  if (input.size() < sizeof number) return;
  std::memcpy(&number, input.data(), sizeof number);
  const int error = errno_from_wire(number);
  QNET_CHECK(error >= 0 && errno_from_wire(errno_to_wire(error)) == error);
}

using Check = void (*)(ByteView);
constexpr auto kChecks = std::to_array<Check>({
    check_envelope,
    check_errors,
    check_decoder<RequestHeader>,
    check_decoder<ReplyHeader>,
    check_decoder<Hello>,
    check_decoder<Reset>,
    check_decoder<RedirectReply>,
    check_decoder<Attributes>,
    check_entries<DirectoryEntry>,
    check_entries<NodeEntry>,
    check_entries<LinkEntry>,
    check_entries<EventEntry>,
#define QNET_OPERATION(number, Name, where) check_decoder<Name##Request>, check_decoder<Name##Reply>,
#include "transport/wire/operations.def"
#undef QNET_OPERATION
});

}  // namespace
}  // namespace qnet::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const qnet::ByteView input(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  qnet::wire::kChecks[data[0] % qnet::wire::kChecks.size()](input);
  return 0;
}
