package io.xenemu.core.xenimage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/// Whatever happens to an image, it is read or refused by the one exception.
class XenImagePropertyTest {
    private static final int VCPUS = 2;

    /// A guest of few pages, so that most changes hit the rest.
    private static List<byte[]> pieces() {
        XlImage image = TestImages.head(VCPUS);
        for (int i = 0; i < 4; i++) {
            image.page(i, TestImages.page(i));
        }
        return image.page(TestImages.ACPI, TestImages.page(9))
                .page(0xfeffc, TestImages.page(1))
                .pages(false)
                .tsc(2, 0)
                .record(XlImage.HVM_CONTEXT, TestImages.context(VCPUS, 0x1000))
                .params()
                .end()
                .pieces();
    }

    private static byte[] whole(List<byte[]> pieces) {
        return XlImage.concat(pieces.toArray(new byte[0][]));
    }

    /// @return whether it was read
    private static boolean readOrRefuse(byte[] image) throws IOException {
        try (XenImageReader reader = new XenImageReader(TestImages.channel(image))) {
            XenImage read = reader.read(new WorkProgress());
            assertEquals(VCPUS, read.kvm().vcpus().size());
            return true;
        } catch (WireException e) {
            return false;
        }
    }

    @Example
    void theImageItselfIsRead() throws IOException {
        assertTrue(readOrRefuse(whole(pieces())));
    }

    @Property(tries = 500)
    void anyBitsMayBeOtherOnes(
            @ForAll @Size(min = 1, max = 8) List<@IntRange(max = 1 << 20) Integer> bits)
            throws IOException {
        byte[] image = whole(pieces());
        for (int bit : bits) {
            int at = bit / 8 % image.length;
            image[at] ^= (byte) (1 << bit % 8);
        }
        boolean _ = readOrRefuse(image);
    }

    /// Numbers that are far off, where a length or a count may be.
    @Property(tries = 500)
    void anyWordMayBeAnotherOne(@ForAll @IntRange(max = 1 << 20) int place, @ForAll int value)
            throws IOException {
        byte[] image = whole(pieces());
        int at = place % (image.length / 4) * 4;
        XlImage.buffer(4).putInt(value).flip().get(image, at, 4);
        boolean _ = readOrRefuse(image);
    }

    @Property(tries = 300)
    void anImageThatIsCutOffIsRefused(@ForAll @IntRange(max = 1 << 20) int length) {
        byte[] image = whole(pieces());
        byte[] cut = Arrays.copyOf(image, length % image.length);
        assertThrows(
                WireException.class,
                () -> {
                    try (XenImageReader reader = new XenImageReader(TestImages.channel(cut))) {
                        reader.read(new WorkProgress());
                    }
                });
    }

    @Property(tries = 300)
    void recordsMayComeTwiceOrInAnotherOrderOrNotAtAll(
            @ForAll @IntRange(max = 1000) int one,
            @ForAll @IntRange(max = 1000) int other,
            @ForAll @IntRange(max = 2) int change)
            throws IOException {
        List<byte[]> pieces = new ArrayList<>(pieces());
        int a = one % pieces.size();
        int b = other % pieces.size();
        switch (change) {
            case 0 -> pieces.add(b, pieces.get(a));
            case 1 -> Collections.swap(pieces, a, b);
            default -> pieces.remove(a);
        }
        boolean _ = readOrRefuse(whole(pieces));
    }

    @Property(tries = 500)
    void anyBytesMayFollowTheHeader(@ForAll byte[] bytes) throws IOException {
        byte[] header = pieces().getFirst();
        assertFalse(readOrRefuse(XlImage.concat(header, bytes)));
        assertFalse(readOrRefuse(bytes));
    }

    @Property(tries = 300)
    void anyContextIsReadOrRefused(@ForAll byte[] bytes) throws IOException {
        byte[] context = TestImages.context(VCPUS, 0);
        List<byte[]> pieces = new ArrayList<>(pieces());
        int cut = bytes.length == 0 ? 0 : Byte.toUnsignedInt(bytes[0]) * context.length / 256;
        byte[] changed = XlImage.concat(Arrays.copyOf(context, cut), bytes);
        pieces.set(pieces.size() - 4, new XlImage().record(XlImage.HVM_CONTEXT, changed).bytes());
        boolean _ = readOrRefuse(whole(pieces));
    }
}
