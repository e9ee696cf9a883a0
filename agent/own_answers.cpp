// SPDX-License-Identifier: Apache-2.0
#include "agent/own_answers.hpp"

#include "transport/base/net_path.hpp"
#include "transport/wire/agent_ops.hpp"

namespace qnet::agent {
namespace {

/// One NodeEntry: fixed fields, name, reason.
constexpr std::size_t kNodeEntryBytesMax = 256;

}  // namespace

OwnAnswers::OwnAnswers(const PeerTable& nodes, LocalHandles& handles, ShadowService& shadows, KernelFiles& kernel_files,
                       std::function<std::string()> statistics)
    : nodes_(nodes),
      handles_(handles),
      shadows_(shadows),
      kernel_files_(kernel_files),
      statistics_(std::move(statistics)) {}

void OwnAnswers::answer(LocalSession& session, LocalRequest request) {
  switch (static_cast<wire::Opcode>(request.header.opcode)) {
    case wire::Opcode::kAdoptHandle:
      return adopt_handle(session, request);
    case wire::Opcode::kEnterDirectory:
      return enter_directory(session, request);
    case wire::Opcode::kGetKernelDescriptor:
      return give_kernel_descriptor(session, std::move(request));
    case wire::Opcode::kListNodes:
      return list_nodes(session);
    case wire::Opcode::kGetStatistics:
      return session.reply({.body = Buffer(as_bytes(statistics_()))});
    default:
      return session.reply(failed(EOPNOTSUPP));
  }
}

Result<HandleKey> OwnAnswers::shown_handle(const LocalSession& session, const LocalRequest& request) const {
  const std::string_view name = split_target(session.target()).node;
  const std::optional<NodeRef> node = name.empty() ? NodeRef::root() : nodes_.find(name);
  if (!node) return fail(ENOENT, "no such node");
  const HandleKey key{*node, HandleId{request.header.handle}};
  const LocalHandle* handle = handles_.find(key);
  if (handle == nullptr) return fail(ESTALE, "no such handle");
  if (!request.descriptor || !LocalHandles::is_end_of(*handle, request.descriptor.get())) {
    return fail(EACCES, "not shown");
  }
  return key;
}

void OwnAnswers::adopt_handle(LocalSession& session, const LocalRequest& request) {
  const Result<HandleKey> key = shown_handle(session, request);
  if (!key) return session.reply(failed(key.error().code));
  session.adopt(*key);
  session.reply({});
}

void OwnAnswers::give_kernel_descriptor(LocalSession& session, LocalRequest request) {
  const Result<HandleKey> key = shown_handle(session, request);
  if (!key) return session.reply(failed(key.error().code));
  kernel_files_.give(session, *key, std::move(request));
}

void OwnAnswers::enter_directory(LocalSession& session, const LocalRequest& request) {
  const auto enter = wire::decode<wire::EnterDirectoryRequest>(request.body.view());
  if (!enter) return session.reply(failed(EPROTO));
  const std::string path(enter->path);
  if (std::optional<UniqueFd> directory = shadows_.find(path)) return session.reply({}, std::move(*directory));
  const std::uint64_t number = entering_.insert({&session, path});
  if (number == 0) return session.reply(failed(EAGAIN));
  shadows_.make(path, number | kTokenBit);
}

void OwnAnswers::on_completion(CompletionQueue::Completion completion) {
  const std::optional<Entering> entering = entering_.take(completion.token & ~kTokenBit);
  if (!entering) return;
  if (completion.descriptor) shadows_.remember(entering->path, completion.descriptor);
  if (entering->session == nullptr) return;
  entering->session->reply(failed(completion.reply.error), std::move(completion.descriptor));
}

void OwnAnswers::on_closed(const LocalSession& session) {
  kernel_files_.on_closed(session);
  if (entering_.size() == 0) return;
  const auto is_his = [&](const Entering& entering) { return entering.session == &session; };
  for (const std::uint64_t number : entering_.numbers_if(is_his)) entering_.find(number)->session = nullptr;
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
