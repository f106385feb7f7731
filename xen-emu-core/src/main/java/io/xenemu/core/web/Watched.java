package io.xenemu.core.web;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.Json;
import java.util.List;

/// The service at which the page looks.
public interface Watched {
    /// Asks for a list.
    ///
    /// @param words the verb and its arguments
    /// @param member of the answer that is the list
    /// @throws HostException if there is no service, or it refuses
    List<Json.Obj> rows(List<String> words, String member) throws HostException;

    /// Carries out a command.
    ///
    /// @throws HostException if there is no service, or it refuses
    void command(List<String> words) throws HostException;
}
