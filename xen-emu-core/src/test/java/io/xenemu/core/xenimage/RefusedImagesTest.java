package io.xenemu.core.xenimage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.WireException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// What cannot be imported is refused by name, with one line.
@SuppressWarnings("ByteBufferBackingArray") // of buffers that were allocated
final class RefusedImagesTest {
    private static String refusal(byte[] image) {
        WireException refused =
                assertThrows(
                        WireException.class,
                        () -> {
                            try (XenImageReader reader =
                                    new XenImageReader(TestImages.channel(image))) {
                                XenImage _ = reader.read(new WorkProgress());
                            }
                        });
        String message = String.valueOf(refused.getMessage());
        assertEquals(1, message.lines().count(), message);
        return message;
    }

    private static void assertRefused(String reason, byte[] image) {
        String message = refusal(image);
        assertTrue(message.contains(reason), message);
    }

    private static XlImage xl() {
        return new XlImage().xl(XlImage.config("web", 1, TestImages.MEMORY_KIB));
    }

    static Stream<Arguments> configurations() {
        return Stream.of(
                arguments("'type': 'pv'", "a PV guest, and only PVH"),
                arguments("'type': 'hvm'", "HVM guest with a device model, and only PVH"),
                arguments("'type': 'x\\u001b'", "type is unknown: x?"),
                arguments("'uuid': 'x'", "uuid is none: x"),
                arguments("'max_vcpus': 0", "0 vCPUs"),
                arguments("'max_vcpus': 129", "129 vCPUs"),
                arguments("'max_vcpus': -1", "max_vcpus is no such number"),
                arguments("'max_memkb': 0", "0 KiB"),
                arguments("'max_memkb': 1099511627776", "1099511627776 KiB"),
                arguments("'kernel': 7", ""),
                arguments("'pcidevs': [{}]", "it has PCI devices"),
                arguments("'vfbs': [{}]", "it has virtual frame buffers"),
                arguments("'p9s': [{'tag': 'a'}]", "it has 9pfs shares"),
                arguments("'disks': [7]", "disks is no object"),
                arguments("'disks': [{'vdev': 'xvda', 'script': 'iscsi'}]", "made by a script"),
                arguments("'disks': [{'vdev': 'xvda', 'is_cdrom': 1}]", "no plain disk"),
                arguments("'disks': [{'vdev': 'x,y', 'pdev_path': '/a'}]", "with a comma"),
                arguments("'disks': [{'backend_domid': 3}]", "a driver domain"),
                arguments("'nics': [{'backend_domname': 'net'}]", "a driver domain"),
                arguments("'nics': [{'bridge': 'a,backendtype=passt'}]", "with a comma"));
    }

    @ParameterizedTest
    @MethodSource("configurations")
    void aGuestThatCannotBeHadHere(String member, String reason) {
        String config = XlImage.config("web", 1, TestImages.MEMORY_KIB);
        String name = member.substring(1, member.indexOf('\'', 1));
        String quoted = member.replace('\'', '"');
        String changed =
                config.contains("\"" + name + "\"")
                        ? config.replaceFirst(
                                "\"" + name + "\": (\"[^\"]*\"|\\d+)", quoted.replace("\\", "\\\\"))
                        : XlImage.config("web", 1, TestImages.MEMORY_KIB, ", " + member);
        assertRefused(reason, new XlImage().xl(changed).bytes());
    }

    @Test
    void aConfigurationThatIsNone() {
        assertRefused("the guest's configuration", new XlImage().xl("{").bytes());
        assertRefused("no JSON object", new XlImage().xl("[]").bytes());
        assertRefused("no c_info", new XlImage().xl("{}").bytes());
    }

    static Stream<Arguments> headers() {
        String config = XlImage.config("web", 1, TestImages.MEMORY_KIB);
        return Stream.of(
                arguments(new XlImage().xl(config, 0x0403_0201, 3, 0), "another byte order"),
                arguments(new XlImage().xl(config, 0x0102_0304, 1, 0), "Xen before 4.6"),
                arguments(new XlImage().xl(config, 0x0102_0304, 2, 0), "is not JSON"),
                arguments(new XlImage().xl(config, 0x0102_0304, 7, 0), "unknown flags"),
                arguments(new XlImage().xl(config, 0x0102_0304, 3, 1), "unknown flags"),
                arguments(xl().libxl(3, 0), "libxl has version 3"),
                arguments(xl().libxl(2, 1), "libxl is big-endian"),
                arguments(xl().libxl(2, 2), "Xen before 4.6"),
                arguments(xl().libxl(2, 4), "unknown options"),
                arguments(xl().libxl().libxc(4, 0, 2), "libxc has version 4"),
                arguments(xl().libxl().libxc(3, 1, 2), "libxc is big-endian"),
                arguments(xl().libxl().libxc(3, 0, 1), "a PV guest"),
                arguments(xl().libxl().libxc(3, 0, 5), "a guest of type 5"),
                arguments(xl().libxl().piece(new byte[40]), "the format of Xen before 4.6"));
    }

    @ParameterizedTest
    @MethodSource("headers")
    void aHeaderOfAnotherKind(XlImage image, String reason) {
        assertRefused(reason, image.bytes());
    }

    @ParameterizedTest
    @EnumSource(LibxlRecord.class)
    void recordsOfLibxlThatCannotBeImported(LibxlRecord record) {
        if (record.fate() == Fate.REFUSED) {
            assertRefused(
                    "record " + record + ": " + record.reason(),
                    xl().libxl(2, 0).record(record.code(), new byte[8]).bytes());
        }
    }

    @ParameterizedTest
    @EnumSource(LibxcRecord.class)
    void recordsOfLibxcThatCannotBeImported(LibxcRecord record) {
        if (record.fate() == Fate.REFUSED) {
            assertRefused(
                    "record " + record + ": " + record.reason(),
                    xl().libxl().libxc().record(record.code(), new byte[8]).bytes());
        }
    }

    @ParameterizedTest
    @EnumSource(HvmRecord.class)
    void recordsOfProcessorsAndChipsThatCannotBeImported(HvmRecord record) {
        if (record.fate() == Fate.REFUSED) {
            byte[] context =
                    new HvmContextImage(TestImages.KHZ).entry(record.code(), 0, new byte[8]).end();
            assertRefused("record " + record + ": " + record.reason(), image(context));
        }
    }

    private static byte[] image(byte[] context) {
        return xl().libxl()
                .libxc()
                .record(XlImage.STATIC_DATA_END, new byte[0])
                .record(XlImage.HVM_CONTEXT, context)
                .bytes();
    }

    static Stream<Arguments> contexts() {
        byte[] cpu = HvmContextImage.flatCpu(0);
        byte[] soft = cpu.clone();
        littleEndian(soft).putInt(1016, 1 << 31 | 4 << 8);
        byte[] logical = HvmContextImage.lapicPage(2);
        littleEndian(logical).putInt(0xd0, 2);
        return Stream.of(
                context(it -> {}, "HVM context has 0 vCPUs"),
                context(it -> it.cpu(0, cpu), "record LAPIC of vCPU 0 is missing"),
                context(it -> it.cpu(0, cpu).cpu(0, cpu), "CPU of vCPU 0 occurs twice"),
                context(it -> it.cpu(200, cpu), "CPU of vCPU 200"),
                context(it -> it.cpu(1, cpu), "has 2 vCPUs, and the configuration 1"),
                context(it -> it.lapic(0).rest(0), "vCPU 0 is down"),
                context(it -> it.cpu(0, new byte[1000]).lapic(0).rest(0), "needs 8 bytes"),
                context(it -> it.cpu(0, new byte[1040]).lapic(0).rest(0), "8 bytes left over"),
                context(it -> it.cpu(0, soft).lapic(0).rest(0), "event of type 4"),
                context(
                        it -> it.cpu(0, cpu).lapic(0, 2, HvmContextImage.lapicPage(2)).rest(0),
                        "vCPU 0 has the id 0x2"),
                context(
                        it -> it.cpu(0, cpu).lapic(0, 2, logical).rest(0),
                        "id 0x2 has the logical id 0x2"),
                context(it -> it.cpu(0, cpu).lapic(0, 0, new byte[10]).rest(0), "of 10 bytes"),
                context(it -> it.entry(77, 0, new byte[0]), "unknown record 77"));
    }

    private static Arguments context(Consumer<HvmContextImage> filled, String reason) {
        HvmContextImage context = new HvmContextImage(TestImages.KHZ);
        filled.accept(context);
        return arguments(context.end(), reason);
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    @ParameterizedTest
    @MethodSource("contexts")
    void processorsThatCannotBeHad(byte[] context, String reason) {
        assertRefused(
                reason,
                TestImages.withPages(TestImages.head(1))
                        .pages(false)
                        .tsc(2, 0)
                        .record(XlImage.HVM_CONTEXT, context)
                        .params()
                        .end()
                        .bytes());
    }

    static Stream<Arguments> bodies() {
        byte[] context = TestImages.context(1, 0);
        return Stream.of(
                arguments(head().tsc(1, 0), "emulated (tsc_mode 1)"),
                arguments(head().tsc(2, -1), "out of range"),
                arguments(
                        head().params(1, 0xfeffb, 17, 0xfefff),
                        "XenStore page is at frame 0xfeffb"),
                arguments(head().params(1, 0xfeffc), "console page is at frame 0x0"),
                arguments(head().params(1, 1, 1, 1), "parameter 1 occurs twice"),
                arguments(
                        head().params(1, 0xfeffc, 17, 0xfefff, 9, 1),
                        "it has Hyper-V's interfaces"),
                arguments(
                        head().params(1, 0xfeffc, 17, 0xfefff, 24, 1),
                        "it has nested virtualisation"),
                arguments(head().record(XlImage.STATIC_DATA_END, new byte[0]), "occurs twice"),
                arguments(head().record(0x13, new byte[0]), "unknown record 0x13"),
                arguments(head().record(0, new byte[0]), "record PAGE_DATA is missing"),
                arguments(pages(0xdL << 60), "is broken"),
                arguments(pages(1L << 60), "a page of type 0x1"),
                arguments(pages(0x100000 + TestImages.FRAMES), "beyond the guest's memory"),
                arguments(pages(0), "has too few pages"),
                arguments(head().record(1, new byte[24]), "of 0 pages"),
                arguments(
                        xl().libxl().libxc().record(XlImage.HVM_CONTEXT, context),
                        "HVM_CONTEXT comes before STATIC_DATA_END"),
                arguments(whole(0xfd000), "a page at frame 0xfd000"),
                arguments(whole(0xff000), "a page at frame 0xff000"),
                arguments(
                        TestImages.image(1).record(0, new byte[0]), "there is more after its end"));
    }

    private static XlImage head() {
        return TestImages.head(1);
    }

    /// A record of one frame without contents.
    private static XlImage pages(long entry) {
        return head().record(1, XlImage.buffer(16).putInt(1).putInt(0).putLong(entry).array());
    }

    /// An image with one more page.
    private static XlImage whole(long frame) {
        return TestImages.withPages(head())
                .page(frame, new byte[4096])
                .pages(false)
                .tsc(2, 0)
                .record(XlImage.HVM_CONTEXT, TestImages.context(1, 0))
                .params()
                .end();
    }

    @ParameterizedTest
    @MethodSource("bodies")
    void recordsThatCannotBe(XlImage image, String reason) {
        assertRefused(reason, image.bytes());
    }

    @Test
    void moreMemoryThanTheGuestMayHave() {
        XlImage image = new XlImage().xl(XlImage.config("web", 1, TestImages.MEMORY_KIB / 2));
        byte[] bytes =
                TestImages.withPages(image.libxl().libxc().processor(TestImages.leaves()))
                        .pages(false)
                        .tsc(2, 0)
                        .record(XlImage.HVM_CONTEXT, TestImages.context(1, 0))
                        .params()
                        .end()
                        .bytes();
        assertRefused("the image has 2056 pages, and the guest's memory 1024", bytes);
    }
}
