package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.MemorySegment;

/// One operation of `GNTTABOP_copy`. Belongs to one vCPU of the domain that copies, and is reused, so that a copy
/// allocates no object.
///
/// Xen keeps the page that one operation of a batch has claimed, if the next operation names it too. Here each
/// operation claims its own; a guest sees no difference.
public final class GrantCopy {
    private final Granters domains;
    private final GrantTableMetrics metrics;
    private final CopyEnd source;
    private final CopyEnd dest;

    GrantCopy(DomId domId, Pins own, Granters domains, GrantTableMetrics metrics) {
        this.domains = domains;
        this.metrics = metrics;
        this.source = new CopyEnd(domId, own, true);
        this.dest = new CopyEnd(domId, own, false);
    }

    /// Sets the source.
    ///
    /// @param dom the page's domain; `DOMID_SELF` allowed
    /// @param isRef whether `page` is a reference (`GNTCOPY_source_gref`); else it is a guest frame of the calling
    ///     domain
    /// @param page a guest frame, or a reference in the low 32 bits
    /// @param offset of the first byte in the page, 0 to 65535
    public void from(DomId dom, boolean isRef, long page, int offset) {
        source.set(dom, isRef, page, offset);
    }

    /// Sets the destination, as [#from] (`GNTCOPY_dest_gref`).
    public void to(DomId dom, boolean isRef, long page, int offset) {
        dest.set(dom, isRef, page, offset);
    }

    /// Copies.
    ///
    /// @param length bytes, 0 to 65535; for 0 nothing is checked, as in Xen since 4.19
    /// @return `PERMISSION_DENIED` another domain's page named by its frame; `BAD_DOMAIN` no such domain;
    ///     `BAD_GNTREF`, `GENERAL_ERROR`, `BAD_PAGE` the page, or a part of the range in it, cannot be read or
    ///     written; `BAD_COPY_ARG` the range crosses the end of a page; `EAGAIN` a transitive grant changed at every
    ///     try, or the page's domain is being saved
    public GrantStatus run(int length) {
        GrantStatus status = claimAndCopy(length);
        if (status == GrantStatus.OKAY) {
            metrics.copied(length);
        }
        return metrics.finished(GrantOp.COPY, status);
    }

    private GrantStatus claimAndCopy(int length) {
        if (length == 0) {
            return GrantStatus.OKAY;
        }
        GrantStatus status = source.find(domains);
        if (status == GrantStatus.OKAY) {
            status = dest.find(domains);
        }
        if (status == GrantStatus.OKAY) {
            status = source.claim();
        }
        if (status != GrantStatus.OKAY) {
            return status;
        }
        try {
            status = dest.claim();
            if (status != GrantStatus.OKAY) {
                return status;
            }
            try {
                return copy(length);
            } finally {
                dest.release();
            }
        } finally {
            source.release();
        }
    }

    private GrantStatus copy(int length) {
        if (source.isBeyondPage(length) || dest.isBeyondPage(length)) {
            return GrantStatus.BAD_COPY_ARG;
        }
        if (!source.grants(length) || !dest.grants(length)) {
            return GrantStatus.GENERAL_ERROR;
        }
        MemorySegment.copy(source.memory(), source.at(), dest.memory(), dest.at(), length);
        return GrantStatus.OKAY;
    }
}
