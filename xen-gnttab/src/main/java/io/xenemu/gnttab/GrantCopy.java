package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.MemorySegment;

/// `GNTTABOP_copy`, one operation of it at a time. Belongs to one vCPU of the domain that copies and is used again, so that a
/// copy costs no object.
///
/// Xen keeps what one operation of a batch has claimed for the next one if that names the same page; here each claims its
/// own, of which a guest sees nothing.
public final class GrantCopy {
    private final Domains domains;
    private final GrantTableMetrics metrics;
    private final CopyEnd source;
    private final CopyEnd dest;

    GrantCopy(DomId domId, Pins own, Domains domains, GrantTableMetrics metrics) {
        this.domains = domains;
        this.metrics = metrics;
        this.source = new CopyEnd(domId, own, true);
        this.dest = new CopyEnd(domId, own, false);
    }

    /// Says from where.
    ///
    /// @param dom whose page it is; `DOMID_SELF` allowed
    /// @param isRef whether `page` is a reference (`GNTCOPY_source_gref`), else a guest frame of one's own
    /// @param page of a reference the low 32 bits count
    /// @param offset of the first byte in the page, 0 to 65535
    public void from(DomId dom, boolean isRef, long page, int offset) {
        source.set(dom, isRef, page, offset);
    }

    /// Says to where, as [#from] (`GNTCOPY_dest_gref`).
    public void to(DomId dom, boolean isRef, long page, int offset) {
        dest.set(dom, isRef, page, offset);
    }

    /// Copies.
    ///
    /// @param length bytes, 0 to 65535; nothing is looked at to copy nothing, as in Xen since 4.19
    /// @return `PERMISSION_DENIED` another domain's page by its frame; `BAD_DOMAIN` no such domain; `BAD_GNTREF`,
    ///     `GENERAL_ERROR`, `BAD_PAGE` the page cannot be read or written, or not all that much of it; `BAD_COPY_ARG`
    ///     across the end of a page; `EAGAIN` a transitive grant changed all the time
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
