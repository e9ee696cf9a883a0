// SPDX-License-Identifier: Apache-2.0
//
// version.hpp: which release is this? (told by the build, from the project's version)
#pragma once

namespace qnet {

inline constexpr const char* kVersion = QNET_VERSION;

}  // namespace qnet
