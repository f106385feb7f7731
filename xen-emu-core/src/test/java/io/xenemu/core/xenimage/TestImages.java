package io.xenemu.core.xenimage;

import java.io.ByteArrayInputStream;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.util.Arrays;

/// Images of small guests.
public final class TestImages {
    public static final int MEMORY_KIB = 8 << 10;
    static final int KHZ = 2_000_000;

    /// Frames of the guest's memory, in which one is not there.
    static final long FRAMES = MEMORY_KIB / 4;

    static final long HOLE = 3;
    static final long ACPI = 0xfc000;

    private TestImages() {}

    /// Page `number`, whose bytes tell which one it is.
    static byte[] page(int number) {
        byte[] page = new byte[4096];
        Arrays.fill(page, (byte) number);
        return page;
    }

    /// The context of a guest whose code begins at an address.
    static byte[] context(int vcpus, int address) {
        HvmContextImage context = new HvmContextImage(KHZ);
        for (int i = 0; i < vcpus; i++) {
            context.cpu(i, HvmContextImage.flatCpu(address)).lapic(i);
        }
        context.lines();
        for (int i = 0; i < vcpus; i++) {
            context.rest(i);
        }
        return context.end();
    }

    /// Leaves of an old processor.
    static byte[] leaves() {
        return XlImage.concat(
                XlImage.leaf(0, -1, 0xd, 0x756e_6547, 0x6c65_746e, 0x4965_6e69),
                XlImage.leaf(1, -1, 0x806f8, 0x0101_0800, 0x8020_0000, 0x1783_fbff),
                XlImage.leaf(4, 0, 0x1c00_4121, 0x01c0_003f, 0x3f, 0),
                XlImage.leaf(0xb, 0, 0, 0, 0x100, 0),
                XlImage.leaf(0x4000_0000, -1, 0, 0, 0, 0),
                XlImage.leaf(0x8000_0000, -1, 0x8000_0008, 0, 0, 0),
                XlImage.leaf(0x8000_0001, -1, 0, 0, 0, 0x2000_0800),
                XlImage.leaf(0x8000_0008, -1, 0x3028, 0, 0, 0));
    }

    /// Pages of the guest: some with contents, one that is not there, ACPI tables, and Xen's own.
    static XlImage withPages(XlImage image) {
        image.page(1, page(1)).page(2, page(2)).page(FRAMES - 1, page(9)).page(ACPI, page(4));
        image.zeros(0, HOLE).zeros(HOLE + 1, FRAMES - HOLE - 1).zeros(ACPI + 1, 8);
        for (long frame = 0xfeff8; frame < 0xff000; frame++) {
            image.page(frame, page(7));
        }
        return image;
    }

    /// An image as Xen writes it.
    public static XlImage image(int vcpus) {
        return image(XlImage.config("web", vcpus, MEMORY_KIB), vcpus);
    }

    /// The same with a configuration of its own.
    public static XlImage image(String config, int vcpus) {
        return withPages(head(config))
                .pages(false)
                .tsc(2, 0)
                .record(9, context(vcpus, 0x1000))
                .params()
                .end();
    }

    /// The beginning of an image, up to the pages.
    static XlImage head(int vcpus) {
        return head(XlImage.config("web", vcpus, MEMORY_KIB));
    }

    private static XlImage head(String config) {
        return new XlImage().xl(config).libxl().libxc().processor(leaves());
    }

    static ReadableByteChannel channel(byte[] image) {
        return Channels.newChannel(new ByteArrayInputStream(image));
    }
}
