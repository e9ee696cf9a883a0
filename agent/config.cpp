// SPDX-License-Identifier: Apache-2.0
#include "agent/config.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <expected>
#include <map>

#include "agent/config_file.hpp"
#include "transport/base/net_path.hpp"
#include "transport/base/version.hpp"

namespace qnet::agent {
namespace {

constexpr std::size_t kLinksMax = 8;
constexpr std::size_t kLinkNameBytesMax = 15;  // IFNAMSIZ
constexpr std::size_t kMtuLeast = 576;
constexpr std::size_t kMtuMost = 65535;

/// "250ms" → Duration; nothing if it is not a time.
std::optional<Duration> parse_time(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0 || value > 86'400'000) return std::nullopt;
  const std::string unit(end, text.data() + text.size());
  if (unit == "us") return std::chrono::microseconds(value);
  if (unit == "ms") return std::chrono::milliseconds(value);
  if (unit == "s") return std::chrono::seconds(value);
  return std::nullopt;
}

std::string text_of(Duration time) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  if (us % 1'000'000 == 0) return std::to_string(us / 1'000'000) + "s";
  if (us % 1'000 == 0) return std::to_string(us / 1'000) + "ms";
  return std::to_string(us) + "us";
}

void add_time(CLI::App& app, const std::string& name, Duration& time, const std::string& help,
              Duration least = std::chrono::microseconds(1)) {
  const CLI::callback_t parse = [&time, least](const CLI::results_t& texts) {
    const std::optional<Duration> parsed = parse_time(texts.front());
    if (!parsed || *parsed < least) return false;
    time = *parsed;
    return true;
  };
  app.add_option(name, parse, help)->type_name("TIME")->default_str(text_of(time));
}

bool is_link_name(const std::string& name) {
  return name.size() <= kLinkNameBytesMax && is_node_name(name);
}

/// "crc=on", "mtu=1400"; false: neither.
bool set_link_option(const std::string& text, LinkSetting& link) {
  if (text == "crc=on" || text == "crc=off") {
    link.has_crc = text == "crc=on";
    return true;
  }
  if (!text.starts_with("mtu=")) return false;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data() + 4, last, link.options.mtu_bytes);
  return error == std::errc() && end == last && link.options.mtu_bytes >= kMtuLeast &&
         link.options.mtu_bytes <= kMtuMost;
}

/// "en0=udp:10.71.0.1:8204,crc=on,mtu=1400". The error says what it should be.
std::expected<LinkSetting, std::string> parse_link(const std::string& text) {
  const std::size_t equals = text.find('=');
  std::size_t at = std::min(text.find(',', std::min(equals, text.size())), text.size());
  const std::string form = "NAME=udp:ADDRESS[:PORT][,OPTION…]";
  if (equals == std::string::npos) return std::unexpected(form);
  LinkSetting link{.name = text.substr(0, equals), .address = text.substr(equals + 1, at - equals - 1)};
  if (!is_link_name(link.name) || link.address.empty()) return std::unexpected(form);
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(',', at + 1), text.size());
    if (!set_link_option(text.substr(at + 1, end - at - 1), link)) {
      return std::unexpected("options are crc=on, crc=off, mtu=" + std::to_string(kMtuLeast) + " to " +
                             std::to_string(kMtuMost));
    }
    at = end;
  }
  return link;
}

/// "b=en0@10.71.0.2,en1@10.71.1.2"
std::optional<PeerSetting> parse_peer(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return std::nullopt;
  PeerSetting peer{.name = text.substr(0, equals), .paths = {}};
  if (!is_node_name(peer.name)) return std::nullopt;
  for (std::size_t at = equals + 1; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string path = text.substr(at, end - at);
    const std::size_t sign = path.find('@');
    if (sign == std::string::npos || sign + 1 == path.size()) return std::nullopt;
    peer.paths.push_back({path.substr(0, sign), path.substr(sign + 1)});
    at = end + 1;
  }
  return peer;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string default_name() {
  char name[HOST_NAME_MAX + 1] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "";
  const std::string full(name);
  return is_node_name(full) ? full : full.substr(0, full.find('.'));
}

std::string default_socket() {
  if (const std::string told = environment("QNET_SOCKET"); !told.empty()) return told;
  if (geteuid() == 0) return "/run/qnet/agent.sock";
  const std::string run = environment("XDG_RUNTIME_DIR");
  return run.empty() ? "" : run + "/qnet/agent.sock";
}

std::string default_state_directory() {
  if (geteuid() == 0) return "/var/lib/qnet";
  if (const std::string state = environment("XDG_STATE_HOME"); !state.empty()) return state + "/qnet";
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + "/.local/state/qnet";
}

/// "/net/", "//net" → "/net"; empty if it is no usable prefix.
std::string normal_prefix(const std::string& text) {
  if (text.empty() || text.front() != '/') return "";
  std::string normal;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = std::min(text.find_first_not_of('/', at), text.size());
    const std::size_t end = std::min(text.find('/', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    if (part == "." || part == "..") return "";
    if (!part.empty()) normal += "/" + part;
    at = end;
  }
  return normal;
}

struct Texts {
  std::vector<std::string> links, peers;
  std::string key, fuse = "on";
  bool is_trusted = false;
};

/// What CLI11 cannot check by itself. Empty: all is well.
std::string check(const Texts& texts, Config& config) {
  if (!texts.key.empty()) return "--key: authentication of peers does not exist yet; use --trusted";
  if (!texts.is_trusted) {
    return "peers are not authenticated yet: start with --trusted, on a network where every host may be believed";
  }
  if (!is_node_name(config.name)) return "--name: 1 to 31 letters, digits, '-', '_', '.'; got \"" + config.name + "\"";
  if (config.socket.empty()) return "--socket is needed: neither root nor XDG_RUNTIME_DIR is set";
  if (config.state_directory.empty()) return "--state-dir is needed: HOME is not set";
  const std::string prefix = normal_prefix(config.prefix);
  if (prefix.empty())
    return "--prefix: an absolute path below /, without \".\" and \"..\"; got \"" + config.prefix + "\"";
  config.prefix = prefix;

  for (const std::string& text : texts.links) {
    const std::expected<LinkSetting, std::string> link = parse_link(text);
    if (!link) return "--link: " + link.error() + "; got \"" + text + "\"";
    const auto is_same = [&](const LinkSetting& other) { return other.name == link->name; };
    if (std::ranges::any_of(config.links, is_same)) return "--link: " + link->name + " is given twice";
    config.links.push_back(*link);
  }
  if (config.links.size() > kLinksMax) return "--link: at most " + std::to_string(kLinksMax);

  for (const std::string& text : texts.peers) {
    const std::optional<PeerSetting> peer = parse_peer(text);
    if (!peer) return "--peer: NAME=LINK@ADDRESS[,LINK@ADDRESS…]; got \"" + text + "\"";
    if (peer->name == config.name) return "--peer: " + peer->name + " is this node";
    const auto is_same = [&](const PeerSetting& other) { return other.name == peer->name; };
    if (std::ranges::any_of(config.peers, is_same)) return "--peer: " + peer->name + " is given twice";
    for (const PathSetting& path : peer->paths) {
      const auto is_link = [&](const LinkSetting& link) { return link.name == path.link; };
      if (std::ranges::none_of(config.links, is_link)) return "--peer " + peer->name + ": no --link " + path.link;
    }
    config.peers.push_back(*peer);
  }
  if (config.peers.size() > config.engine.peers_max) return "--peer: more than --peers-max";
  config.has_fuse = texts.fuse == "on";
  config.executor.prefix = config.prefix;
  return "";
}

void add_options(CLI::App& app, Config& config, Texts& texts) {
  app.add_option("--name", config.name, "name of this node")->type_name("NAME")->default_str(config.name);
  app.add_option("--link", texts.links,
                 "a link, NAME=udp:ADDRESS[:PORT][,OPTION…]; port 8204; options: crc=on (checksums), mtu=BYTES "
                 "(else found out); repeatable")
      ->type_name("LINK")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1)
      ->allow_extra_args(false);
  app.add_option("--peer", texts.peers, "another node, NAME=LINK@ADDRESS[:PORT][,LINK@ADDRESS…]; repeatable")
      ->type_name("PEER")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(1)
      ->allow_extra_args(false);
  app.add_flag("--trusted", texts.is_trusted, "believe every host on the links (Qnet's open behaviour)");
  app.add_option("--key", texts.key, "cluster key; does not exist yet")->type_name("FILE");
  app.add_option("--socket", config.socket, "where local programs connect")
      ->type_name("PATH")
      ->default_str(config.socket);
  app.add_option("--prefix", config.prefix, "where the nodes appear")->type_name("PATH")->default_str(config.prefix);
  app.add_option("--state-dir", config.state_directory, "node id and incarnation")
      ->type_name("DIR")
      ->default_str(config.state_directory);
  app.add_option("--fuse", texts.fuse, "descriptors for programs without the library, by /dev/fuse: on, off")
      ->type_name("WHETHER")
      ->default_str(texts.fuse)
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option("--log-level", config.log_level, "error, warn, info, debug, trace")
      ->type_name("LEVEL")
      ->default_str(config.log_level)
      ->check(CLI::IsMember({"error", "warn", "info", "debug", "trace"}));
  app.set_config("--config", "", "file with the same settings, one NAME=VALUE a line; SIGHUP re-reads the peers")
      ->type_name("FILE");
  app.config_formatter(std::make_shared<ConfigFile>(app));

  core::EngineConfig& engine = config.engine;
  add_time(app, "--probe-interval", engine.probe_interval_active, "probes of a link while calls run");
  add_time(app, "--probe-interval-idle", engine.probe_interval_idle, "probes of a link otherwise");
  add_time(app, "--link-dead-after", engine.link_dead_after, "silence after which a link is down");
  add_time(app, "--call-grace", engine.call_grace, "no link alive: calls fail after this");
  add_time(app, "--session-hold", engine.session_hold, "a lost peer's open files are closed after this");
  add_time(app, "--busy-wait", config.busy_wait, "the agent stays awake that long for what comes next; 0s: never", {});
}

void add_bounds(CLI::App& app, Config& config) {
  const auto add = [&app]<class Number>(const char* name, Number& value, const char* help) {
    app.add_option(name, value, help)
        ->type_name("N")
        ->default_str(std::to_string(value))
        ->check(CLI::Range(Number{1}, static_cast<Number>(UINT32_MAX)));
  };
  core::EngineConfig& engine = config.engine;
  exec::ExecutorConfig& executor = config.executor;
  add("--peers-max", engine.peers_max, "nodes");
  add("--connections-max", engine.connections_max, "connections with one peer");
  add("--connection-credit", engine.connection_credit_bytes, "bytes a peer may have us hold for a connection");
  add("--session-credit", engine.session_credit_bytes, "bytes a peer may have us hold in all");
  add("--workers-max", executor.workers_max, "threads that execute requests");
  add("--handles-max", executor.handles_max, "files that other nodes and this one hold open here");
  add("--requests-max", executor.requests_max, "requests in execution");
  add("--local-connections-max", config.local_connections_max, "connections of local programs; half for one user");
  add("--local-handles-max", config.local_handles_max, "remote files that local programs hold open");
  add("--caller-handles-max", executor.caller_handles_max, "of both kinds of files, for one user but root: EMFILE");
  CallerLimitsConfig& limits = config.caller_limits;
  add("--caller-requests-max", limits.caller_requests_max, "requests under way for one user but root: EAGAIN");
  add("--caller-memory-max", limits.caller_bytes_max, "bytes of requests and replies for one user but root: EAGAIN");
  add("--memory-max", limits.bytes_max, "bytes of requests and replies for all users: EAGAIN");
}

}  // namespace

std::optional<Refusal> parse_command_line(int count, const char* const* arguments, Config& config) {
  config.name = default_name();
  config.socket = default_socket();
  config.state_directory = default_state_directory();

  Texts texts;
  CLI::App app("qnetd: the agent of one node. Runs in the foreground, logs to standard error.", "qnetd");
  app.set_version_flag("--version", std::string("qnetd ") + kVersion);
  add_options(app, config, texts);
  add_bounds(app, config);
  try {
    app.parse(count, arguments);
  } catch (const CLI::CallForHelp&) {
    return Refusal{0, app.help()};
  } catch (const CLI::CallForVersion&) {
    return Refusal{0, std::string("qnetd ") + kVersion + "\n"};
  } catch (const CLI::ConfigError& error) {
    return Refusal{2, app.get_config_ptr()->as<std::string>() + ": " + error.what()};
  } catch (const CLI::ParseError& error) {
    return Refusal{2, error.what()};
  }
  if (std::string wrong = check(texts, config); !wrong.empty()) return Refusal{2, std::move(wrong)};
  return std::nullopt;
}

}  // namespace qnet::agent
