package io.xenemu.kvm.attach;

import static io.xenemu.kvm.attach.AttachLayouts.MAX_RAM_RANGES;
import static io.xenemu.kvm.attach.AttachLayouts.XA_RAM_RANGE;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.kvm.ioctl.CStruct;
import io.xenemu.kvm.ioctl.CTypes;
import io.xenemu.kvm.wire.WireException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// A request of an attached VMM. `xen_attach_wire.h` has the structures.
public sealed interface AttachMessage {
    /// The most bytes of settings.
    int MAX_SETTINGS = 4096;

    /// The most vCPUs of a domain.
    int MAX_VCPUS = 128;

    /// Limits of KVM_GET_VCPU_MMAP_SIZE: kvm_run is 2352 bytes and its page of I/O data follows; with rings there are a
    /// few pages more.
    int RUN_BYTES_MIN = 8192;

    int RUN_BYTES_MAX = 1 << 20;

    /// How many descriptors come with it.
    default int descriptors() {
        return switch (this) {
            case Ram _, Vcpu _ -> 1;
            case Hello _, Start _, Reset _ -> 0;
        };
    }

    /// A VM wants to be a domain.
    ///
    /// @param version of the protocol
    /// @param features that the VMM has
    /// @param settings lines of `name=value`
    record Hello(int version, long features, String settings) implements AttachMessage {}

    /// Where the guest's memory is.
    ///
    /// @param ranges in ascending order; the first is at guest address 0, and they follow one another in the memory
    record Ram(List<Range> ranges) implements AttachMessage {
        /// All bytes of the memory but the spare ones.
        public long bytes() {
            return ranges.stream().mapToLong(Range::bytes).sum();
        }
    }

    /// A part of the guest's memory, of whole pages.
    ///
    /// @param guestAddress guest-physical
    /// @param address in the VMM
    /// @param offset in the memory
    record Range(long guestAddress, long bytes, long address, long offset) {}

    /// A vCPU was made.
    ///
    /// @param number Xen's
    /// @param runBytes length of its kvm_run
    record Vcpu(int number, int apicId, int runBytes) implements AttachMessage {}

    /// All vCPUs are there, and none has run.
    record Start() implements AttachMessage {}

    /// The machine was reset.
    record Reset() implements AttachMessage {}

    /// Decodes a request.
    ///
    /// @throws WireException if it is none, or has impossible numbers
    static AttachMessage decode(byte[] bytes) throws WireException {
        int type =
                Short.toUnsignedInt(
                        bytes.length < 2 ? 0 : (short) ((bytes[0] & 0xff) | (bytes[1] << 8)));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(Math.max(bytes.length, 1), Long.BYTES);
            MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
            return switch (type) {
                case AttachLayouts.HELLO -> hello(memory, bytes);
                case AttachLayouts.RAM -> ram(exactly(memory, bytes, AttachLayouts.XA_RAM));
                case AttachLayouts.VCPU -> vcpu(exactly(memory, bytes, AttachLayouts.XA_VCPU));
                case AttachLayouts.START -> {
                    CStruct _ = exactly(memory, bytes, AttachLayouts.XA_PLAIN);
                    yield new Start();
                }
                case AttachLayouts.RESET -> {
                    CStruct _ = exactly(memory, bytes, AttachLayouts.XA_PLAIN);
                    yield new Reset();
                }
                default -> throw new WireException("a message of the unknown type " + type);
            };
        }
    }

    private static CStruct exactly(MemorySegment memory, byte[] bytes, StructLayout layout)
            throws WireException {
        if (bytes.length != layout.byteSize()) {
            throw new WireException(
                    "%s of %d bytes".formatted(layout.name().orElse(""), bytes.length));
        }
        return new CStruct(memory, layout);
    }

    private static Hello hello(MemorySegment memory, byte[] bytes) throws WireException {
        int fixed = Math.toIntExact(AttachLayouts.XA_HELLO.byteSize());
        if (bytes.length < fixed) {
            throw new WireException("xa_hello of " + bytes.length + " bytes");
        }
        CStruct hello = new CStruct(memory, AttachLayouts.XA_HELLO);
        if (hello.getInt("magic") != AttachLayouts.MAGIC) {
            throw new WireException("it does not speak the protocol of attached VMMs");
        }
        long settings = hello.get("settings_bytes");
        if (settings > MAX_SETTINGS || settings != bytes.length - fixed) {
            throw new WireException(settings + " bytes of settings");
        }
        return new Hello(
                hello.getInt("version"),
                hello.get("features"),
                new String(bytes, fixed, (int) settings, UTF_8));
    }

    private static Ram ram(CStruct ram) throws WireException {
        long count = ram.get("ranges");
        if (count < 1 || count > MAX_RAM_RANGES) {
            throw new WireException(count + " ranges of memory");
        }
        List<Range> ranges = new ArrayList<>();
        long first = CTypes.offset(AttachLayouts.XA_RAM, "range");
        long size = XA_RAM_RANGE.byteSize();
        long end = 0;
        long offset = 0;
        for (int i = 0; i < count; i++) {
            CStruct range = new CStruct(ram.memory().asSlice(first + i * size, size), XA_RAM_RANGE);
            Range next =
                    new Range(
                            range.get("guest_address"),
                            range.get("bytes"),
                            range.get("address"),
                            range.get("offset"));
            if (!isPossible(next) || next.guestAddress < end || next.offset != offset) {
                throw new WireException("the memory cannot be at " + next);
            }
            end = next.guestAddress + next.bytes;
            offset += next.bytes;
            ranges.add(next);
        }
        if (ranges.getFirst().guestAddress != 0) {
            throw new WireException("no memory at address 0");
        }
        return new Ram(List.copyOf(ranges));
    }

    private static boolean isPossible(Range range) {
        long limit = 1L << 52;
        long page = 4096;
        return range.bytes > 0
                && range.bytes < limit
                && range.guestAddress >= 0
                && range.guestAddress < limit
                && (range.bytes | range.guestAddress | range.address) % page == 0;
    }

    private static Vcpu vcpu(CStruct vcpu) throws WireException {
        long number = vcpu.get("vcpu");
        long run = vcpu.get("run_bytes");
        if (number >= MAX_VCPUS || run < RUN_BYTES_MIN || run > RUN_BYTES_MAX) {
            throw new WireException("vCPU %d with %d bytes of kvm_run".formatted(number, run));
        }
        return new Vcpu((int) number, vcpu.getInt("apic_id"), (int) run);
    }
}
