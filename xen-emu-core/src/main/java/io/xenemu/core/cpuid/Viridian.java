package io.xenemu.core.cpuid;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/// The enlightenments that a guest gets: xl's `viridian=`.
///
/// KVM serves all of them. A guest's Hyper-V hypercall has bit 31 of RAX set, by the page that KVM fills for it. So KVM
/// tells it from a Xen hypercall, as Xen does.
///
/// @param groups empty for a guest that sees Xen alone
public record Viridian(ImmutableSet<Enlightenment> groups) {
    /// No enlightenments.
    public static final Viridian NONE = new Viridian(ImmutableSet.of());

    private static final ImmutableSet<Enlightenment> DEFAULTS =
            Sets.immutableEnumSet(
                    Enlightenment.BASE,
                    Enlightenment.FREQ,
                    Enlightenment.TIME_REF_COUNT,
                    Enlightenment.APIC_ASSIST,
                    Enlightenment.CRASH_CTL,
                    Enlightenment.NO_VP_LIMIT,
                    Enlightenment.CPU_HOTPLUG);

    private static final Splitter COMMA = Splitter.on(',');
    private static final int LEAVES = XenLeaves.BASE;
    private static final int LAST = 6;
    private static final int FEATURES = LEAVES + 3;
    private static final int HINTS = LEAVES + 4;

    /// `Micr`, `osof`, `t Hv`, `Hv#1`.
    private static final int VENDOR_EBX = 0x7263_694d;

    private static final int VENDOR_ECX = 0x666f_736f;
    private static final int VENDOR_EDX = 0x7648_2074;
    private static final int INTERFACE = 0x3123_7648;

    /// Xen's numbers, which are those of Windows Server 2008.
    private static final int BUILD = 0x1772;

    private static final int VERSION = 6 << 16;
    private static final int SPINLOCK_RETRIES = 2047;
    private static final int NO_LIMIT = -1;

    /// Hardware in use: MSR bitmaps and nested paging.
    private static final int HARDWARE = 1 << 1 | 1 << 3;

    /// Reads xl's words: `true` or `defaults`, `all`, a group, or `!` and a group, which is then off. One text may have
    /// several with commas.
    ///
    /// @throws IllegalArgumentException if a word is none of these, or [Enlightenment#BASE] is missing
    public static Viridian parse(List<String> texts) {
        Set<Enlightenment> defaults = EnumSet.noneOf(Enlightenment.class);
        Set<Enlightenment> on = EnumSet.noneOf(Enlightenment.class);
        Set<Enlightenment> off = EnumSet.noneOf(Enlightenment.class);
        for (String text : texts) {
            for (String word : COMMA.split(text)) {
                switch (word) {
                    case "all" -> on.addAll(EnumSet.allOf(Enlightenment.class));
                    case "defaults", "true", "1" -> defaults.addAll(DEFAULTS);
                    case "false", "0" -> defaults.clear();
                    default -> choose(word, on, off);
                }
            }
        }
        on.addAll(defaults);
        on.removeAll(off);
        if (on.contains(Enlightenment.STIMER)) {
            on.add(Enlightenment.TIME_REF_COUNT);
            on.add(Enlightenment.SYNIC);
        }
        if (!on.isEmpty() && !on.contains(Enlightenment.BASE)) {
            throw new IllegalArgumentException("the group base is needed for any other");
        }
        return new Viridian(Sets.immutableEnumSet(on));
    }

    private static void choose(String word, Set<Enlightenment> on, Set<Enlightenment> off) {
        boolean without = word.startsWith("!");
        Enlightenment group = Enlightenment.named(without ? word.substring(1) : word);
        if (group == null) {
            throw new IllegalArgumentException("'" + word + "' is no group of enlightenments");
        }
        (without ? off : on).add(group);
        (without ? on : off).remove(group);
    }

    /// The groups by their names, which [#parse] reads.
    public List<String> words() {
        return groups.stream().map(Enlightenment::word).toList();
    }

    /// Whether the guest sees Hyper-V at all.
    public boolean isOn() {
        return !groups.isEmpty();
    }

    /// Whether KVM has to turn the synthetic interrupt controller on, for each vCPU.
    public boolean hasSynic() {
        return groups.contains(Enlightenment.SYNIC);
    }

    /// Hyper-V's leaves; none if the guest does not see it.
    List<CpuidEntry> leaves() {
        if (!isOn()) {
            return List.of();
        }
        int limit = groups.contains(Enlightenment.NO_VP_LIMIT) ? NO_LIMIT : 0;
        List<CpuidEntry> leaves = new ArrayList<>();
        leaves.add(leaf(LEAVES, LEAVES + LAST, VENDOR_EBX, VENDOR_ECX, VENDOR_EDX));
        leaves.add(leaf(LEAVES + 1, INTERFACE, 0, 0, 0));
        leaves.add(leaf(LEAVES + 2, BUILD, VERSION, 0, 0));
        leaves.add(leaf(FEATURES, msrs(), 0, 0, features()));
        leaves.add(leaf(HINTS, hints(), SPINLOCK_RETRIES, 0, 0));
        leaves.add(leaf(LEAVES + 5, limit, 0, 0, 0));
        leaves.add(leaf(LEAVES + LAST, HARDWARE, 0, 0, 0));
        return leaves;
    }

    private int msrs() {
        return groups.stream().mapToInt(Enlightenment::msrs).reduce(0, (a, b) -> a | b);
    }

    private int features() {
        return groups.stream().mapToInt(Enlightenment::features).reduce(0, (a, b) -> a | b);
    }

    private int hints() {
        return groups.stream().mapToInt(Enlightenment::hints).reduce(0, (a, b) -> a | b);
    }

    /// Checks that this host's KVM serves them.
    ///
    /// @param supported KVM's answer to `KVM_GET_SUPPORTED_HV_CPUID`
    /// @throws CannotOfferException if it does not; the message names the groups
    public void check(List<CpuidEntry> supported) throws CannotOfferException {
        CpuidEntry there = answer(supported, FEATURES);
        int msrs = there.eax();
        int features = there.edx() | 1 << 3; // vCPUs that come are ours
        int hints = answer(supported, HINTS).eax();
        String missing =
                groups.stream()
                        .filter(group ->
                                lacks(group.msrs(), msrs)
                                        || lacks(group.features(), features)
                                        || lacks(group.hints(), hints))
                        .map(Enlightenment::word)
                        .collect(Collectors.joining(", "));
        if (!missing.isEmpty()) {
            throw new CannotOfferException("viridian: this host's KVM does not have " + missing);
        }
    }

    private static CpuidEntry answer(List<CpuidEntry> supported, int function) {
        return supported.stream()
                .filter(leaf -> leaf.function() == function)
                .findFirst()
                .orElse(leaf(function, 0, 0, 0, 0));
    }

    private static CpuidEntry leaf(int function, int eax, int ebx, int ecx, int edx) {
        return new CpuidEntry(function, 0, 0, eax, ebx, ecx, edx);
    }

    private static boolean lacks(int wanted, int there) {
        return (wanted & ~there) != 0;
    }
}
