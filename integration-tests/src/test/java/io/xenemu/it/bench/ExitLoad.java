package io.xenemu.it.bench;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.LoneVcpu;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.Segment;
import io.xenemu.kvm.ioctl.SyntheticHypercall;
import io.xenemu.kvm.memory.GuestMemory;

/// The loads of the vCPUs, with the names of the same loads without a service in `exits.c`.
enum ExitLoad {
    /// A real guest writes to a port.
    OUT("out to a device, a real guest", "out", ExitReason.IO) {
        @Override
        void prepare(LoneVcpu lone) throws XenError {
            GuestMemory memory = lone.domain().memory().guest();
            // out %al, $0x80; jmp to it
            memory.write32(CODE, 0xfceb_80e6);
            KvmVcpu vcpu = lone.kvm();
            KvmSregs sregs = vcpu.getSregs();
            sregs.segment(
                    Segment.Name.CS,
                    new Segment(0, 0xffff, 0, 11, true, 0, false, true, false, false, false));
            vcpu.setSregs(sregs);
            KvmRegs regs = new KvmRegs();
            regs.set(Gpr.RIP, CODE);
            regs.set(Gpr.RFLAGS, RFLAGS);
            vcpu.setRegs(regs);
        }
    },
    /// XENVER_pagesize.
    NO_ARGUMENT("hypercall without argument", "hypercall", ExitReason.XEN) {
        @Override
        void prepare(LoneVcpu lone) throws XenError {
            hypercall(lone, XEN_VERSION, PAGESIZE, 0);
        }
    },
    /// EVTCHNOP_status of an open port: an argument that is read and written.
    ARGUMENT("hypercall with argument in memory", "hypercall", ExitReason.XEN) {
        @Override
        void prepare(LoneVcpu lone) throws XenError {
            Domain domain = lone.domain();
            GuestMemory memory = domain.memory().guest();
            memory.write16(STRUCTURE, DomId.SELF.value());
            memory.write32(STRUCTURE + Integer.BYTES, port(domain));
            hypercall(lone, EVENT_CHANNEL_OP, STATUS, STRUCTURE);
        }
    },
    /// EVTCHNOP_send to a port that nobody has bound: an argument that is read.
    ARGUMENT_READ("hypercall that reads its argument", "hypercall", ExitReason.XEN) {
        @Override
        void prepare(LoneVcpu lone) throws XenError {
            Domain domain = lone.domain();
            domain.memory().guest().write32(STRUCTURE, port(domain));
            hypercall(lone, EVENT_CHANNEL_OP, SEND, STRUCTURE);
        }
    };

    private static final int XEN_VERSION = 17;
    private static final int PAGESIZE = 7;
    private static final int EVENT_CHANNEL_OP = 32;
    private static final int SEND = 4;
    private static final int STATUS = 5;
    private static final long RFLAGS = 2;

    /// Four page tables, one of a level each, are from here on.
    private static final long TABLES = 0x1000;

    private static final int LEVELS = 4;
    private static final int RIGHTS = 0x63;
    private static final int ENTRIES = 512;
    private static final long PAGE = GuestMemory.PAGE_SIZE;

    /// As in `exits.c`.
    private static final long CODE = 0x5000;

    private static final long STRUCTURE = 0x8_0010;
    private static final long CR0 = 1L << 31 | 1 << 16 | 1;
    private static final long CR4 = 1 << 5;
    private static final long EFER = 1 << 10 | 1 << 8;

    final String description;

    /// The argument of `exits`.
    final String counterpart;

    /// Which exits count.
    final ExitReason reason;

    ExitLoad(String description, String counterpart, ExitReason reason) {
        this.description = description;
        this.counterpart = counterpart;
        this.reason = reason;
    }

    /// Done by the vCPU's thread before it enters the loop.
    abstract void prepare(LoneVcpu lone) throws XenError;

    private static int port(Domain domain) throws XenError {
        return domain.eventChannels().allocUnbound(DomId.SELF, domain.id()).value();
    }

    /// Every exit says that a 64-bit kernel made the hypercall, with 4-level paging and the lowest 2 MiB mapped to
    /// themselves.
    private static void hypercall(LoneVcpu lone, long number, long operation, long argument)
            throws XenError {
        GuestMemory memory = lone.domain().memory().guest();
        for (int level = 1; level < LEVELS; level++) {
            long table = TABLES + PAGE * level;
            memory.write64(table - PAGE, table | RIGHTS);
        }
        for (int i = 0; i < ENTRIES; i++) {
            memory.write64(TABLES + PAGE * (LEVELS - 1) + 8L * i, PAGE * i | RIGHTS);
        }
        KvmVcpu vcpu = lone.kvm();
        KvmSregs sregs = vcpu.getSregs();
        sregs.cr0(CR0).cr3(TABLES).cr4(CR4).efer(EFER);
        sregs.segment(
                Segment.Name.CS,
                new Segment(0, -1, 0x10, 11, true, 0, false, true, true, true, false));
        vcpu.setSregs(sregs);
        SyntheticHypercall.write(vcpu, number, operation, argument);
        NeverEnter.forThisThread();
    }
}
