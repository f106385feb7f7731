package io.xenemu.kvm.abi;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;

/// Says for an operator why a file, socket or port cannot be used. Some of the JDK's exceptions about a file have
/// only the file's name as message, because their type gives the reason.
public final class IoReason {
    private IoReason() {}

    /// The reason, prefixed with the file if the exception names it: `/run/x: permission denied`.
    public static String of(IOException e) {
        if (e instanceof FileSystemException file && file.getReason() == null) {
            String name = file.getFile() == null ? "" : file.getFile() + ": ";
            return name + withoutFile(file);
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    /// The reason without the file, for a message that already names it.
    public static String withoutFile(IOException e) {
        return switch (e) {
            case NoSuchFileException _ -> "no such file or directory";
            case AccessDeniedException _ -> "permission denied";
            case FileAlreadyExistsException _ -> "it exists already";
            case NotDirectoryException _ -> "not a directory";
            case FileSystemException file when file.getReason() != null -> file.getReason();
            case FileSystemException file -> file.getClass().getSimpleName();
            default -> of(e);
        };
    }
}
