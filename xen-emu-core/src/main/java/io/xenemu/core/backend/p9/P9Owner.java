package io.xenemu.core.backend.p9;

import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.file.Statx;

/// Gives a new file the guest's owner and exact permissions. As QEMU's security model `none` does, it goes on when the
/// kernel refuses: a service without root's rights makes files of its own user.
final class P9Owner {
    private P9Owner() {}

    /// @param fd the new file; its status is read into `scratch.status`
    /// @param mode permissions, without the service's umask
    /// @param uid -1 leaves it
    /// @param gid -1 leaves it
    static void give(P9Scratch s, int fd, int mode, int uid, int gid) {
        Statx status = s.status;
        if (s.files.status(fd, status) < 0) {
            return;
        }
        boolean owned = uid == -1 || status.uid() == uid;
        boolean grouped = gid == -1 || status.gid() == gid;
        if (!owned || !grouped) {
            int _ = s.files.changeOwner(fd, uid, gid);
        }
        int inherited = status.mode() & OpenFlags.S_ISGID;
        int wanted = (mode & P9Opens.PERMISSIONS) | inherited;
        if (status.type() != OpenFlags.S_IFLNK && (status.mode() & P9Opens.PERMISSIONS) != wanted) {
            int _ = s.files.changeMode(fd, wanted);
        }
    }
}
