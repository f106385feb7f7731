package io.xenemu.kvm.ioctl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.testing.Tool;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.StructLayout;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Compares every declaration of this package with what a C compiler makes of `linux/kvm.h`: sizes, offsets, request
/// numbers, constants. Each side has to be complete: a declaration that the probe does not print fails too.
class KvmHeaderTest {
    private static final Path SOURCE = Path.of("src/test/c/kvm_probe.c");
    private static final List<Class<?>> DECLARATIONS =
            List.of(VmStructs.class, XenStructs.class, VcpuStructs.class, RunStructs.class);

    /// C's prefix of a group of constants, and the class that has them as fields without it.
    private static final Map<String, Class<?>> CONSTANTS =
            Map.of(
                    "KVM_MEM_", KvmVm.class,
                    "KVM_MSR_", KvmVm.class,
                    "KVM_PIT_", KvmVm.class,
                    "KVM_IRQFD_FLAG_", KvmEvents.class,
                    "KVM_IOEVENTFD_FLAG_", KvmEvents.class,
                    "KVM_IRQ_ROUTING_", KvmEvents.class,
                    "KVM_XEN_EVTCHN_", XenHvmAttributes.class,
                    "KVM_XEN_ATTR_TYPE_", XenHvmAttributes.class,
                    "KVM_XEN_VCPU_ATTR_TYPE_", XenVcpuAttributes.class,
                    "KVM_CLOCK_", ClockData.class);

    @TempDir private Path folder = Path.of("");

    @Test
    void structuresAreThoseOfTheHeader() throws Exception {
        assertSameLines(probe("struct ", "member "), declaredStructures());
    }

    @Test
    void requestNumbersAreThoseOfTheHeader() throws Exception {
        Set<String> ours = new TreeSet<>();
        for (KvmIoctl ioctl : KvmIoctl.values()) {
            ours.add("ioctl " + ioctl + " " + ioctl.request());
        }
        assertSameLines(probe("ioctl "), ours);
    }

    @Test
    void constantsAreThoseOfTheHeader() throws Exception {
        Set<String> ours = new TreeSet<>();
        for (KvmCapability c : KvmCapability.values()) {
            ours.add(constant("KVM_CAP_" + c, c.number()));
        }
        for (ExitReason r : ExitReason.values()) {
            if (r != ExitReason.OTHER) {
                ours.add(constant("KVM_EXIT_" + r, r.number()));
            }
        }
        for (MpState s : MpState.values()) {
            ours.add(constant("KVM_MP_STATE_" + s, s.value()));
        }
        for (IrqchipId i : IrqchipId.values()) {
            ours.add(constant("KVM_IRQCHIP_" + i, i.value()));
        }
        for (SyncRegs s : SyncRegs.values()) {
            ours.add(constant("KVM_SYNC_X86_" + s, SyncRegs.mask(s)));
        }
        for (XenCapability c : XenCapability.values()) {
            ours.add(constant("KVM_XEN_HVM_CONFIG_" + c, c.flag()));
        }
        Set<String> theirs = probe("constant ");
        for (String line : theirs) {
            fieldFor(line.substring("constant ".length(), line.lastIndexOf(' ')), ours);
        }
        assertSameLines(theirs, ours);
    }

    private static void fieldFor(String name, Set<String> ours) throws Exception {
        for (Map.Entry<String, Class<?>> group : CONSTANTS.entrySet()) {
            if (name.startsWith(group.getKey())) {
                Field field = declared(group.getValue(), group.getKey(), name);
                field.setAccessible(true);
                ours.add(constant(name, field.getInt(null)));
            }
        }
    }

    /// `KVM_IRQFD_FLAG_DEASSIGN` is `IRQFD_DEASSIGN`, `KVM_MEM_READONLY` is `MEM_READONLY`, and an attribute's type is
    /// just its name.
    private static Field declared(Class<?> type, String prefix, String name) throws Exception {
        String rest = name.substring(prefix.length());
        String group = prefix.replace("KVM_IRQ_", "").replace("KVM_", "").replace("XEN_", "");
        for (String candidate : List.of(rest, group + rest, group.replace("FLAG_", "") + rest)) {
            for (Field field : type.getDeclaredFields()) {
                if (field.getName().equals(candidate)) {
                    return field;
                }
            }
        }
        throw new AssertionError("no field for " + name + " in " + type);
    }

    private static String constant(String name, long value) {
        return "constant " + name + " " + value;
    }

    private static Set<String> declaredStructures() throws Exception {
        Set<String> lines = new TreeSet<>();
        for (Class<?> declarations : DECLARATIONS) {
            for (Field field : declarations.getDeclaredFields()) {
                if (field.getType() == StructLayout.class) {
                    StructLayout struct = (StructLayout) field.get(null);
                    String name = struct.name().orElseThrow();
                    assertEquals(name.toUpperCase(Locale.ROOT), field.getName());
                    lines.add("struct " + name + " " + struct.byteSize());
                    members(lines, struct, "member " + name + ".", 0);
                }
            }
        }
        return lines;
    }

    private static void members(Set<String> lines, GroupLayout group, String path, long base) {
        long at = base;
        for (MemoryLayout member : group.memberLayouts()) {
            if (member.name().isPresent()) {
                String name = path + member.name().get();
                lines.add(name + " " + at + " " + member.byteSize());
                if (member instanceof GroupLayout inner) {
                    members(lines, inner, name + ".", at);
                }
            } else if (!(member instanceof PaddingLayout)) {
                members(lines, (GroupLayout) member, path, at);
            }
            if (group instanceof StructLayout) {
                at += member.byteSize();
            }
        }
    }

    private static void assertSameLines(Set<String> theirs, Set<String> ours) {
        assertTrue(ours.size() > 20, "hardly anything declared: " + ours);
        assertEquals(String.join("\n", theirs), String.join("\n", ours));
    }

    private Set<String> probe(String... prefixes) throws Exception {
        String program = folder.resolve("probe").toString();
        Tool.run(
                Tool.need("gcc", "gcc libc6-dev linux-libc-dev"),
                "-Wall",
                "-Werror",
                "-o",
                program,
                SOURCE.toString());
        return Tool.run(program)
                .lines()
                .filter(line -> List.of(prefixes).stream().anyMatch(line::startsWith))
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
