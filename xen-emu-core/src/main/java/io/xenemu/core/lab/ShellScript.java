package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// One command as text for the lab machine's shell.
final class ShellScript {
    /// Exit status when the working folder does not exist in the lab; `env` uses it for its own failures.
    private static final int CANNOT_ENTER_FOLDER = 125;

    private ShellScript() {}

    /// Quotes any word.
    static String quote(String word) {
        return "'" + word.replace("'", "'\\''") + "'";
    }

    /// A script that becomes the command.
    ///
    /// @param pidFile gets the process id, which is also its process group
    static byte[] of(
            String pidFile, Path folder, Map<String, String> environment, List<String> command) {
        StringBuilder script = new StringBuilder();
        script.append("echo $$ >%s\n".formatted(quote(pidFile)));
        script.append(
                "cd %s || exit %d\n".formatted(quote(folder.toString()), CANNOT_ENTER_FOLDER));
        script.append("exec env -i");
        environment.forEach((name, value) -> script.append(' ').append(quote(name + "=" + value)));
        command.forEach(word -> script.append(' ').append(quote(word)));
        return script.append('\n').toString().getBytes(UTF_8);
    }
}
