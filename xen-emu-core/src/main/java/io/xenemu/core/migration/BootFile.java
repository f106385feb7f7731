package io.xenemu.core.migration;

import com.google.common.base.Ascii;
import com.google.common.hash.HashCode;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;

/// A file that a saved guest needs for its next boot.
///
/// @param role its use
/// @param path its path on the host that saved the guest
/// @param size in bytes
/// @param isIncluded whether the stream has its content; otherwise the host that restores has to have the same file
/// @param sha256 digest of its content
public record BootFile(Role role, String path, long size, boolean isIncluded, HashCode sha256) {
    /// What a boot does with it.
    public enum Role {
        /// The kernel or boot loader.
        KERNEL(0),
        /// A module, such as an initramfs.
        MODULE(1);

        private final int code;

        Role(int code) {
            this.code = code;
        }

        /// The role of a number in a stream.
        static Role of(int code) throws WireException {
            for (Role role : ROLES) {
                if (role.code == code) {
                    return role;
                }
            }
            throw new WireException("unknown role of a file: " + code);
        }

        /// In words.
        public String word() {
            return Ascii.toLowerCase(name());
        }
    }

    private static final Role[] ROLES = Role.values();

    /// Checks that this host has the same file.
    ///
    /// @throws WireException if its content is another one
    /// @throws IOException if it cannot be read
    public void requireSame(Path file) throws IOException {
        MessageDigest digest = StreamAccount.sha256();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (channel.size() == size) {
                ByteBuffer chunk = ByteBuffer.allocateDirect(SaveFormat.CHUNK_BYTES);
                while (channel.read(chunk.clear()) >= 0) {
                    digest.update(chunk.flip());
                }
                if (sha256.equals(HashCode.fromBytes(digest.digest()))) {
                    return;
                }
            }
        }
        throw new WireException(file + " is not the file that the guest was booted from");
    }

    /// The body of [SectionType#FILE], which comes before the content.
    static BodyWriter encode(Role role, String path, long size, boolean isIncluded) {
        return new BodyWriter().u8(role.code).bool(isIncluded).u64(size).string(path);
    }

    /// Reads that body.
    ///
    /// @return the file, without its digest
    static Begun decode(BodyReader body) throws WireException {
        Role role = Role.of(body.u8());
        boolean isIncluded = body.bool();
        long size = body.u64();
        if (size < 0 || size > SaveFormat.MAX_FILE_BYTES) {
            throw new WireException("a file of " + Long.toUnsignedString(size) + " bytes");
        }
        String path = body.string(SaveFormat.MAX_TEXT_BYTES);
        body.end();
        return new Begun(role, path, size, isIncluded);
    }

    /// A file before its digest is known.
    record Begun(Role role, String path, long size, boolean isIncluded) {
        /// Reads the digest.
        BootFile end(BodyReader body) throws WireException {
            byte[] digest = body.bytes(SaveFormat.SHA256_BYTES);
            body.end();
            if (digest.length != SaveFormat.SHA256_BYTES) {
                throw new WireException("a digest of " + digest.length + " bytes");
            }
            return new BootFile(role, path, size, isIncluded, HashCode.fromBytes(digest));
        }
    }
}
