package io.xenemu.core.device;

import com.google.common.primitives.Bytes;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// Writes and reads the frames' bodies of saved devices, with one pair of methods for each device.
public final class DeviceStateCodec {
    /// Frame type "CONS": [ConsoleState].
    ///
    /// Version 1: port u32; consumer u32 and producer u32; broken; typed bytes.
    public static final int CONSOLE = 0x534e4f43;

    /// Frame type "COM1": [SerialState].
    ///
    /// Version 1: ier, fcr, lcr, mcr, scratch u8 each; divisor u16; overrun, transmitter empty pending, asserted;
    /// receiver bytes, transmitter bytes, typed bytes.
    public static final int SERIAL = 0x314d4f43;

    /// Frame type "RTC ": [RtcState].
    ///
    /// Version 1: index u8; 128 registers u8 each; offset in seconds s64.
    public static final int RTC = 0x20435452;

    /// Frame type "UNPL": [UnplugState].
    ///
    /// Version 1: product u16; blacklisted; flags u8.
    public static final int UNPLUG = 0x4c504e55;

    /// Frame type "ACPI": [AcpiState].
    ///
    /// Version 1: events u8; VM generation id 2 x u64, the lower half first.
    public static final int ACPI = 0x49504341;

    /// The version of every frame here.
    public static final int VERSION = 1;

    /// The most input that is saved, in bytes. At most 4 KiB at a time are typed ahead of a guest that takes no input.
    static final int MAX_TYPED = 64 << 10;

    private DeviceStateCodec() {}

    /// Whether the input is short enough to be saved.
    public static boolean isFew(List<Byte> typed) {
        return typed.size() <= MAX_TYPED;
    }

    static List<Byte> requireFew(List<Byte> typed) {
        if (!isFew(typed)) {
            throw new IllegalArgumentException(typed.size() + " bytes of input are too many");
        }
        return List.copyOf(typed);
    }

    private static void requireVersion(String what, int version) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion(what, version);
        }
    }

    private static List<Byte> bytes(BodyReader body, int max) throws WireException {
        return List.copyOf(Bytes.asList(body.bytes(max)));
    }

    /// Writes a console.
    public static BodyWriter encode(ConsoleState state) {
        return new BodyWriter()
                .u32(state.port())
                .u32(state.ring().outConsumer())
                .u32(state.ring().inProducer())
                .bool(state.ring().broken())
                .bytes(Bytes.toArray(state.typed()));
    }

    /// Reads a console.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static ConsoleState console(int version, BodyReader body) throws WireException {
        requireVersion("console", version);
        return new ConsoleState(
                body.u32(),
                new ConsoleState.Ring(body.u32(), body.u32(), body.bool()),
                bytes(body, MAX_TYPED));
    }

    /// Writes a serial port.
    public static BodyWriter encode(SerialState state) {
        SerialState.Registers registers = state.registers();
        return new BodyWriter()
                .u8(registers.ier())
                .u8(registers.fcr())
                .u8(registers.lcr())
                .u8(registers.mcr())
                .u8(registers.scratch())
                .u16(registers.divisor())
                .bool(registers.overrun())
                .bool(registers.thrEmptyPending())
                .bool(registers.asserted())
                .bytes(Bytes.toArray(state.receiver()))
                .bytes(Bytes.toArray(state.transmitter()))
                .bytes(Bytes.toArray(state.typed()));
    }

    /// Reads a serial port.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static SerialState serial(int version, BodyReader body) throws WireException {
        requireVersion("serial port", version);
        SerialState.Registers registers =
                new SerialState.Registers(
                        body.u8(),
                        body.u8(),
                        body.u8(),
                        body.u8(),
                        body.u8(),
                        body.u16(),
                        body.bool(),
                        body.bool(),
                        body.bool());
        return new SerialState(
                registers,
                bytes(body, SerialFifo.SIZE),
                bytes(body, SerialFifo.SIZE),
                bytes(body, MAX_TYPED));
    }

    /// Writes a clock.
    public static BodyWriter encode(RtcState state) {
        BodyWriter body = new BodyWriter().u8(state.index());
        state.registers().forEach(register -> body.u8(register & 0xff));
        return body.u64(state.offsetSeconds());
    }

    /// Reads a clock.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static RtcState rtc(int version, BodyReader body) throws WireException {
        requireVersion("clock", version);
        int index = body.u8();
        List<Byte> registers = new ArrayList<>();
        for (int i = 0; i < RtcState.REGISTERS; i++) {
            registers.add((byte) body.u8());
        }
        try {
            return new RtcState(index, registers, body.u64());
        } catch (IllegalArgumentException e) {
            throw new WireException(String.valueOf(e.getMessage()), e);
        }
    }

    /// Writes the unplug ports.
    public static BodyWriter encode(UnplugState state) {
        return new BodyWriter().u16(state.product()).bool(state.blacklisted()).u8(state.flags());
    }

    /// Reads the unplug ports.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static UnplugState unplug(int version, BodyReader body) throws WireException {
        requireVersion("unplug ports", version);
        return new UnplugState(body.u16(), body.bool(), body.u8());
    }

    /// Writes the state of ACPI.
    public static BodyWriter encode(AcpiState state) {
        return new BodyWriter()
                .u8(state.events())
                .u64(state.generation().low())
                .u64(state.generation().high());
    }

    /// Reads the state of ACPI.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static AcpiState acpi(int version, BodyReader body) throws WireException {
        requireVersion("ACPI", version);
        return new AcpiState(body.u8(), new GenerationId(body.u64(), body.u64()));
    }
}
