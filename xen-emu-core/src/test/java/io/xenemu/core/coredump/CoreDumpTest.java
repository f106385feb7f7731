package io.xenemu.core.coredump;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.memory.DomainPhysmap;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.Segment;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CoreDumpTest {
    private static final int VCPUS = 3;
    private static final long SHOWN_GFN = 0x123;

    /// A frame without RAM at the beginning.
    private static final long HOLE_GFN = 0xc_0000;

    /// The last 64 bits of a page.
    private static final long LAST = GuestMemoryMap.PAGE_SIZE - Long.BYTES;

    @TempDir private Path folder = Path.of("");

    private final FakeVm vm = new FakeVm();
    private final WorkProgress progress = new WorkProgress();
    private final TestDomain guest;
    private final Domain domain;

    CoreDumpTest() throws Exception {
        guest = new TestDomain(vm, VCPUS);
        domain = guest.domain();
    }

    @BeforeEach
    void fill() throws Exception {
        for (int i = 0; i < VCPUS; i++) {
            KvmRegs general = new KvmRegs();
            for (Gpr register : Gpr.values()) {
                general.set(register, value(i, register));
            }
            vm.vcpu(i).setRegs(general);
            KvmSregs system =
                    new KvmSregs().cr0(0x8005_0033L).cr3(0x1000L + i).cr4(0x20).gdt(0x7000, 127);
            system.idt(0xffff_ffff_ff00_0000L + i, 4095);
            system.segment(Segment.Name.CS, segment(0x10, 0));
            system.segment(Segment.Name.GS, segment(0x2b, 0xffff_8880_0000_0000L + i));
            vm.vcpu(i).setSregs(system);
        }
        domain.memory().ram().set(ValueLayout.JAVA_LONG, LAST, 0x1111);
        domain.memory()
                .ram()
                .set(ValueLayout.JAVA_LONG, domain.memoryMap().lowRamEnd() - Long.BYTES, 0x2222);
        // The ACPI tables follow the low RAM.
        domain.memory().ram().set(ValueLayout.JAVA_LONG, domain.memoryMap().lowRamEnd(), 0x3333);
        domain.special().xenstore().set(ValueLayout.JAVA_LONG, 0, 0x4444);
        DomainPhysmap physmap = new DomainPhysmap(domain.memory(), _ -> false);
        physmap.overlay(SpecialPages.SHARED_INFO, SHOWN_GFN);
        physmap.overlay(SpecialPages.grantFrame(0), HOLE_GFN + 1);
        assertTrue(physmap.populate(HOLE_GFN, 1));
        domain.memory().page(HOLE_GFN).set(ValueLayout.JAVA_LONG, 0, 0x6666);
        domain.special().page(SpecialPages.grantFrame(0)).set(ValueLayout.JAVA_LONG, 0, 0x7777);
        domain.special().page(SpecialPages.SHARED_INFO).set(ValueLayout.JAVA_LONG, 64, 0x5555);
    }

    @AfterEach
    void close() {
        guest.close();
    }

    private static long value(int vcpu, Gpr register) {
        return ((vcpu + 1L) << 32) | Integer.toUnsignedLong(register.name().hashCode());
    }

    private static Segment segment(int selector, long base) {
        return new Segment(base, -1, selector, 11, true, 0, false, true, true, true, false);
    }

    private boolean dump(Path file, BooleanSupplier ending) throws IOException {
        return new CoreDump(domain, progress, ending).write(file);
    }

    private ParsedCore dump() throws IOException {
        Path file = folder.resolve("core");
        assertTrue(dump(file, () -> false));
        return ParsedCore.of(file);
    }

    private List<String> files() throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.map(file -> file.getFileName().toString()).toList();
        }
    }

    @Test
    void everyRangeOfMemoryIsThereByItsPhysicalAddress() throws IOException {
        ParsedCore core = dump();

        List<GuestMemoryMap.Slot> ranges = new ArrayList<>(domain.memoryMap().slots());
        ranges.add(
                1,
                new GuestMemoryMap.Slot(
                        HOLE_GFN * GuestMemoryMap.PAGE_SIZE,
                        2 * GuestMemoryMap.PAGE_SIZE,
                        GuestMemoryMap.Backing.SPECIAL));
        assertEquals(
                ranges.stream().map(GuestMemoryMap.Slot::start).toList(),
                core.loads().stream().map(ParsedCore.Load::physical).toList());
        assertEquals(
                ranges.stream().map(GuestMemoryMap.Slot::length).toList(),
                core.loads().stream().map(ParsedCore.Load::inFile).toList());
        assertEquals(0x6666, core.word(HOLE_GFN * GuestMemoryMap.PAGE_SIZE));
        assertEquals(0x7777, core.word((HOLE_GFN + 1) * GuestMemoryMap.PAGE_SIZE));
        for (ParsedCore.Load load : core.loads()) {
            assertEquals(load.physical(), load.virtual());
            assertEquals(load.inFile(), load.inMemory());
            assertEquals(0, load.offset() % GuestMemoryMap.PAGE_SIZE);
        }
        assertEquals(0x1111, core.word(LAST));
        assertEquals(0x2222, core.word(domain.memoryMap().lowRamEnd() - Long.BYTES));
        assertEquals(0x3333, core.word(GuestMemoryMap.ACPI_START));
        assertEquals(0x4444, core.word(GuestMemoryMap.XENSTORE_GFN * GuestMemoryMap.PAGE_SIZE));
        assertEquals(0x5555, core.word(SHOWN_GFN * GuestMemoryMap.PAGE_SIZE + 64));
        assertEquals(0, core.word(SHOWN_GFN * GuestMemoryMap.PAGE_SIZE - Long.BYTES));
        assertEquals(progress.total(), progress.done());
    }

    @Test
    void pagesOfZerosTakeNoRoom() throws Exception {
        dump();

        Path file = folder.resolve("core");
        Process du =
                new ProcessBuilder("du", "--block-size=1", file.toString())
                        .redirectErrorStream(true)
                        .start();
        String used = new String(du.getInputStream().readAllBytes(), UTF_8);
        assertTrue(
                Long.parseLong(used.substring(0, used.indexOf('\t'))) < Files.size(file) / 4,
                used + " of " + Files.size(file));
    }

    @Test
    void vcpusAreThreadsWithTheirRegisters() throws IOException {
        List<ParsedCore.Note> notes = dump().notes();

        assertEquals(2 * VCPUS, notes.size());
        for (int i = 0; i < VCPUS; i++) {
            ParsedCore.Note note = notes.get(i);
            assertEquals("CORE", note.name());
            assertEquals(1, note.type());
            ByteBuffer status = note.content();
            assertEquals(336, status.capacity());
            assertEquals(i + 1, status.getInt(32));
            assertEquals(value(i, Gpr.R15), status.getLong(112));
            assertEquals(value(i, Gpr.RBP), status.getLong(112 + 4 * 8));
            assertEquals(value(i, Gpr.RAX), status.getLong(112 + 10 * 8));
            assertEquals(value(i, Gpr.RDI), status.getLong(112 + 14 * 8));
            assertEquals(value(i, Gpr.RIP), status.getLong(112 + 16 * 8));
            assertEquals(0x10, status.getLong(112 + 17 * 8));
            assertEquals(value(i, Gpr.RFLAGS), status.getLong(112 + 18 * 8));
            assertEquals(value(i, Gpr.RSP), status.getLong(112 + 19 * 8));
            assertEquals(0xffff_8880_0000_0000L + i, status.getLong(112 + 22 * 8));
            assertEquals(0x2b, status.getLong(112 + 26 * 8));
        }
    }

    /// The registers from which crash finds a kernel that has moved itself.
    @Test
    void qemusNoteHasControlRegistersAndTables() throws IOException {
        List<ParsedCore.Note> notes = dump().notes();

        for (int i = 0; i < VCPUS; i++) {
            ParsedCore.Note note = notes.get(VCPUS + i);
            assertEquals("QEMU", note.name());
            assertEquals(0, note.type());
            ByteBuffer state = note.content();
            assertEquals(1, state.getInt(0));
            assertEquals(440, state.getInt(4));
            assertEquals(440, state.capacity());
            assertEquals(value(i, Gpr.RAX), state.getLong(8));
            assertEquals(value(i, Gpr.RSP), state.getLong(8 + 6 * 8));
            assertEquals(value(i, Gpr.RFLAGS), state.getLong(8 + 17 * 8));
            assertEquals(0x10, state.getInt(152));
            assertEquals(-1, state.getInt(156));
            assertEquals(0xa09b00, state.getInt(160));
            assertEquals(0x7000, state.getLong(152 + 8 * 24 + 16));
            assertEquals(127, state.getInt(152 + 8 * 24 + 4));
            assertEquals(0xffff_ffff_ff00_0000L + i, state.getLong(152 + 9 * 24 + 16));
            assertEquals(0x8005_0033L, state.getLong(392));
            assertEquals(0x1000 + i, state.getLong(392 + 3 * 8));
            assertEquals(0x20, state.getLong(392 + 4 * 8));
            assertEquals(0xc000_0102L, state.getLong(432));
        }
    }

    @Test
    void onlyTheOwnerMayReadIt() throws IOException {
        dump();
        assertEquals(
                "rw-------",
                PosixFilePermissions.toString(
                        Files.getPosixFilePermissions(folder.resolve("core"))));
    }

    @Test
    void dumpThatEndsEarlyLeavesNothing() throws IOException {
        assertFalse(dump(folder.resolve("core"), () -> true));
        assertEquals(List.of(), files());
        progress.cancel();
        assertFalse(dump(folder.resolve("core"), () -> false));
        assertEquals(List.of(), files());
    }

    @Test
    void dumpThatFailsLeavesTheEarlierOne() throws IOException {
        Path file = folder.resolve("core");
        Files.writeString(file, "earlier");

        assertThrows(
                IllegalStateException.class,
                () ->
                        dump(
                                file,
                                () -> {
                                    throw new IllegalStateException("of a test");
                                }));

        assertEquals(List.of("core"), files());
        assertEquals("earlier", Files.readString(file));
        dump();
        assertEquals(List.of("core"), files());
    }

    @Test
    void pathThatIsNoRegularFileIsRefused() throws IOException {
        IOException e =
                assertThrows(IOException.class, () -> dump(Path.of("/dev/null"), () -> false));
        assertEquals("it is not a regular file", IoReason.withoutFile(e));
        assertThrows(IOException.class, () -> dump(folder, () -> false));
        assertThrows(IOException.class, () -> dump(folder.resolve("no/core"), () -> false));
        assertEquals(List.of(), files());
    }
}
