// SPDX-License-Identifier: Apache-2.0
//
// working_directory.hpp: how does a path become something that fchdir(2) takes, in a child too?
#pragma once

namespace qnet::preload {

/// A close-on-exec descriptor of the directory, or of the shadow directory that stands for a remote one. -1 and errno.
int open_working_directory(const char* path);

}  // namespace qnet::preload
