package io.xenemu.core.hypercall;

import io.xenemu.gnttab.GrantStatus;
import io.xenemu.gnttab.MapBatch;
import io.xenemu.gnttab.UnmapBatch;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.GnttabStructs.MapGrantRef;
import io.xenemu.kvm.abi.xen.GnttabStructs.UnmapGrantRef;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestStruct;
import org.jspecify.annotations.Nullable;

/// `GNTTABOP_map_grant_ref` and `GNTTABOP_unmap_grant_ref`. Up to 32 structures of a call are served together, as Xen
/// does for unmapping: neighbours among them cost one change of the guest's address space, which is a system call.
final class GrantMappingOps {
    private static final int TOGETHER = Math.min(MapBatch.SIZE, UnmapBatch.SIZE);
    private static final Operation MAP = new Map();
    private static final Operation UNMAP = new Unmap();

    private GrantMappingOps() {}

    /// One of the two operations, on structures that are read one after the other, served together, and answered one
    /// after the other.
    private interface Operation {
        GuestStruct struct();

        void clear(HypercallContext c);

        /// Adds the structure that has been copied in.
        void add(HypercallContext c);

        void serve(HypercallContext c);

        /// Writes the results of structure `i` back to its address. Other fields stay as the guest has them.
        void answer(HypercallContext c, int i, long address) throws XenError;
    }

    static long map(HypercallContext c) throws XenError {
        return batches(c, MAP);
    }

    static long unmap(HypercallContext c) throws XenError {
        return batches(c, UNMAP);
    }

    /// Serves the call's array. A structure that cannot be read ends the call when those before it have been served.
    /// After each piece the vCPU serves its mailbox. If the call is to end early, the guest makes another one for the
    /// rest, as when Xen interrupts a batch.
    private static long batches(HypercallContext c, Operation operation) throws XenError {
        int count = GrantTableOp.count(c);
        for (int done = 0; done < count; ) {
            done += serve(c, operation, done, Math.min(TOGETHER, count - done));
            c.vcpu().serveMailbox();
            int left = count - done;
            if (left > 0 && c.isPreempted()) {
                return GrantTableOp.continued(c, operation.struct(), done, left);
            }
        }
        return 0;
    }

    private static int serve(HypercallContext c, Operation operation, int first, int count)
            throws XenError {
        GuestArgument argument = c.argument();
        GuestStruct struct = operation.struct();
        @Nullable XenError fault = null;
        int read = 0;
        operation.clear(c);
        while (read < count && fault == null) {
            try {
                argument.copyIn(struct, argument.element(struct, c.word(1), first + read));
                operation.add(c);
                read++;
            } catch (XenError e) {
                fault = e;
            }
        }
        operation.serve(c);
        for (int i = 0; i < read; i++) {
            operation.answer(c, i, argument.element(struct, c.word(1), first + i));
        }
        if (fault != null) {
            throw fault;
        }
        return read;
    }

    private static final class Map implements Operation {
        @Override
        public GuestStruct struct() {
            return MapGrantRef.STRUCT;
        }

        @Override
        public void clear(HypercallContext c) {
            c.maps().clear();
        }

        @Override
        public void add(HypercallContext c) {
            var argument = c.argument();
            c.maps()
                    .add(
                            argument.get(MapGrantRef.HOST_ADDR),
                            argument.bits(MapGrantRef.FLAGS),
                            argument.bits(MapGrantRef.REF),
                            DomId.of(argument.get(MapGrantRef.DOM)));
        }

        @Override
        public void serve(HypercallContext c) {
            c.domain().grantTable().map(c.maps());
        }

        @Override
        public void answer(HypercallContext c, int i, long address) throws XenError {
            var argument = c.argument();
            MapBatch batch = c.maps();
            GrantStatus status = batch.status(i);
            argument.set(MapGrantRef.STATUS, status.code());
            argument.copyOut(MapGrantRef.STATUS, address);
            if (status == GrantStatus.OKAY) {
                argument.set(MapGrantRef.HANDLE, batch.handle(i));
                argument.copyOut(MapGrantRef.HANDLE, address);
                argument.set(MapGrantRef.DEV_BUS_ADDR, batch.busAddress(i));
                argument.copyOut(MapGrantRef.DEV_BUS_ADDR, address);
            }
        }
    }

    /// Xen compares `dev_bus_addr` only for device mappings, which HVM guests do not have.
    private static final class Unmap implements Operation {
        @Override
        public GuestStruct struct() {
            return UnmapGrantRef.STRUCT;
        }

        @Override
        public void clear(HypercallContext c) {
            c.unmaps().clear();
        }

        @Override
        public void add(HypercallContext c) {
            var argument = c.argument();
            c.unmaps()
                    .add(
                            argument.get(UnmapGrantRef.HOST_ADDR),
                            argument.bits(UnmapGrantRef.HANDLE));
        }

        @Override
        public void serve(HypercallContext c) {
            c.domain().grantTable().unmap(c.unmaps());
        }

        @Override
        public void answer(HypercallContext c, int i, long address) throws XenError {
            var argument = c.argument();
            argument.set(UnmapGrantRef.STATUS, c.unmaps().status(i).code());
            argument.copyOut(UnmapGrantRef.STATUS, address);
        }
    }
}
