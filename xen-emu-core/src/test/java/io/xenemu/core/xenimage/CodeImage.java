package io.xenemu.core.xenimage;

import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/// An image of a guest with code, each vCPU with its own.
public final class CodeImage {
    private static final int PAGE = 4096;

    /// The page of the first vCPU's code: pages before it have other contents.
    private static final int FIRST = 16;

    private CodeImage() {}

    /// The image.
    ///
    /// @param leaves of CPUID
    /// @param khz the frequency of the time stamp counter
    /// @param code of each vCPU in hexadecimal
    public static byte[] of(List<CpuidEntry> leaves, int khz, String... code) {
        XlImage image =
                new XlImage()
                        .xl(XlImage.config("code", code.length, TestImages.MEMORY_KIB))
                        .libxl()
                        .libxc()
                        .processor(bytes(leaves));
        HvmContextImage context = new HvmContextImage(khz);
        for (int i = 0; i < code.length; i++) {
            byte[] text = HexFormat.of().parseHex(code[i].replace(" ", ""));
            image.page(FIRST + i, Arrays.copyOf(text, PAGE));
            context.cpu(i, HvmContextImage.flatCpu((FIRST + i) * PAGE)).lapic(i);
        }
        context.lines();
        for (int i = 0; i < code.length; i++) {
            context.rest(i);
        }
        return TestImages.withPages(image)
                .pages(false)
                .tsc(2, 0)
                .record(XlImage.HVM_CONTEXT, context.end())
                .params()
                .end()
                .bytes();
    }

    static byte[] bytes(List<CpuidEntry> leaves) {
        return XlImage.concat(
                leaves.stream()
                        .map(leaf ->
                                XlImage.leaf(
                                        leaf.function(),
                                        (leaf.flags() & CpuidEntry.SIGNIFICANT_INDEX) == 0
                                                ? -1
                                                : leaf.index(),
                                        leaf.eax(),
                                        leaf.ebx(),
                                        leaf.ecx(),
                                        leaf.edx()))
                        .toArray(byte[][]::new));
    }
}
