package io.xenemu.core.cpuid;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// A guest's processor as saved states have it: whether there is a policy; its leaves u32, for each function u32, index
/// u32 (all ones: none; one less: an MSR) and four registers u32; overrides in xend's notation, a number and a text for
/// each; tsc_mode u32; groups of enlightenments, a number and a name for each; nesting.
public final class CpuConfigCodec {
    /// More registers than any operator changes.
    private static final int MAX_OVERRIDES = 4 * CpuPolicy.MAX_LEAVES;

    /// A leaf's numbers, a register, and 32 characters.
    private static final int MAX_OVERRIDE_BYTES = 64;

    private static final int MAX_GROUPS = Enlightenment.values().length;
    private static final int MAX_GROUP_BYTES = 32;

    private CpuConfigCodec() {}

    /// Adds it to a body.
    public static BodyWriter put(BodyWriter body, CpuConfig config) {
        CpuPolicy policy = config.policy();
        body.bool(policy != null);
        if (policy != null) {
            body.u32(policy.leaves().size());
            policy.leaves()
                    .forEach((leaf, answer) -> {
                        body.u32(leaf.function()).u32(leaf.index());
                        for (Register register : Register.values()) {
                            body.u32(answer.get(register));
                        }
                    });
        }
        texts(body, config.overrides().words());
        body.u32(config.tscMode().number());
        texts(body, config.viridian().words());
        return body.bool(config.nested());
    }

    private static void texts(BodyWriter body, List<String> texts) {
        body.u32(texts.size());
        texts.forEach(body::string);
    }

    /// Reads it.
    ///
    /// @throws WireException if the body ends too early, or a number is out of range
    /// @throws IllegalArgumentException if no guest can have this processor
    public static CpuConfig get(BodyReader body) throws WireException {
        CpuPolicy policy = body.bool() ? policy(body) : null;
        CpuidOverrides overrides =
                CpuidOverrides.parse(texts(body, MAX_OVERRIDES, MAX_OVERRIDE_BYTES));
        TscMode mode = TscMode.numbered(body.u32());
        Viridian viridian = Viridian.parse(texts(body, MAX_GROUPS, MAX_GROUP_BYTES));
        return new CpuConfig(policy, overrides, mode, viridian, body.bool());
    }

    private static CpuPolicy policy(BodyReader body) throws WireException {
        int count = body.count(CpuPolicy.MAX_LEAVES);
        Map<PolicyLeaf, Registers> leaves = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            PolicyLeaf leaf = new PolicyLeaf(body.u32(), body.u32());
            if (leaves.put(leaf, new Registers(body.u32(), body.u32(), body.u32(), body.u32()))
                    != null) {
                throw new WireException("CPUID leaf " + leaf + " twice");
            }
        }
        return new CpuPolicy(leaves);
    }

    private static List<String> texts(BodyReader body, int most, int bytes) throws WireException {
        int count = body.count(most);
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            texts.add(body.string(bytes));
        }
        return texts;
    }
}
