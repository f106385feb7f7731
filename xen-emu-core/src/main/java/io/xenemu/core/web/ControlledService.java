package io.xenemu.core.web;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.Json;
import java.nio.file.Path;
import java.util.List;

/// A service that is reached by its control socket.
///
/// @param socket its path
public record ControlledService(Path socket) implements Watched {
    @Override
    public List<Json.Obj> rows(List<String> words, String member) throws HostException {
        return ControlClient.rows(socket, words, member);
    }

    @Override
    public void command(List<String> words) throws HostException {
        List<String> _ = ControlClient.command(socket, words);
    }
}
