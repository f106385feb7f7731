package io.xenemu.core.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The control groups of this process. Each limits its own processes and the groups in it (Linux
/// Documentation/admin-guide/cgroup-v2.rst).
public final class ControlGroups {
    /// The prefix of the unified hierarchy's line in `/proc/PID/cgroup`.
    private static final String UNIFIED = "0::/";

    private ControlGroups() {}

    /// The folders of the process's group and of all groups around it; none if the host does not show them.
    ///
    /// @param root the folder of `/proc` and `/sys`
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
