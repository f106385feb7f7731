package io.xenemu.core.json;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

/// JSON over several lines.
final class IndentedJsonTest {
    @Test
    void membersHaveALineEach() {
        Json guest =
                Json.EMPTY
                        .with("domid", 1)
                        .with("config", Json.EMPTY.with("name", "web").with("nics", Json.EMPTY));

        assertEquals(
                List.of(
                        "[",
                        "    {",
                        "        \"domid\": 1,",
                        "        \"config\": {",
                        "            \"name\": \"web\",",
                        "            \"nics\": {}",
                        "        }",
                        "    }",
                        "]"),
                IndentedJson.lines(new Json.Array(List.of(guest))));
    }
}
