package io.xenemu.core.domain;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The control groups of this process, each of which limits what is in it (Linux Documentation/admin-guide/cgroup-v2.rst).
public final class ControlGroups {
    /// How a line of proc_pid_cgroup begins that is of the unified hierarchy.
    private static final String UNIFIED = "0::/";

    private ControlGroups() {}

    /// The folders of its own group and of all that this is in; none on a host that does not tell.
    ///
    /// @param root where `/proc` and `/sys` are
    public static List<Path> folders(Path root) {
        List<Path> folders = new ArrayList<>();
        Path top = root.resolve("sys/fs/cgroup");
        Path group = top.resolve(own(root)).normalize();
        while (group != null && group.startsWith(top)) {
            folders.add(group);
            group = group.getParent();
        }
        return folders;
    }

    private static String own(Path root) {
        try {
            return Files.readString(root.resolve("proc/self/cgroup"))
                    .lines()
                    .filter(line -> line.startsWith(UNIFIED))
                    .map(line -> line.substring(UNIFIED.length()))
                    .findFirst()
                    .orElse("");
        } catch (IOException e) {
            return "";
        }
    }
}
