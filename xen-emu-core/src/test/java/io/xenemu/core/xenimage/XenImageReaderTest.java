package io.xenemu.core.xenimage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.machine.state.VcpuState;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.MsrEntry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;

@SuppressWarnings("ByteBufferBackingArray") // of buffers that were allocated
final class XenImageReaderTest {
    private static final int PAGE = 4096;

    /// Looks at an image while it is open.
    private interface Look {
        void at(XenImage image) throws IOException;
    }

    private static void read(byte[] bytes, Look look) throws IOException {
        try (XenImageReader reader = new XenImageReader(TestImages.channel(bytes))) {
            look.at(reader.read(new WorkProgress()));
            assertEquals(bytes.length, reader.bytes());
        }
    }

    private static ByteBuffer words(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    @Test
    void anImageIsKnownByItsFirstBytes() {
        byte[] image = TestImages.image(1).bytes();
        assertTrue(XenImageReader.begins(Arrays.copyOf(image, XenImageReader.MAGIC_BYTES)));
        assertFalse(XenImageReader.begins(Arrays.copyOf(image, 8)));
        image[31] = 0;
        assertFalse(XenImageReader.begins(Arrays.copyOf(image, XenImageReader.MAGIC_BYTES)));
    }

    @Test
    void theConfigurationIsThatOfTheHeader() throws IOException {
        String devices =
                """
                , 'disks': [{'pdev_path': '/srv/a, b.img', 'vdev': 'xvda', 'backend': 'phy', 'format': 'raw',
                             'readwrite': 1, 'trusted': 'True'},
                            {'pdev_path': '/srv/c', 'vdev': 'xvdb', 'format': 'qcow2'}],
                'nics': [{'devid': 0, 'mac': '00:16:3e:01:02:03', 'bridge': 'br0', 'nictype': 'vif'}, {}],
                'vfbs': [], 'on_crash': 'restart_rename'\
                """
                        .replace("\n", " ");
        byte[] image = new XlImage().xl(XlImage.config("web", 2, 262144, devices)).bytes();
        try (XenImageReader reader = new XenImageReader(TestImages.channel(image))) {
            assertEquals(
                    new XlConfig(
                            "web",
                            UUID.fromString("0f0f0f0f-1111-2222-3333-444455556666"),
                            2,
                            1,
                            262144,
                            262144,
                            "/boot/of-another-host",
                            null,
                            "console=hvc0",
                            true,
                            List.of(
                                    "format=raw,vdev=xvda,access=rw,target=/srv/a, b.img",
                                    "format=qcow2,vdev=xvdb,access=ro,target=/srv/c"),
                            List.of("devid=0,mac=00:16:3e:01:02:03,bridge=br0", "devid=1"),
                            Map.of(
                                    "on_poweroff", "destroy",
                                    "on_reboot", "restart",
                                    "on_crash", "rename-restart",
                                    "on_watchdog", "destroy",
                                    "on_soft_reset", "soft-reset")),
                    reader.config());
        }
    }

    @Test
    void memoryIsWhereXenHadIt() throws IOException {
        read(
                TestImages.image(2).bytes(),
                image -> {
                    assertEquals(new MachineLayout(8 << 20, 9 * PAGE, 0, 2), image.layout());
                    assertEquals(4 << 16 | 17, image.xenVersion());
                    // One frame of RAM is not there, and Xen's own pages do not count.
                    assertEquals(TestImages.FRAMES - 1 + 9, image.memory().owned());
                    assertEquals(4, image.memory().gone().length());
                    try (Arena arena = Arena.ofConfined()) {
                        MemorySegment ram = arena.allocate(image.layout().bytes());
                        image.pages().fill(ram);
                        assertEquals(0, ram.get(ValueLayout.JAVA_BYTE, 0));
                        assertEquals(1, ram.get(ValueLayout.JAVA_BYTE, PAGE));
                        assertEquals(2, ram.get(ValueLayout.JAVA_BYTE, 3 * PAGE - 1));
                        assertEquals(0, ram.get(ValueLayout.JAVA_BYTE, 3 * PAGE));
                        assertEquals(9, ram.get(ValueLayout.JAVA_BYTE, (8 << 20) - 1));
                        assertEquals(4, ram.get(ValueLayout.JAVA_BYTE, 8 << 20));
                    }
                });
    }

    @Test
    void theLastContentsOfAPageCountAndFramesOfXenAreNoMatter() throws IOException {
        byte[] image =
                TestImages.withPages(TestImages.head(1))
                        .pages(true)
                        .page(1, new byte[PAGE])
                        .page(2, TestImages.page(5))
                        .pages(true)
                        .tsc(0, 0)
                        .record(9, TestImages.context(1, 0x1000))
                        .params()
                        .end()
                        .bytes();
        read(
                image,
                it -> {
                    try (Arena arena = Arena.ofConfined()) {
                        MemorySegment ram = arena.allocate(it.layout().bytes());
                        it.pages().fill(ram);
                        assertEquals(0, ram.get(ValueLayout.JAVA_BYTE, PAGE));
                        assertEquals(5, ram.get(ValueLayout.JAVA_BYTE, 2 * PAGE));
                    }
                });
    }

    @Test
    void memoryAbove4GibIsBehindTheTables() throws IOException {
        XlImage image =
                new XlImage()
                        .xl(XlImage.config("web", 1, 16 << 10))
                        .libxl()
                        .libxc()
                        .processor(TestImages.leaves());
        TestImages.withPages(image).page(0x100000, TestImages.page(6));
        byte[] bytes =
                image.pages(false)
                        .tsc(2, 0)
                        .record(9, TestImages.context(1, 0))
                        .params()
                        .end()
                        .bytes();
        read(
                bytes,
                it -> {
                    assertEquals(PAGE, it.layout().highRamBytes());
                    try (Arena arena = Arena.ofConfined()) {
                        MemorySegment ram = arena.allocate(it.layout().bytes());
                        it.pages().fill(ram);
                        assertEquals(6, ram.get(ValueLayout.JAVA_BYTE, ram.byteSize() - 1));
                    }
                });
    }

    @Test
    void aVcpuHasItsRegisters() throws IOException {
        ByteBuffer cpu = words(HvmContextImage.flatCpu(0x1234));
        // RAX, RBX, RBP, R15; CR2, CR3; KERNEL_GS_BASE, LSTAR, STAR, CSTAR, mask; TSC_AUX.
        cpu.putLong(512, 1).putLong(520, 2).putLong(544, 3).putLong(632, 4);
        cpu.putLong(664, 5).putLong(672, 0x6000);
        for (int i = 0; i < 4; i++) {
            cpu.putLong(920 + 8 * i, 0x10 + i);
        }
        for (int i = 0; i < 4; i++) {
            cpu.putLong(960 + 8 * i, 0x20 + i);
        }
        cpu.putLong(1000, 0x30);
        byte[] context =
                new HvmContextImage(TestImages.KHZ)
                        .cpu(0, cpu.array())
                        .lapic(0)
                        .rest(0)
                        .entry(20, 0, msr(0x48, 1))
                        .end();
        read(
                image(1, context),
                image -> {
                    VcpuState state = image.kvm().vcpus().getFirst();
                    KvmRegs registers = KvmRegs.of(state.registers().toBytes());
                    assertEquals(1, registers.get(Gpr.RAX));
                    assertEquals(2, registers.get(Gpr.RBX));
                    assertEquals(3, registers.get(Gpr.RBP));
                    assertEquals(4, registers.get(Gpr.R15));
                    assertEquals(0x1234, registers.get(Gpr.RIP));
                    ByteBuffer system = words(state.system().toBytes());
                    // CS: limit, selector, type, present, DPL, D/B, S, L, G.
                    assertEquals(-1, system.getInt(8));
                    assertEquals(0x10, system.getShort(12));
                    assertEquals(
                            List.of(0xb, 1, 0, 1, 1, 0, 1),
                            List.of(
                                    (int) system.get(14),
                                    (int) system.get(15),
                                    (int) system.get(16),
                                    (int) system.get(17),
                                    (int) system.get(18),
                                    (int) system.get(19),
                                    (int) system.get(20)));
                    // CR0, CR2, CR3, CR4, and APIC_BASE.
                    assertEquals(0x11, system.getLong(224));
                    assertEquals(5, system.getLong(232));
                    assertEquals(0x6000, system.getLong(240));
                    assertEquals(0xfee0_0d00L, system.getLong(272));
                    for (MsrEntry msr :
                            List.of(
                                    new MsrEntry(0x174, 0x10),
                                    new MsrEntry(0x175, 0x11),
                                    new MsrEntry(0x176, 0x12),
                                    new MsrEntry(0xc000_0102, 0x13),
                                    new MsrEntry(0xc000_0082, 0x20),
                                    new MsrEntry(0xc000_0081, 0x21),
                                    new MsrEntry(0xc000_0083, 0x22),
                                    new MsrEntry(0xc000_0084, 0x23),
                                    new MsrEntry(0xc000_0103, 0x30),
                                    new MsrEntry(0x48, 1),
                                    new MsrEntry(0x277, 0x0007_0406_0007_0406L),
                                    new MsrEntry(0x2ff, 0xc06))) {
                        assertTrue(state.msrs().contains(msr), msr.toString());
                    }
                    assertEquals(MpState.RUNNABLE, state.mp());
                });
    }

    private static byte[] msr(int index, long value) {
        return XlImage.buffer(24)
                .putInt(1)
                .putInt(0)
                .putInt(index)
                .putInt(0)
                .putLong(value)
                .array();
    }

    private static byte[] image(int vcpus, byte[] context) {
        return TestImages.withPages(TestImages.head(vcpus))
                .pages(false)
                .tsc(2, 0)
                .record(9, context)
                .params()
                .end()
                .bytes();
    }

    @Test
    void extendedRegistersReplaceThoseOfFxsave() throws IOException {
        ByteBuffer xsave = XlImage.buffer(24 + 576 + 256);
        xsave.putLong(7).putLong(7).putLong(7).putShort((short) 0x27f);
        xsave.putLong(24 + 512, 7);
        byte[] context =
                new HvmContextImage(TestImages.KHZ)
                        .cpu(0, HvmContextImage.flatCpu(0))
                        .lapic(0)
                        .rest(0)
                        .entry(16, 0, xsave.array())
                        .end();
        read(
                image(1, context),
                image -> {
                    VcpuState state = image.kvm().vcpus().getFirst();
                    assertEquals(0x27f, words(state.xsave().toBytes()).getShort(0));
                    assertEquals(7, words(state.xsave().toBytes()).getLong(512));
                    assertEquals(7, words(state.xcrs().toBytes()).getLong(16));
                });
        read(
                TestImages.image(1).bytes(),
                image -> {
                    VcpuState state = image.kvm().vcpus().getFirst();
                    assertEquals(0x37f, words(state.xsave().toBytes()).getShort(0));
                    assertEquals(1, words(state.xcrs().toBytes()).getLong(16));
                });
    }

    @Test
    void idsOfLocalApicsAreTwiceTheNumbers() throws IOException {
        read(
                TestImages.image(3).bytes(),
                image -> {
                    assertEquals(2, image.layout().apicIdStep());
                    byte[] page = image.kvm().vcpus().get(2).lapic().toBytes();
                    // As KVM takes it without its 32-bit ids.
                    assertEquals(4 << 24, words(page).getInt(0x20));
                });
    }

    @Test
    void aVcpuThatIsDownWaitsToBeStarted() throws IOException {
        byte[] context =
                new HvmContextImage(TestImages.KHZ)
                        .cpu(0, HvmContextImage.flatCpu(0))
                        .lapic(0)
                        .lapic(1)
                        .rest(0)
                        .rest(1)
                        .end();
        read(
                image(2, context),
                image -> {
                    assertEquals(MpState.RUNNABLE, image.kvm().vcpus().get(0).mp());
                    assertEquals(MpState.UNINITIALIZED, image.kvm().vcpus().get(1).mp());
                });
    }

    @Test
    void anEventThatWasPendingIsInjected() throws IOException {
        ByteBuffer cpu = words(HvmContextImage.flatCpu(0));
        // A page fault with error code 6.
        cpu.putInt(1016, 14 | 3 << 8 | 1 << 11 | 1 << 31).putInt(1020, 6);
        byte[] context =
                new HvmContextImage(TestImages.KHZ).cpu(0, cpu.array()).lapic(0).rest(0).end();
        read(
                image(1, context),
                image -> {
                    byte[] events = image.kvm().vcpus().getFirst().events().toBytes();
                    assertEquals(List.of(1, 14, 1), bytes(events, 3));
                    assertEquals(6, words(events).getInt(4));
                });
    }

    private static List<Integer> bytes(byte[] from, int count) {
        return Arrays.stream(new Integer[] {0, 1, 2, 3})
                .limit(count)
                .map(i -> (int) from[i])
                .toList();
    }

    @Test
    void theProcessorIsWithoutLeavesOfHypervisorsAndTopology() throws IOException {
        read(
                TestImages.image(2).bytes(),
                image -> {
                    assertNotNull(image.policy());
                    assertTrue(
                            image.policy().entries().stream()
                                    .noneMatch(leaf ->
                                            leaf.function() == 0xb
                                                    || leaf.function() == 0x4000_0000));
                });
    }

    @Test
    void version2HasNoPolicyAndNoEndOfStaticData() throws IOException {
        XlImage image =
                new XlImage()
                        .xl(XlImage.config("web", 1, TestImages.MEMORY_KIB))
                        .libxl()
                        .libxc(2, 0, 2);
        byte[] bytes =
                TestImages.withPages(image)
                        .pages(false)
                        .tsc(0, 1_000_000)
                        .record(9, TestImages.context(1, 0))
                        .params()
                        .end()
                        .bytes();
        read(
                bytes,
                it -> {
                    assertNull(it.policy());
                    assertEquals(1_000_000, it.kvm().vm().time().khz());
                    // 10^9 ticks of a counter of 1 GHz.
                    assertEquals(1_000_000_000, it.kvm().vm().time().clock());
                });
    }

    @Test
    void recordsThatMayBeLeftOutAreLeftOut() throws IOException {
        XlImage image =
                new XlImage()
                        .xl(XlImage.config("web", 1, TestImages.MEMORY_KIB))
                        .libxl(2, 0)
                        .record(0x8000_0077, new byte[3])
                        .record(2, new byte[12])
                        .record(1, new byte[0])
                        .libxc()
                        .record(0x8000_0001, new byte[5])
                        .processor(TestImages.leaves());
        byte[] bytes =
                TestImages.withPages(image)
                        .pages(false)
                        .tsc(2, 0)
                        .record(9, TestImages.context(1, 0))
                        .record(0xd, new byte[0])
                        .params()
                        .end()
                        .bytes();
        read(bytes, it -> assertEquals(1, it.kvm().vcpus().size()));
    }
}
