/* SPDX-License-Identifier: Apache-2.0
 *
 * qnet/version.h: which qnet is this?
 *
 * The interfaces of QNX's <sys/netmgr.h>, name_attach() and message passing will be headers of this folder.
 */
#ifndef QNET_VERSION_H
#define QNET_VERSION_H

#define QNET_VERSION_MAJOR 0
#define QNET_VERSION_MINOR 1
#define QNET_VERSION_PATCH 0
#define QNET_VERSION "0.1.0"

#endif
