package io.xenemu.core.boot;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.util.Arrays;

/// The page of code with which a guest may make hypercalls. Each number has a routine of 32 bytes, which puts the
/// number into EAX, exits to KVM and returns. The remaining bytes are `int3`. KVM would fill the page in the same way,
/// except for the `iret` of PV guests, which is an invalid instruction here as in Xen.
///
/// Source: Xen's `init_hypercall_page` for VMX and SVM, and `kvm_xen_write_hypercall_page` in Linux.
public final class HypercallPage {
    private static final int STUB_SIZE = 32;
    private static final int STUBS = GuestMemory.PAGE_SIZE / STUB_SIZE;

    /// `__HYPERVISOR_iret`.
    private static final int IRET = 23;

    private static final byte INT3 = (byte) 0xcc;
    private static final byte[] UD2 = {0x0f, 0x0b};

    /// `mov $0, %eax`; its immediate operand begins at the second byte.
    private static final byte[] MOV_TO_EAX = {(byte) 0xb8, 0, 0, 0, 0};

    private static final byte[] VMCALL = {0x0f, 0x01, (byte) 0xc1};
    private static final byte[] VMMCALL = {0x0f, 0x01, (byte) 0xd9};
    private static final byte RET = (byte) 0xc3;

    private final byte[] contents = new byte[GuestMemory.PAGE_SIZE];

    /// @param amd whether the processor's hypercall instruction is VMMCALL instead of VMCALL
    public HypercallPage(boolean amd) {
        Arrays.fill(contents, INT3);
        for (int number = 0; number < STUBS; number++) {
            int at = number * STUB_SIZE;
            if (number == IRET) {
                put(UD2, at);
            } else {
                put(MOV_TO_EAX, at);
                contents[at + 1] = (byte) number;
                put(amd ? VMMCALL : VMCALL, at + MOV_TO_EAX.length);
                contents[at + MOV_TO_EAX.length + VMCALL.length] = RET;
            }
        }
    }

    private void put(byte[] instruction, int at) {
        System.arraycopy(instruction, 0, contents, at, instruction.length);
    }

    /// Writes the page to the guest's memory.
    ///
    /// @param gpa guest-physical address
    /// @throws XenError EFAULT if not all of it can be written; then nothing is
    public void writeTo(GuestMemory memory, long gpa) throws XenError {
        memory.copyOut(contents, 0, gpa, contents.length);
    }
}
