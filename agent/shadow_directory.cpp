// SPDX-License-Identifier: Apache-2.0
#include "agent/shadow_directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "agent/directories.hpp"
#include "transport/wire/agent_ops.hpp"

namespace qnet::agent {
namespace {

constexpr int kDirectoryFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// root may create below 0555, others not.
mode_t directory_mode() {
  return geteuid() == 0 ? 0555 : 0755;
}

Result<std::vector<std::string>> split(std::string_view path) {
  std::vector<std::string> names;
  for (std::size_t at = 0;;) {
    at = path.find_first_not_of('/', at);
    if (at == std::string_view::npos) return names;
    const std::size_t end = std::min(path.find('/', at), path.size());
    std::string name(path.substr(at, end - at));
    if (name == "." || name == "..") return fail(EINVAL, "shadow path");
    names.push_back(std::move(name));
    at = end;
  }
}

/// Makes `names` one below the other; on return `at` is the deepest that exists and `made` how many do.
Status descend(const std::vector<std::string>& names, UniqueFd& at, std::size_t& made) {
  for (const std::string& name : names) {
    if (mkdirat(at.get(), name.c_str(), directory_mode()) != 0) return fail_errno("mkdirat");
    ++made;
    UniqueFd next(openat(at.get(), name.c_str(), kDirectoryFlags));
    if (!next) {
      const int error = errno;
      unlinkat(at.get(), name.c_str(), AT_REMOVEDIR);
      --made;
      return fail(error, "openat");
    }
    at = std::move(next);
  }
  return {};
}

/// Removes them again, deepest first; a directory that is gone still knows what was above it.
void ascend(const std::vector<std::string>& names, UniqueFd at, std::size_t made) {
  while (made > 0) {
    UniqueFd above(openat(at.get(), "..", kDirectoryFlags));
    if (!above) return;
    --made;
    unlinkat(above.get(), names[made].c_str(), AT_REMOVEDIR);
    at = std::move(above);
  }
}

}  // namespace

Result<ShadowDirectory> ShadowDirectory::create(const std::string& own_directory) {
  std::string mark(wire::kWorkingDirectoryMark);  // "/.qnet-cwd/"
  mark.pop_back();
  const std::string path = own_directory + mark;
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
  if (const Status made = make_directories(own_directory, 0755); !made) return fail(made.error());
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("mkdir");
  UniqueFd base(open(path.c_str(), kDirectoryFlags));
  if (!base) return fail_errno("open");
  return ShadowDirectory(own_directory, path, std::move(base));
}

ShadowDirectory::~ShadowDirectory() {
  if (!base_) return;
  rmdir(base_path_.c_str());
  rmdir(own_directory_.c_str());
}

Result<UniqueFd> ShadowDirectory::enter(std::string_view path, HandleId handle) {
  Result<std::vector<std::string>> names = split(path);
  if (!names) return fail(names.error());
  names->insert(names->begin(), std::to_string(handle.value));

  UniqueFd deepest(fcntl(base_.get(), F_DUPFD_CLOEXEC, 0));
  if (!deepest) return fail_errno("dup");
  std::size_t made = 0;
  const Status descended = descend(*names, deepest, made);
  UniqueFd entered(fcntl(deepest.get(), F_DUPFD_CLOEXEC, 0));
  const int error = entered ? 0 : errno;
  ascend(*names, std::move(deepest), made);
  if (!descended) return fail(descended.error());
  if (!entered) return fail(error, "dup");
  return entered;
}

}  // namespace qnet::agent
