package io.xenemu.kvm.abi;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;

/// Why a file, socket or port is not to be had, in words for an operator. The JDK's message of an exception about a file is the
/// file alone when its type says the rest.
public final class IoReason {
    private IoReason() {}

    /// The reason, with the file where the exception knows it: `/run/x: permission denied`.
    public static String of(IOException e) {
        if (e instanceof FileSystemException file && file.getReason() == null) {
            String name = file.getFile() == null ? "" : file.getFile() + ": ";
            return name + withoutFile(file);
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    /// The reason alone, where the file is told already.
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
