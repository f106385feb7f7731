package io.xenemu.core.hypercall;

import com.google.common.collect.ImmutableList;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.MemoryStructs.AcquireResource;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestStruct;
import org.jspecify.annotations.Nullable;

/// A check that Xen makes before a [FixedAnswer], as data. The checks of an answer run in order, and the first that
/// fails gives the error.
sealed interface Check {
    /// Passes if the call satisfies this check.
    ///
    /// @throws XenError the answer to a call that does not
    void run(HypercallContext call) throws XenError;

    /// EFAULT unless the structure that a parameter points to can be read. Later checks look at it.
    record Reads(GuestStruct struct, int parameter) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            call.argument().copyIn(struct, call.word(parameter));
        }
    }

    /// EFAULT unless an array can be read. Its length is in another parameter.
    record ReadsArray(GuestStruct struct, int parameter, int count) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            long length = Integer.toUnsignedLong(call.u32(count));
            for (long i = 0; i < length; i++) {
                call.argument().copyIn(struct, call.word(parameter), i);
            }
        }
    }

    /// EFAULT unless a 32-bit caller's list of frames for acquire_resource can be read, as far as Xen translates it at
    /// once; EINVAL if the call continues behind its end. Later checks see the rest that Xen sees.
    record ReadsResourceFrames() implements Check {
        /// The frame numbers that fit behind the structure into Xen's two pages.
        private static final long STEP = 1020;

        @Override
        public void run(HypercallContext call) throws XenError {
            GuestArgument argument = call.argument();
            long list = argument.get(AcquireResource.FRAME_LIST);
            long frames = argument.get(AcquireResource.NR_FRAMES);
            if (list == 0 || frames == 0) {
                return;
            }
            long start = MemoryOp.start(call);
            if (start >= frames) {
                throw XenError.EINVAL;
            }
            long step = Math.min(frames - start, STEP);
            MemoryOp.requireUlongs(call, list, start, start + step);
            argument.set(AcquireResource.FRAME, argument.get(AcquireResource.FRAME) + start);
            argument.set(AcquireResource.NR_FRAMES, step);
        }
    }

    /// An error unless a number is the expected one.
    record Is(Operand number, long expected, XenError error) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            if (number.of(call) != expected) {
                throw error;
            }
        }
    }

    /// An error for a number above a limit, both unsigned.
    record AtMost(Operand number, long limit, XenError error) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            if (Long.compareUnsigned(number.of(call), limit) > 0) {
                throw error;
            }
        }
    }

    /// An error if a number is one that the call must not have.
    record IsNot(Operand number, long refused, XenError error) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            if (number.of(call) == refused) {
                throw error;
            }
        }
    }

    /// EINVAL for a number that is not a multiple of the size of a `uint32_t`.
    record IsOfWords(Operand number) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            if (number.of(call) % Integer.BYTES != 0) {
                throw XenError.EINVAL;
            }
        }
    }

    /// An error for a command of memory_op if its upper bits ask to continue a call.
    record IsWhole(XenError error) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            MemoryOp.requireWhole(call, error);
        }
    }

    /// An error that depends on the domain that a number names. Domain 0 is a PV domain, as Xen's first domain mostly
    /// is; every other one is an HVM domain. A null error lets such a domain pass.
    ///
    /// @param domid its low 16 bits count
    /// @param self for DOMID_SELF
    /// @param own for the caller's own number
    /// @param unknown for numbers of no domain
    /// @param pv for domain 0
    /// @param hvm for another guest
    record NamesDomain(
            Operand domid,
            @Nullable XenError self,
            @Nullable XenError own,
            XenError unknown,
            @Nullable XenError pv,
            @Nullable XenError hvm)
            implements Check {
        /// Xen's `rcu_lock_domain_by_any_id`, and then the right to act on oneself only.
        static NamesDomain itself(Operand domid) {
            return itself(domid, XenError.EPERM);
        }

        /// Xen's `rcu_lock_domain_by_any_id`, and then an error for every other domain.
        static NamesDomain itself(Operand domid, XenError another) {
            return new NamesDomain(domid, null, null, XenError.ESRCH, another, another);
        }

        /// Xen's `rcu_lock_domain_by_any_id`.
        static NamesDomain any(Operand domid) {
            return new NamesDomain(domid, null, null, XenError.ESRCH, null, null);
        }

        /// Xen's `rcu_lock_domain_by_id`, which does not know DOMID_SELF.
        static NamesDomain byId(Operand domid, XenError unknown) {
            return new NamesDomain(domid, unknown, null, unknown, null, null);
        }

        /// Xen's `rcu_lock_remote_domain_by_id`.
        static NamesDomain remote(Operand domid) {
            return new NamesDomain(
                    domid, XenError.ESRCH, XenError.EPERM, XenError.ESRCH, null, null);
        }

        @Override
        public void run(HypercallContext call) throws XenError {
            XenError error = error(call.domain(), (int) (domid.of(call) & 0xffff));
            if (error != null) {
                throw error;
            }
        }

        private @Nullable XenError error(Domain domain, int id) {
            if (id == DomId.SELF.value()) {
                return self;
            }
            if (id == domain.id().value()) {
                return own;
            }
            if (domain.forbidden(id) == XenError.ESRCH) {
                return unknown;
            }
            return id == DomId.DOM0.value() ? pv : hvm;
        }
    }

    /// ENOENT unless the second parameter names a vCPU.
    record NamesVcpu() implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            VcpuOp.target(call);
        }
    }

    /// An error before a release of Xen.
    record SinceXen(int major, int minor, XenError error) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            if (!call.domain().config().isXenFrom(major, minor)) {
                throw error;
            }
        }
    }

    /// An error in any case: for callers that do not have the operation.
    record Never(XenError error) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            throw error;
        }
    }

    /// A check of callers in 32-bit mode alone: Xen copies their structure first.
    record Narrow(Check check) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            if (call.width() == GuestWidth.BITS_32) {
                check.run(call);
            }
        }
    }

    /// A check of callers in 64-bit mode alone.
    record Wide(Check check) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            if (call.width() == GuestWidth.BITS_64) {
                check.run(call);
            }
        }
    }

    /// A check that is skipped for calls with a certain number.
    record Unless(Operand number, long value, Check check) implements Check {
        @Override
        public void run(HypercallContext call) throws XenError {
            if (number.of(call) != value) {
                check.run(call);
            }
        }
    }

    /// An error unless the caller passes the interface version of its Xen.
    ///
    /// @param versions by release, latest first
    record KnowsInterface(Operand number, ImmutableList<Version> versions, XenError error)
            implements Check {
        /// The version from a release of Xen on.
        record Version(int major, int minor, long number) {}

        KnowsInterface(Operand number, XenError error, Version... versions) {
            this(number, ImmutableList.copyOf(versions), error);
        }

        private long expected(DomainConfig config) {
            for (int i = 0; i < versions.size() - 1; i++) {
                Version version = versions.get(i);
                if (config.isXenFrom(version.major, version.minor)) {
                    return version.number;
                }
            }
            return versions.getLast().number;
        }

        @Override
        public void run(HypercallContext call) throws XenError {
            if (number.of(call) != expected(call.domain().config())) {
                throw error;
            }
        }
    }
}
