package io.xenemu.core.xenimage;

import io.xenemu.core.domain.DomainConfig;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Xen's state of a guest's processors: the records of the HVM context, by vCPU.
final class HvmContext {
    /// HVM_MAX_VCPUS.
    static final int MAX_VCPUS = DomainConfig.MAX_VCPUS;

    /// The longest record is that of the extended registers.
    private static final int MAX_ENTRY = 1 << 17;

    private static final int MAGIC = 0x5438_1286;
    private static final int VERSION = 1;

    private final int tscKhz;
    private final List<Map<HvmRecord, byte[]>> vcpus;

    private HvmContext(int tscKhz, List<Map<HvmRecord, byte[]>> vcpus) {
        this.tscKhz = tscKhz;
        this.vcpus = vcpus;
    }

    /// Reads a context.
    ///
    /// @throws WireException if it cannot be used, or has a record that cannot be imported
    static HvmContext read(BodyReader in) throws WireException {
        requireType(in, HvmRecord.HEADER);
        int tscKhz = header(new BodyReader(in.bytes(MAX_ENTRY)));
        List<Map<HvmRecord, byte[]>> vcpus = new ArrayList<>();
        while (true) {
            HvmRecord record = HvmRecord.of(in.u16());
            int instance = in.u16();
            byte[] content = in.bytes(MAX_ENTRY);
            record.require();
            if (record == HvmRecord.END) {
                in.end();
                return new HvmContext(tscKhz, vcpus);
            }
            if (record.fate() == Fate.TAKEN) {
                add(vcpus, record, instance, content);
            }
        }
    }

    private static void requireType(BodyReader in, HvmRecord wanted) throws WireException {
        int type = in.u16();
        int instance = in.u16();
        if (type != wanted.code() || instance != 0) {
            throw new WireException("the HVM context does not begin with its header");
        }
    }

    /// @return the frequency of the time stamp counter
    private static int header(BodyReader in) throws WireException {
        if (in.u32() != MAGIC || in.u32() != VERSION) {
            throw new WireException("the HVM context is of another version");
        }
        // The release of Xen, and the leaf of CPUID that tells the processor's model.
        long _ = in.u64();
        int _ = in.u32();
        int khz = in.u32();
        in.end();
        return khz;
    }

    private static void add(
            List<Map<HvmRecord, byte[]>> vcpus, HvmRecord record, int instance, byte[] content)
            throws WireException {
        if (instance >= MAX_VCPUS) {
            throw new WireException("record %s of vCPU %d".formatted(record, instance));
        }
        while (vcpus.size() <= instance) {
            vcpus.add(new EnumMap<>(HvmRecord.class));
        }
        if (vcpus.get(instance).put(record, content) != null) {
            throw new WireException(
                    "record %s of vCPU %d occurs twice".formatted(record, instance));
        }
    }

    /// The number of vCPUs that have any state.
    int vcpus() {
        return vcpus.size();
    }

    /// The frequency of the time stamp counter, in kHz; 0 if Xen did not tell.
    int tscKhz() {
        return tscKhz;
    }

    /// The content of a vCPU's record; null if it has none.
    @Nullable BodyReader find(int vcpu, HvmRecord record) {
        byte[] content = vcpus.get(vcpu).get(record);
        return content == null ? null : new BodyReader(content);
    }

    /// The content of a record that each vCPU has.
    ///
    /// @throws WireException if this one has none
    BodyReader get(int vcpu, HvmRecord record) throws WireException {
        BodyReader content = find(vcpu, record);
        if (content == null) {
            throw new WireException("record %s of vCPU %d is missing".formatted(record, vcpu));
        }
        return content;
    }
}
