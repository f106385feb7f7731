package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.google.common.primitives.Bytes;
import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The value of an extended attribute, or the list of their names: the guest reads it piece by piece, or writes it
/// piece by piece and sets it with the clunk.
final class P9Attribute extends P9Object {
    private static final int XATTR_REPLACE = 2;

    private final P9Descriptors descriptors;
    private final byte[] value;

    /// The attribute to set; empty when the guest reads.
    private final byte[] name;

    private final int flags;

    /// The file to set it on, which the fid stood for; null when the guest reads.
    private final @Nullable P9Object file;

    /// Bytes written without a gap; guarded by this object's lock.
    private int written;

    private P9Attribute(
            P9Descriptors descriptors,
            byte[] value,
            byte[] name,
            int flags,
            @Nullable P9Object file,
            int uid) {
        super(uid);
        this.descriptors = descriptors;
        this.value = value;
        this.name = name;
        this.flags = flags;
        this.file = file;
    }

    /// A value to read. The caller has reserved it.
    static P9Attribute read(P9Descriptors descriptors, byte[] value, int uid) {
        return new P9Attribute(descriptors, value, new byte[0], 0, null, uid);
    }

    /// A value to write. The caller has reserved it.
    ///
    /// @param name with its end
    static P9Attribute written(
            P9Descriptors descriptors, int size, byte[] name, int flags, P9Object file) {
        return new P9Attribute(descriptors, new byte[size], name, flags, file, file.uid());
    }

    /// A value whose setting had begun when it was saved.
    ///
    /// @param file held for it
    static P9Attribute restored(
            P9Descriptors descriptors, P9State.Use.Setting setting, P9Object file) {
        byte[] name = Arrays.copyOf(Bytes.toArray(setting.name()), setting.name().size() + 1);
        P9Attribute made = written(descriptors, setting.size(), name, setting.flags(), file);
        made.begin(Bytes.toArray(setting.written()));
        return made;
    }

    private synchronized void begin(byte[] bytes) {
        System.arraycopy(bytes, 0, value, 0, bytes.length);
        written = bytes.length;
    }

    /// What the guest does with it.
    ///
    /// @param of what the fid was before a setting; null if the guest reads
    synchronized P9State.Use state(P9State.@Nullable Use of) {
        if (of == null) {
            return new P9State.Use.Value(Bytes.asList(value));
        }
        return new P9State.Use.Setting(
                Bytes.asList(name).subList(0, name.length - 1),
                flags,
                value.length,
                Bytes.asList(value).subList(0, written),
                of);
    }

    /// The file to set it on, or null.
    @Nullable P9Object file() {
        return file;
    }

    @Override
    int descriptor(P9Scratch scratch) throws P9Error {
        throw P9Error.of(Errno.EBADF);
    }

    /// Copies a part of the value.
    @Override
    int read(long offset, MemorySegment to, int count) throws P9Error {
        if (file != null) {
            throw P9Error.of(Errno.EBADF);
        }
        if (offset < 0 || offset >= value.length) {
            return 0;
        }
        int bytes = Math.min(count, value.length - (int) offset);
        MemorySegment.copy(value, (int) offset, to, JAVA_BYTE, 0, bytes);
        return bytes;
    }

    /// Takes a part of the value, which continues the parts before.
    ///
    /// @throws P9Error also EINVAL if it does not; ENOSPC if it is longer than the value
    @Override
    synchronized int write(long offset, MemorySegment from, int count) throws P9Error {
        if (file == null) {
            throw P9Error.of(Errno.EBADF);
        }
        if (offset != written) {
            throw P9Error.of(Errno.EINVAL);
        }
        if (count > value.length - written) {
            throw P9Error.of(Errno.ENOSPC);
        }
        MemorySegment.copy(from, JAVA_BYTE, 0, value, written, count);
        written += count;
        return count;
    }

    /// Sets the attribute with the value that the guest has written. Linux's client removes an attribute by replacing
    /// it with no bytes.
    ///
    /// @throws P9Error EINVAL if the guest has not written the whole value
    synchronized void set(P9Scratch scratch) throws P9Error {
        P9Object target = file;
        if (target == null) {
            return;
        }
        if (written != value.length) {
            throw P9Error.of(Errno.EINVAL);
        }
        int fd = target.descriptor(scratch);
        MemorySegment.copy(name, 0, scratch.name, JAVA_BYTE, 0, name.length);
        if (value.length == 0 && flags == XATTR_REPLACE) {
            P9Error.check(scratch.files.removeAttribute(fd, scratch.name));
        } else {
            MemorySegment buffer = scratch.attribute().asSlice(0, value.length);
            MemorySegment.copy(value, 0, buffer, JAVA_BYTE, 0, value.length);
            P9Error.check(scratch.files.writeAttribute(fd, scratch.name, buffer, flags));
        }
    }

    @Override
    void end() {
        descriptors.releaseAttribute();
    }
}
