package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.RecordLock;

/// The requests on locks of byte ranges. A lock belongs to the open file (`F_OFD_SETLK`), so it also stands against the
/// host's processes and other guests. No request waits: the guest asks again.
final class P9Locks {
    private static final int SUCCESS = 0;
    private static final int BLOCKED = 1;
    private static final int ERROR = 2;

    /// The longest name of a client in Tgetlock; Linux sends its host name.
    static final int CLIENT_MAX = 255;

    private final P9Session session;

    P9Locks(P9Session session) {
        this.session = session;
    }

    /// Tlock: `fid[4] type[1] flags[4] start[8] length[8] proc_id[4] client_id[s]`.
    void lock(P9Scratch s) throws P9Error {
        P9OpenFile file = session.holdOpen(s.in.u32());
        try {
            int type = type(s);
            s.in.u32();
            long start = s.in.u64();
            long length = s.in.u64();
            int fd = file.locks(s, session.isReadOnly());
            s.lock.set(type, start, length);
            int result = Beneath.lock(fd, s.lock);
            s.out.u8(
                    switch (result) {
                        case 0 -> SUCCESS;
                        case -Errno.EAGAIN, -Errno.EACCES -> BLOCKED;
                        default -> ERROR;
                    });
        } finally {
            session.fids().letGo(file);
        }
    }

    private static int type(P9Scratch s) throws P9Error {
        int type = s.in.u8();
        if (type > RecordLock.F_UNLCK) {
            throw P9Error.of(Errno.EINVAL);
        }
        return type;
    }

    /// Tgetlock: `fid[4] type[1] start[8] length[8] proc_id[4] client_id[s]`. The answer has the lock that stands
    /// in the way; it cannot name the process that has it, so it names the one that asks.
    void getlock(P9Scratch s) throws P9Error {
        P9OpenFile file = session.holdOpen(s.in.u32());
        try {
            int type = type(s);
            long start = s.in.u64();
            long length = s.in.u64();
            int process = s.in.u32();
            int client = s.in.string(s.name, CLIENT_MAX);
            s.lock.set(type, start, length);
            P9Error.check(Beneath.findLock(file.locks(s, session.isReadOnly()), s.lock));
            s.out.u8(s.lock.type());
            s.out.u64(s.lock.start());
            s.out.u64(s.lock.length());
            s.out.u32(process);
            s.out.u16(client);
            s.out.bytes(s.name, client);
        } finally {
            session.fids().letGo(file);
        }
    }
}
