/// Host files and block devices by the kernel's own calls, without allocation and without a copy: the data goes to and
/// from addresses that an array of vectors names.
///
/// Families of files:
///
/// - One file: [HostFile] is an open file, [IoVectors] the array, [FileStatus] what kind of file it is and how large.
///   [IoUring] has operations that end later.
/// - A file that replaces another one when it is complete: [NewFile], and [PacedFile] for a long one.
/// - A folder's files: [Beneath] has the system calls that name a file by one name below a descriptor, so that no
///   symbolic link and no `..` leads out. [Statx], [DirectoryEntries], [FileSystemStatus] and [RecordLock] are the
///   structures that they fill, [OpenFlags] the kernel's numbers.
/// - Bytes both ways: [ByteStream] is a terminal or a stream socket, [PseudoTerminal] a pair of terminals.
///
/// Results are as the kernel has them: a negative number is a negated errno of [io.xenemu.kvm.abi.Errno].
@NullMarked
package io.xenemu.kvm.file;

import org.jspecify.annotations.NullMarked;
