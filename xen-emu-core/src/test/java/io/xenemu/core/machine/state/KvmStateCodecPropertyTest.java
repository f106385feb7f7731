package io.xenemu.core.machine.state;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.MsrEntry;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class KvmStateCodecPropertyTest {
    private static final byte[] ONE = KvmStateCodec.encode(KvmStates.of(1)).toBytes();

    private static KvmState decode(byte[] body) throws WireException {
        BodyReader reader = new BodyReader(body);
        KvmState state = KvmStateCodec.decode(KvmStateCodec.VERSION, reader);
        reader.end();
        return state;
    }

    private static byte[] encode(KvmState state) {
        return KvmStateCodec.encode(state).toBytes();
    }

    /// The golden file is of the version in its name and is never made again.
    @Test
    void stateOfVersion1IsRead() throws Exception {
        byte[] golden = GoldenFile.bytes(KvmStateCodecPropertyTest.class, "kvm-state-v1.hex");
        assertEquals(KvmStates.of(1), KvmStateCodec.decode(1, new BodyReader(golden)));
        HexFormat hex = HexFormat.of();
        assertEquals(hex.formatHex(golden), hex.formatHex(encode(KvmStates.of(1))));
    }

    @Test
    void anotherVersionIsRefused() {
        WireException e =
                assertThrows(
                        WireException.class,
                        () -> KvmStateCodec.decode(2, new BodyReader(new byte[0])));
        assertEquals("KVM state has version 2, which this program does not know", e.getMessage());
    }

    @Property(tries = 100)
    void statesAreReadAsTheyWereWritten(@ForAll("states") KvmState state) throws WireException {
        assertEquals(state, decode(encode(state)));
    }

    /// A changed bit is a state or refused, but never another exception.
    @Property(tries = 500)
    void aChangedBitIsAStateOrRefused(@ForAll @IntRange(max = 7) int bit, @ForAll int place)
            throws WireException {
        byte[] body = ONE.clone();
        body[Math.floorMod(place, body.length)] ^= (byte) (1 << bit);
        KvmState changed;
        try {
            changed = decode(body);
        } catch (WireException e) {
            assertEquals(WireException.class, e.getClass());
            return;
        }
        assertEquals(HexFormat.of().formatHex(body), HexFormat.of().formatHex(encode(changed)));
    }

    @Property(tries = 200)
    void aCutStateIsRefused(@ForAll int length) {
        byte[] cut = Arrays.copyOf(ONE, Math.floorMod(length, ONE.length));
        assertThrows(WireException.class, () -> decode(cut));
    }

    @Test
    void stateThatWouldOverwriteGuestMemoryIsRefused() {
        VcpuState good = KvmStates.of(1).vcpus().getFirst();
        IllegalArgumentException e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> with(good, List.of(new MsrEntry(0x4000_0000, 0))));
        assertEquals("MSR 0x40000000 is never restored", e.getMessage());
    }

    private static VcpuState with(VcpuState good, List<MsrEntry> msrs) {
        return new VcpuState(
                good.registers(),
                good.system(),
                good.debug(),
                good.xcrs(),
                good.xsave(),
                msrs,
                good.lapic(),
                good.events(),
                good.mp(),
                good.tscOffset());
    }

    @Provide
    Arbitrary<KvmState> states() {
        Arbitrary<GuestTime> times =
                Combinators.combine(
                                Arbitraries.longs().between(0, 1L << 62),
                                Arbitraries.longs().between(0, 1L << 62),
                                Arbitraries.longs(),
                                Arbitraries.integers().greaterOrEqual(1))
                        .as(GuestTime::new);
        Arbitrary<VmState> vms =
                Combinators.combine(
                                bytes(VmState.CHIP_BYTES).list().ofSize(VmState.CHIPS),
                                bytes(VmState.PIT_BYTES),
                                times,
                                Arbitraries.integers().greaterOrEqual(1))
                        .as(VmState::new);
        return Combinators.combine(vms, vcpus().list().ofMinSize(1).ofMaxSize(3)).as(KvmState::new);
    }

    private static Arbitrary<VcpuState> vcpus() {
        Arbitrary<List<MsrEntry>> msrs =
                Combinators.combine(
                                Arbitraries.integers().between(0x1000, 0x2000), Arbitraries.longs())
                        .as(MsrEntry::new)
                        .list()
                        .ofMaxSize(8);
        Arbitrary<VcpuState> first =
                Combinators.combine(
                                bytes(VcpuState.REGISTERS_BYTES),
                                bytes(VcpuState.SYSTEM_BYTES),
                                bytes(VcpuState.DEBUG_BYTES),
                                bytes(VcpuState.XCRS_BYTES),
                                Arbitraries.of(VcpuState.MIN_XSAVE_BYTES, 11_008)
                                        .flatMap(KvmStateCodecPropertyTest::bytes),
                                bytes(VcpuState.LAPIC_BYTES),
                                bytes(VcpuState.EVENTS_BYTES))
                        .as((registers, system, debug, xcrs, xsave, lapic, events) ->
                                new VcpuState(
                                        registers,
                                        system,
                                        debug,
                                        xcrs,
                                        xsave,
                                        List.of(),
                                        lapic,
                                        events,
                                        MpState.RUNNABLE,
                                        0));
        return Combinators.combine(first, msrs, Arbitraries.of(MpState.class), Arbitraries.longs())
                .as((state, list, mp, offset) ->
                        new VcpuState(
                                state.registers(),
                                state.system(),
                                state.debug(),
                                state.xcrs(),
                                state.xsave(),
                                list,
                                state.lapic(),
                                state.events(),
                                mp,
                                offset));
    }

    /// Bytes of a pattern: arbitrary bytes of that many would take long, and show no more.
    private static Arbitrary<KernelBytes> bytes(int size) {
        return Arbitraries.bytes()
                .map(value -> {
                    byte[] bytes = new byte[size];
                    for (int i = 0; i < size; i++) {
                        bytes[i] = (byte) (value + i);
                    }
                    return new KernelBytes(bytes);
                });
    }
}
