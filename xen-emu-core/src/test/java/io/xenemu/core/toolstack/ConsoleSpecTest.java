package io.xenemu.core.toolstack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.ConsoleSpec.Connection;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ConsoleSpecTest {
    private static ConsoleSpec parse(String... words) throws Refused {
        return ConsoleSpec.parse(List.of(words));
    }

    @Test
    void wordsAreXls() throws Refused {
        assertEquals(
                new ConsoleSpec(
                        OptionalInt.empty(),
                        "org.my.cloud.software.agent.version1",
                        Connection.SOCKET,
                        "/my/cloud/software/talk/to/domain/",
                        1 << 20,
                        16 << 20,
                        "",
                        "0"),
                parse(
                        "connection=socket, name=org.my.cloud.software.agent.version1, path = /my/cloud/software/talk/to/domain/"));
        assertEquals(Connection.PTY, parse("name=a", "connection=PTY").connection());
        assertEquals("", parse("connection=pty,path=/ignored").path());
        assertEquals("driver", parse("connection=pty,backend=driver").backend());
        assertTrue(parse("connection=pty,backend=Domain-0").isByService());
    }

    @Test
    void limitsAreOurs() throws Refused {
        ConsoleSpec file = parse("connection=file,path=/log,max-size=1G,limit=64k");
        assertEquals(1L << 30, file.maxSize());
        assertEquals(64 << 10, file.limit());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "name=a",
                "connection=socket",
                "connection=file",
                "connection=tcp,path=/a",
                "connection=socket,path=a",
                "connection=socket,path=",
                "connection=pty,name=",
                "connection=pty,name=\u00e4",
                "connection=pty,name=a=b",
                "connection=pty,name=\"a\"",
                "connection=pty,limit=4095",
                "connection=pty,limit=17M",
                "connection=pty,limit=x",
                "connection=file,path=/a,max-size=1",
                "connection=pty,nonsense=1",
                "connection=pty,ro"
            })
    void anythingElseIsRefusedInOneLine(String text) {
        Refused refused = assertThrows(Refused.class, () -> parse(text));
        assertTrue(refused.reason().lines().count() == 1, refused.reason());
    }
}
