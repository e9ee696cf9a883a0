# SPDX-License-Identifier: Apache-2.0
"""Calls beyond read and write on another node's files: memory maps, readiness, terminals, space, temporary files, …"""
from side_by_side import same_program


def test_memory_maps_show_the_file(lab):
    same_program(lab, "memory_maps")


def test_a_shared_writable_map_is_refused_and_not_silently_private(lab):
    result = lab.exec("a", ["/usr/bin/python3", "-c", r"""
import errno, mmap, os
fd = os.open("/net/b/tmp/mapped.bin", os.O_CREAT | os.O_RDWR); os.ftruncate(fd, 4096)
try: mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
except OSError as error: print(errno.errorcode[error.errno])
"""])
    assert result.stdout == "ENODEV\n", result.stderr


def test_readiness_is_that_of_files(lab):
    same_program(lab, "readiness")


def test_files_are_no_terminals(lab):
    same_program(lab, "no_terminals")


def test_space_can_be_reserved_synced_and_asked_for(lab):
    same_program(lab, "space")


def test_temporary_files_and_patterns(lab):
    same_program(lab, "temporary_files")


def test_libc_walkers_see_the_tree(lab):
    same_program(lab, "walkers", compare_trees=False)


def test_extended_attributes_and_fast_copies_fall_back_politely(lab):
    """Copies inside the kernel answer what makes programs fall back, never EIO or a hang, and never a wrong success."""
    result = lab.exec("a", ["/usr/bin/python3", "-c", r"""
import errno, os, shutil
def name(call, *a):
    try: call(*a); return "ok"
    except OSError as e: return errno.errorcode[e.errno]
open("/net/b/tmp/x1", "w").write("content"); open("/tmp/x2", "w").write("local content")
r = os.open("/net/b/tmp/x1", os.O_RDWR); l = os.open("/tmp/x2", os.O_RDWR)
print(name(os.getxattr, "/net/b/tmp/x1", "user.a"), name(os.listxattr, r),
      name(os.setxattr, "/net/b/tmp/x1", "user.a", b"1"))
print(name(os.copy_file_range, r, l, 5), name(os.copy_file_range, l, r, 5))
a, b = os.pipe()
print(name(os.splice, r, b, 3), name(os.sendfile, l, r, 0, 3), name(os.sendfile, r, l, 0, 3))
shutil.copyfile("/net/b/tmp/x1", "/tmp/x3"); shutil.copyfile("/tmp/x3", "/net/b/tmp/x4")
print(os.stat("/net/b/tmp/x4").st_size == os.stat("/net/b/tmp/x1").st_size)
"""])
    xattr, ranges, pipes, copied = result.stdout.splitlines()
    assert xattr.split() == ["ENODATA", "ok", "ok"]
    assert set(ranges.split()) <= {"EXDEV", "EINVAL", "ENOTSUP", "ENOSYS", "ok"}
    assert set(pipes.split()) <= {"EINVAL", "ENOSYS", "ok"}
    assert copied == "True"


def test_vectors_positions_and_flags_of_reading_and_writing(lab):
    same_program(lab, "vectors")


def test_stdio_reads_writes_and_seeks(lab):
    same_program(lab, "stdio")


def test_symlink_modes_and_time_stamps_to_the_nanosecond(lab):
    same_program(lab, "times_and_names")
