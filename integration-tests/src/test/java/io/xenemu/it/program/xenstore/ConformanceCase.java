package io.xenemu.it.program.xenstore;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// Something to say to a daemon.
///
/// @param name unique; letters, digits and `-`
/// @param script says it
record ConformanceCase(String name, Script script) {
    /// The requests.
    @FunctionalInterface
    interface Script {
        /// Says it, in a directory that exists and is empty.
        void say(Conversation c) throws IOException;
    }

    /// The daemon's answers.
    List<String> run(Path socket) {
        String directory = "/conformance/" + name;
        try (Conversation c = new Conversation(socket, directory)) {
            try {
                c.prepare(WireMessage.MKDIR, "$\0");
                script.say(c);
            } catch (IOException e) {
                c.lines().add("failed: " + e.getMessage());
            }
            return c.lines();
        } catch (IOException e) {
            return List.of("no connection: " + e.getMessage());
        }
    }
}
