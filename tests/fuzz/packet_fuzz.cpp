// SPDX-License-Identifier: Apache-2.0
//
// packet_fuzz.cpp: does the packet and frame decoder refuse what is not one, and read nothing beyond its end?
#include <algorithm>
#include <vector>

#include "transport/base/check.hpp"
#include "transport/wire/message.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::wire {
namespace {

template <class Frame>
void check_again(const Result<Frame>& frame, ByteView body) {
  if (!frame) return;
  std::vector<std::byte> room(body.size() + kFrameHeadBytes + 8);
  const std::size_t bytes = put_frame(*frame, room);
  QNET_CHECK(bytes <= room.size());
  FrameReader frames(ByteView(room).first(bytes));
  FrameView view;
  QNET_CHECK(frames.next(view) && !frames.has_failed());
}

void check_frame(const FrameView& frame) {
  switch (frame.type) {
    case FrameType::kData: {
      const Result<DataFrame> data = decode_data(frame.body);
      if (data) QNET_CHECK(data->offset + data->piece.size() <= data->total && data->total <= kMessageBytesMax);
      return check_again(data, frame.body);
    }
    case FrameType::kAck: {
      const Result<AckFrame> ack = decode_ack(frame.body);
      std::uint64_t covered = 0;
      for (std::size_t i = 0; ack && i < ack->range_count; ++i) covered += ack->ranges[i].gap + ack->ranges[i].length;
      if (ack) QNET_CHECK(covered <= ack->largest);
      return check_again(ack, frame.body);
    }
    case FrameType::kCredit:
      return check_again(decode_credit(frame.body), frame.body);
    case FrameType::kClose:
      return check_again(decode_close(frame.body), frame.body);
    case FrameType::kPing:
    case FrameType::kGoodbye:
      return;
  }
}

void check_datagram(ByteView datagram) {
  const Result<PacketHeader> header = decode_header(datagram);
  if (!header) return;
  std::vector<std::byte> again(PacketHeader::kBytes);
  encode_header(*header, again);
  QNET_CHECK(std::ranges::equal(again, datagram.first(PacketHeader::kBytes)));
  if ((header->flags & packet_flags::kCrc) != 0) static_cast<void>(is_crc_right(*header, datagram));
  const ByteView payload = datagram.subspan(PacketHeader::kBytes, header->payload_bytes);
  const bool is_valid = are_frames_valid(payload);
  FrameReader frames(payload);
  FrameView frame;
  while (frames.next(frame)) check_frame(frame);
  if (is_valid) QNET_CHECK(!frames.has_failed());
}

}  // namespace
}  // namespace qnet::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  qnet::wire::check_datagram({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
