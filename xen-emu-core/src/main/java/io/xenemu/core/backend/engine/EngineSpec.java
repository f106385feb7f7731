package io.xenemu.core.backend.engine;

import com.google.common.base.Splitter;
import io.xenemu.kvm.thread.CpuAffinity;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// An engine as an operator defines it: `CLASS:INSTANCE`, or `CLASS:INSTANCE,cpus=LIST` with the host's CPUs that its
/// thread may run on, such as `block:0,cpus=2-3,6`.
///
/// @param id its name
/// @param cpus the CPUs; none for all that the service may use
public record EngineSpec(EngineId id, CpuSet cpus) {
    /// The most engines of a service: each is a thread, and the service reserves few threads for itself
    /// ([io.xenemu.core.host.HostLimits]).
    public static final int MAX_ENGINES = 64;

    /// The most engines for disks, and for network interfaces, if none is defined. Linux's front ends use a queue for
    /// each vCPU; more queues than that bring a guest little.
    private static final int DEFAULT_ENGINES = 4;

    /// The least: while one waits for a disk, another works.
    private static final int LEAST_ENGINES = 2;

    /// They watch rings; the requests run on threads of the share's own. Linux's front end of 9pfs needs two at least,
    /// one for each ring.
    private static final int DEFAULT_SHARE_ENGINES = 4;

    /// Consoles have little to do, and never wait.
    private static final int DEFAULT_CONSOLE_ENGINES = 1;

    private static final String CPUS = ",cpus=";
    private static final Pattern RANGE = Pattern.compile("([0-9]{1,4})(?:-([0-9]{1,4}))?");

    /// Some of the host's CPUs.
    ///
    /// @param numbers in order
    public record CpuSet(List<Integer> numbers) {
        static final CpuSet ALL = new CpuSet(List.of());

        public CpuSet {
            numbers = List.copyOf(numbers);
        }

        /// Whether it says nothing.
        public boolean isAll() {
            return numbers.isEmpty();
        }

        BitSet bits() {
            BitSet bits = new BitSet();
            numbers.forEach(bits::set);
            return bits;
        }

        private static CpuSet of(BitSet bits) {
            return new CpuSet(bits.stream().boxed().toList());
        }

        /// Numbers and ranges, such as `2-3,6`; `all` for no limit.
        @Override
        public String toString() {
            if (isAll()) {
                return "all";
            }
            BitSet bits = bits();
            StringBuilder text = new StringBuilder();
            for (int from = bits.nextSetBit(0); from >= 0; ) {
                int to = bits.nextClearBit(from) - 1;
                text.append(text.isEmpty() ? "" : ",").append(from);
                if (to > from) {
                    text.append('-').append(to);
                }
                from = bits.nextSetBit(to + 1);
            }
            return text.toString();
        }
    }

    /// Reads a definition.
    ///
    /// @throws IllegalArgumentException if the text has another form; the message says where
    public static EngineSpec parse(String text) {
        int cpus = text.indexOf(CPUS);
        return cpus < 0
                ? new EngineSpec(EngineId.parse(text), CpuSet.ALL)
                : new EngineSpec(
                        EngineId.parse(text.substring(0, cpus)),
                        cpus(text.substring(cpus + CPUS.length())));
    }

    private static CpuSet cpus(String list) {
        BitSet cpus = new BitSet();
        for (String range : Splitter.on(',').split(list)) {
            Matcher ends = RANGE.matcher(range);
            boolean isRange = ends.matches();
            int from = isRange ? Integer.parseInt(ends.group(1)) : 0;
            int to = isRange && ends.group(2) != null ? Integer.parseInt(ends.group(2)) : from;
            if (!isRange || from > to || to >= CpuAffinity.MAX_CPUS) {
                throw new IllegalArgumentException(
                        "'" + range + "' is no CPU or range of CPUs such as 2 or 2-3");
            }
            cpus.set(from, to + 1);
        }
        return CpuSet.of(cpus);
    }

    /// The engines of a service: those defined, and the default of each class of which none is.
    ///
    /// @param defined by an operator
    /// @param cpus of the host
    /// @throws IllegalArgumentException if one is defined twice, or there are too many
    public static List<EngineSpec> withDefaults(List<EngineSpec> defined, int cpus) {
        Set<EngineId> ids = new HashSet<>();
        EnumSet<EngineClass> left = EnumSet.allOf(EngineClass.class);
        for (EngineSpec engine : defined) {
            if (!ids.add(engine.id())) {
                throw new IllegalArgumentException(engine.id() + " is defined twice");
            }
            left.remove(engine.id().type());
        }
        List<EngineSpec> all = new ArrayList<>(defined);
        for (EngineClass type : left) {
            for (int i = 0; i < defaults(type, cpus); i++) {
                all.add(new EngineSpec(new EngineId(type, i), CpuSet.ALL));
            }
        }
        if (all.size() > MAX_ENGINES) {
            throw new IllegalArgumentException(
                    "%d engines are more than %d".formatted(all.size(), MAX_ENGINES));
        }
        return all;
    }

    private static int defaults(EngineClass type, int cpus) {
        return switch (type) {
            case BLOCK, NET -> Math.clamp(cpus, LEAST_ENGINES, DEFAULT_ENGINES);
            case NINE_P -> DEFAULT_SHARE_ENGINES;
            case CONSOLE -> DEFAULT_CONSOLE_ENGINES;
            // XenStore is served on the vCPU that asks.
            case STORE -> 0;
        };
    }
}
