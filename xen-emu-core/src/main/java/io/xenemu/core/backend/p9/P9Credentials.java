package io.xenemu.core.backend.p9;

import io.xenemu.core.toolstack.P9SecurityModel;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.file.Statx;

/// Keeps the guest's owners, permissions and types of files as the share's security model wants it.
final class P9Credentials {
    /// Permissions of the host's file if the guest's are in its attributes: the service's user alone has it.
    private static final int MAPPED_FILE = 0x180;

    private static final int MAPPED_DIRECTORY = 0x1c0;

    private final P9SecurityModel model;

    P9Credentials(P9SecurityModel model) {
        this.model = model;
    }

    /// Whether owners, permissions and types are in attributes.
    boolean isMapped() {
        return model == P9SecurityModel.MAPPED;
    }

    /// The permissions with which the host's file is made.
    ///
    /// @param mode type and permissions of the guest's file
    int hostMode(int mode) {
        if (!isMapped()) {
            return mode & P9Opens.PERMISSIONS;
        }
        return (mode & OpenFlags.S_IFMT) == OpenFlags.S_IFDIR ? MAPPED_DIRECTORY : MAPPED_FILE;
    }

    /// Changes `scratch.status` to what the guest is to see of the file.
    void show(P9Scratch s, int fd) {
        if (isMapped()) {
            s.mapped.show(s.files, fd, s.status);
        }
    }

    /// Gives a new file the guest's owner and exact permissions. What is in `scratch.status` then has no meaning.
    ///
    /// @param mode type and permissions, without the service's umask; for a device its numbers are in `scratch`
    /// @param uid -1 leaves it
    /// @param gid -1 leaves it
    /// @throws P9Error if the model wants it and the host refuses; the file stays
    void give(P9Scratch s, int fd, int mode, int uid, int gid) throws P9Error {
        switch (model) {
            case MAPPED -> {
                s.mapped.setOwner(s.files, fd, uid, gid);
                s.mapped.setMode(s.files, fd, mode);
                int type = mode & OpenFlags.S_IFMT;
                if (type == OpenFlags.S_IFCHR || type == OpenFlags.S_IFBLK) {
                    s.mapped.setDevice(s.files, fd, s.major, s.minor);
                }
            }
            case NONE, PASSTHROUGH -> {
                int result = own(s, fd, mode, uid, gid);
                if (model == P9SecurityModel.PASSTHROUGH) {
                    P9Error.check(result);
                }
            }
        }
    }

    /// @return the first negated errno, or 0
    private static int own(P9Scratch s, int fd, int mode, int uid, int gid) {
        Statx status = s.status;
        int result = s.files.status(fd, status);
        if (result < 0) {
            return result;
        }
        boolean owned = uid == -1 || status.uid() == uid;
        boolean grouped = gid == -1 || status.gid() == gid;
        if (!owned || !grouped) {
            result = s.files.changeOwner(fd, uid, gid);
        }
        int inherited = status.mode() & OpenFlags.S_ISGID;
        int wanted = (mode & P9Opens.PERMISSIONS) | inherited;
        if (status.type() != OpenFlags.S_IFLNK && (status.mode() & P9Opens.PERMISSIONS) != wanted) {
            int changed = s.files.changeMode(fd, wanted);
            result = result < 0 ? result : changed;
        }
        return result;
    }

    /// Changes a file's owner. With the model `none`, the kernel's refusal is no error to the guest, as with QEMU: a
    /// service without root's rights keeps all files its own.
    ///
    /// @param uid -1 leaves it
    /// @param gid -1 leaves it
    void changeOwner(P9Scratch s, int fd, int uid, int gid) throws P9Error {
        if (isMapped()) {
            s.mapped.setOwner(s.files, fd, uid, gid);
            return;
        }
        int result = s.files.changeOwner(fd, uid, gid);
        if (result != -Errno.EPERM || model == P9SecurityModel.PASSTHROUGH) {
            P9Error.check(result);
        }
    }

    /// Changes a file's permissions.
    void changeMode(P9Scratch s, int fd, int permissions) throws P9Error {
        if (isMapped()) {
            P9Error.check(s.files.status(fd, s.status));
            show(s, fd);
            s.mapped.setMode(s.files, fd, s.status.type() | permissions);
        } else {
            P9Error.check(s.files.changeMode(fd, permissions));
        }
    }
}
