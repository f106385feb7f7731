/// Host files and block devices by the kernel's own calls, without allocation and without a copy: the data goes to and
/// from addresses that an array of vectors names.
///
/// [HostFile] is an open file, [IoVectors] the array, [FileStatus] what kind of file it is and how large. Results are
/// as the kernel has them: a negative number is a negated errno of [io.xenemu.kvm.abi.Errno].
@NullMarked
package io.xenemu.kvm.file;

import org.jspecify.annotations.NullMarked;
