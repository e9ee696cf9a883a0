# SPDX-License-Identifier: Apache-2.0
"""Does libqnet.so show exactly the rows of preload/calls.def, and is it fit to live in other people's processes?"""
import re
import subprocess

import pytest

import tree

LIBRARY = tree.BUILD / "lib" / "libqnet.so"
SIZE_BYTES_MAX = 600_000

# What glibc 2.36 exports and programs use to reach files: without one of these a program falls through to the kernel.
# The names of the first priority, and what the stock programs need besides. glibc 2.36 has no __isatty.
REQUIRED = """
syscall fork __fork _Fork vfork __vfork daemon close_range closefrom
open open64 __open __open64 openat openat64 __open_2 __open64_2 __openat_2 __openat64_2 creat creat64
read __read __read_chk write __write pread pread64 __pread64 __libc_pread __pread_chk __pread64_chk
pwrite pwrite64 __pwrite64 __libc_pwrite readv writev lseek lseek64 __lseek llseek
close __close dup dup2 __dup2 dup3 fcntl fcntl64 __fcntl __libc_fcntl64
stat stat64 lstat lstat64 fstat fstat64 __fstat64 fstatat fstatat64 statx
__xstat __xstat64 __lxstat __lxstat64 __fxstat __fxstat64 __fxstatat __fxstatat64
access faccessat eaccess euidaccess
opendir fdopendir readdir readdir64 readdir_r readdir64_r closedir rewinddir seekdir telldir dirfd getdents64
scandir scandir64 scandirat scandirat64
chdir fchdir getcwd __getcwd_chk getwd __getwd_chk get_current_dir_name realpath __realpath_chk
canonicalize_file_name readlink readlinkat __readlink_chk __readlinkat_chk
mkdir mkdirat rmdir unlink unlinkat remove rename renameat renameat2 link linkat symlink symlinkat
mknod mknodat __xmknod __xmknodat mkfifo mkfifoat chmod fchmod fchmodat lchmod chown fchown lchown fchownat
truncate truncate64 ftruncate ftruncate64 utime utimes lutimes futimes futimesat futimens utimensat umask
fopen fopen64 _IO_fopen freopen freopen64 fdopen _IO_fdopen fileno fileno_unlocked
execve execv execvp execvpe execl execlp execle execveat fexecve posix_spawn posix_spawnp
posix_spawn_file_actions_init posix_spawn_file_actions_destroy posix_spawn_file_actions_addopen
posix_spawn_file_actions_addclose posix_spawn_file_actions_adddup2 posix_spawn_file_actions_addchdir_np
posix_spawn_file_actions_addfchdir_np posix_spawn_file_actions_addclosefrom_np
posix_spawn_file_actions_addtcsetpgrp_np
system popen pclose clone __clone
isatty ttyname ttyname_r __ttyname_r_chk tcgetattr ioctl
poll __poll ppoll select __select pselect epoll_ctl
mmap mmap64 msync
sendfile sendfile64 copy_file_range splice preadv preadv64 preadv2 preadv64v2 pwritev pwritev64 pwritev2 pwritev64v2
statfs statfs64 fstatfs fstatfs64 statvfs statvfs64 fstatvfs fstatvfs64 pathconf fpathconf
fsync fdatasync syncfs sync_file_range fallocate fallocate64 posix_fallocate posix_fallocate64
posix_fadvise posix_fadvise64 readahead flock lockf lockf64
getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr
removexattr lremovexattr fremovexattr
glob glob64 ftw ftw64 nftw nftw64 fts_open fts_read fts_children fts_set fts_close
mkstemp mkstemp64 mkostemp mkostemp64 mkstemps mkstemps64 mkostemps mkostemps64 mkdtemp mktemp tmpfile tmpfile64
recvmsg inotify_add_watch
setuid setgid setreuid setregid setresuid setresgid seteuid setegid setgroups initgroups
""".split()


def rows():
    """Symbol names that calls.def promises: the names of its rows and all their aliases."""
    text = re.sub(r"//[^\n]*", "", (tree.ROOT / "preload" / "calls.def").read_text())
    names = []
    for match in re.finditer(r"^QNET_CALL\(", text, re.MULTILINE):
        arguments = split_arguments(text, match.end())
        names += [arguments[1]] + arguments[4:]
    return names


def split_arguments(text, at):
    """The macro's arguments from `at` to its closing bracket, split at commas outside brackets."""
    arguments, current, depth = [], "", 0
    for character in text[at:]:
        if character in "(<":
            depth += 1
        elif character in ")>":
            depth -= 1
            if depth < 0:
                break
        if character == "," and depth == 0:
            arguments.append(current.strip())
            current = ""
        else:
            current += character
    return arguments + [current.strip()]


def nm(*options):
    return subprocess.run(["nm", *options, str(LIBRARY)], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module", autouse=True)
def library():
    if not LIBRARY.exists():
        pytest.fail(f"{LIBRARY} is not built")


def exported():
    """Names without their version, if they have one; the version's own name is no symbol of ours."""
    found = set()
    for line in nm("-D", "--defined-only").splitlines():
        _, kind, symbol = line.split()
        if kind != "A":
            found.add(symbol.split("@")[0])
    return found


def test_no_name_stands_in_two_rows():
    names = rows()
    assert len(names) > 200
    assert sorted(set(names)) == sorted(names)


def test_the_library_exports_the_rows_and_nothing_else():
    wanted, found = set(rows()), exported()
    assert not wanted - found, f"rows without a symbol: {sorted(wanted - found)}"
    assert not found - wanted, f"symbols without a row: {sorted(found - wanted)}"


def test_every_name_that_programs_use_is_there():
    missing = sorted(set(REQUIRED) - exported())
    assert not missing, missing


def test_exports_are_functions_without_a_version():
    kinds = {line.split()[2]: line.split()[1] for line in nm("-D", "--defined-only").splitlines()}
    wrong = {symbol: kind for symbol, kind in kinds.items() if kind not in "TWi" or "@" in symbol}
    assert not wrong, wrong


def test_it_needs_nothing_but_libc():
    dynamic = subprocess.run(["readelf", "-d", str(LIBRARY)], check=True, capture_output=True, text=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    assert set(needed) <= {"libc.so.6", "ld-linux-x86-64.so.2"}, needed
    assert "SONAME" in dynamic and "libqnet.so" in dynamic
    assert "TEXTREL" not in dynamic


def test_it_is_small():
    """Code and data; debug information is not mapped, zeroed tables cost nothing until they are touched."""
    out = subprocess.run(["size", str(LIBRARY)], check=True, capture_output=True, text=True).stdout
    text_bytes, data_bytes = map(int, out.splitlines()[1].split()[:2])
    assert text_bytes + data_bytes < SIZE_BYTES_MAX


def test_it_has_no_executable_stack_and_keeps_to_itself():
    headers = subprocess.run(["readelf", "-lW", str(LIBRARY)], check=True, capture_output=True, text=True).stdout
    stack = next(line for line in headers.splitlines() if "GNU_STACK" in line)
    assert "RWE" not in stack
    undefined = [line.split()[-1] for line in nm("-D", "--undefined-only").splitlines()]
    assert not [symbol for symbol in undefined if symbol.startswith("_ZNSt") or "GLIBCXX" in symbol]
