package io.xenemu.core.cpuid;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableTable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The names of features, as libxl knows them in `cpuid=`.
///
/// Sources: Xen public/arch-x86/cpufeatureset.h (names in small letters, with hyphens), and the fields and older names
/// of libxl.
final class FeatureNames {
    private static final Splitter WORDS = Splitter.on(' ').trimResults().omitEmptyStrings();

    /// For each register the features of its bits from bit 0 up. A number before a name is that name's bit.
    private static final String FEATURES =
            """
            0x1 edx:
            fpu vme de pse tsc msr pae mce cx8 apic 11:sep mtrr pge mca cmov pat pse36
            19:clfsh 21:ds acpi mmx fxsr sse sse2 ss htt tm1 31:pbe
            0x1 ecx:
            sse3 pclmulqdq dtes64 monitor dscpl vmx smx eist tm2 ssse3 11:sdbg fma cx16 xtpr
            pdcm 17:pcid dca sse4-1 sse4-2 x2apic movbe popcnt tsc-deadline aesni xsave osxsave
            avx f16c rdrand hypervisor
            0x80000001 edx:
            11:syscall 20:nx 22:mmxext 25:ffxsr page1gb rdtscp 29:lm 3dnowext 3dnow
            0x80000001 ecx:
            lahf-lm cmp-legacy svm extapic cr8-legacy abm sse4a misalignsse 3dnowprefetch osvw
            ibs xop skinit wdt 15:lwp fma4 19:nodeid-msr 21:tbm topoext 26:dbext 29:monitorx
            addr-msk-ext
            0xd.1 eax:
            xsaveopt xsavec xgetbv1 xsaves xfd
            0x7.0 ebx:
            fsgsbase tsc-adjust sgx bmi1 hle avx2 fdp-excp-only smep bmi2 erms invpcid rtm pqm
            no-fpu-sel mpx pqe avx512f avx512dq rdseed adx smap avx512-ifma 23:clflushopt clwb
            proc-trace avx512pf avx512er avx512cd sha avx512bw avx512vl
            0x7.0 ecx:
            prefetchwt1 avx512-vbmi umip pku ospke waitpkg avx512-vbmi2 cet-ss gfni vaes
            vpclmulqdq avx512-vnni avx512-bitalg tme avx512-vpopcntdq 16:la57 22:rdpid 24:bld
            cldemote 27:movdiri movdir64b enqcmd sgx-lc pks
            0x80000007 edx:
            7:hw-pstate itsc cpb efro
            0x80000008 ebx:
            clzero 2:rstr-fp-err-ptrs 9:wbnoinvd 12:ibpb 14:ibrs amd-stibp ibrs-always
            stibp-always ibrs-fast ibrs-same-mode no-lmsl 23:amd-ppin amd-ssbd virt-ssbd ssb-no
            cppc psfd btc-no ibpb-ret
            0x7.0 edx:
            1:sgx-keys avx512-4vnniw avx512-4fmaps fsrm uintr 8:avx512-vp2intersect srbds-ctrl
            md-clear rtm-always-abort 13:tsx-force-abort serialize hybrid tsxldtrk 18:pconfig
            arch-lbr cet-ibt 22:amx-bf16 avx512-fp16 amx-tile amx-int8 ibrsb stibp l1d-flush
            arch-caps core-caps ssbd
            0x7.1 eax:
            sha512 sm3 sm4 4:avx-vnni avx512-bf16 lass cmpccxadd arch-perf-mon 10:fzrm fsrs
            fsrcs 17:fred lkgs wrmsrns nmi-src amx-fp16 23:avx-ifma 26:lam msrlist 30:no-invd
            movrs
            0x80000021 eax:
            no-nest-bp fs-gs-ns lfence-dispatch 5:verw-clear nscb 8:auto-ibrs 10:amd-fsrs
            amd-fsrc 17:cpuid-user-dis epsf fsrsc amd-prefetchi 23:avx512-bmm 27:sbpb
            ibpb-brtype srso-no srso-us-no srso-msr-fix
            0x7.1 ebx:
            intel-ppin
            0x7.2 edx:
            intel-psfd ipred-ctrl rrsba-ctrl ddp-ctrl bhi-ctrl mcdt-no uc-lock-dis
            0x7.1 edx:
            4:avx-vnni-int8 avx-ne-convert 8:amx-complex 10:avx-vnni-int16 14:prefetchi
            17:uiret-uif cet-sss 24:slsm
            msr 0x10a eax:
            rdcl-no eibrs rsba skip-l1dfl intel-ssb-no mds-no if-pschange-mc-no tsx-ctrl taa-no
            mcu-ctrl misc-pkg-ctrl energy-filtering doitm sbdr-ssdp-no fbsdp-no psdp-no mcu-ext
            fb-clear fb-clear-ctrl rrsba bhi-no xapic-status 23:ovrclk-status pbrsb-no gds-ctrl
            gds-no rfds-no rfds-clear ign-umonitor mon-umon-mitg
            msr 0x10a edx:
            pb-opt-ctrl 30:its-no
            0x80000021 ecx:
            1:tsa-sq-no tsa-l1-no
            """;

    /// libxl's other names, which come first: leaf, register, lowest bit, number of bits.
    private static final String FIELDS =
            """
            maxleaf 0x0 eax 0 32
            stepping 0x1 eax 0 4
            model 0x1 eax 4 8
            family 0x1 eax 8 8
            brandid 0x1 ebx 0 8
            clflush 0x1 ebx 8 8
            proccount 0x1 ebx 16 8
            localapicid 0x1 ebx 24 8
            est 0x1 ecx 7 1
            cntxid 0x1 ecx 10 1
            cmpxchg16 0x1 ecx 13 1
            sse4_1 0x1 ecx 19 1
            sse4.1 0x1 ecx 19 1
            sse4_2 0x1 ecx 20 1
            sse4.2 0x1 ecx 20 1
            aes 0x1 ecx 25 1
            cmpxchg8 0x1 edx 8 1
            sysenter 0x1 edx 11 1
            psn 0x1 edx 18 1
            clfsh 0x1 edx 19 1
            tm 0x1 edx 29 1
            ia64 0x1 edx 30 1
            arat 0x6 eax 2 1
            tsc_adjust 0x7.0 ebx 1 1
            cmt 0x7.0 ebx 12 1
            lahfsahf 0x80000001 ecx 0 1
            cmplegacy 0x80000001 ecx 1 1
            altmovcr8 0x80000001 ecx 4 1
            nodeid 0x80000001 ecx 19 1
            perfctr_core 0x80000001 ecx 23 1
            perfctr_nb 0x80000001 ecx 24 1
            procpkg 0x4.0 eax 26 6
            invtsc 0x80000007 edx 8 1
            ppin 0x80000008 ebx 23 1
            nc 0x80000008 ecx 0 8
            apicidsize 0x80000008 ecx 12 4
            svm_npt 0x8000000a edx 0 1
            svm_lbrv 0x8000000a edx 1 1
            svm_nrips 0x8000000a edx 3 1
            svm_tscrate 0x8000000a edx 4 1
            svm_vmcbclean 0x8000000a edx 5 1
            svm_decode 0x8000000a edx 7 1
            svm_pausefilt 0x8000000a edx 10 1
            lfence+ 0x80000021 eax 2 1
            maxhvleaf 0x40000000 eax 0 8
            """;

    private static final ImmutableMap<String, CpuFeature> BY_NAME;
    private static final ImmutableTable<PolicyLeaf, Register, Map<Integer, String>> BY_BIT;

    static {
        Map<String, CpuFeature> names = new TreeMap<>();
        ImmutableTable.Builder<PolicyLeaf, Register, Map<Integer, String>> bits =
                ImmutableTable.builder();
        List<String> lines = FEATURES.lines().toList();
        int at = 0;
        while (at < lines.size()) {
            String head = lines.get(at++);
            int space = head.lastIndexOf(' ');
            PolicyLeaf leaf = PolicyText.leaf(head.substring(0, space));
            Register register = PolicyText.register(head.substring(space + 1, head.length() - 1));
            List<String> words = new ArrayList<>();
            while (at < lines.size() && !lines.get(at).endsWith(":")) {
                words.addAll(WORDS.splitToList(lines.get(at++)));
            }
            Map<Integer, String> byBit = new HashMap<>();
            int bit = 0;
            for (String word : words) {
                int colon = word.indexOf(':');
                bit = colon < 0 ? bit : Integer.parseInt(word.substring(0, colon));
                String name = word.substring(colon + 1);
                names.put(name, new CpuFeature(name, leaf, register, bit, 1));
                byBit.put(bit, name);
                bit++;
            }
            bits.put(leaf, register, Map.copyOf(byBit));
        }
        for (String line : FIELDS.lines().toList()) {
            List<String> words = WORDS.splitToList(line);
            names.put(
                    words.get(0),
                    new CpuFeature(
                            words.get(0),
                            PolicyText.leaf(words.get(1)),
                            PolicyText.register(words.get(2)),
                            Integer.parseInt(words.get(3)),
                            Integer.parseInt(words.get(4))));
        }
        BY_NAME = ImmutableMap.copyOf(names);
        BY_BIT = bits.buildOrThrow();
    }

    private FeatureNames() {}

    /// The feature or field of this name, or null.
    static @Nullable CpuFeature named(String name) {
        return BY_NAME.get(name);
    }

    /// A feature that this code itself names.
    static CpuFeature feature(String name) {
        CpuFeature feature = named(name);
        if (feature == null) {
            throw new IllegalArgumentException("no such feature: " + name);
        }
        return feature;
    }

    /// All names.
    static ImmutableMap<String, CpuFeature> all() {
        return BY_NAME;
    }

    /// The names of the bits that are set, in ascending order. A bit without a name is called by its place.
    static List<String> of(PolicyLeaf leaf, Register register, int bits) {
        return names(leaf, register, bits, true);
    }

    /// The names of the bits that are set and have one, in ascending order.
    static List<String> named(PolicyLeaf leaf, Register register, int bits) {
        return names(leaf, register, bits, false);
    }

    private static List<String> names(PolicyLeaf leaf, Register register, int bits, boolean all) {
        Map<Integer, String> named = BY_BIT.get(leaf, register);
        List<String> names = new ArrayList<>();
        for (int bit = 0; bit < Integer.SIZE; bit++) {
            if ((bits >>> bit & 1) != 0) {
                String name = named == null ? null : named.get(bit);
                if (name != null) {
                    names.add(name);
                } else if (all) {
                    names.add(leaf + ":" + register.word() + "[" + bit + "]");
                }
            }
        }
        return names;
    }
}
