/* What a vCPU of a 64-bit guest runs that starts in real mode, and stays there: the domain is one of 32 bits from now on. */
    .text
    .globl narrowing, narrowed, narrowing_end
    .code16
narrowing:
    cli
    movl $0x40000000, %ecx          /* the hypercall MSR */
    movl $0x9000, %eax              /* any page of RAM */
    xorl %edx, %edx
    wrmsr
    movw %cs, %ax
    movw %ax, %ds
    movb $1, narrowed - narrowing
1:  hlt
    jmp 1b
narrowed:
    .byte 0
narrowing_end:
    .section .note.GNU-stack, "", @progbits
