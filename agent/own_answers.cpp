// SPDX-License-Identifier: Apache-2.0
#include "agent/own_answers.hpp"

#include "transport/base/net_path.hpp"
#include "transport/wire/agent_ops.hpp"

namespace qnet::agent {
namespace {

/// One NodeEntry: fixed fields, name, reason.
constexpr std::size_t kNodeEntryBytesMax = 256;

}  // namespace

OwnAnswers::OwnAnswers(const PeerTable& nodes, LocalHandles& handles, ShadowDirectory& shadows,
                       std::function<std::string()> statistics)
    : nodes_(nodes), handles_(handles), shadows_(shadows), statistics_(std::move(statistics)) {}

void OwnAnswers::answer(LocalSession& session, LocalRequest request) {
  switch (static_cast<wire::Opcode>(request.header.opcode)) {
    case wire::Opcode::kAdoptHandle: return adopt_handle(session, request);
    case wire::Opcode::kEnterDirectory: return enter_directory(session, request);
    case wire::Opcode::kListNodes: return list_nodes(session);
    case wire::Opcode::kGetStatistics: return session.reply({.body = Buffer(as_bytes(statistics_()))});
    default: return session.reply(failed(EOPNOTSUPP));
  }
}

void OwnAnswers::adopt_handle(LocalSession& session, const LocalRequest& request) {
  const std::string_view name = split_target(session.target()).node;
  const std::optional<NodeRef> node = name.empty() ? NodeRef::root() : nodes_.find(name);
  if (!node) return session.reply(failed(ENOENT));
  const HandleKey key{*node, HandleId{request.header.handle}};
  const LocalHandle* handle = handles_.find(key);
  if (handle == nullptr) return session.reply(failed(ESTALE));
  if (!request.descriptor || !LocalHandles::is_end_of(*handle, request.descriptor.get())) {
    return session.reply(failed(EACCES));
  }
  session.adopt(key);
  session.reply({});
}

void OwnAnswers::enter_directory(LocalSession& session, const LocalRequest& request) {
  const auto enter = wire::decode<wire::EnterDirectoryRequest>(request.body.view());
  if (!enter) return session.reply(failed(EPROTO));
  Result<UniqueFd> directory = shadows_.enter(enter->path);
  if (!directory) return session.reply(failed(directory.error().code));
  session.reply({}, std::move(*directory));
}

void OwnAnswers::list_nodes(LocalSession& session) {
  const std::vector<const NodeInfo*> nodes = nodes_.all();
  NodeReply reply{.body = Buffer(nodes.size() * kNodeEntryBytesMax)};
  std::size_t filled = 0;
  for (const NodeInfo* node : nodes) {
    const wire::NodeEntry entry{.state = static_cast<std::uint8_t>(node->state),
                                .incarnation = node->incarnation.value,
                                .since_s = node->since_s,
                                .name = node->name,
                                .reason = std::string_view(node->reason).substr(0, kNodeEntryBytesMax / 2)};
    const Result<ByteView> encoded = wire::encode(entry, reply.body.bytes().subspan(filled));
    QNET_CHECK(encoded.has_value());
    filled += encoded->size();
  }
  reply.body.truncate(filled);
  session.reply(std::move(reply));
}

}  // namespace qnet::agent
