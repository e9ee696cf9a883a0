# SPDX-License-Identifier: Apache-2.0
"""Does this machine's libc export a function of our families that preload/calls.def does not know?

A libc brings new names with every version, and a program that uses one of them falls through to the kernel. So every
exported name of FAMILIES must be a row (or an alias) of calls.def or stand in OMITTED, with the reason. And every row
must exist in libc, or stand in NOT_IN_LIBC.
"""
import fnmatch
import re
import subprocess
from pathlib import Path

from test_exports import rows

#: What names are made of that open, name, change or hand on files, descriptors, directories, processes.
FAMILIES = """
.*open.* .*creat(64)? .*(read|write|readv|writev)(64|v2|64v2|2)?(_chk|_nocancel)? .*seek.* .*close.* .*dup[23]?
.*fcntl.* .*stat(64|at|at64|x|fs|fs64|vfs|vfs64)? .*access.* .*dir.* .*dents.* .*cwd.* .*getwd.* .*realpath.*
.*canonicalize.* .*link(at|_chk|at_chk)? remove .*rename.* .*mkn.* .*mkfifo.* .*chmod.* .*chown.* .*truncate.* umask
.*utime.* .*exec.* .*spawn.* .*fork.* .*clone.* daemon .*system .*popen .*pclose .*[a-z]at(64)?2? .*xattr.* mq_.*
sem_.* shm_.* .*socket.* bind listen .*accept.* .*connect getsockname getpeername .*sockopt shutdown _*(send|recv).*
.*addrinfo.* .*gethostby.* getnameinfo if_.* .*ifaddrs .*poll.* .*select .*epoll.* .*mmap.* munmap mremap .*sync.*
.*fallocate.* .*fadvise.* readahead .*lockf?(64)? .*sendfile.* .*copy_file.* .*splice tee .*glob.* .*ftw.* .*fts.*
.*temp.* .*tmp.* .*notify.* .*handle_at chroot acct .*mount.* pivot_root aio_.* lio_.* .*tty.* tc.* .*ioctl
.*ptsname.* .*pt fileno.* .*dprintf.* .*wc .*wc_unlocked .*wchar.* .*ws .*ws_.* .*wprintf.* fwide syscall set.*id
setgroups initgroups pidfd_.* ftok .*mntent.* wordexp quotactl swapon swapoff uselib io_.* landlock_.* name_to.*
statmount listmount
""".split()

#: Names of FAMILIES that are not interposed, by the reason.
OMITTED = {
    "not carried yet: message queues, semaphores, shared memory": """
        mq_close mq_getattr mq_notify mq_open mq_receive mq_send mq_setattr mq_timedreceive mq_timedsend mq_unlink
        __mq_open_2 sem_close sem_getvalue sem_open sem_post sem_unlink
        shm_open shm_unlink""",
    "in the process's own memory": "sem_destroy sem_init shmat munmap mremap open_memstream open_wmemstream",
    "not carried yet: sockets and name resolution": """
        socket bind listen connect __connect getsockname getpeername getsockopt setsockopt shutdown
        send __send sendto getaddrinfo freeaddrinfo
        getaddrinfo_a getnameinfo getifaddrs freeifaddrs gethostbyaddr gethostbyaddr_r gethostbyname
        gethostbyname2 gethostbyname2_r gethostbyname_r if_freenameindex if_indextoname if_nameindex
        if_nametoindex""",
    "a pair of sockets is always local": "socketpair",
    "waits for descriptors that epoll_ctl has let in": """
        epoll_create epoll_create1""",
    "libc's threads get ESPIPE on a remote descriptor": "aio_* lio_listio lio_listio64",
    "not carried: the loader opens the file itself": "dlopen dlmopen",
    "works on what another function opened": """
        dlclose fclose _IO_fclose fcloseall fseek fseeko fseeko64 _IO_seekoff _IO_seekpos _IO_fread _IO_fwrite
        fread __fread_chk fwrite catclose iconv_close closelog globfree globfree64 _IO_proc_open _IO_proc_close
        _IO_file_* _IO_do_write _IO_wdo_write _IO_wfile_* _IO_str_* fopencookie getmntent getmntent_r
        __getmntent_r addmntent endmntent hasmntopt fmemopen eventfd_read eventfd_write inotify_init inotify_init1
        inotify_rm_watch fanotify_init _IO_seekmark _IO_seekwmark _IO_sputbackwc _IO_sungetwc __endmntent""",
    "of the machine itself: terminals, mounts, accounts, records": """
        openpty forkpty login_tty posix_openpt getpt grantpt unlockpt ptsname ptsname_r __ptsname_r_chk gtty stty
        getttyent setttyent endttyent getttynam ttyslot mount umount umount2 fsmount move_mount mount_setattr
        open_tree fsopen pivot_root acct swapon swapoff quotactl uselib setfsgid setfsuid sethostid setpgid setsid
        sync openlog utmpname fanotify_mark logwtmp updwtmp updwtmpx utmpxname getutmp getutmpx ustat""",
    "looks things up in the configuration of this machine": "catopen iconv_open wordexp",
    "about processes": "pidfd_open pidfd_send_signal process_vm_readv process_vm_writev",
    "the descriptor it gives is looked at when it is used": "pidfd_getfd",
    "file actions that name no path, and attributes: libc's": "posix_spawnattr_*",
    "neither files nor descriptors": """
        pthread_* __pthread_* mtx_* xdr_* svc* __rpc* __res_* cbc_crypt ecb_crypt _IO_list_* _IO_un_link clock
        mlock* munlock* *strdup* *strndup* wcsdup mallopt __libc_mallopt *cat regexec re_exec rexec rexec_af
        dirname sigblock siginterrupt *wcs* *wmem* btowc getopt* getsubopt __posix_getopt __register_atfork
        swprintf vswprintf __swprintf_chk __vswprintf_chk get*opt* parse_printf_format glob_pattern_p xencrypt
        xdecrypt *mbrtowc mbtowc""",
}

#: Rows that glibc 2.36 does not export: older versions, libpthread before 2.34 or other builds do.
NOT_IN_LIBC = """
__access __chdir __chmod __chown __creat __dup __dup3 __execve __fchdir __fchmod __fchown __fcntl64 __getcwd __lchown
__libc_close __libc_creat __libc_fcntl __libc_lseek __libc_lseek64 __libc_open __libc_open64 __libc_pread64
__libc_pwrite64 __libc_read __libc_readv __libc_vfork __libc_write __libc_writev __link __lseek64 __mkdir __pread
__pwrite __readlink __readv __rmdir __symlink __unlink __writev
""".split()


def libc_path():
    """The libc of this very process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if re.search(r"/libc\.so\.6$|/libc-2\.\d+\.so$", line):
            return line.split()[-1]
    raise AssertionError("this process has no libc")


def libc_functions(private=False):
    """Names of the functions that programs may bind to; with private also those that only libc's own parts may."""
    out = subprocess.run(["nm", "-D", "--defined-only", libc_path()], check=True, capture_output=True, text=True).stdout
    found = set()
    for line in out.splitlines():
        _, kind, symbol = line.split()
        name, _, version = symbol.partition("@")
        if kind in "TWi" and (private or version.strip("@") != "GLIBC_PRIVATE"):
            found.add(name)
    return found


def omitted(name):
    return any(fnmatch.fnmatchcase(name, pattern) for names in OMITTED.values() for pattern in names.split())


def of_our_families(names):
    wanted = re.compile("|".join(f"(?:{pattern})" for pattern in FAMILIES))
    return {name for name in names if wanted.fullmatch(name)}


def unknown(functions, known):
    """Names of our families that calls.def does not have and nobody has decided about."""
    return sorted(name for name in of_our_families(functions) - set(known) if not omitted(name))


def test_every_function_of_our_families_is_a_row_or_left_out_for_a_reason():
    found = unknown(libc_functions(), rows())
    assert not found, f"{libc_path()} exports what calls.def does not know: {' '.join(found)}"


def test_every_row_is_a_function_of_libc_or_known_not_to_be():
    lost = sorted(set(rows()) - libc_functions(private=True) - set(NOT_IN_LIBC))
    assert not lost, lost


def test_nothing_is_both_a_row_and_left_out():
    assert not [name for name in rows() if omitted(name)]


def test_a_new_function_of_libc_and_a_lost_row_are_seen():
    """The tests above can fail."""
    functions = libc_functions()
    assert len(of_our_families(functions)) > 400
    for new in ("openat2", "fstatat2", "pidfd_spawn", "renameat4", "__preadv_chk", "mq_peek", "closeall", "statmount"):
        assert unknown(functions | {new}, rows()) == [new]
    for lost in ("statx", "execveat", "__read_chk", "copy_file_range", "nftw64", "posix_spawnp", "lsetxattr"):
        assert lost in functions
        assert unknown(functions, set(rows()) - {lost}) == [lost]


def test_nothing_is_left_out_that_is_not_there():
    functions = of_our_families(libc_functions())
    stale = [pattern for names in OMITTED.values() for pattern in names.split()
             if not fnmatch.filter(functions, pattern)]
    assert not stale, stale
