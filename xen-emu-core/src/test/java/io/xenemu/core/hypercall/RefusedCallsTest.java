package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.google.common.base.Splitter;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Xen's refusals, row by row, with the errors in Xen's order: each line is wrong in one way more than the line after
/// it. The errors and the places of fields are those of Xen's sources and headers.
///
/// A call is `number: parameters`, with `arg` for the structure's address and `bad` for no memory. Fields are
/// `offset=value` with a width in bytes, such as `2@8=0x7ff0`. Domain 1 is the caller, and 9 is none.
final class RefusedCallsTest extends CallingGuest {
    private static final Pattern FIELD = Pattern.compile("([1248])@(\\w+)=(-?\\w+)");
    private static final Splitter WORDS = Splitter.on(Pattern.compile(":? "));
    private static final int STRUCTURE_BYTES = 256;

    RefusedCallsTest() throws BootException, XenError {
        super(TestDomain.ofXen(EventChannelConfig.DEFAULT, 4, 19));
    }

    private static long number(String text) {
        return switch (text) {
            case "arg" -> ARG;
            case "bad" -> NOWHERE;
            default ->
                    text.startsWith("0x")
                            ? Long.parseUnsignedLong(text.substring(2), 16)
                            : Long.parseLong(text);
        };
    }

    private long make(HypercallContext caller, String call, @Nullable String fields)
            throws XenError {
        memory.fill(ARG, STRUCTURE_BYTES, (byte) 0);
        if (fields != null) {
            Matcher field = FIELD.matcher(fields);
            while (field.find()) {
                long at = ARG + number(field.group(2));
                long value = number(field.group(3));
                switch (field.group(1)) {
                    case "1" -> memory.write8(at, (int) value);
                    case "2" -> memory.write16(at, (int) value);
                    case "4" -> memory.write32(at, (int) value);
                    default -> memory.write64(at, value);
                }
            }
        }
        List<String> parts = WORDS.splitToList(call);
        long[] parameters = parts.stream().skip(1).mapToLong(RefusedCallsTest::number).toArray();
        return call(caller, Integer.parseInt(parts.getFirst()), parameters);
    }

    private void refused(
            HypercallContext caller, String call, @Nullable String fields, long expected)
            throws XenError {
        assertEquals(expected, make(caller, call, fields), call + " " + fields);
        assertNull(guest.domain().shutdownLatch().get());
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 14, 16, 19, 22, 23, 25, 27, 28, 30, 31, 37, 38,
                39, 43, 44, 45, 46, 47, 48, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63
            })
    void numbersOfPvGuestsAreEnosys(int number) throws XenError {
        refused(wide, number + ": bad bad bad", null, -38);
        refused(narrow, number + ": bad bad bad", null, -38);
    }

    @ParameterizedTest
    @CsvSource({
        // platform_op: EFAULT, version, right.
        "7: bad, , -14",
        "7: arg, 4@4=0x3000000, -13",
        "7: arg, 4@4=0x3000001, -1",
        // sysctl of 4.19.
        "35: bad, , -14",
        "35: arg, 4@4=0x14, -13",
        "35: arg, 4@4=0x16, -13",
        "35: arg, 4@4=0x15, -1",
        // domctl of 4.19: EFAULT, version, domain by id, right. createdomain names no domain.
        "36: bad, , -14",
        "36: arg, 4@0=3 4@4=0x16 2@8=9, -13",
        "36: arg, 4@0=3 4@4=0x17 2@8=9, -3",
        "36: arg, 4@0=3 4@4=0x17 2@8=0x7ff0, -3",
        "36: arg, 4@0=3 4@4=0x17 2@8=1, -1",
        "36: arg, 4@0=1 4@4=0x17 2@8=9, -1",
        // mmuext_op: only the foreign domain counts, 16 bits of it. DOMID_IO and DOMID_XEN are
        // Xen's own.
        "26: bad 1 bad 0x7ff0, , -22",
        "26: bad 1 bad 0x17ff0, , -22",
        "26: bad 1 bad 1, , -3",
        "26: bad 1 bad 9, , -3",
        "26: bad 1 bad 0x7ff1, , -1",
        "26: bad 1 bad 0x7ff2, , -1",
        "26: bad 1 bad 0x7ff3, , -3",
        // A call that continues without a list is told its last parameter.
        "26: 0 0x80000000 bad 0x7ff0, , 0x7ff0",
        "26: 0 0x80000000 bad 0xfffffffe, , -2",
        "26: 0 0x80000001 bad 9, , -3",
        // xenpmu_op, hypfs_op.
        "40: 0 bad, , -95",
        "42: 0 bad, , -1",
        // dm_op: number of buffers, list, domain.
        "41: 9 0 bad, , -61",
        "41: 9 3 bad, , -7",
        "41: 9 2 bad, , -14",
        "41: 9 1 arg, , -3",
        "41: 0x7ff0 1 arg, , -3",
        "41: 1 1 arg, , -1",
        // Its domain number has 16 bits.
        "41: 0x10001 1 arg, , -1",
        // paging_domctl_cont.
        "49: bad, , -14",
        "49: arg, 4@0=10 4@4=0x16 2@8=9, -95",
        "49: arg, 4@0=11 4@4=0x17 2@8=9, -95",
        "49: arg, 4@0=10 4@4=0x17 2@8=9, -3",
        "49: arg, 4@0=10 4@4=0x17 2@8=0x7ff0, -3",
        "49: arg, 4@0=10 4@4=0x17 2@8=1, -1",
        // console_io: before the command.
        "18: 7 5 bad, , -1",
        // reset_cont of event channels: EFAULT, domain, none under way.
        "32: 14 bad, , -14",
        "32: 14 arg, 2@0=9, -3",
        "32: 14 arg, 2@0=1, -16",
        "32: 14 arg, 2@0=0x7ff0, -16",
        // sched_op.
        "29: 4 bad, , -14",
        "29: 4 arg, 2@0=9, -3",
        "29: 4 arg, 2@0=0x7ff0, -3",
        "29: 4 arg, 2@0=1, -1",
        "29: 5 bad, , -14",
        "29: 7 bad, , -1",
        "29: 8 bad, , -38",
        // vcpu_op: the vCPU before the command; get_physid.
        "24: 12 2 bad, , -2",
        "24: 12 0 bad, , -22",
        "24: 11 2 arg, , -2",
        "24: 11 0 arg, , -22",
        "24: 16 2 bad, , -2",
        "24: 16 1 bad, , -38",
        // xen_version.
        "17: 10 bad, , -1",
        "17: 11 bad, , -38",
        "17: 12 0, , -38",
        "17: 13 0, , -38",
        "17: 14 0, , -38",
        "17: 15 0, , -38",
    })
    void refusalsOfOneLayout(String call, @Nullable String fields, long expected) throws XenError {
        refused(wide, call, fields, expected);
        refused(narrow, call, fields, expected);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4, 6, 7, 8, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 26, 27, 63})
    void operationsOfDeviceModelsAreEnosys(int command) throws XenError {
        refused(wide, "34: " + command + " bad", null, -38);
        refused(narrow, "34: " + command + " bad", null, -38);
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 15, 16, 17, 18, 19, 20, 21, 22, 24, 25, 26, 27,
                28, 29, 30, 31, 32, 33
            })
    void operationsOnPhysicalDevicesAreEnosys(int command) throws XenError {
        refused(wide, "33: " + command + " bad", null, -38);
        refused(narrow, "33: " + command + " bad", null, -38);
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4, 7, 9, 12, 13, 0x1000})
    void grantOperationsThatNeedAnAuditAreEnosys(int command) throws XenError {
        refused(wide, "20: " + command + " bad 1", null, -38);
        refused(narrow, "20: " + command + " bad 1", null, -38);
    }

    @ParameterizedTest
    @CsvSource({
        // pagetable_dying: EFAULT, domain, nested paging.
        "34: 9 bad, , -14",
        "34: 9 arg, 2@0=9, -3",
        "34: 9 arg, 2@0=1, -22",
        "34: 9 arg, 2@0=0x7ff0, -22",
        // xentrace.
        "34: 11 bad, , -14",
        "34: 11 arg, 2@0=1 2@2=3, -22",
        "34: 11 arg, 2@0=1 2@2=32, -22",
        "34: 11 arg, 2@0=0x1000 2@2=28, -22",
        "34: 11 arg, 2@0=0xfff 2@2=28, 0",
        // get_mem_type.
        "34: 15 bad, , -14",
        "34: 15 arg, 2@0=9 8@8=5, -3",
        "34: 15 arg, 2@0=1 8@8=5, 0",
        // Operations whose pointer must be null.
        "34: 5 arg, , -22",
        "34: 5 0, , 0",
        "34: 24 arg, , -22",
        "34: 24 0, , 0",
        "34: 25 bad, , -95",
        "34: 10 bad, , -14",
        "34: 10 arg, , 0",
    })
    void hvmOperations(String call, @Nullable String fields, long expected) throws XenError {
        refused(wide, call, fields, expected);
        refused(narrow, call, fields, expected);
    }

    /// Fields of 64-bit callers, and then of 32-bit ones.
    @ParameterizedTest
    @CsvSource({
        // mmuext_op: an empty list of a 32-bit caller is done before the domain is looked at.
        "26: bad 0 bad 9, , , -3, 0",
        "26: bad 0x80000000 bad 9, , , -3, 0",
        // machine_memory_map: Xen translates a 32-bit caller's structure first.
        "12: 0x4a bad, , , -38, -38",
        "12: 10 bad, , , -1, -14",
        "12: 10 arg, , , -1, -1",
        "12: 12 bad, , , -38, -38",
        // set_memory_map.
        "12: 0x4d bad, , , -38, -38",
        "12: 13 bad, , , -14, -14",
        "12: 13 arg, 2@0=9 4@8=1025, 2@0=9 4@4=1025, -22, -22",
        "12: 13 arg, 2@0=9 4@8=1024, 2@0=9 4@4=1024, -3, -3",
        "12: 13 arg, 2@0=1 4@8=1 8@16=0x40000000, 2@0=1 4@4=1 4@8=0x40000000, -14, -14",
        // maximum_gpfn.
        "12: 0x4e bad, , , -22, -22",
        "12: 14 bad, , , -14, -14",
        "12: 14 arg, 2@0=9, 2@0=9, -3, -3",
        "12: 0x42 bad, , , -22, -22",
        // PoD targets.
        "12: 0x50 bad, , , -38, -38",
        "12: 16 bad, , , -14, -14",
        "12: 16 arg, 2@32=9, 2@32=9, -3, -3",
        "12: 16 arg, 2@32=1, 2@32=1, -1, -1",
        "12: 17 arg, 2@32=9, 2@32=9, -3, -3",
        "12: 17 arg, 2@32=0x7ff0, 2@32=0x7ff0, -1, -1",
        // Sharing.
        "12: 18 bad, , , 0, 0",
        "12: 19 bad, , , 0, 0",
        "12: 0x52 bad, , , -38, -38",
        "12: 0x53 bad, , , -38, -38",
        "12: 20 bad, , , -38, -38",
        "12: 22 bad, , , -38, -38",
        "12: 8 bad, , , -38, -38",
        "12: 29 bad, , , -38, -38",
        // access_op, of remote domains.
        "12: 21 bad, , , -14, -14",
        "12: 21 arg, 2@2=9, 2@2=9, -3, -3",
        "12: 21 arg, 2@2=0x7ff0, 2@2=0x7ff0, -3, -3",
        "12: 21 arg, 2@2=1, 2@2=1, -1, -1",
        // add_to_physmap_batch.
        "12: 0x400007 bad, , , -33, -14",
        "12: 0x400007 arg, , , -33, -33",
        "12: 0x400017 bad, , , -33, -14",
        "12: 0x400017 arg, , , -33, -33",
        "12: 23 bad, , , -14, -14",
        "12: 23 arg, 2@0=9 2@2=3, 2@0=9 2@2=3, -95, -95",
        "12: 23 arg, 2@0=9 2@2=5, 2@0=9 2@2=5, -3, -3",
        "12: 23 arg, 2@0=1 2@2=5, 2@0=1 2@2=5, -13, -13",
        // The lists of a 32-bit caller come before the space and the domain.
        "12: 23 arg, 2@0=9 2@2=3 2@4=1 8@8=0x40000000, 2@0=9 2@2=3 2@4=1 4@8=0x40000000, -95, -14",
        "12: 23 arg, 2@0=9 2@2=5 2@4=1 8@16=0x40000000, 2@0=9 2@2=5 2@4=1 4@12=0x40000000, -3, -14",
        "12: 23 arg, 2@0=9 2@2=5 2@4=511 8@8=0x7ff808, 2@0=9 2@2=5 2@4=511 4@8=0x7ff808, -3, -3",
        "12: 23 arg, 2@0=9 2@2=5 2@4=511 8@8=0x7ff80c, 2@0=9 2@2=5 2@4=511 4@8=0x7ff80c, -3, -14",
        // remove_from_physmap.
        "12: 0x4f bad, , , -22, -14",
        "12: 0x4f arg, 2@0=9, 2@0=9, -22, -22",
        "12: 15 arg, 2@0=9, 2@0=9, -3, -3",
        // claim_pages: 32-bit callers do not have it.
        "12: 0x58 bad, , , -22, -38",
        "12: 24 bad, , , -14, -38",
        "12: 24 arg, 8@0=1 2@24=1, 4@0=1 2@16=1, -22, -38",
        "12: 24 arg, 4@16=1 2@24=1, 4@8=1 2@16=1, -22, -38",
        "12: 24 arg, 4@20=1 2@24=1, 4@12=1 2@16=1, -22, -38",
        "12: 24 arg, 2@24=9, 2@16=9, -22, -38",
        "12: 24 arg, 2@24=0x7ff0, 2@16=0x7ff0, -22, -38",
        "12: 24 arg, 2@24=1, 2@16=1, -1, -38",
        // machphys lists.
        "12: 0x45 bad, , , -38, -38",
        "12: 5 bad, , , -14, -95",
        "12: 5 arg, 4@0=5, 4@0=5, 0, -95",
        "12: 0x59 bad, , , -38, -38",
        "12: 25 bad, , , -95, -95",
        // get_vnumainfo.
        "12: 0x5a bad, , , -22, -14",
        "12: 0x5a arg, 2@2=1, 2@2=1, -22, -22",
        "12: 26 bad, , , -14, -14",
        "12: 26 arg, 2@0=9 2@2=1, 2@0=9 2@2=1, -22, -22",
        "12: 26 arg, 2@0=9, 2@0=9, -3, -3",
        "12: 26 arg, 2@0=0x7ff0, 2@0=0x7ff0, -95, -95",
        // reserved_device_memory_map.
        "12: 0x5b bad, , , -22, -22",
        "12: 27 bad, , , -14, -14",
        "12: 27 arg, 4@0=2, 4@0=2, -22, -22",
        "12: 27 arg, 4@0=1 4@4=7, 4@0=1 4@4=7, 0, 0",
        // acquire_resource.
        "12: 28 bad, , , -14, -14",
        "12: 28 arg, 2@0=9 4@12=1, 2@0=9 4@12=1, -22, -22",
        "12: 28 arg, 2@0=9 8@16=0x100000000, 2@0=9 8@16=0x100000000, -22, -22",
        "12: 28 arg, 2@0=9 4@8=1 8@16=0xffffffff, 2@0=9 4@8=1 8@16=0xffffffff, -22, -22",
        "12: 28 arg, 2@0=9, 2@0=9, -3, -3",
        "12: 28 arg, 2@0=0x7ff0, 2@0=0x7ff0, -3, -3",
        "12: 28 arg, 2@0=1, 2@0=1, -1, -1",
        // Its list of frames comes first for a 32-bit caller.
        "12: 28 arg, 2@0=1 4@8=1 4@12=1 8@24=0x40000000, 2@0=1 4@8=1 4@12=1 4@24=0x40000000, -22, -14",
        "12: 28 arg, 2@0=1 4@8=1 8@24=0x40000000, 2@0=1 4@8=1 4@24=0x40000000, -1, -14",
        "12: 28 arg, 2@0=1 4@8=0 4@12=1 8@24=0x40000000, 2@0=1 4@8=0 4@12=1 4@24=0x40000000, -22, -22",
        "12: 0x5c arg, 2@0=1 4@8=1 8@24=0x40000000, 2@0=1 4@8=1 4@24=0x40000000, -1, -22",
        "12: 0x5c arg, 2@0=1 4@8=2 8@16=0xfffffffe 8@24=0x80080, 2@0=1 4@8=2 8@16=0xfffffffe 4@24=0x80080, -22, -22",
        "12: 0x5c arg, 2@0=1 4@8=2 8@16=0xfffffffd 8@24=0x80080, 2@0=1 4@8=2 8@16=0xfffffffd 4@24=0x80080, -1, -1",
        // exchange: order, counts, all done before, domain, list, HVM.
        "12: 0x4b arg, , , -22, -22",
        "12: 11 bad, , , -14, -14",
        "12: 11 arg, 8@8=1 4@16=10 8@64=2, 4@4=1 4@8=10 4@24=1024, -1, -7",
        "12: 11 arg, 8@8=1 8@64=2 8@40=1, 4@4=1 4@24=1 4@40=2, -22, -22",
        "12: 11 arg, 8@8=1 8@40=2, 4@4=1 4@24=2, -22, -22",
        "12: 11 arg, 8@8=1 8@40=1 2@24=1 2@56=2, 4@4=1 4@24=1 2@16=1 2@36=2, -22, -22",
        "12: 11 arg, 8@8=1 8@40=1 8@64=1 2@24=9 2@56=9, 4@4=1 4@24=1 4@40=1 2@16=9 2@36=9, 0, 0",
        "12: 11 arg, 8@8=1 8@40=1 2@24=9 2@56=9, 4@4=1 4@24=1 2@16=9 2@36=9, -3, -3",
        // The lists of a 32-bit caller are read before the domains are compared, the one of new
        // frames too.
        "12: 11 arg, 8@0=0x40000000 8@8=1 8@40=1 2@24=1 2@56=2, 4@0=0x40000000 4@4=1 4@24=1 2@16=1 2@36=2, -22, -14",
        "12: 11 arg, 8@8=1 8@32=0x40000000 8@40=1 2@24=1 2@56=2, 4@4=1 4@20=0x40000000 4@24=1 2@16=1 2@36=2, -22, -14",
        "12: 0x4b arg, 8@8=1 8@40=1, 4@0=0x40000000 4@4=1 4@24=1, -22, -14",
        // The first step has 507 frames of each, which end here with the memory.
        "12: 11 arg, 8@8=508 8@40=508 2@24=1 2@56=2, 4@0=0x7ff814 4@4=508 4@20=0x7ff814 4@24=508 2@16=1 2@36=2, -22, -22",
        "12: 11 arg, 8@8=508 8@40=508 2@24=1 2@56=2, 4@0=0x7ff818 4@4=508 4@20=0x7ff814 4@24=508 2@16=1 2@36=2, -22, -14",
        "12: 11 arg, 8@8=508 8@40=508 2@24=1 2@56=2, 4@0=0x7ff814 4@4=508 4@20=0x7ff818 4@24=508 2@16=1 2@36=2, -22, -14",
        "12: 11 arg, 8@0=0x40000000 8@8=1 8@40=1 2@24=1 2@56=1, 4@0=0x40000000 4@4=1 4@24=1 2@16=1 2@36=1, -14, -14",
        "12: 11 arg, 8@0=0x80080 8@128=0xc0000 8@8=1 8@40=1 2@24=1 2@56=1, 4@0=0x80080 4@128=0xc0000 4@4=1 4@24=1 2@16=1 2@36=1, -22, -22",
        "12: 11 arg, 8@0=0x80080 8@128=0x100 8@8=1 8@40=1 2@24=1 2@56=1, 4@0=0x80080 4@128=0x100 4@4=1 4@24=1 2@16=1 2@36=1, -95, -95",
    })
    void memoryOperations(
            String call,
            @Nullable String fields64,
            @Nullable String fields32,
            long expected64,
            long expected32)
            throws XenError {
        refused(wide, call, fields64, expected64);
        refused(narrow, call, fields32, expected32);
    }
}
