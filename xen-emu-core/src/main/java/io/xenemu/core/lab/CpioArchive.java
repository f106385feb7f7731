package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.OutputStream;
import java.util.HashSet;
import java.util.Set;

/// Writes a cpio archive in the "newc" format, as the kernel reads an initramfs (Linux:
/// Documentation/driver-api/early-userspace/buffer-format). All entries belong to root and have time 0, so that the
/// same content gives the same bytes. Missing parent directories are added.
public final class CpioArchive implements AutoCloseable {
    private static final int S_IFCHR = 0x2000;
    private static final int S_IFDIR = 0x4000;
    private static final int S_IFREG = 0x8000;
    private static final int S_IFLNK = 0xa000;
    private static final int ALIGNMENT = 4;

    private final OutputStream out;
    private final Set<String> directories = new HashSet<>();
    private long written;
    private int nextInode = 1;

    /// An empty archive.
    ///
    /// @param out gets the archive; closed by [#close]
    public CpioArchive(OutputStream out) {
        this.out = out;
    }

    /// A directory with mode 0755; nothing if it is there already.
    ///
    /// @param name path without a leading slash
    public CpioArchive directory(String name) throws IOException {
        if (directories.add(name)) {
            parent(name);
            entry(name, S_IFDIR | 0755, 0, 0, new byte[0]);
        }
        return this;
    }

    /// A regular file with mode 0644.
    public CpioArchive file(String name, byte[] content) throws IOException {
        parent(name);
        entry(name, S_IFREG | 0644, 0, 0, content);
        return this;
    }

    /// A regular file with mode 0755.
    public CpioArchive executable(String name, byte[] content) throws IOException {
        parent(name);
        entry(name, S_IFREG | 0755, 0, 0, content);
        return this;
    }

    /// A symbolic link.
    public CpioArchive symlink(String name, String target) throws IOException {
        parent(name);
        entry(name, S_IFLNK | 0777, 0, 0, target.getBytes(UTF_8));
        return this;
    }

    /// A character device with mode 0600.
    public CpioArchive characterDevice(String name, int major, int minor) throws IOException {
        parent(name);
        entry(name, S_IFCHR | 0600, major, minor, new byte[0]);
        return this;
    }

    /// Writes the end mark and closes the stream.
    @Override
    public void close() throws IOException {
        try (out) {
            entry("TRAILER!!!", 0, 0, 0, new byte[0]);
        }
    }

    private void parent(String name) throws IOException {
        int slash = name.lastIndexOf('/');
        if (slash > 0) {
            directory(name.substring(0, slash));
        }
    }

    private void entry(String name, int mode, int major, int minor, byte[] content)
            throws IOException {
        byte[] nameBytes = (name + '\0').getBytes(UTF_8);
        int[] fields = {
            nextInode++, mode, 0, 0, 1, 0, content.length, 0, 0, major, minor, nameBytes.length, 0
        };
        StringBuilder header = new StringBuilder("070701");
        for (int field : fields) {
            header.append("%08x".formatted(field));
        }
        write(header.toString().getBytes(US_ASCII));
        write(nameBytes);
        pad();
        write(content);
        pad();
    }

    private void write(byte[] bytes) throws IOException {
        out.write(bytes);
        written += bytes.length;
    }

    private void pad() throws IOException {
        write(new byte[Math.toIntExact(-written & (ALIGNMENT - 1))]);
    }
}
